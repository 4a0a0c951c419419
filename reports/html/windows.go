package html

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/gamedayhq/gameday/reports"
)

// window is a stretch of the drill. An open one was not seen to end.
type window struct {
	From, To time.Duration
	Open     bool
}

// step is a step of the drill as its events tell of it.
type step struct {
	Number  int
	Info    reports.StepInfo
	Window  *window // nil: never started
	Fault   *fault  // nil: nothing to undo
	Failure string  // why it was not done
}

// fault is what is known of a fault. Asked is from the intent to the request to undo, Proven from the proof that it bit to
// the proof that it is gone.
type fault struct {
	Asked, Proven       *window
	Targets             []reports.Target
	TargetsDetail       string
	Injected, Recovered *proof
	undo                reports.Kind // the last end of an undo
	undoDetail          string
	Problems            []string // facts that could not be read
}

// proof is a recorded proof and when it was recorded.
type proof struct {
	reports.Proof
	At time.Duration
}

// Sites are the places where the fault was to bite, by the latest account of them.
func (f *fault) Sites() []reports.Site {
	if f.Recovered != nil && len(f.Recovered.Records) > 0 {
		return f.Recovered.Records
	}
	if f.Injected != nil {
		return f.Injected.Records
	}
	return nil
}

// maxTargets bounds how many targets are listed.
const maxTargets = 100

// ShownTargets are the targets that are listed.
func (f *fault) ShownTargets() []reports.Target { return f.Targets[:min(len(f.Targets), maxTargets)] }

// HiddenTargets is how many are not.
func (f *fault) HiddenTargets() int { return max(len(f.Targets)-maxTargets, 0) }

// NotUndone says why a fault that was begun is not proven gone; empty when it is.
func (s *step) NotUndone() string {
	f := s.Fault
	switch {
	case f == nil || s.Window == nil:
		return ""
	case f.undo == reports.UndoFailed:
		return "Undoing it failed: " + cmp.Or(f.undoDetail, "no reason recorded")
	case f.undo != reports.UndoDone:
		return "The record holds no end of its undo."
	case f.Recovered == nil:
		return "Its undo returned, but the record holds no proof that it is gone."
	case !f.Recovered.Proven:
		return "Its undo returned, but it was not proven gone: " + cmp.Or(f.Recovered.Detail, "no reason recorded")
	default:
		return ""
	}
}

// readSteps lays the events out by step: those that the drill names, then any other that an event names. It also returns the
// baseline's window.
func readSteps(ev reports.Evidence, total time.Duration) (steps []*step, baseline *window) {
	find := func(name string) *step {
		for _, s := range steps {
			if s.Info.Name == name {
				return s
			}
		}
		steps = append(steps, &step{Number: len(steps) + 1, Info: reports.StepInfo{Name: name}})
		return steps[len(steps)-1]
	}
	for _, info := range ev.Drill.Steps {
		s := find(info.Name)
		s.Info = info
		if info.Fault {
			s.Fault = &fault{}
		}
	}
	for _, e := range ev.Timeline {
		switch {
		case e.Kind == reports.BaselineStarted:
			baseline = &window{From: e.At, To: total, Open: true}
		case e.Kind == reports.BaselineEnded && baseline != nil:
			baseline.To, baseline.Open = e.At, false
		case e.Step != "":
			find(e.Step).tell(e, total)
		}
	}
	return steps, baseline
}

// tell adds an event to what is known of its step.
func (s *step) tell(e reports.Event, total time.Duration) {
	if s.Fault == nil && isOfFault(e) {
		s.Fault = &fault{}
		s.askFrom(total)
	}
	switch e.Kind {
	case reports.StepStarted:
		s.Window = &window{From: e.At, To: total, Open: true}
		s.askFrom(total)
	case reports.StepFailed:
		s.Failure = cmp.Or(e.Detail, "no reason recorded")
	case reports.StepEnded:
		closeWindow(s.Window, e.At)
	case reports.Fact:
		if s.Fault != nil {
			s.Fault.tell(e, total)
		}
	case reports.UndoStarted:
		closeWindow(s.Fault.Asked, e.At)
	case reports.UndoDone, reports.UndoFailed:
		s.Fault.undo, s.Fault.undoDetail = e.Kind, e.Detail
		if s.Window == nil { // undone, but never seen to start: of that start nothing is known
			s.Window = &window{To: total, Open: true}
		}
	}
}

// isOfFault tells the events that only a fault has, also of a step that the drill does not name as one.
func isOfFault(e reports.Event) bool {
	switch e.Kind {
	case reports.UndoStarted, reports.UndoDone, reports.UndoFailed:
		return true
	default:
		return e.Topic == reports.TopicInjected || e.Topic == reports.TopicRecovered
	}
}

// askFrom opens the window in which a fault was asked for, which begins with its step.
func (s *step) askFrom(total time.Duration) {
	if s.Fault != nil && s.Window != nil {
		s.Fault.Asked = &window{From: s.Window.From, To: total, Open: true}
	}
}

func closeWindow(w *window, at time.Duration) {
	if w != nil {
		w.To, w.Open = at, false
	}
}

// tell adds a fact to what is known of a fault.
func (f *fault) tell(e reports.Event, total time.Duration) {
	switch e.Topic {
	case reports.TopicTargets:
		f.TargetsDetail = e.Detail
		f.read(e, &f.Targets)
	case reports.TopicInjected:
		p := &proof{At: e.At}
		f.read(e, &p.Proof)
		f.Injected = better(f.Injected, p)
		if p.Proven && f.Proven == nil {
			f.Proven = &window{From: e.At, To: total, Open: true}
		}
	case reports.TopicRecovered:
		p := &proof{At: e.At}
		f.read(e, &p.Proof)
		f.Recovered = better(f.Recovered, p)
		if p.Proven {
			closeWindow(f.Proven, e.At)
		}
	}
}

// better returns the proof that holds, the later one of two.
func better(before, now *proof) *proof {
	if before != nil && before.Proven && !now.Proven {
		return before
	}
	return now
}

// read decodes a fact; one that cannot be read proves nothing, and the report says so.
func (f *fault) read(e reports.Event, into any) {
	if err := json.Unmarshal(e.Data, into); err != nil {
		f.Problems = append(f.Problems, fmt.Sprintf("The fact %q at %s cannot be read: %v", e.Topic, offset(e.At), err))
	}
}

// readBack is what was found of a ledger, in short.
type readBack struct {
	Ledger, Ranges string
	At             time.Duration
	Found, Others  int64
	Problem        string
}

func readBacks(events []reports.Event) []readBack {
	var out []readBack
	for _, e := range events {
		if e.Kind != reports.Fact || e.Topic != reports.TopicReadBack {
			continue
		}
		var data reports.ReadBack
		row := readBack{At: e.At}
		if err := json.Unmarshal(e.Data, &data); err != nil {
			row.Problem = fmt.Sprintf("cannot be read: %v", err)
		} else {
			row.Ledger, row.Others = data.Ledger, data.Others
			row.Found, row.Ranges = int64(len(data.Found)), ranges(data.Found)
		}
		out = append(out, row)
	}
	return out
}

// maxRanges bounds how many stretches of numbers are told one by one.
const maxRanges = 12

// ranges writes numbers as their unbroken stretches, so that a hole shows: 1–120, 124–150.
func ranges(numbers []int64) string {
	sorted := slices.Compact(slices.Sorted(slices.Values(numbers)))
	text, told := "", 0
	for i := 0; i < len(sorted); {
		j := i
		for j+1 < len(sorted) && sorted[j+1] == sorted[j]+1 {
			j++
		}
		if told++; told > maxRanges {
			return text + ", … " + count(int64(len(sorted)-i)) + " more numbers"
		}
		if text != "" {
			text += ", "
		}
		text += fmt.Sprint(sorted[i])
		if j > i {
			text += fmt.Sprintf("–%d", sorted[j])
		}
		i = j + 1
	}
	return cmp.Or(text, "none")
}
