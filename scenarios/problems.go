package scenarios

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gamedayhq/gameday/reports"
)

// problem is one thing that is wrong with a scenario, by its path in a file.
type problem struct{ path, text string }

var namePattern = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// Validate returns all that is wrong with a scenario that did not come from a file, as one error.
func (s *Scenario) Validate() error {
	d := &decoder{file: "scenario " + s.Name}
	for _, p := range s.problems() {
		d.mistake(nil, p.path, "%s", p.text)
	}
	if d.mistakes == nil {
		return nil
	}
	d.mistakes.ErrorFormat = listMistakes
	return d.mistakes
}

// problems returns all that can be seen to be wrong offline.
func (s *Scenario) problems() []problem {
	var out []problem
	note := func(path, format string, args ...any) { out = append(out, problem{path, fmt.Sprintf(format, args...)}) }
	if !namePattern.MatchString(s.Name) {
		note("metadata.name", "is %q, want up to 63 small letters, digits and dashes", s.Name)
	}
	if strings.TrimSpace(s.Why) == "" {
		note("spec.why", "is empty: say in a sentence what the drill is to prove")
	}
	if s.Baseline < 0 {
		note("spec.baseline", "is %v, want more than nothing", s.Baseline)
	}
	if s.Settle < 0 {
		note("spec.settle", "is %v, want more than nothing", s.Settle)
	}
	out = append(out, s.BlastRadius.problems()...)
	out = append(out, s.monitorProblems()...)
	out = append(out, s.stepProblems()...)
	out = append(out, s.objectiveProblems()...)
	return append(out, s.stopProblems()...)
}

func (s *Scenario) monitorProblems() []problem {
	var out []problem
	if len(s.Monitors) == 0 {
		out = append(out, problem{"spec.monitors", "is empty: a drill that watches nothing proves nothing"})
	}
	seen := map[string]bool{}
	for i, m := range s.Monitors {
		at := fmt.Sprintf("spec.monitors[%d]", i)
		out = append(out, nameProblems(at+".name", m.Name, seen)...)
		if m.Every < time.Millisecond {
			out = append(out, problem{at + ".every", fmt.Sprintf("is %v, want at least 1ms", m.Every)})
		}
		if m.Timeout <= 0 {
			out = append(out, problem{at + ".timeout", fmt.Sprintf("is %v, want more than nothing", m.Timeout)})
		}
		if m.Ask == nil {
			continue // a file's parser said so, a Go literal's runner does
		}
		for _, text := range m.Ask.Problems() {
			field, text, _ := strings.Cut(text, ": ")
			out = append(out, problem{at + "." + questionKey(m.Ask) + "." + field, text})
		}
	}
	return out
}

func nameProblems(path, name string, seen map[string]bool) []problem {
	switch {
	case strings.TrimSpace(name) == "":
		return []problem{{path, "is empty: objectives refer to it by its name"}}
	case seen[name]:
		return []problem{{path, fmt.Sprintf("%q stands twice: objectives could not tell which is meant", name)}}
	}
	seen[name] = true
	return nil
}

func (s *Scenario) actionProblems(at string, step Step) []problem {
	var texts []string
	if p, ok := step.Action.(Problems); ok {
		texts = p.Problems()
	}
	if b, ok := step.Action.(Bounded); ok {
		texts = append(texts, b.Bound(s.BlastRadius)...)
	}
	if h, ok := step.Action.(Held); ok {
		texts = append(texts, h.Holds(step.Hold, step.Timeout)...)
	}
	out := make([]problem, 0, len(texts))
	for _, text := range texts {
		field, text, _ := strings.Cut(text, ": ")
		out = append(out, problem{join(at, field), text})
	}
	return out
}

func (s *Scenario) objectiveProblems() []problem {
	var out []problem
	if len(s.Objectives) == 0 {
		out = append(out, problem{"spec.objectives", "is empty: a drill that asks for nothing can only be inconclusive"})
	}
	for i, objective := range s.Objectives {
		at := fmt.Sprintf("spec.objectives[%d]", i)
		for _, text := range objective.Problems() {
			out = append(out, problem{at, text})
		}
		refs := reports.Refs(objective)
		for _, name := range refs.Monitors {
			if name != "" && !s.hasMonitor(name) {
				out = append(out, problem{at, fmt.Sprintf("no monitor %q in spec.monitors; there are: %s", name, s.monitorNames())})
			}
		}
		for _, name := range refs.Steps {
			if name != "" && !slices.Contains(reserved, name) {
				out = append(out, s.referenceProblems(at, name)...)
			}
		}
	}
	return out
}

func (s *Scenario) stopProblems() []problem {
	var out []problem
	for i, stop := range s.StopWhen {
		at := fmt.Sprintf("spec.stopWhen[%d]", i)
		for _, text := range stop.Problems() {
			out = append(out, problem{at, text})
		}
		if of := stop.Monitor(); of != "" && !s.hasMonitor(of) {
			out = append(out, problem{at, fmt.Sprintf("no monitor %q in spec.monitors; there are: %s", of, s.monitorNames())})
		}
	}
	return out
}

func (s *Scenario) hasMonitor(name string) bool {
	return slices.ContainsFunc(s.Monitors, func(m Monitor) bool { return m.Name == name })
}

func (s *Scenario) monitorNames() string {
	names := make([]string, 0, len(s.Monitors))
	for _, m := range s.Monitors {
		names = append(names, m.Name)
	}
	return strings.Join(names, ", ")
}
