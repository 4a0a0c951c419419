package reports

import (
	"fmt"
	"strings"
	"time"

	"github.com/gamedayhq/gameday/probes"
)

// outages follows a monitor through its outages. An outage lasts from the first bad slot to the first good one after it. The
// system went down some time after the good slot before was put, and came back some time before the good slot after was
// answered: that bounds the truth from above; the answers that were bad bound it from below.
type outages struct {
	from    time.Duration // nothing before it counts
	every   time.Duration
	good    time.Duration // when the last good slot was put
	hasGood bool
	now     *outageSpan // the one that is not over
}

// outageSpan is one outage.
type outageSpan struct {
	began        time.Duration // the earliest time at which it can have begun
	surelyBegan  time.Duration // the latest time at which it can have begun, had every missed slot before it been good
	first        time.Duration // due time of its first bad slot
	firstAnswer  time.Duration
	lastPut      time.Duration
	lastSlot     int64
	ended        time.Duration // when the first good slot after it was answered
	endedHopeful time.Duration // the same, had every missed slot after the last bad one been good
	bad          int64
}

// take follows one sample and returns the outage that it ended, if it ended one.
func (o *outages) take(s probes.Sample) *outageSpan {
	switch s.Outcome {
	case probes.Bad:
		if o.now == nil {
			o.now = o.begin(s)
		}
		o.now.lastPut, o.now.lastSlot = s.Due+s.Late, s.Slot
		o.now.bad++
	case probes.Good:
		over := o.now
		if over != nil {
			over.end(s, o.every)
		}
		o.now, o.good, o.hasGood = nil, s.Due+s.Late, true
		return over
	case probes.Missed:
	}
	return nil
}

func (o *outages) begin(s probes.Sample) *outageSpan {
	span := &outageSpan{began: o.from, first: s.Due, firstAnswer: s.Due + s.Took}
	if o.hasGood {
		span.began = max(o.from, o.good)
	}
	// When the slot before was good, it was put then or later, and this is the same.
	span.surelyBegan = max(span.began, s.Due-o.every)
	return span
}

func (o *outageSpan) end(s probes.Sample, every time.Duration) {
	o.ended = s.Due + s.Took
	o.endedHopeful = o.ended
	if s.Slot != o.lastSlot+1 {
		o.endedHopeful = o.earliestEnd(every)
	}
}

// earliestEnd is when it can have ended at the earliest, by the slots that were asked.
func (o *outageSpan) earliestEnd(every time.Duration) time.Duration {
	return time.Duration(o.lastSlot+1) * every
}

// length bounds how long it was.
func (o *outageSpan) length() Interval {
	return Interval{Lo: max(0, o.lastPut-o.firstAnswer), Hi: max(0, o.ended-o.began)}
}

// hopeful is the length on which it would be judged, had the missed slots around it been good.
func (o *outageSpan) hopeful() time.Duration { return max(0, o.endedHopeful-o.surelyBegan) }

// outageJudge bounds the outages that began in a window. One that is not over when the window closes is followed to its end.
type outageJudge struct {
	stretch
	objective Outage
	outages   outages

	count        int
	longest      Interval
	total        Interval
	totalEnd     time.Duration // so that no moment is counted twice
	hopeLongest  time.Duration
	hopeTotal    time.Duration
	hopeTotalEnd time.Duration
	unfinished   bool
}

func (o *Outage) judge(p *plan) judged {
	j := &outageJudge{stretch: p.stretch(o.Of, p.window(o.Window)), objective: *o}
	j.outages = outages{from: j.window.from, every: j.info.Every}
	return j
}

func (j *outageJudge) take(s probes.Sample) {
	if !j.stretch.count(s) && j.outages.now == nil {
		return
	}
	if over := j.outages.take(s); over != nil {
		j.add(over)
	}
}

func (j *outageJudge) add(o *outageSpan) {
	length := o.length()
	j.count++
	if length.Hi > j.longest.Hi {
		j.longest.Hi = length.Hi
	}
	j.longest.Lo = max(j.longest.Lo, length.Lo)
	j.total.Lo += length.Lo
	j.total.Hi += max(0, o.ended-max(o.began, j.totalEnd))
	j.totalEnd = o.ended
	j.hopeLongest = max(j.hopeLongest, o.hopeful())
	j.hopeTotal += max(0, o.endedHopeful-max(o.surelyBegan, j.hopeTotalEnd))
	j.hopeTotalEnd = o.endedHopeful
}

func (j *outageJudge) check() Check {
	c := j.draft("outage", "outage", strings.Join(j.objective.wants(), ", "))
	c.Step = j.objective.Window.step()
	if doubt := j.doubt(); doubt != "" {
		return c.inconclusive(doubt)
	}
	if now := j.outages.now; now != nil {
		// Not over: it lasts at least to the next slot, and at least to the record's end if nothing is known of it.
		j.unfinished = true
		now.endedHopeful = now.earliestEnd(j.info.Every)
		now.ended = max(j.plan.last, now.endedHopeful)
		j.add(now)
		j.outages.now = nil
	}
	j.tell(&c)
	broken, unsure := j.broken()
	thin := j.thin()
	switch {
	case len(broken) > 0:
		return c.fail(strings.Join(broken, "; "))
	case thin != "":
		return c.inconclusive(thin)
	case j.unfinished:
		return c.inconclusive("an outage was not over when the record ended")
	case len(unsure) > 0:
		return c.inconclusive(strings.Join(unsure, "; ") + ": but only for slots that were missed around it")
	default:
		return c.pass("")
	}
}

func (o *Outage) wants() []string {
	var out []string
	if o.Longest != nil {
		out = append(out, fmt.Sprintf("longest at most %v", *o.Longest))
	}
	if o.Total != nil {
		out = append(out, fmt.Sprintf("in all at most %v", *o.Total))
	}
	if o.Count != nil {
		out = append(out, fmt.Sprintf("at most %d outages", *o.Count))
	}
	return out
}

func (j *outageJudge) tell(c *Check) {
	if j.count == 0 {
		c.Got = "no outage seen; " + c.Slots.words()
		return
	}
	longest := j.longest
	c.Interval = &longest
	c.Got = fmt.Sprintf("%d outages, longest %s, in all %s; %s", j.count, j.longest.words(), j.total.words(), c.Slots.words())
	if j.count == 1 {
		c.Got = fmt.Sprintf("1 outage of %s; %s", j.longest.words(), c.Slots.words())
	}
	if j.unfinished {
		c.Got += "; the last one was not over when the record ended"
	}
}

// broken says which bounds do not hold, and which only seem not to for slots that were missed.
func (j *outageJudge) broken() (broken, unsure []string) {
	bound := func(what string, limit *Duration, judged, hopeful time.Duration) {
		if limit == nil || judged <= limit.D() {
			return
		}
		text := fmt.Sprintf("%s may have been %s, more than %v", what, atMost(judged), *limit)
		if hopeful > limit.D() {
			broken = append(broken, text)
		} else {
			unsure = append(unsure, text)
		}
	}
	bound("the longest outage", j.objective.Longest, j.longest.Hi, j.hopeLongest)
	bound("all outages together", j.objective.Total, j.total.Hi, j.hopeTotal)
	if limit := j.objective.Count; limit != nil && j.count > *limit {
		broken = append(broken, fmt.Sprintf("%d outages are more than %d", j.count, *limit))
	}
	return broken, unsure
}
