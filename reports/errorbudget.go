package reports

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/gamedayhq/gameday/probes"
)

// defaultPeriod is over what an SLO is promised, unless said: 30 days.
const defaultPeriod = Duration(30 * 24 * time.Hour)

// errorBudgetJudge weighs the bad time of a window against what an SLO allows.
type errorBudgetJudge struct {
	stretch
	objective ErrorBudget
	rates     []*burnRate
}

func (o *ErrorBudget) judge(p *plan) judged {
	j := &errorBudgetJudge{stretch: p.stretch(o.Of, p.window(o.Window)), objective: *o}
	if j.objective.Period == 0 {
		j.objective.Period = defaultPeriod
	}
	for _, r := range []struct {
		name  string
		over  time.Duration
		limit *float64
	}{{"5m", 5 * time.Minute, o.BurnRate5m}, {"1h", time.Hour, o.BurnRate1h}} {
		if r.limit != nil {
			j.rates = append(j.rates, newBurnRate(r.name, r.over, *r.limit))
		}
	}
	return j
}

func (j *errorBudgetJudge) take(s probes.Sample) {
	if !j.count(s) || s.Outcome == probes.Good {
		return
	}
	for _, rate := range j.rates {
		rate.add(s.Due, j.info.Every, s.Outcome == probes.Bad)
	}
}

func (j *errorBudgetJudge) check() Check {
	o := j.objective
	c := j.draft("errorBudget", "error budget", j.wants())
	c.Step = o.Window.step()
	if doubt := j.doubt(); doubt != "" {
		return c.inconclusive(doubt)
	}
	slots := j.slots()
	budget := o.SLO.badTime(o.Period.D())
	lo := float64(slots.Bad) * float64(j.info.Every) / float64(budget)
	hi := float64(slots.Bad+slots.Missed) * float64(j.info.Every) / float64(budget)
	got := []string{fmt.Sprintf("%s of the budget of %v burned", bounds(100*lo, 100*hi, "%"), budget.Round(time.Second))}
	var broken, unsure []string
	judge := func(what string, limit, lo, hi float64) {
		switch {
		case lo > limit:
			broken = append(broken, what)
		case hi > limit:
			unsure = append(unsure, what)
		}
	}
	if o.Burned != nil {
		judge("the share of the budget", float64(*o.Burned), lo, hi)
	}
	for _, rate := range j.rates {
		lo, hi := rate.worst(o.SLO.badTime(rate.over))
		got = append(got, fmt.Sprintf("burn rate over %s %s", rate.name, bounds(lo, hi, "")))
		judge("the burn rate over "+rate.name, rate.limit, lo, hi)
	}
	c.Got = strings.Join(got, ", ") + "; " + slots.words()
	thin := j.thinner(o.coverage(), o.minSlots())
	switch {
	case len(broken) > 0 && j.window.open == "":
		return c.fail(strings.Join(broken, " and ") + " is above its limit")
	case thin != "":
		return c.inconclusive(thin)
	case len(unsure) > 0:
		return c.inconclusive(strings.Join(unsure, " and ") + " may be above its limit: it was not seen closely enough to say")
	default:
		return c.pass("")
	}
}

func (j *errorBudgetJudge) wants() string {
	o := j.objective
	var out []string
	if o.Burned != nil {
		out = append(out, fmt.Sprintf("at most %v of the error budget burned", *o.Burned))
	}
	for _, rate := range j.rates {
		out = append(out, fmt.Sprintf("burn rate over %s at most %g", rate.name, rate.limit))
	}
	return fmt.Sprintf("%s (SLO %v over %v)", strings.Join(out, ", "), o.SLO, o.Period)
}

// bounds writes bounds of a number, or the number when they are one.
func bounds(lo, hi float64, unit string) string {
	one, two := fmt.Sprintf("%.4g%s", lo, unit), fmt.Sprintf("%.4g%s", hi, unit)
	if one == two {
		return one
	}
	return one + " to " + two
}

// burnParts is into how many parts a burn rate's stretch is cut. All bad time of the parts that a stretch can touch is counted, so
// that the rate is never too low, and too high by what one part can hold at most.
const burnParts = 600

// burnRate finds the stretch of a fixed length that holds the most bad time, in memory that does not grow: bad time is kept
// by parts of the stretch.
type burnRate struct {
	name  string
	over  time.Duration
	limit float64
	part  time.Duration

	bad, doubtful  [burnParts + 1]time.Duration // by part: seen bad, and seen bad or missed
	now            int64                        // the part that is being filled
	sumBad, sumAll time.Duration
	mostBad        time.Duration // over the parts that one stretch can touch
	mostAll        time.Duration // the same, with what was missed
}

func newBurnRate(name string, over time.Duration, limit float64) *burnRate {
	return &burnRate{name: name, over: over, limit: limit, part: over / burnParts}
}

// add takes a slot that was not good. Slots come in the order of their times.
func (b *burnRate) add(due, every time.Duration, bad bool) {
	for part := due / b.part; b.now < int64(part); {
		if int64(part)-b.now > burnParts {
			b.now = int64(part) - burnParts - 1 // all that is kept is older than a stretch
			b.bad, b.doubtful, b.sumBad, b.sumAll = [burnParts + 1]time.Duration{}, [burnParts + 1]time.Duration{}, 0, 0
		}
		b.now++
		i := b.now % (burnParts + 1)
		b.sumBad -= b.bad[i]
		b.sumAll -= b.doubtful[i]
		b.bad[i], b.doubtful[i] = 0, 0
	}
	i := b.now % (burnParts + 1)
	b.doubtful[i] += every
	b.sumAll += every
	if bad {
		b.bad[i] += every
		b.sumBad += every
	}
	b.mostBad = max(b.mostBad, b.sumBad)
	b.mostAll = max(b.mostAll, b.sumAll)
}

// worst returns the highest burn rate of what was seen bad, and of that and what was missed, given the bad time that is
// allowed in a stretch.
func (b *burnRate) worst(allowed time.Duration) (bad, doubtful float64) {
	return float64(min(b.mostBad, b.over)) / float64(allowed), float64(min(b.mostAll, b.over)) / float64(allowed)
}

// badTime is how much of a time may be bad when this share of it must be good. It is rounded to the nanosecond, since a share
// such as 99.9% has no exact number: else a limit that is just reached would seem to be passed. Never zero.
func (r Ratio) badTime(of time.Duration) time.Duration {
	return max(1, time.Duration(math.Round((1-float64(r))*float64(of))))
}
