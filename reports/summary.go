package reports

import (
	"time"

	"github.com/gamedayhq/gameday/probes"
)

// MaxOutages bounds how many outages of a monitor are listed; all are counted.
const MaxOutages = 100

// summary tells of one monitor over the whole drill, or over all that is recorded when it never came to a baseline.
type summary struct {
	stretch
	times histogram
	out   MonitorSummary
	now   *Outspan
}

func newSummary(p *plan, info MonitorInfo) *summary {
	w := p.window(Window{During: windowWhole})
	if w.unmet != "" {
		w = window{name: w.name, to: forever}
	}
	return &summary{stretch: p.stretch(info.Name, w), out: MonitorSummary{Name: info.Name}}
}

func (s *summary) take(sample probes.Sample) {
	if !s.count(sample) {
		return
	}
	switch sample.Outcome {
	case probes.Good:
		s.times.add(sample.Took)
		s.over(sample.Due+sample.Took, false)
	case probes.Bad:
		if s.now == nil {
			s.now = &Outspan{From: sample.Due}
		}
		s.now.Bad++
	case probes.Missed:
	}
}

func (s *summary) over(at time.Duration, open bool) {
	if s.now == nil {
		return
	}
	s.now.Open = open
	if !open {
		s.now.To = at
	}
	s.out.OutageCount++
	if len(s.out.Outages) < MaxOutages {
		s.out.Outages = append(s.out.Outages, *s.now)
	}
	s.now = nil
}

// tell ends the summary. The quantiles are upper bounds, known to 0.8 %.
func (s *summary) tell() MonitorSummary {
	s.over(0, true)
	s.out.Slots = s.slots()
	if n := s.times.total; n > 0 {
		s.out.Latency = map[string]time.Duration{"max": s.times.max}
		for name, quantile := range map[string]Ratio{"p50": 0.5, "p90": 0.9, "p99": 0.99} {
			s.out.Latency[name] = s.times.at(rankOf(quantile, n)).Hi
		}
	}
	return s.out
}
