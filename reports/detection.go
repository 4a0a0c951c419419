package reports

import (
	"fmt"
	"time"

	"github.com/gamedayhq/gameday/probes"
)

// detectionJudge measures the time from a step's start to the first bad slot.
type detectionJudge struct {
	stretch
	objective Detection
	before    sighting // the last slot before the anchor that was asked
	last      sighting // the last good slot since, or the one before the anchor
	found     sighting
}

func (o *Detection) judge(p *plan) judged {
	w := window{name: "after " + o.After}
	step, known := p.steps[o.After]
	switch {
	case !known:
		w.unmet = fmt.Sprintf("the drill has no step %q", o.After)
	case !step.started.reached:
		w.unmet = "the step never started"
	default:
		// The stretch in which it must be seen; slots of later are not needed to say that it was not.
		w.from, w.to = step.started.at, step.started.at+o.Within.D()
		if end := p.watched(); end.reached && end.at < w.to {
			w.to = end.at
		}
		if w.to < w.from {
			w.to = forever
		}
	}
	return &detectionJudge{stretch: p.stretch(o.By, w), objective: *o}
}

func (j *detectionJudge) take(s probes.Sample) {
	if j.window.unmet != "" || j.found.seen {
		return
	}
	// A slot that was under way when the step started tells of the step when its answer came after.
	underWay := s.Outcome == probes.Bad && s.Due+s.Took > j.window.from
	if s.Due < j.window.from && !underWay {
		if s.Outcome != probes.Missed {
			j.before = sighting{s, true}
			j.last = j.before
		}
		return
	}
	j.count(s)
	switch s.Outcome {
	case probes.Bad:
		j.found = sighting{s, true}
	case probes.Good:
		j.last = sighting{s, true}
	case probes.Missed:
	}
}

func (j *detectionJudge) check() Check {
	o := j.objective
	c := j.draft("detection", "detection", fmt.Sprintf("within %v", o.Within))
	c.Name = "detection by " + o.By + " " + j.window.name
	c.Step = o.After
	switch doubt := j.doubt(); {
	case doubt != "":
		return c.inconclusive(doubt)
	case j.before.seen && j.before.Outcome == probes.Bad:
		c.Got = "bad before the step started"
		return c.inconclusive("it was firing before the step started, so it detected nothing of the step")
	case !j.found.seen:
		return j.never(c)
	}
	interval := j.interval()
	c.Interval = &interval
	c.Got = "detected after " + interval.words()
	limit := o.Within.D()
	switch {
	case interval.Hi <= limit:
		return c.pass("")
	case j.earliest() <= limit && j.sawGap():
		return c.inconclusive("slots were missed before the first bad one, and it may have come within the limit")
	default:
		return c.fail(c.Got)
	}
}

func (j *detectionJudge) since(t time.Duration) time.Duration { return max(0, t-j.window.from) }

func (j *detectionJudge) interval() Interval {
	lo := j.found.Due - j.info.Every
	if j.sawGap() {
		lo = j.window.from
		if j.last.seen {
			lo = j.last.Due
		}
	}
	return Interval{Lo: j.since(lo), Hi: j.since(j.found.Due + j.found.Took)}
}

// sawGap: between the last good slot and the first bad one some were missed.
func (j *detectionJudge) sawGap() bool {
	return !j.last.seen || j.last.Slot != j.found.Slot-1
}

// earliest is the least time on which it could be judged, had the slot after the last good one been bad, at once.
func (j *detectionJudge) earliest() time.Duration {
	if !j.last.seen {
		return 0
	}
	return j.since(time.Duration(j.last.Slot+1) * j.info.Every)
}

func (j *detectionJudge) never(c Check) Check {
	c.Got = "never detected"
	if thin := j.thin(); thin != "" {
		return c.inconclusive("it was not seen, but " + thin)
	}
	if !j.plan.watched().reached && j.plan.last < j.window.to {
		return c.inconclusive("it was not seen before the record ended, which is within the limit")
	}
	if j.window.to < j.window.from+j.objective.Within.D() {
		return c.inconclusive(fmt.Sprintf("it was not seen before the drill ended, %s after the step's start, which is within the limit",
			atLeast(j.since(j.window.to))))
	}
	return c.fail(fmt.Sprintf("it was not seen within the limit, nor later: %s", c.Slots.words()))
}
