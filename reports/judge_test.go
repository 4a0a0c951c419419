package reports

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// row is one record in a table, and what must come of it.
type row struct {
	name      string
	drill     string // see timelineOf
	alert     string // samples of the monitor that watches an alert, if there is one
	objective Objective
	kind      string // of the check that is looked at; the objective's unless said
	want      Verdict
	reason    string // stands in the reason
	got       string // stands in what was got
	interval  *Interval
}

func (r row) check(t *testing.T) Check {
	t.Helper()
	var objectives []Objective
	if r.objective != nil {
		objectives = append(objectives, r.objective)
	}
	record := timelineOf(t, r.drill, objectives...)
	if r.alert != "" {
		record = watchAlert(t, record, r.alert)
	}
	if !strings.Contains(r.drill, "s") {
		record = without(record, "copy")
	}
	if !strings.ContainsAny(r.drill, "SDTI") {
		record = without(record, "break")
	}
	checks, _ := Judge(record)
	kind := r.kind
	if kind == "" {
		kind = r.objective.kind()
	}
	return kindOf(t, checks, kind)
}

func runTable(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			c := r.check(t)
			if c.Verdict != r.want {
				t.Errorf("verdict %v, want %v", c.Verdict, r.want)
			}
			if !strings.Contains(c.Reason, r.reason) {
				t.Errorf("reason %q, want it to hold %q", c.Reason, r.reason)
			}
			if !strings.Contains(c.Got, r.got) {
				t.Errorf("got %q, want it to hold %q", c.Got, r.got)
			}
			if r.interval != nil && (c.Interval == nil || *c.Interval != *r.interval) {
				t.Errorf("interval %+v, want %+v", c.Interval, r.interval)
			}
			if c.Verdict != Pass && c.Reason == "" {
				t.Error("a check that did not pass must say why")
			}
			if t.Failed() {
				t.Logf("check: %+v", c)
			}
		})
	}
}

func TestAvailability(t *testing.T) {
	most := func(w Window, r Ratio) Objective { return &Availability{Of: "shop", Window: w, AtMost: ratio(r)} }
	runTable(t, []row{
		{name: "all good is a pass", drill: "B+40b STID+40URVE+40MZ", objective: avail(during("break"), 1), want: Pass, got: "100% good: 40 good, 0 bad of 40 slots"},
		{name: "exactly the share asked for is a pass", drill: "B+40b STID+36-4URVE+40MZ", objective: avail(during("break"), 0.9), want: Pass, got: "90% good"},
		{name: "one slot less is a fail", drill: "B+40b STID+35-5URVE+40MZ", objective: avail(during("break"), 0.9), want: Fail, reason: "87.5% good: 35 good, 5 bad"},
		{name: "bad slots before the step do not count against it", drill: "B+40-5b STID+40URVE+40MZ", objective: avail(during("break"), 1), want: Pass},
		{name: "bad slots after the step do not count against it", drill: "B+40b STID+40URVE-5+40MZ", objective: avail(during("break"), 1), want: Pass},
		{name: "the first slot of a window belongs to it", drill: "B+40b STID-1+39URVE+40MZ", objective: avail(during("break"), 1), want: Fail, reason: "39 good, 1 bad"},
		{name: "the slot due at the end of a window belongs to the next", drill: "B+40b STID+40URVE-1+40MZ", objective: avail(after("break"), 1), want: Fail, reason: "40 good, 1 bad"},
		{name: "the baseline is a window", drill: "B-1+39b STID+40URVE+40MZ", objective: avail(during("baseline"), 0.9), want: Pass, got: "97.5% good"},
		{name: "the whole drill begins with the baseline", drill: "-20B+40b STID+40URVE+40MZ", objective: avail(during("whole"), 1), want: Pass, got: "120 good"},
		{name: "the time after a step ends with the next step", drill: "B+40b STID+5URVE+40sd-40eMZ", objective: avail(after("break"), 1), want: Pass, got: "40 good"},
		{name: "the time after the last step ends when the monitors stop", drill: "B+40b STID+5URVE+40M_20Z", objective: avail(after("break"), 1), want: Pass, got: "of 40 slots"},
		{name: "without a word of the monitors it ends with the drill", drill: "B+40b STID+5URVE+40_20Z", objective: avail(after("break"), 1), want: Inconclusive, reason: "66.666% of the slots were asked"},
		{name: "29 slots are too few", drill: "B+40b STID+29URVE+40MZ", objective: avail(during("break"), 0.5), want: Inconclusive, reason: "29 slots are too few"},
		{name: "30 slots are enough", drill: "B+40b STID+30URVE+40MZ", objective: avail(during("break"), 0.5), want: Pass},
		{name: "too few slots do not fail either", drill: "B+40b STID-29URVE+40MZ", objective: avail(during("break"), 0.5), want: Inconclusive, reason: "too few"},
		{name: "coverage of 95 in 100 is enough", drill: "B+40b STID+95.5URVE+40MZ", objective: avail(during("break"), 1), want: Pass, got: "95 good, 0 bad, 5 missed of 100 slots"},
		{name: "coverage of 94 in 100 is not", drill: "B+40b STID+94.6URVE+40MZ", objective: avail(during("break"), 1), want: Inconclusive, reason: "only 94% of the slots were asked (94 of 100)"},
		{name: "a slot with no sample at all is missed", drill: "B+40b STID+94_6URVE+40MZ", objective: avail(during("break"), 1), want: Inconclusive, reason: "only 94%"},
		{name: "a missed slot is not bad", drill: "B+40b STID+39.1URVE+40MZ", objective: avail(during("break"), 1), want: Pass, got: "100% good"},
		{name: "a missed slot is not good", drill: "B+40b STID+96.2-2URVE+40MZ", objective: avail(during("break"), 0.98), want: Fail, reason: "97.959% good"},
		{name: "low coverage fails when not even all missed slots could save it", drill: "B+40b STID+50-40.10URVE+40MZ", objective: avail(during("break"), 0.9), want: Fail, reason: "in its favour"},
		{name: "low coverage that missed slots could save is open", drill: "B+40b STID+80-10.10URVE+40MZ", objective: avail(during("break"), 0.9), want: Inconclusive, reason: "90% of the slots"},
		{name: "low coverage never passes, even when it would hold whatever was missed", drill: "B+40b STID+90.10URVE+40MZ", objective: avail(during("break"), 0.5), want: Inconclusive},
		{name: "a monitor that never asked is open", drill: "B+40b STID.40URVE+40MZ", objective: avail(during("break"), 0), want: Inconclusive, reason: "never asked: all 40 slots were missed"},
		{name: "no sample at all is open", drill: "B_40b STID_40URVE_40MZ", objective: avail(during("break"), 0), want: Inconclusive, reason: "never asked"},
		{name: "a window of no length is open", drill: "B+40b STIDURVE+40MZ", objective: avail(during("break"), 0.5), want: Inconclusive, reason: "no slot"},
		{name: "a step that never started is open", drill: "B+40bMZ", objective: avail(during("break"), 0.5), want: Inconclusive, reason: "no step"},
		{name: "a window that the drill never reached is open", drill: "B+40bAZ s", objective: avail(after("copy"), 0.5), want: Inconclusive, reason: "never came to it"},
		{name: "a step that never ended is open, however bad", drill: "B+40b STID-40", objective: avail(during("break"), 0.9), want: Inconclusive, reason: "the record ends within it", got: "0% good"},
		{name: "a step that never ended is open, however good", drill: "B+40b STID+40", objective: avail(during("break"), 0.9), want: Inconclusive, reason: "the record ends within it"},
		{name: "an unknown monitor is open", drill: "B+40b STID+40URVE+40MZ", objective: &Availability{Of: "cart", Window: during("break"), AtLeast: ratio(0.5)}, want: Inconclusive, reason: `no monitor "cart"`},
		{name: "an unknown step is open", drill: "B+40b STID+40URVE+40MZ", objective: avail(during("brake"), 0.5), want: Inconclusive, reason: `no step "brake"`},
		{name: "an objective with mistakes is open", drill: "B+40b STID+40URVE+40MZ", objective: &Availability{Of: "shop", Window: during("break")}, want: Inconclusive, reason: "atLeast: is missing"},
		{name: "a harm that was to be seen was seen", drill: "B+40b STID-30+10URVE+40MZ", objective: most(during("break"), 0.25), want: Pass, got: "25% good"},
		{name: "a harm that was to be seen was too small", drill: "B+40b STID-29+11URVE+40MZ", objective: most(during("break"), 0.25), want: Fail, reason: "27.5% good"},
		{name: "missed slots are no harm", drill: "B+40b STID.30-2+8URVE+40MZ", objective: most(during("break"), 0.25), want: Inconclusive},
		{name: "too much good for a harm, whatever was missed", drill: "B+40b STID+30.10URVE+40MZ", objective: most(during("break"), 0.25), want: Fail, reason: "in its favour"},
	})
}

func TestConfidence(t *testing.T) {
	sure := func(least, confidence Ratio, rigor Rigor) Objective {
		return &Availability{Of: "shop", Window: during("break"), AtLeast: ratio(least), Confidence: confidence, Rigor: rigor}
	}
	most := func(most, confidence Ratio) Objective {
		return &Availability{Of: "shop", Window: during("break"), AtMost: ratio(most), Confidence: confidence}
	}
	runTable(t, []row{
		{name: "all of few slots good does not show 99%", drill: "B+40b STID+40URVE+40MZ", objective: sure(0.99, 0.95, Rigor{}), want: Inconclusive, reason: "at least 93.665% good (Wilson bound of 40 slots)"},
		{name: "all of many slots good does", drill: "B+40b STID+300URVE+40MZ", objective: sure(0.99, 0.95, Rigor{}), want: Pass, reason: "at least 99.106% good"},
		{name: "a share that is too low fails, whatever its bound", drill: "B+40b STID+30-10URVE+40MZ", objective: sure(0.9, 0.95, Rigor{}), want: Fail, reason: "75% good"},
		{name: "a harm that was surely seen", drill: "B+40b STID-40URVE+40MZ", objective: most(0.1, 0.95), want: Pass, reason: "at most 6.335% good"},
		{name: "a harm that may have been smaller", drill: "B+40b STID-36+4URVE+40MZ", objective: most(0.1, 0.95), want: Inconclusive, reason: "does not reach the limit"},
		{name: "without confidence the share is enough", drill: "B+40b STID+40URVE+40MZ", objective: sure(0.99, 0, Rigor{}), want: Pass},
		{name: "fewer slots are enough when it says so", drill: "B+40b STID+10URVE+40MZ", objective: sure(1, 0, Rigor{MinSlots: 10}), want: Pass},
		{name: "and still too few", drill: "B+40b STID+9URVE+40MZ", objective: sure(1, 0, Rigor{MinSlots: 10}), want: Inconclusive, reason: "9 slots are too few to say: want at least 10"},
		{name: "more slots are needed when it says so", drill: "B+40b STID+40URVE+40MZ", objective: sure(1, 0, Rigor{MinSlots: 41}), want: Inconclusive, reason: "want at least 41"},
		{name: "a lower coverage is enough when it says so", drill: "B+40b STID+80.20URVE+40MZ", objective: sure(1, 0, Rigor{Coverage: 0.8}), want: Pass},
		{name: "and still too low", drill: "B+40b STID+79.21URVE+40MZ", objective: sure(1, 0, Rigor{Coverage: 0.8}), want: Inconclusive, reason: "want at least 80%"},
		{name: "a higher coverage is needed when it says so", drill: "B+40b STID+99.1URVE+40MZ", objective: sure(1, 0, Rigor{Coverage: 1}), want: Inconclusive, reason: "want at least 100%"},
	})
}

func TestErrorBudget(t *testing.T) {
	// 40 s of budget: a share of 10% over 400 s.
	burned := func(share Ratio) Objective {
		return &ErrorBudget{Of: "shop", Window: during("whole"), SLO: 0.9, Period: limit(400_000), Burned: ratio(share)}
	}
	number := func(f float64) *float64 { return &f }
	rate5m := func(most float64) Objective {
		return &ErrorBudget{Of: "shop", Window: during("whole"), SLO: 0.99, BurnRate5m: number(most)}
	}
	runTable(t, []row{
		{name: "no bad slot burns nothing", drill: "B+40b STID+40URVE+40MZ", objective: burned(0), want: Pass, got: "0% of the budget of 40s burned"},
		{name: "40 bad slots of 100 ms are a tenth of it", drill: "B+40b STID-40URVE+40MZ", objective: burned(0.1), want: Pass, got: "10% of the budget"},
		{name: "one more is above the limit", drill: "B+40b STID-41URVE+40MZ", objective: burned(0.1), want: Fail, reason: "the share of the budget is above its limit"},
		{name: "a missed slot may have been bad", drill: "B+40b STID-40+40.2URVE+40MZ", objective: burned(0.1), want: Inconclusive, got: "10% to 10.5%", reason: "may be above its limit"},
		{name: "hardly asked is open", drill: "B+40b STID.40URVE+40MZ", objective: burned(1), want: Inconclusive, reason: "of the slots were asked"},
		{name: "hardly asked and too much burned all the same is a fail", drill: "B+40b STID-41.40URVE+40MZ", objective: burned(0.1), want: Fail},
		{name: "a window that never closed is open, however bad", drill: "B+40b STID-100", objective: burned(0.1), want: Inconclusive, reason: "ends within it"},
		{name: "too few slots are open", drill: "B+5b STID+5URVE+5MZ", objective: burned(1), want: Inconclusive, reason: "too few"},
		{name: "an unknown monitor is open", drill: "B+40b STID+5URVE+40MZ", objective: &ErrorBudget{Of: "cart", Window: during("whole"), SLO: 0.9, Burned: ratio(1)}, want: Inconclusive, reason: "no monitor"},
		{name: "30 s of 5 m at 1% allowed is a burn rate of 10", drill: "B+400b STID-300URVE+400MZ", objective: rate5m(10), want: Pass, got: "burn rate over 5m 10;"},
		{name: "a slot more is above it", drill: "B+400b STID-301URVE+400MZ", objective: rate5m(10), want: Fail, reason: "the burn rate over 5m is above its limit"},
		{name: "bad stretches further apart than the window do not add up", drill: "B+100b STID-150URVE+3100sd-150e+40MZ", objective: rate5m(5.02), want: Pass, got: "burn rate over 5m 5;"},
		{name: "bad stretches within it do", drill: "B+100b STID-150URVE+2600sd-150e+40MZ", objective: rate5m(5.02), want: Fail, got: "burn rate over 5m 10;"},
		{name: "what was missed may have burned", drill: "B+400b STID-300.20URVE+400MZ", objective: rate5m(10), want: Inconclusive, got: "10 to 10.67"},
		{name: "all bad for longer than the window is the whole rate", drill: "B+40b STID-4000URVE+40MZ", objective: rate5m(1000), want: Pass, got: "burn rate over 5m 100;"},
		{name: "an hour is counted as well", drill: "B+400b STID-360URVE+400MZ", objective: &ErrorBudget{Of: "shop", Window: during("whole"), SLO: 0.99, BurnRate1h: number(1)}, want: Pass, got: "burn rate over 1h 1;"},
	})
}

func TestValue(t *testing.T) {
	number := func(f float64) *float64 { return &f }
	value := func(take Take, least, most *float64) Objective {
		return &Value{Of: "orders", Window: during("break"), Take: take, AtLeast: least, AtMost: most}
	}
	for _, r := range []struct {
		name      string
		objective Objective
		facts     map[time.Duration]string // by offset; the step lasts from 4 s to 8 s
		want      Verdict
		text      string
	}{
		{"the last number is judged", value("", number(3), nil), map[time.Duration]string{5: `{"name":"orders","value":1}`, 6: `{"name":"orders","value":3}`}, Pass, "3 (last of 2)"},
		{"it can be too low", value("", number(3.5), nil), map[time.Duration]string{5: `{"name":"orders","value":9}`, 6: `{"name":"orders","value":3}`}, Fail, "3 (last of 2)"},
		{"it can be too high", value("", nil, number(2)), map[time.Duration]string{6: `{"name":"orders","value":3}`}, Fail, "3 (last of 1)"},
		{"exactly the bounds hold", value("", number(3), number(3)), map[time.Duration]string{6: `{"name":"orders","value":3}`}, Pass, ""},
		{"the least", value(TakeMin, number(2), nil), map[time.Duration]string{5: `{"name":"orders","value":1}`, 6: `{"name":"orders","value":3}`}, Fail, "1 (min of 2)"},
		{"the greatest", value(TakeMax, nil, number(2)), map[time.Duration]string{5: `{"name":"orders","value":1}`, 6: `{"name":"orders","value":3}`}, Fail, "3 (max of 2)"},
		{"the mean", value(TakeMean, number(2), number(2)), map[time.Duration]string{5: `{"name":"orders","value":1}`, 6: `{"name":"orders","value":3}`}, Pass, "2 (mean of 2)"},
		{"no number is open", value("", number(0), nil), nil, Inconclusive, "no number"},
		{"a number of another name is none", value("", number(0), nil), map[time.Duration]string{5: `{"name":"carts","value":1}`}, Inconclusive, "no number"},
		{"a number before the window is none", value("", number(0), nil), map[time.Duration]string{3: `{"name":"orders","value":1}`}, Inconclusive, "no number"},
		{"a number after the window is none", value("", number(0), nil), map[time.Duration]string{9: `{"name":"orders","value":1}`}, Inconclusive, "no number"},
		{"a number at the window's end is its", value("", number(0), nil), map[time.Duration]string{8: `{"name":"orders","value":1}`}, Pass, ""},
		{"a query without data is no zero", value("", nil, number(5)), map[time.Duration]string{5: `{"name":"orders","value":0,"missing":"no data"}`}, Inconclusive, "no data"},
		{"a number that is not readable is open", value("", nil, number(5)), map[time.Duration]string{5: `{"name":`, 6: `{"name":"orders","value":1}`}, Inconclusive, "not readable"},
		{"a step that never was is open", &Value{Of: "orders", Window: during("brake"), AtMost: number(1)}, nil, Inconclusive, "no step"},
	} {
		record := timelineOf(t, "B+40b STID+40URVE+40MZ", r.objective)
		for at, data := range r.facts {
			record.Events = append(record.Events, Event{At: at * time.Second, Kind: Fact, Topic: TopicValue, Data: json.RawMessage(data)})
		}
		slices.SortStableFunc(record.Events, func(a, b Event) int { return int(a.At - b.At) })
		checks, _ := Judge(record)
		c := kindOf(t, checks, "value")
		if c.Verdict != r.want || !strings.Contains(c.Got+c.Reason, r.text) {
			t.Errorf("%s: %v, got %q, reason %q; want %v and %q", r.name, c.Verdict, c.Got, c.Reason, r.want, r.text)
		}
	}
}

// The bounds are those that the binomial's own tails give, to what an approximation may be off: checked at textbook values.
func TestWilson(t *testing.T) {
	for _, r := range []struct {
		good, all    int64
		confidence   float64
		lower, upper float64
	}{
		{0, 10, 0.975, 0, 0.2775},
		{10, 10, 0.975, 0.7225, 1},
		{5, 10, 0.975, 0.2366, 0.7634},
		{95, 100, 0.975, 0.8882, 0.9785},
		{1, 1000, 0.95, 0.0002, 0.0044},
		{7, 10, 0.5, 0.7, 0.7},
	} {
		lower, upper := wilson(r.good, r.all, r.confidence)
		if math.Abs(lower-r.lower) > 5e-4 || math.Abs(upper-r.upper) > 5e-4 {
			t.Errorf("%d of %d at %v: %.4f to %.4f, want %.4f to %.4f", r.good, r.all, r.confidence, lower, upper, r.lower, r.upper)
		}
	}
}

func TestLatency(t *testing.T) {
	p := func(q Ratio, most int64) Objective {
		return &Latency{Of: "shop", Window: during("break"), Quantile: q, AtMost: limit(most)}
	}
	runTable(t, []row{
		{name: "all fast is a pass", drill: "B+40b STID+100URVE+40MZ", objective: p(0.99, 20), want: Pass, got: "10ms"},
		{name: "exactly at the bound is a pass", drill: "B+40b STID+100URVE+40MZ", objective: p(0.99, 10), want: Pass, interval: &Interval{Lo: 9961472, Hi: ms(10)}},
		{name: "a nanosecond above the bound is a fail", drill: "B+40b STID+100URVE+40MZ", objective: &Latency{Of: "shop", Window: during("break"), Quantile: 0.99, AtMost: Duration(tookGood - 1)}, want: Fail, interval: &Interval{Lo: tookGood, Hi: tookGood}},
		{name: "one slow slot in a hundred is no matter to p99", drill: "B+40b STID+99!1URVE+40MZ", objective: p(0.99, 20), want: Pass},
		{name: "two slow slots in a hundred are", drill: "B+40b STID+98!2URVE+40MZ", objective: p(0.99, 20), want: Fail, reason: "80ms"},
		{name: "p100 is the slowest", drill: "B+40b STID+99!1URVE+40MZ", objective: p(1, 79), want: Fail, reason: "80ms"},
		{name: "a bad slot is slower than every bound", drill: "B+40b STID+98-2URVE+40MZ", objective: p(0.99, 20), want: Fail, reason: "2 of 100 slots got no good answer"},
		{name: "one bad slot in a hundred leaves p99 as it was", drill: "B+40b STID+99-1URVE+40MZ", objective: p(0.99, 20), want: Pass},
		{name: "all bad is a fail", drill: "B+40b STID-100URVE+40MZ", objective: p(0.5, 20), want: Fail, reason: "no bound"},
		{name: "all missed is open", drill: "B+40b STID.100URVE+40MZ", objective: p(0.5, 20), want: Inconclusive, reason: "never asked"},
		{name: "too few slots are open", drill: "B+40b STID+20URVE+40MZ", objective: p(0.5, 20), want: Inconclusive, reason: "too few"},
		{name: "low coverage is open", drill: "B+40b STID+90.10URVE+40MZ", objective: p(0.5, 20), want: Inconclusive, reason: "90% of the slots"},
		{name: "low coverage that could not be saved is a fail", drill: "B+40b STID+10!80.10URVE+40MZ", objective: p(0.5, 20), want: Fail, reason: "had every missed slot been fast"},
		{name: "slow slots outside of the window do not count", drill: "B!40b STID+100URVE!40MZ", objective: p(1, 20), want: Pass},
		{name: "a window that is not over is open", drill: "B+40b STID!100", objective: p(0.5, 20), want: Inconclusive, reason: "the record ends within it"},
	})
}

func TestOutage(t *testing.T) {
	longest := func(n int64) Objective { return &Outage{Of: "shop", Window: during("break"), Longest: duration(ms(n))} }
	total := func(n int64) Objective { return &Outage{Of: "shop", Window: during("break"), Total: duration(ms(n))} }
	count := func(n int) Objective { return &Outage{Of: "shop", Window: during("break"), Count: number(n)} }
	runTable(t, []row{
		{name: "no bad slot is no outage", drill: "B+40b STID+40URVE+40MZ", objective: longest(0), want: Pass, got: "no outage seen"},
		{name: "one bad slot is an outage of up to two slots", drill: "B+40b STID+9-1+30URVE+40MZ", objective: longest(210), want: Pass, interval: &Interval{Lo: 0, Hi: ms(210)}},
		{name: "an outage is judged on the longest that it can have been", drill: "B+40b STID+9-1+30URVE+40MZ", objective: longest(209), want: Fail, reason: "may have been 210ms, more than 209ms"},
		{name: "an outage is at least as long as it was seen to be", drill: "B+40b STID+9-5+26URVE+40MZ", objective: longest(1000), want: Pass, interval: &Interval{Lo: ms(380), Hi: ms(610)}},
		{name: "the longest of several counts", drill: "B+40b STID+9-1+5-4+21URVE+40MZ", objective: longest(500), want: Fail, reason: "may have been 510ms"},
		{name: "all together are added up", drill: "B+40b STID+9-1+5-1+24URVE+40MZ", objective: total(420), want: Pass, got: "in all 0s to 420ms"},
		{name: "all together are too much", drill: "B+40b STID+9-1+5-1+24URVE+40MZ", objective: total(419), want: Fail, reason: "all outages together"},
		{name: "as many outages as allowed", drill: "B+40b STID+9-1+5-1+24URVE+40MZ", objective: count(2), want: Pass},
		{name: "one outage too many", drill: "B+40b STID+9-1+5-1+5-1+18URVE+40MZ", objective: count(2), want: Fail, reason: "3 outages are more than 2"},
		{name: "an outage that began in the window is followed to its end", drill: "B+40b STID+38-2URVE-8+40MZ", objective: longest(900), want: Fail, reason: "may have been 1.11s"},
		{name: "an outage that began before the window counts from its start", drill: "B+40b STID-2+38URVE+40MZ", objective: longest(210), want: Pass, interval: &Interval{Lo: ms(80), Hi: ms(210)}},
		{name: "an outage after the window does not count", drill: "B+40b STID+40URVE+1-8+40MZ", objective: count(0), want: Pass},
		{name: "an outage that is not over when the record ends is open", drill: "B+40b STID+30-10URVEMZ", objective: longest(5000), want: Inconclusive, reason: "not over"},
		{name: "an outage that is not over but too long is a fail", drill: "B+40b STID+30-10URVEMZ", objective: longest(900), want: Fail, reason: "may have been"},
		{name: "missed slots around a bad one leave it open", drill: "B+200b STID+19-1.4+176URVE+40MZ", objective: longest(300), want: Inconclusive, reason: "only for slots that were missed around it"},
		{name: "missed slots before a bad one leave it open", drill: "B+200b STID+15.4-1+180URVE+40MZ", objective: longest(300), want: Inconclusive, reason: "missed around it"},
		{name: "missed slots do not excuse what was seen", drill: "B+200b STID+15-4.4+177URVE+40MZ", objective: longest(300), want: Fail},
		{name: "low coverage is open", drill: "B+40b STID+20.10+10URVE+40MZ", objective: longest(300), want: Inconclusive, reason: "75% of the slots"},
		{name: "a monitor that never asked is open", drill: "B+40b STID.40URVE+40MZ", objective: count(0), want: Inconclusive, reason: "never asked"},
		{name: "a window that is not over is open", drill: "B+40b STID+40", objective: count(0), want: Inconclusive, reason: "the record ends within it"},
	})
}
