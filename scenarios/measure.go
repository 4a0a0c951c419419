package scenarios

import (
	"context"
	"errors"
	"fmt"

	"github.com/gamedayhq/gameday/probes"
	"github.com/gamedayhq/gameday/reports"
)

// Measure reads a number from a Prometheus and records it by name, for an objective of the kind value to be judged on.
type Measure struct {
	Name string `json:"name"` // of the number, as the objective calls it
	probes.Query
}

var (
	_ Action    = (*Measure)(nil)
	_ Describer = (*Measure)(nil)
	_ Problems  = (*Measure)(nil)
)

// Do asks once. A query without data is recorded as such, and leaves what is judged on it open; a Prometheus that cannot be
// asked is the harness's trouble.
func (m *Measure) Do(ctx context.Context, env Env) error {
	number, err := m.Value(ctx)
	switch {
	case errors.Is(err, probes.ErrNoData):
		return env.Fact(reports.TopicValue, reports.Measured{Name: m.Name, Missing: err.Error()}, m.Name+": "+err.Error())
	case err != nil:
		return fmt.Errorf("measure %q: %w", m.Name, err)
	default:
		return env.Fact(reports.TopicValue, reports.Measured{Name: m.Name, Value: number}, fmt.Sprintf("%s is %g", m.Name, number))
	}
}

// Describe says what is read.
func (m *Measure) Describe() string { return fmt.Sprintf("measure %s: %s", m.Name, m.Query) }

// Problems says offline what is wrong with the action.
func (m *Measure) Problems() []string {
	problems := m.Query.Problems()
	if m.Name == "" {
		problems = append([]string{"name: is missing: name the number, as the objective calls it"}, problems...)
	}
	for i, problem := range problems {
		problems[i] = "measure." + problem
	}
	return problems
}

func decodeMeasure(p *Payload) Action {
	var m Measure
	if !p.Into(&m) {
		return nil
	}
	return &m
}
