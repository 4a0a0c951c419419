package scenarios

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// reserved names mean windows.
var reserved = []string{"baseline", "whole"}

func (s *Scenario) stepProblems() []problem {
	if len(s.Steps) == 0 {
		return []problem{{"spec.steps", "is empty: a drill that does nothing proves nothing"}}
	}
	seen := map[string]bool{}
	out := s.listProblems("spec.steps", s.Steps, seen)
	if n := count(s.Steps); n > maxSteps {
		return append(out, problem{"spec.steps", fmt.Sprintf("come to %d steps with all repeats, want at most %d", n, maxSteps)})
	}
	return append(out, s.numberProblems(seen)...)
}

// numberProblems tells of names that a person has written and that a repeated step's number gives as well.
func (s *Scenario) numberProblems(written map[string]bool) []problem {
	var out []problem
	times := map[string]int{}
	for _, step := range flat(unroll(s.Steps)) {
		times[step.Name]++
	}
	for _, step := range flat(s.Steps) {
		times[step.Name]--
	}
	for _, name := range slices.Sorted(maps.Keys(times)) {
		if times[name] > 0 && written[name] {
			out = append(out, problem{"spec.steps", fmt.Sprintf("%q stands twice, once as a repeat: objectives could not tell which is meant", name)})
		}
	}
	return out
}

// listProblems tells what is wrong with the steps of one list. The names in seen are taken.
func (s *Scenario) listProblems(path string, steps []Step, seen map[string]bool) []problem {
	var out []problem
	before := map[string]bool{} // in this list
	for i, step := range steps {
		at := fmt.Sprintf("%s[%d]", path, i)
		out = append(out, nameProblems(at+".name", step.Name, seen)...)
		if slices.Contains(reserved, step.Name) {
			out = append(out, problem{at + ".name", fmt.Sprintf("%q is the name of a window: choose another", step.Name)})
		}
		if step.Hold < 0 || step.Timeout < 0 {
			out = append(out, problem{at, "has a negative time: want more than nothing"})
		}
		out = append(out, repeatProblems(at, step)...)
		switch {
		case step.Undoes == "":
		case strings.HasSuffix(path, string(Together)) || strings.HasSuffix(path, string(ByChance)+".of"):
			out = append(out, problem{at + ".undoes", "there is no step before this one where steps have no order: put both into a sequence"})
		case !before[step.Undoes]:
			out = append(out, problem{at + ".undoes", fmt.Sprintf("no step %q before this one", step.Undoes)})
		}
		before[step.Name] = true
		if step.Group != nil {
			out = append(out, s.groupProblems(at, step, seen)...)
			continue
		}
		out = append(out, s.actionProblems(at, step)...)
	}
	return out
}

func repeatProblems(at string, step Step) []problem {
	switch {
	case step.Repeat < 0 || step.Repeat > maxRepeat:
		return []problem{{at + ".repeat", fmt.Sprintf("is %d, want a number of times up to %d", step.Repeat, maxRepeat)}}
	case step.Repeat > 0 && step.Undoes != "":
		return []problem{{at + ".repeat", "a step that undoes another is played once: put both into a sequence, and repeat that"}}
	}
	return nil
}

func (s *Scenario) groupProblems(at string, step Step, seen map[string]bool) []problem {
	var out []problem
	group := step.Group
	path := join(at, string(group.Way))
	if step.Hold != 0 || step.Timeout != 0 {
		out = append(out, problem{at, "hold and timeout are of the steps of a group, not of the group: write them there"})
	}
	if step.Action != nil {
		out = append(out, problem{at, "is an action and a group: want one of the two"})
	}
	if !slices.Contains(ways, string(group.Way)) {
		return append(out, problem{at, fmt.Sprintf("is a group that is played %q, want one of: %s", group.Way, strings.Join(ways, ", "))})
	}
	if group.Way == ByChance {
		if group.Pick < 0 || group.pick() > len(group.Of) {
			out = append(out, problem{path + ".pick", fmt.Sprintf("is %d, want at most the %d steps that there are", group.pick(), len(group.Of))})
		}
		path += ".of"
	}
	if len(group.Of) == 0 {
		return append(out, problem{path, "is empty: a group is made of steps"})
	}
	return append(out, s.listProblems(path, group.Of, seen)...)
}

// count is how many steps the steps come to with all repeats.
func count(steps []Step) int {
	n := 0
	for _, step := range steps {
		one := 1
		if step.Group != nil {
			one += count(step.Group.Of)
		}
		if step.Repeat > 0 {
			one = 1 + one*step.Repeat
		}
		if n += one; n > maxSteps {
			return n // more is no matter of how many, and must not overflow
		}
	}
	return n
}

// referenceProblems tells whether an objective's step is one that is played.
func (s *Scenario) referenceProblems(at, name string) []problem {
	if count(s.Steps) > maxSteps {
		return nil // said already; they are not written out
	}
	played, chanced := stepNames(unroll(s.Steps))
	if group, left := chanced[name]; left {
		return []problem{{at, fmt.Sprintf("step %q may not be played, it is left to chance: name the group %q", name, group)}}
	}
	if slices.Contains(played, name) {
		return nil
	}
	return []problem{{at, fmt.Sprintf("no step %q in spec.steps; there are: %s", name, strings.Join(played, ", "))}}
}

// stepNames are the names of all steps that are played, and of those that may be, with the group that may choose them.
func stepNames(steps []Step) (played []string, chanced map[string]string) {
	chanced = map[string]string{}
	for _, step := range steps {
		played = append(played, step.Name)
		if step.Group == nil {
			continue
		}
		inner, more := stepNames(step.Group.Of)
		for name, group := range more {
			chanced[name] = group
		}
		// Where all are picked, each is played.
		if step.Group.Way != ByChance || step.Group.pick() >= len(step.Group.Of) {
			played = append(played, inner...)
			continue
		}
		for _, name := range inner {
			chanced[name] = step.Name
		}
	}
	return played, chanced
}
