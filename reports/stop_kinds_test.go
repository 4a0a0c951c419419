package reports

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/gamedayhq/gameday/probes"
)

// breachedAt returns the slot at which the condition is breached first; -1: never.
func breachedAt(condition StopWhen, samples []probes.Sample) int {
	s := NewSliding(condition)
	for _, sample := range samples {
		if s.Add(sample) {
			return int(sample.Slot)
		}
	}
	return -1
}

func TestSlidingLatency(t *testing.T) {
	for _, r := range []struct {
		name, samples string
		want          int
	}{
		{"all fast", "+50", -1},
		{"all slow is breached once the stretch is full", "!50", 10},
		{"half slow leaves p50 as it is", "+20 +5!5+40", -1},
		{"one more slow than half does not", "+20 !6+20", 25},
		{"a bad slot is slower than every bound", "+20 -6+20", 25},
		{"slow and bad are counted together", "+20 -3!3+20", 25},
		{"missed slots are not slow", "+20 .50", -1},
		{"nothing asked", ".50", -1},
		{"what is past is forgotten", "+2!5+40", -1},
	} {
		t.Run(r.name, func(t *testing.T) {
			_, samples := parseTimeline(t, "shop", r.samples)
			stop := StopWhen{Latency: &StopLatency{Of: "shop", Over: Duration(time.Second), Quantile: 0.5, Above: limit(20)}}
			if got := breachedAt(stop, samples); got != r.want {
				t.Errorf("breached at slot %d, want %d", got, r.want)
			}
		})
	}
	_, samples := parseTimeline(t, "shop", "+30")
	for bound, want := range map[time.Duration]int{tookGood: -1, tookGood - 1: 10} {
		stop := StopWhen{Latency: &StopLatency{Of: "shop", Over: Duration(time.Second), Quantile: 1, Above: Duration(bound)}}
		if got := breachedAt(stop, samples); got != want {
			t.Errorf("answers of %v, bound %v: breached at %d, want %d", tookGood, bound, got, want)
		}
	}
}

func TestSlidingOutage(t *testing.T) {
	for _, r := range []struct {
		name, samples string
		want          int
	}{
		{"no outage", "+50", -1},
		{"as long as allowed is not longer", "+5-6+20", -1},
		{"a slot more is", "+5-7+20", 11},
		{"a good answer between ends it", "+5-6+1-6+20", -1},
		{"a missed slot does not end it", "+5-3.1-3+20", 11},
		{"missed slots do not lengthen it", "+5-1.30+20", -1},
		{"the first slots of all count as well", "-7", 6},
		{"nothing asked", ".50", -1},
	} {
		t.Run(r.name, func(t *testing.T) {
			_, samples := parseTimeline(t, "shop", r.samples)
			if got := breachedAt(StopWhen{Outage: &StopOutage{Of: "shop", Longer: limit(500)}}, samples); got != r.want {
				t.Errorf("breached at slot %d, want %d", got, r.want)
			}
		})
	}
}

// TestAStoppedOutageFailsItsObjective: what ends a drill while it runs is never less than what the judge fails afterwards.
func TestAStoppedOutageFailsItsObjective(t *testing.T) {
	random := rand.New(rand.NewPCG(21, 22))
	stopped := 0
	for drill := range 300 {
		events, samples := chance(t, random)
		longest := Duration(time.Duration(1+random.IntN(12)) * every)
		if breachedAt(StopWhen{Outage: &StopOutage{Of: "shop", Longer: longest}}, samples) < 0 {
			continue
		}
		stopped++
		checks, _ := Judge(recordOf(events, samples, &Outage{Of: "shop", Window: during("whole"), Longest: &longest}))
		if c := kindOf(t, checks, "outage"); c.Verdict == Pass {
			t.Fatalf("drill %d: an outage longer than %v stops the drill, and passes: %+v", drill, longest, c)
		}
	}
	if stopped < 30 {
		t.Errorf("only %d of 300 drills were stopped: this proves little", stopped)
	}
}

func TestStopKindsSayHowTheyStand(t *testing.T) {
	_, samples := parseTimeline(t, "shop", "+10!8-3")
	for want, stop := range map[string]StopWhen{
		"share of shop answered within 20ms over 1s is 0%, stops below 95% (0 of 10 slots good and in time)": {
			Latency: &StopLatency{Of: "shop", Over: Duration(time.Second), Quantile: 0.95, Above: limit(20)},
		},
		"outage of shop is seen to last 200ms, stops when longer than 5s": {Outage: &StopOutage{Of: "shop", Longer: limit(5000)}},
		"no stop condition": {},
	} {
		s := NewSliding(stop)
		for _, sample := range samples {
			s.Add(sample)
		}
		if got := s.String(); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

func TestStopKindsProblems(t *testing.T) {
	availability := &StopAvailability{Of: "shop", Over: 1, Below: 0.5}
	outage := &StopOutage{Of: "shop", Longer: 1}
	for _, r := range []struct {
		stop StopWhen
		want string
	}{
		{StopWhen{Latency: &StopLatency{Of: "shop", Over: 1, Quantile: 0.9, Above: 1}}, ""},
		{StopWhen{Outage: outage}, ""},
		{StopWhen{Availability: availability, Outage: outage}, "has more than one condition"},
		{StopWhen{Outage: &StopOutage{Of: "shop"}}, "longer: is missing"},
		{StopWhen{Outage: &StopOutage{Longer: 1}}, "of: is missing"},
		{StopWhen{Latency: &StopLatency{Of: "shop", Over: 1, Above: 1}}, "quantile: is missing or zero"},
		{StopWhen{Latency: &StopLatency{Of: "shop", Over: 1, Quantile: 99, Above: 1}}, "quantile: 9900% is outside"},
		{StopWhen{Latency: &StopLatency{Of: "shop", Quantile: 0.9, Above: 1}}, "over: is missing"},
		{StopWhen{Latency: &StopLatency{Of: "shop", Over: 1, Quantile: 0.9}}, "above: is missing"},
	} {
		switch got := r.stop.Problems(); {
		case r.want == "" && got == nil:
		case len(got) == 1 && r.want != "" && len(got[0]) >= len(r.want) && got[0][:len(r.want)] == r.want:
		default:
			t.Errorf("%+v: got %q, want %q", r.stop, got, r.want)
		}
	}
}
