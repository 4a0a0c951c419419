package scenarios

import (
	"fmt"
	"sync"

	"github.com/gamedayhq/gameday/probes"
	"github.com/gamedayhq/gameday/reports"
)

// stops judges the stop conditions on each sample.
type stops struct {
	mu      sync.Mutex
	sliding []*reports.Sliding
}

func newStops(conditions []reports.StopWhen) *stops {
	s := &stops{}
	for _, condition := range conditions {
		s.sliding = append(s.sliding, reports.NewSliding(condition))
	}
	return s
}

// add returns why the drill must stop, or nothing.
func (s *stops) add(sample probes.Sample) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.sliding {
		if one.Add(sample) {
			return fmt.Sprint(one)
		}
	}
	return ""
}
