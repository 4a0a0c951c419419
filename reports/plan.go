package reports

import (
	"fmt"
	"math"
	"time"
)

// moment is a time that may not have been reached.
type moment struct {
	at      time.Duration
	reached bool
}

// mark keeps the first time.
func (m *moment) mark(at time.Duration) {
	if !m.reached {
		*m = moment{at: at, reached: true}
	}
}

// stepRecord is what the events tell of one step.
type stepRecord struct {
	info                          StepInfo
	started, done, ended, undoing moment
	failed                        *Event // the StepFailed
	undo                          *Event // the last UndoDone or UndoFailed
	undoFailed                    bool   // some undo failed, whatever came later
	facts                         []Event
}

// plan is what the events tell: the windows and anchors by which samples are judged.
type plan struct {
	record   Record
	monitors map[string]MonitorInfo
	steps    map[string]*stepRecord
	starts   []moment // of all steps, in the order of the journal

	baselineStarted, baselineEnded moment
	stopped, drillEnded            moment
	aborted                        *Event
	odd                            []string      // what the events hold that no drill writes
	last                           time.Duration // offset of the last thing recorded; grows while samples pass
}

func newPlan(record Record) *plan {
	p := &plan{record: record, monitors: map[string]MonitorInfo{}, steps: map[string]*stepRecord{}}
	for _, m := range record.Header.Drill.Monitors {
		if _, twice := p.monitors[m.Name]; twice {
			p.oddity("two monitors are named %q", m.Name)
		}
		if m.Every <= 0 {
			p.oddity("monitor %q has no pace", m.Name)
			continue
		}
		p.monitors[m.Name] = m
	}
	for _, info := range record.Header.Drill.Steps {
		if _, twice := p.steps[info.Name]; twice {
			p.oddity("two steps are named %q", info.Name)
		}
		p.steps[info.Name] = &stepRecord{info: info}
	}
	for i := range record.Events {
		p.take(&record.Events[i])
	}
	return p
}

func (p *plan) oddity(format string, args ...any) {
	const most = 10
	if len(p.odd) < most {
		p.odd = append(p.odd, fmt.Sprintf(format, args...))
	}
}

func (p *plan) take(e *Event) {
	p.last = max(p.last, e.At)
	switch e.Kind {
	case BaselineStarted:
		p.baselineStarted.mark(e.At)
	case BaselineEnded:
		p.baselineEnded.mark(e.At)
	case MonitorsStopped:
		p.stopped.mark(e.At)
	case DrillEnded:
		p.drillEnded.mark(e.At)
	case Aborted:
		if p.aborted == nil {
			p.aborted = e
		}
	case StepStarted, StepDone, StepFailed, StepEnded, UndoStarted, UndoDone, UndoFailed, Fact:
		p.takeStep(e)
	case Preflight:
	default:
		p.oddity("event of unknown kind %q", e.Kind)
	}
}

func (p *plan) takeStep(e *Event) {
	step, known := p.steps[e.Step]
	if !known {
		if e.Kind != Fact {
			p.oddity("%s of %q, which is no step of the drill", e.Kind, e.Step)
		}
		return
	}
	switch e.Kind {
	case StepStarted:
		if step.started.reached {
			p.oddity("step %q started twice", e.Step)
		}
		step.started.mark(e.At)
		p.starts = append(p.starts, moment{at: e.At, reached: true})
	case StepDone:
		step.done.mark(e.At)
	case StepFailed:
		if step.failed == nil {
			step.failed = e
		}
	case StepEnded:
		step.ended.mark(e.At)
	case UndoStarted:
		step.undoing.mark(e.At)
	case UndoDone, UndoFailed:
		step.undo = e
		step.undoFailed = step.undoFailed || e.Kind == UndoFailed
	case Fact:
		step.facts = append(step.facts, *e)
	}
}

// watched returns when the monitors stopped, or the drill ended.
func (p *plan) watched() moment {
	if p.stopped.reached {
		return p.stopped
	}
	return p.drillEnded
}

// horizon is the end of what was watched: of a record that was cut, the last thing in it.
func (p *plan) horizon() time.Duration {
	if end := p.watched(); end.reached {
		return end.at
	}
	return p.last
}

// nextStart returns the first start of a step at or after a time.
func (p *plan) nextStart(after time.Duration) moment {
	var next moment
	for _, start := range p.starts {
		if start.at >= after && (!next.reached || start.at < next.at) {
			next = start
		}
	}
	return next
}

// forever stands for an end that is not in the record.
const forever = time.Duration(math.MaxInt64)

// window is a stretch of the drill: from its start up to, and without, its end.
type window struct {
	name     string // in words: "during lose a pod"
	from, to time.Duration
	unmet    string // why the drill never came to it
	open     string // why its end is not in the record; to is forever then
}

func (w window) holds(due time.Duration) bool {
	return w.unmet == "" && due >= w.from && due < w.to
}

// window finds the window in the record.
func (p *plan) window(w Window) window {
	switch {
	case w.AfterEnd != "":
		return p.afterStep(w.AfterEnd)
	case w.During == windowBaseline:
		return between("during the baseline", p.baselineStarted, p.baselineEnded)
	case w.During == windowWhole:
		return between("during the whole drill", p.baselineStarted, p.watched())
	case w.During != "":
		step, known := p.steps[w.During]
		if !known {
			return window{name: "during " + w.During, unmet: fmt.Sprintf("the drill has no step %q", w.During)}
		}
		return between("during "+w.During, step.started, step.ended)
	default:
		return window{name: "in no window", unmet: "the objective names no window"}
	}
}

func (p *plan) afterStep(name string) window {
	step, known := p.steps[name]
	if !known {
		return window{name: "after " + name, unmet: fmt.Sprintf("the drill has no step %q", name)}
	}
	end := p.watched()
	if next := p.nextStart(step.ended.at); step.ended.reached && next.reached {
		end = next
	}
	return between("after "+name, step.ended, end)
}

func between(name string, from, to moment) window {
	switch {
	case !from.reached:
		return window{name: name, unmet: "the drill never came to it"}
	case !to.reached:
		return window{name: name, from: from.at, to: forever, open: "the record ends within it"}
	default:
		return window{name: name, from: from.at, to: to.at}
	}
}
