package reports

import (
	"fmt"
	"strings"

	"github.com/gamedayhq/gameday/probes"
)

// latencyJudge measures a quantile of the time from due to a good answer. A bad slot has no such time: it counts as one that
// is above every bound, for else a system would get faster by failing.
type latencyJudge struct {
	stretch
	objective Latency
	times     histogram
	fast      int64 // good slots within the bound: exact, where the histogram is not
}

func (o *Latency) judge(p *plan) judged {
	return &latencyJudge{stretch: p.stretch(o.Of, p.window(o.Window)), objective: *o}
}

func (j *latencyJudge) take(s probes.Sample) {
	if !j.count(s) || s.Outcome != probes.Good {
		return
	}
	j.times.add(s.Took)
	if s.Took <= j.objective.AtMost.D() {
		j.fast++
	}
}

func (j *latencyJudge) check() Check {
	o := j.objective
	name := "p" + strings.TrimSuffix(o.Quantile.String(), "%")
	c := j.draft("latency", name+" latency", fmt.Sprintf("at most %v", o.AtMost))
	c.Step = o.Window.step()
	if doubt := j.doubt(); doubt != "" {
		return c.inconclusive(doubt)
	}
	slots := j.slots()
	asked := slots.Good + slots.Bad
	if asked > 0 {
		j.measure(&c, rankOf(o.Quantile, asked), name)
	}
	if thin := j.thinner(o.coverage(), o.minSlots()); thin != "" {
		hopeless := Ratio(float64(j.fast+slots.Missed)/float64(max(slots.Due, 1))) < o.Quantile
		if j.window.open == "" && slots.Due >= o.minSlots() && hopeless {
			return c.fail(thin + "; but it would not hold had every missed slot been fast")
		}
		return c.inconclusive(thin)
	}
	if j.fast >= rankOf(o.Quantile, asked) {
		return c.pass("")
	}
	if c.Interval == nil {
		return c.fail(fmt.Sprintf("%d of %d slots got no good answer, so the %s has no bound", slots.Bad, asked, name))
	}
	return c.fail(c.Got)
}

// measure writes the quantile into the check, when a good slot has its rank.
func (j *latencyJudge) measure(c *Check, rank int64, name string) {
	if rank > j.times.total {
		c.Got = fmt.Sprintf("no good answer at %s; %s", name, c.Slots.words())
		return
	}
	interval := j.times.at(rank)
	// The exact count tells on which side of the bound the truth lies.
	if limit := j.objective.AtMost.D(); j.fast >= rank {
		interval.Hi = min(interval.Hi, limit)
	} else {
		interval.Lo = max(interval.Lo, limit+1)
	}
	c.Interval = &interval
	c.Got = fmt.Sprintf("%s; %s", interval.words(), c.Slots.words())
}
