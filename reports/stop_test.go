package reports

import (
	"strings"
	"testing"
	"time"
)

func TestSliding(t *testing.T) {
	for _, r := range []struct {
		name, samples string
		over          time.Duration
		want          int // the slot at which it is breached first; -1: never
	}{
		{"all good", "+50", time.Second, -1},
		{"all bad is breached once the stretch is full", "-50", time.Second, 10},
		{"half is not below half", "+20 -5+5-5+5-5+5", time.Second, -1},
		{"one more bad than half is", "+20 -6+20", time.Second, 25},
		{"what is past is forgotten", "+2-5+40", time.Second, -1},
		{"missed slots are no harm", "+20 .50", time.Second, -1},
		{"missed slots hide no harm", "+10 .15 -1+5", time.Second, 25},
		{"slots without a sample hide no harm", "+10 _15 -1+5", time.Second, 25},
		{"nothing asked", ".50", time.Second, -1},
		{"a stretch of one slot", "+20-1", every, 20},
	} {
		t.Run(r.name, func(t *testing.T) {
			s := NewSliding(StopWhen{Availability: &StopAvailability{Of: "shop", Over: Duration(r.over), Below: 0.5}})
			_, samples := parseTimeline(t, "shop", r.samples)
			_, others := parseTimeline(t, "cart", "-1")
			got := -1
			for _, sample := range samples {
				if s.Add(others[0]) {
					t.Fatal("another monitor's sample breached it")
				}
				if s.Add(sample) {
					got = int(sample.Slot)
					break
				}
			}
			if got != r.want {
				t.Errorf("breached at slot %d, want %d", got, r.want)
			}
		})
	}
}

// TestSlidingAgreesWithACount compares the sliding count with one made from scratch at each slot.
func TestSlidingAgreesWithACount(t *testing.T) {
	_, samples := parseTimeline(t, "shop", "+7-3.2+1-9+30-1_3+2-8.5+4-20+11-2+3-3+50")
	s := NewSliding(StopWhen{Availability: &StopAvailability{Of: "shop", Over: Duration(time.Second), Below: 0.6}})
	for i, sample := range samples {
		good, asked := 0, 0
		for _, earlier := range samples[:i+1] {
			if earlier.Due > sample.Due-time.Second && earlier.Reason != "late" {
				asked++
				if earlier.Reason == "" {
					good++
				}
			}
		}
		want := sample.Due >= time.Second && asked > 0 && float64(good)/float64(asked) < 0.6
		if got := s.Add(sample); got != want {
			t.Fatalf("slot %d: breached %v, want %v (%d of %d)", sample.Slot, got, want, good, asked)
		}
	}
	if len(s.asked) > 30 {
		t.Errorf("%d slots are kept for a stretch of 10", len(s.asked))
	}
}

func TestSlidingSaysHowItStands(t *testing.T) {
	s := NewSliding(StopWhen{Availability: &StopAvailability{Of: "shop", Over: Duration(time.Second), Below: 0.5}})
	if got := s.String(); !strings.Contains(got, "nothing was asked") {
		t.Error(got)
	}
	_, samples := parseTimeline(t, "shop", "+10-8")
	for _, sample := range samples {
		s.Add(sample)
	}
	if got, want := s.String(), "availability of shop over 1s is 20%, stops below 50% (2 of 10 slots good)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if NewSliding(StopWhen{}).Add(samples[0]) {
		t.Error("a condition without a kind was breached")
	}
}

func TestStopProblems(t *testing.T) {
	for _, r := range []struct {
		stop StopWhen
		want string
	}{
		{StopWhen{}, "availability: is missing"},
		{StopWhen{Availability: &StopAvailability{Over: 1, Below: 0.5}}, "of: is missing"},
		{StopWhen{Availability: &StopAvailability{Of: "shop", Below: 0.5}}, "over: is missing"},
		{StopWhen{Availability: &StopAvailability{Of: "shop", Over: 1}}, "below: is missing or zero"},
		{StopWhen{Availability: &StopAvailability{Of: "shop", Over: 1, Below: 50}}, `below: 5000% is outside 0% to 100%: write "50%"`},
	} {
		if got := strings.Join(r.stop.Problems(), "\n"); !strings.Contains(got, r.want) || strings.Contains(got, "\n") {
			t.Errorf("%+v: got %q, want %q", r.stop, got, r.want)
		}
	}
	if got := (StopWhen{Availability: &StopAvailability{Of: "shop", Over: 1, Below: 0.5}}).Problems(); got != nil {
		t.Errorf("a whole one has problems: %q", got)
	}
}

func BenchmarkSliding(b *testing.B) {
	s := NewSliding(StopWhen{Availability: &StopAvailability{Of: "shop", Over: Duration(time.Minute), Below: 0.5}})
	sample := sampleOf("shop", '+', 0)
	for b.Loop() {
		s.Add(sample)
		sample.Due += every
	}
}
