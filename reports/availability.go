package reports

import (
	"fmt"

	"github.com/gamedayhq/gameday/probes"
)

// availabilityJudge counts the good and bad slots of a window.
type availabilityJudge struct {
	stretch
	objective Availability
}

func (o *Availability) judge(p *plan) judged {
	return &availabilityJudge{stretch: p.stretch(o.Of, p.window(o.Window)), objective: *o}
}

func (j *availabilityJudge) take(s probes.Sample) { j.count(s) }

func (j *availabilityJudge) check() Check {
	o := j.objective
	want := ""
	if o.AtLeast != nil {
		want = fmt.Sprintf("at least %v good", *o.AtLeast)
	} else {
		want = fmt.Sprintf("at most %v good", *o.AtMost)
	}
	c := j.draft("availability", "availability", want)
	c.Step = j.objective.Window.step()
	if doubt := j.doubt(); doubt != "" {
		return c.inconclusive(doubt)
	}
	slots := j.slots()
	asked := slots.Good + slots.Bad
	if asked > 0 {
		c.Got = fmt.Sprintf("%s good: %s", share(slots.Good, asked), slots.words())
	}
	if thin := j.thinner(o.coverage(), o.minSlots()); thin != "" {
		if j.window.open == "" && slots.Due >= o.minSlots() && j.hopeless(slots) {
			return c.fail(thin + "; but it would not hold had every missed slot been in its favour")
		}
		return c.inconclusive(thin)
	}
	if !j.holds(slots.Good, asked) {
		return c.fail(c.Got)
	}
	if o.Confidence > 0 {
		return j.sure(c, slots.Good, asked)
	}
	return c.pass("")
}

// sure asks that the limit holds for the Wilson bound too: a share that only may be as good as was asked for proves nothing.
func (j *availabilityJudge) sure(c Check, good, asked int64) Check {
	o := j.objective
	lower, upper := wilson(good, asked, float64(o.Confidence))
	bound, word := lower, "at least"
	holds := o.AtLeast != nil && lower >= float64(*o.AtLeast)
	if o.AtMost != nil {
		bound, word = upper, "at most"
		holds = upper <= float64(*o.AtMost)
	}
	said := fmt.Sprintf("with %v confidence it is %s %.3f%% good (Wilson bound of %d slots)", o.Confidence, word, 100*bound, asked)
	if holds {
		return c.pass(said)
	}
	return c.inconclusive(said + ", which does not reach the limit: more slots could tell")
}

func (j *availabilityJudge) holds(good, of int64) bool {
	ratio := Ratio(float64(good) / float64(of))
	if j.objective.AtLeast != nil {
		return ratio >= *j.objective.AtLeast
	}
	return ratio <= *j.objective.AtMost
}

// hopeless: it would not hold, whatever the missed slots would have said.
func (j *availabilityJudge) hopeless(slots Slots) bool {
	if j.objective.AtLeast != nil {
		return !j.holds(slots.Good+slots.Missed, slots.Due)
	}
	return !j.holds(slots.Good, slots.Due)
}

// step is the step that the window belongs to.
func (w Window) step() string {
	refs := w.references("")
	if len(refs.Steps) == 0 {
		return ""
	}
	return refs.Steps[0]
}
