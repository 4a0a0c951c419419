package reports

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gamedayhq/gameday/probes"
)

// worse orders verdicts by how bad they are.
func worse(a, b Verdict) bool { return a > b }

// chance makes a drill with random samples, answers that take less than a slot, and missed slots.
func chance(t *testing.T, random *rand.Rand) ([]Event, []probes.Sample) {
	t.Helper()
	text := strings.Builder{}
	slots := func(n int) {
		for range n {
			text.WriteByte("++++++++--.__"[random.IntN(4+random.IntN(10))])
		}
	}
	run := func() {
		fmt.Fprintf(&text, "%c%d", "+-."[random.IntN(3)], 1+random.IntN(12))
	}
	text.WriteString("B+40b ")
	if random.IntN(2) == 0 {
		text.WriteByte('\'')
	}
	text.WriteString("STID")
	for range 1 + random.IntN(4) {
		run()
		slots(random.IntN(10))
	}
	text.WriteString("+30URVE")
	for range random.IntN(4) {
		run()
		slots(random.IntN(10))
	}
	text.WriteString("+" + fmt.Sprint(1+random.IntN(30)) + "MZ")
	events, samples := parseTimeline(t, "shop", text.String())
	for i := range samples {
		if samples[i].Outcome != probes.Missed {
			samples[i].Took = time.Duration(1 + random.Int64N(int64(every)-1))
			samples[i].Late = time.Duration(random.Int64N(int64(samples[i].Took)))
		}
	}
	return events, samples
}

func chanceObjectives(random *rand.Rand) []Objective {
	limits := func() Duration { return Duration(time.Duration(1+random.IntN(40)) * every / 2) }
	longest, total := limits(), limits()
	windows := []Window{during("break"), after("break"), during("whole"), during("baseline")}
	window := func() Window { return windows[random.IntN(len(windows))] }
	anchors := []Anchor{FromStart, FromEnd}
	return []Objective{
		&Availability{Of: "shop", Window: window(), AtLeast: ratio(Ratio(random.Float64()))},
		&Latency{Of: "shop", Window: window(), Quantile: Ratio(0.01 + 0.99*random.Float64()), AtMost: Duration(1 + random.Int64N(int64(every)))},
		&Outage{Of: "shop", Window: window(), Longest: &longest, Total: &total},
		&Recovery{Of: "shop", After: "break", From: anchors[random.IntN(2)], Within: limits(), Good: 1 + random.IntN(5)},
	}
}

// TestABadSampleNeverImprovesAVerdict turns good slots bad, one after the other. (Not so for what is to be seen broken: a
// detection, and an availability that must fall; nor for a count of outages, which two can become one.)
func TestABadSampleNeverImprovesAVerdict(t *testing.T) {
	const drills, changes = 150, 12
	random := rand.New(rand.NewPCG(11, 12))
	for drill := range drills {
		events, samples := chance(t, random)
		objectives := chanceObjectives(random)
		before, whole := Judge(recordOf(events, slices.Clone(samples), objectives...))
		for range changes {
			i := random.IntN(len(samples))
			if samples[i].Outcome != probes.Good {
				continue
			}
			was := samples[i]
			samples[i].Outcome, samples[i].Reason = probes.Bad, probes.ReasonRefused
			now, wholeNow := Judge(recordOf(events, slices.Clone(samples), objectives...))
			for k := range now {
				if worse(before[k].Verdict, now[k].Verdict) {
					t.Fatalf("drill %d: slot %d turned bad, and a verdict better:\nobjective %+v\nbefore %+v\nnow    %+v\nslot %+v",
						drill, was.Slot, fmt.Sprintf("%+v", objectives[min(k, len(objectives)-1)]), before[k], now[k], was)
				}
			}
			if worse(whole, wholeNow) {
				t.Fatalf("drill %d: the whole went from %v to %v", drill, whole, wholeNow)
			}
			before, whole = now, wholeNow
		}
	}
}

// TestACutRecordNeverPasses cuts random drills at every event.
func TestACutRecordNeverPasses(t *testing.T) {
	random := rand.New(rand.NewPCG(13, 14))
	for range 100 {
		events, samples := chance(t, random)
		for cut := range len(events) {
			until := events[cut].At
			kept := slices.DeleteFunc(slices.Clone(samples), func(s probes.Sample) bool { return s.Due+s.Took > until })
			checks, verdict := Judge(without(recordOf(events[:cut], kept, avail(during("baseline"), 0)), "copy"))
			if verdict == Pass || verdict == 0 {
				t.Fatalf("cut at event %d: %v: %+v", cut, verdict, checks)
			}
		}
	}
}

// TestMeasuredTimesBoundTheTruth lets a system fail from one time to another, asks it, and looks whether the truth lies
// within what was measured.
func TestMeasuredTimesBoundTheTruth(t *testing.T) {
	random := rand.New(rand.NewPCG(15, 16))
	for run := range 1000 {
		const slots = 200
		start := 50*every + time.Duration(random.Int64N(int64(every)))
		down := start + time.Duration(random.Int64N(int64(20*every)))
		length := time.Duration(random.Int64N(int64(60 * every)))
		up := down + length
		var samples []probes.Sample
		for slot := range int64(slots) {
			s := probes.Sample{Monitor: "shop", Slot: slot, Due: time.Duration(slot) * every, Outcome: probes.Good}
			s.Late = time.Duration(random.Int64N(int64(every / 10)))
			heard := s.Late + time.Duration(random.Int64N(int64(every))) // when the system makes up its answer
			s.Took = heard + time.Duration(random.Int64N(int64(every)))
			if at := s.Due + heard; at >= down && at < up {
				s.Outcome, s.Reason = probes.Bad, probes.ReasonRefused
			}
			samples = append(samples, s)
		}
		events := []Event{
			{Kind: BaselineStarted},
			{At: 40 * every, Kind: BaselineEnded},
			{At: start, Kind: StepStarted, Step: "break"},
			{At: start + 150*every, Kind: DrillEnded},
		}
		checks, _ := Judge(recordOf(events, samples,
			&Outage{Of: "shop", Window: during("whole"), Longest: duration(time.Hour)},
			&Recovery{Of: "shop", After: "break", Within: limit(3_600_000), Good: 3},
			&Detection{By: "shop", After: "break", Within: limit(3_600_000)}))
		outage, recovery, detection := kindOf(t, checks, "outage"), kindOf(t, checks, "recovery"), kindOf(t, checks, "detection")
		if outage.Interval == nil {
			if length > 3*every {
				t.Fatalf("run %d: an outage of %v was missed", run, length)
			}
			continue
		}
		inside := func(what string, c Check, truth time.Duration) {
			if c.Interval == nil || truth < c.Interval.Lo || truth > c.Interval.Hi {
				t.Fatalf("run %d: %s is %v, outside %+v", run, what, truth, c.Interval)
			}
		}
		// An answer that is made up late can overtake the next one's: then one outage is seen as two.
		if strings.HasPrefix(outage.Got, "1 outage") {
			inside("outage", outage, length)
		}
		inside("recovery", recovery, up-start)
		if lo, hi := detection.Interval.Lo, detection.Interval.Hi; down-start > hi || down-start < lo-2*every {
			t.Fatalf("run %d: detection is %v, outside %v to %v", run, down-start, lo, hi)
		}
	}
}

// TestTheOrderOfMonitorsChangesNothing: what is judged does not depend on how monitors' samples are mixed.
func TestTheOrderOfMonitorsChangesNothing(t *testing.T) {
	record := aDrill(t)
	want := fmt.Sprintf("%+v", Derive(record, State{}).Verdict)
	samples := slices.Collect(record.Samples)
	slices.SortStableFunc(samples, func(a, b probes.Sample) int { return int(a.Due - b.Due) })
	first, _ := encode(Derive(record, State{}))
	record.Samples = slices.Values(samples)
	second, _ := encode(Derive(record, State{}))
	if string(first) != string(second) {
		t.Errorf("the evidence differs (%s)", want)
	}
}
