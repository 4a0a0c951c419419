package reports

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gamedayhq/gameday/probes"
)

// TestHowTheStreamIsMixedChangesNothing: only each monitor's own order counts. Samples of three monitors, and some of one that
// the drill does not have, are dealt in random turns, in runs of random length.
func TestHowTheStreamIsMixedChangesNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(31, 32))
	for drill := range 60 {
		events, shop := chance(t, random)
		objectives := chanceObjectives(random)
		streams := [][]probes.Sample{shop, named("cart", shop), named("till", shop), named("stranger", shop[:3])}
		want := ""
		for deal := range 4 {
			var samples []probes.Sample
			if deal == 0 {
				samples = slices.Concat(streams...)
			} else {
				samples = dealt(random, streams)
			}
			record := recordOf(events, samples, objectives...)
			for _, name := range []string{"cart", "till"} {
				record.Header.Drill.Monitors = append(record.Header.Drill.Monitors, MonitorInfo{Name: name, Every: every, Timeout: every})
			}
			checks, verdict := Judge(record)
			text, err := encode(Evidence{Checks: checks, Verdict: verdict})
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case want == "":
				want = string(text)
			case want != string(text):
				t.Fatalf("drill %d, deal %d: the checks differ:\n%s\n%s", drill, deal, want, text)
			}
		}
	}
}

func named(monitor string, samples []probes.Sample) []probes.Sample {
	out := slices.Clone(samples)
	for i := range out {
		out[i].Monitor = monitor
	}
	return out
}

// dealt mixes the streams, each in its own order.
func dealt(random *rand.Rand, streams [][]probes.Sample) []probes.Sample {
	left := slices.Clone(streams)
	var out []probes.Sample
	for len(left) > 0 {
		i := random.IntN(len(left))
		n := min(1+random.IntN(5), len(left[i]))
		out, left[i] = append(out, left[i][:n]...), left[i][n:]
		if len(left[i]) == 0 {
			left = slices.Delete(left, i, i+1)
		}
	}
	return out
}

// TestASlotThatWasMissedNeverBringsAPass takes good answers away. (A slow answer that is taken away can make a quantile
// faster, so latency takes no part.)
func TestASlotThatWasMissedNeverBringsAPass(t *testing.T) {
	random := rand.New(rand.NewPCG(33, 34))
	for drill := range 150 {
		events, samples := chance(t, random)
		objectives := slices.DeleteFunc(chanceObjectives(random), func(o Objective) bool { return o.kind() == "latency" })
		before, whole := Judge(recordOf(events, slices.Clone(samples), objectives...))
		for range 12 {
			i := random.IntN(len(samples))
			if samples[i].Outcome != probes.Good {
				continue
			}
			was := samples[i]
			samples[i].Outcome, samples[i].Reason, samples[i].Took, samples[i].Late = probes.Missed, probes.ReasonLate, 0, 0
			now, wholeNow := Judge(recordOf(events, slices.Clone(samples), objectives...))
			for k := range now {
				if now[k].Verdict == Pass && before[k].Verdict != Pass {
					t.Fatalf("drill %d: slot %d was missed, and a verdict is a pass:\nobjective %s\nbefore %+v\nnow    %+v",
						drill, was.Slot, fmt.Sprintf("%+v", objectives[min(k, len(objectives)-1)]), before[k], now[k])
				}
			}
			if wholeNow == Pass && whole != Pass {
				t.Fatalf("drill %d: the whole went from %v to %v", drill, whole, wholeNow)
			}
			before, whole = now, wholeNow
		}
	}
}
