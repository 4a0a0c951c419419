// Package scenarios describes a drill and runs it.
//
// A [Scenario] says what to break, what to watch and what must hold. It is data: read from strict YAML by [Parse], or written
// as a Go literal. A [Runner] plays it in one direction: preflight, baseline, steps, settle; it keeps an undo stack that
// outlives its caller's context, and it records facts in a journal. It judges nothing but whether to go on.
package scenarios

import (
	"fmt"
	"time"

	"github.com/gamedayhq/gameday/probes"
	"github.com/gamedayhq/gameday/reports"
)

// APIVersion and KindScenario head a scenario file.
const (
	APIVersion   = "gameday.dev/v1alpha1"
	KindScenario = "Scenario"
)

// Scenario is what to break, what to watch and what must hold.
type Scenario struct {
	Name        string
	Labels      map[string]string
	Why         string   // the claim that the drill tests, in words
	Controls    []string // the controls that its evidence answers
	BlastRadius BlastRadius
	Monitors    []Monitor
	Baseline    time.Duration // how long the system must be seen steady before anything is touched; 10 s unless said
	Steps       []Step
	// Seed is what choices by chance are drawn from; chosen by chance itself unless said. The evidence keeps it.
	Seed       *uint64
	Settle     time.Duration // how long to watch after the last step; 5 s unless said
	StopWhen   []reports.StopWhen
	Objectives reports.Objectives
	Source     reports.Source // the text that it was read from
}

// Defaults of a scenario's times.
const (
	DefaultBaseline    = 10 * time.Second
	DefaultSettle      = 5 * time.Second
	DefaultStepTimeout = 2 * time.Minute
)

// Monitor asks a probe at a steady pace.
type Monitor struct {
	Name    string
	Every   time.Duration // 100 ms unless said
	Timeout time.Duration // Every, or 1 s if that is longer, unless said
	Ask     Question
}

// Step is one action of a scenario, or a group of steps.
type Step struct {
	Name    string
	Action  Action
	Group   *Group        // instead of an action
	Repeat  int           // how often it is played, one after another; once unless said
	Hold    time.Duration // how long the effect is left in place before it is undone and the step ends
	Timeout time.Duration // of the action, and again of its undo; 2 m unless said
	// Undoes names an earlier step of the same list whose harm this one mends (a restore after a loss): once that step has begun, this one is
	// played also when the drill is cut short in between.
	Undoes string
}

// defaults fills in what was left out.
func (s *Scenario) defaults() {
	orDefault(&s.Baseline, DefaultBaseline)
	orDefault(&s.Settle, DefaultSettle)
	defaultTimeouts(s.Steps)
	for i := range s.Monitors {
		orDefault(&s.Monitors[i].Every, 100*time.Millisecond)
		orDefault(&s.Monitors[i].Timeout, max(s.Monitors[i].Every, time.Second))
	}
}

func defaultTimeouts(steps []Step) {
	for i := range steps {
		if steps[i].Group != nil {
			defaultTimeouts(steps[i].Group.Of)
			continue
		}
		orDefault(&steps[i].Timeout, DefaultStepTimeout)
	}
}

func orDefault(value *time.Duration, standard time.Duration) {
	if *value == 0 {
		*value = standard
	}
}

// Drill tells the judge what it must know of the scenario.
func (s *Scenario) Drill() reports.Drill {
	drill := reports.Drill{
		Name: s.Name, Why: s.Why, Labels: s.Labels, Controls: s.Controls, Objectives: s.Objectives,
		Monitors: []reports.MonitorInfo{}, Steps: []reports.StepInfo{},
	}
	for _, m := range s.Monitors {
		_, watches := m.Ask.(probes.Alert)
		drill.Monitors = append(drill.Monitors, reports.MonitorInfo{
			Name: m.Name, Probe: fmt.Sprint(m.Ask), Every: m.Every, Timeout: m.Timeout, Watches: watches, CanFail: canFail(m.Ask),
		})
	}
	for _, step := range flat(unroll(s.Steps)) {
		if step.Group != nil {
			drill.Steps = append(drill.Steps, reports.StepInfo{Name: step.Name, Action: step.Group.Describe()})
			continue
		}
		_, fault := step.Action.(Fault)
		drill.Steps = append(drill.Steps, reports.StepInfo{
			Name: step.Name, Action: describe(step.Action), Fault: fault, Hold: step.Hold,
		})
	}
	return drill
}

func describe(action Action) string {
	if d, ok := action.(Describer); ok {
		return d.Describe()
	}
	return fmt.Sprintf("%T", action)
}
