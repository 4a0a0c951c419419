package reports

import (
	"fmt"
	"time"

	"github.com/gamedayhq/gameday/probes"
)

// goodInARow is how many good slots in a row are a recovery, unless said.
const goodInARow = 10

// recoveryJudge measures the time from an anchor to the first of some good slots in a row that lasts: a system that is bad
// again before the next step was not back yet. What is bad after the next step has started is that step's, unless the system
// was not back by then.
type recoveryJudge struct {
	stretch
	objective Recovery
	need      int
	next      moment // the start of the step after the anchor's

	before   sighting // the last slot before the anchor that was asked
	first    sighting // the first good slot after the anchor
	down     bool
	downAt   time.Duration
	lastBad  probes.Sample
	run      int
	runStart probes.Sample
	prev     int64         // the slot before
	back     bool          // the run is long enough
	relapses int           // how often it was bad again
	firstHi  time.Duration // when it seemed to be back for the first time
}

func (o *Recovery) judge(p *plan) judged {
	w := window{name: "after " + o.After}
	anchor := moment{}
	step, known := p.steps[o.After]
	switch {
	case !known:
		w.unmet = fmt.Sprintf("the drill has no step %q", o.After)
	case o.From != FromEnd:
		anchor, w.unmet = step.started, "the step never started"
	case step.info.Fault:
		anchor, w.unmet = step.undoing, "the step's undo was never asked for"
	default:
		anchor, w.unmet = step.ended, "the step never ended"
	}
	if anchor.reached {
		w = window{name: w.name, from: anchor.at, to: forever}
		if end := p.watched(); end.reached {
			w.to = end.at
		}
	}
	j := &recoveryJudge{stretch: p.stretch(o.Of, w), objective: *o, need: o.Good}
	if j.need == 0 {
		j.need = goodInARow
	}
	switch {
	case known && step.ended.reached: // the steps of a group, and what is played beside it, start before it ends
		j.next = p.nextStart(step.ended.at)
	case known && step.started.reached:
		j.next = p.nextStart(step.started.at + 1)
	}
	return j
}

func (j *recoveryJudge) take(s probes.Sample) {
	if j.window.unmet != "" {
		return
	}
	if s.Due < j.window.from {
		if s.Outcome != probes.Missed {
			j.before = sighting{s, true}
		}
		return
	}
	// What was due when the monitors stopped is answered later and still tells of the recovery.
	j.count(s)
	j.fallBefore()
	switch s.Outcome {
	case probes.Bad:
		j.fall(s, s.Due)
	case probes.Good:
		j.rise(s)
	case probes.Missed:
		if !j.back {
			j.run = 0
		}
	}
	j.prev = s.Slot
}

// fallBefore: a system whose last answer before the anchor was bad is down already.
func (j *recoveryJudge) fallBefore() {
	if j.before.seen && j.before.Outcome == probes.Bad {
		j.fall(j.before.Sample, j.window.from)
	}
	j.before.seen = false
}

func (j *recoveryJudge) fall(s probes.Sample, at time.Duration) {
	switch {
	case !j.down:
		j.down, j.downAt, j.lastBad, j.run = true, at, s, 0
	case !j.back:
		j.lastBad, j.run = s, 0
	case !j.next.reached || s.Due < j.next.at:
		if j.relapses == 0 {
			j.firstHi = j.since(j.runStart.Due + j.runStart.Took)
		}
		j.relapses++
		j.back, j.lastBad, j.run = false, s, 0
	}
}

func (j *recoveryJudge) rise(s probes.Sample) {
	if !j.first.seen {
		j.first = sighting{s, true}
	}
	if j.back {
		return
	}
	if j.run == 0 || s.Slot != j.prev+1 {
		j.run, j.runStart = 0, s
	}
	j.run++
	if j.down && j.run >= j.need {
		j.back = true
	}
}

func (j *recoveryJudge) check() Check {
	o := j.objective
	from := "start"
	if o.From == FromEnd {
		from = "end"
	}
	c := j.draft("recovery", "recovery", fmt.Sprintf("%d good slots in a row within %v of the step's %s", j.need, o.Within, from))
	c.Step = o.After
	if doubt := j.doubt(); doubt != "" {
		return c.inconclusive(doubt)
	}
	j.fallBefore() // when no slot came after it
	switch {
	case !j.down:
		return j.neverDown(c)
	case !j.back:
		return j.neverBack(c)
	default:
		return j.judgeBack(c)
	}
}

// since is the time from the anchor, never before it.
func (j *recoveryJudge) since(t time.Duration) time.Duration { return max(0, t-j.window.from) }

func (j *recoveryJudge) neverDown(c Check) Check {
	c.Got = "no bad slot seen"
	if !j.first.seen {
		return c.inconclusive("no good slot was seen after the anchor")
	}
	interval := Interval{Lo: 0, Hi: j.since(j.first.Due + j.first.Took)}
	c.Interval = &interval
	thin := j.thin()
	switch {
	case thin != "":
		return c.inconclusive("no bad slot was seen, but " + thin)
	case j.good < int64(j.need):
		return c.inconclusive(fmt.Sprintf("no bad slot was seen, but only %d good ones before the record ended", j.good))
	case interval.Hi > j.objective.Within.D():
		return c.fail("the first good answer came after " + atMost(interval.Hi))
	default:
		return c.pass("no bad slot was seen")
	}
}

// earliest is the least time on which a recovery could be judged: had the slot after the last bad one been good, at once.
func (j *recoveryJudge) earliest() time.Duration {
	return j.since(time.Duration(j.lastBad.Slot+1) * j.info.Every)
}

func (j *recoveryJudge) neverBack(c Check) Check {
	least := j.since(j.lastBad.Due)
	c.Got = "not recovered within the record: at least " + atLeast(least)
	if j.earliest() > j.objective.Within.D() {
		return c.fail(joinNotes(c.Got, j.note()))
	}
	return c.inconclusive(joinNotes(fmt.Sprintf("not %d good slots in a row before the record ended, but the last bad slot was within the limit, after %s",
		j.need, atLeast(least)), j.note()))
}

func (j *recoveryJudge) judgeBack(c Check) Check {
	interval := Interval{Lo: j.since(j.lastBad.Due), Hi: j.since(j.runStart.Due + j.runStart.Took)}
	c.Interval = &interval
	c.Got = "recovered after " + interval.words()
	note, limit := j.note(), j.objective.Within.D()
	switch {
	case interval.Hi <= limit:
		if thin := j.thin(); thin != "" { // it may have been bad again where nobody asked
			return c.inconclusive(joinNotes(thin, note))
		}
		return c.pass(note)
	case j.earliest() <= limit && j.runStart.Slot != j.lastBad.Slot+1:
		return c.inconclusive(joinNotes("slots were missed between the last bad one and the recovery, which may have come within the limit", note))
	default:
		return c.fail(joinNotes(c.Got, note))
	}
}

// note says what to know of how it recovered.
func (j *recoveryJudge) note() string {
	note := ""
	switch {
	case j.relapses == 1:
		note = fmt.Sprintf("it seemed to be back after %s, and was bad again", atMost(j.firstHi))
	case j.relapses > 1:
		note = fmt.Sprintf("it seemed to be back after %s, and was bad again, %d times", atMost(j.firstHi), j.relapses)
	}
	if j.next.reached && j.downAt >= j.next.at {
		note = joinNotes(note, "the first bad slot came only after the next step had started")
	}
	return note
}

// joinNotes puts remarks side by side.
func joinNotes(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}
