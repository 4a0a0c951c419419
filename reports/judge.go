package reports

import (
	"fmt"
	"strings"
	"time"

	"github.com/gamedayhq/gameday/probes"
)

// judged comes to a check. It is asked once, after the last sample.
type judged interface{ check() Check }

// watcher looks at each sample of one monitor once, in the order of the slots. What is judged may be one as well.
type watcher interface {
	monitor() string
	take(s probes.Sample)
}

// Judge judges a record: its objectives first, and then whether it is ground to judge on: a steady baseline, faults that
// were proven injected and proven undone, steps done, an end in good order. Nothing but the record has a say, and each sample
// is looked at once, in bounded memory.
func Judge(record Record) ([]Check, Verdict) {
	s := newSession(record)
	s.run()
	return s.verdict()
}

// Steady judges the baseline alone, as far as it is recorded.
func Steady(record Record) Check {
	p := newPlan(record)
	steady := newSteady(p)
	s := &session{plan: p, sound: newSound(p)}
	s.watchBaseline(steady)
	s.run()
	return steady.check()
}

// session is one pass over a record.
type session struct {
	plan   *plan
	sound  *sound
	judges []judged // in the order of their checks
}

func newSession(record Record) *session {
	p := newPlan(record)
	s := &session{plan: p, sound: newSound(p)}
	if len(record.Header.Drill.Objectives) == 0 {
		s.judges = append(s.judges, settled{nothingAsked()})
	}
	for i, objective := range record.Header.Drill.Objectives {
		s.judges = append(s.judges, p.judgeOf(i, objective))
	}
	steady := newSteady(p)
	s.judges = append(s.judges, steady)
	s.judges = append(s.judges, p.monitorProofs()...)
	s.judges = append(s.judges, p.ground()...)
	s.judges = append(s.judges, s.sound)
	for _, j := range s.judges {
		if w, ok := j.(watcher); ok {
			s.watch(w)
		}
	}
	s.watchBaseline(steady)
	return s
}

// judgeOf returns the judge of an objective. One that is not whole is never passed over.
func (p *plan) judgeOf(i int, objective Objective) judged {
	if isNil(objective) {
		return settled{Check{
			Name: fmt.Sprintf("objective %d", i+1), Kind: "objective", Verdict: Inconclusive,
			Want: "an objective", Got: "none", Reason: "the objective is empty",
		}}
	}
	if problems := objective.Problems(); len(problems) > 0 {
		return settled{Check{
			Name: fmt.Sprintf("objective %d", i+1), Kind: objective.kind(), Verdict: Inconclusive,
			Want: "a whole objective", Got: "one with mistakes", Reason: strings.Join(problems, "; "),
		}}
	}
	return objective.judge(p)
}

func nothingAsked() Check {
	return Check{
		Name: "objectives", Kind: "objectives", Verdict: Inconclusive,
		Want: "at least one objective", Got: "none", Reason: "the drill asks for nothing, so nothing can be said to hold",
	}
}

// watch lets the watcher see the samples of its monitor. One of a monitor that the drill does not have sees none.
func (s *session) watch(w watcher) {
	if l, known := s.sound.lanes[w.monitor()]; known {
		l.watchers = append(l.watchers, w)
	}
}

func (s *session) watchBaseline(of *steady) {
	for _, m := range of.monitors {
		s.watch(m)
	}
}

func (s *session) run() {
	if s.plan.record.Samples == nil {
		return
	}
	for sample := range s.plan.record.Samples {
		lane := s.sound.accept(sample)
		if lane == nil {
			continue
		}
		s.plan.last = max(s.plan.last, sample.Due, sample.Due+sample.Took)
		for _, j := range lane.watchers {
			j.take(sample)
		}
	}
}

func (s *session) verdict() ([]Check, Verdict) {
	checks := make([]Check, 0, len(s.judges))
	for i, j := range s.judges {
		check := j.check()
		if i < len(s.plan.record.Header.Drill.Objectives) {
			check = s.plan.grounded(check)
		}
		checks = append(checks, check)
	}
	return checks, WorstOf(checks)
}

// untouched tells a drill that was void before it did anything: what it saw is no outcome of what it is about.
func (p *plan) untouched() bool {
	void := false
	for _, event := range p.record.Events {
		if event.Kind == StepStarted {
			return false
		}
		void = void || event.Kind == Fact && event.Topic == TopicVoid
	}
	return void
}

// grounded takes the verdict of an objective back when there is no ground for it: the drill was void before it did anything, or
// the fault that the objective is about was not proven to hold. What was seen is kept.
func (p *plan) grounded(check Check) Check {
	why := ""
	if step := p.steps[check.Step]; step != nil && step.info.Fault && step.injected().Verdict != Pass {
		why = fmt.Sprintf("the fault %q was not proven to hold, so this says nothing of it", check.Step)
	}
	if p.untouched() {
		why = "the drill was void before it did anything"
	}
	if why != "" {
		check.Verdict, check.Reason = Inconclusive, joinNotes(why, check.Reason)
	}
	return check
}

// WorstOf returns the worst verdict of the checks, as Worst does.
func WorstOf(checks []Check) Verdict {
	verdicts := make([]Verdict, 0, len(checks))
	for _, c := range checks {
		verdicts = append(verdicts, c.Verdict)
	}
	return Worst(verdicts...)
}

// settled is a check that needs no sample.
type settled struct{ is Check }

func (s settled) check() Check { return s.is }

// sound judges whether the record is one that a drill can have left.
type sound struct {
	plan    *plan
	lanes   map[string]*lane // by monitor
	at      *lane            // of the last sample
	samples int64
}

// lane is what is known of one monitor's samples while they pass.
type lane struct {
	name     string
	every    time.Duration
	next     int64 // the least slot that may come next
	watchers []watcher
	after    *lane // whose sample came after this one's the last time
}

func newSound(p *plan) *sound {
	s := &sound{plan: p, lanes: map[string]*lane{}, at: &lane{}}
	for name, m := range p.monitors {
		s.lanes[name] = &lane{name: name, every: m.Every}
	}
	return s
}

// lane finds the monitor's lane, or nil. Monitors tend to come in the same turn again, so it looks first at the one whose
// turn it is: at a hundred million samples looking each up by name is most of the cost of judging.
func (s *sound) lane(monitor string) *lane {
	if guess := s.at.after; guess != nil && guess.name == monitor {
		s.at = guess
		return guess
	}
	found := s.lanes[monitor]
	if found != nil {
		s.at.after = found
		s.at = found
	}
	return found
}

// accept returns the lane of a sample that can be judged; one that cannot is held against the record.
func (s *sound) accept(sample probes.Sample) *lane {
	l := s.lane(sample.Monitor)
	switch {
	case sample.Outcome != probes.Good && sample.Outcome != probes.Bad && sample.Outcome != probes.Missed:
		s.plan.oddity("a sample of %q has no outcome: %s", sample.Monitor, sample.Detail)
	case l == nil:
		s.plan.oddity("a sample of %q, which is no monitor of the drill", sample.Monitor)
	case sample.Slot < l.next:
		s.plan.oddity("slot %d of %q comes out of order or twice", sample.Slot, sample.Monitor)
	case int64(sample.Due/l.every) != sample.Slot || sample.Due%l.every != 0:
		s.plan.oddity("slot %d of %q is due at %v, which is not its time", sample.Slot, sample.Monitor, sample.Due)
	case sample.Took < 0 || sample.Late < 0:
		s.plan.oddity("slot %d of %q has a negative time", sample.Slot, sample.Monitor)
	default:
		l.next = sample.Slot + 1
		s.samples++
		return l
	}
	return nil
}

func (s *sound) check() Check {
	c := Check{
		Name: "record", Kind: "record", Verdict: Pass,
		Want: "events and samples that fit the drill, each slot once and in order",
		Got:  fmt.Sprintf("%d events and %d samples", len(s.plan.record.Events), s.samples),
	}
	if len(s.plan.odd) > 0 {
		c.Verdict, c.Reason = Inconclusive, strings.Join(s.plan.odd, "; ")
	}
	return c
}
