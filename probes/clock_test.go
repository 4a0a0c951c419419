package probes

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestClockTellsSteps(t *testing.T) {
	const second = time.Second
	for name, test := range map[string]struct {
		off  []time.Duration // of the wall clock, at each look
		want []ClockStep
	}{
		"a clock that nobody sets":  {[]time.Duration{0, 0, 0}, nil},
		"an hour ahead and back":    {[]time.Duration{0, time.Hour, time.Hour, 0}, []ClockStep{{time.Hour, time.Hour}, {-time.Hour, 0}}},
		"set before the first look": {[]time.Duration{-second}, []ClockStep{{-second, -second}}},
		"two steps ahead":           {[]time.Duration{second, 3 * second}, []ClockStep{{second, second}, {2 * second, 3 * second}}},
		"run faster":                {[]time.Duration{10 * ms, 20 * ms, 30 * ms, 40 * ms}, nil},
		"a step while run faster":   {[]time.Duration{10 * ms, 30 * ms, 49 * ms}, []ClockStep{{20 * ms, 20 * ms}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var off time.Duration
				c := Clock{Start: time.Now(), Wall: func() time.Time { return time.Now().Add(off) }}
				var got []ClockStep
				for _, off = range test.off {
					time.Sleep(second)
					if step, ok := c.Look(); ok {
						got = append(got, step)
					}
				}
				if len(got) != len(test.want) {
					t.Fatalf("got %v, want %v", got, test.want)
				}
				for i, want := range test.want {
					if got[i] != want {
						t.Errorf("step %d is %v, want %v", i, got[i], want)
					}
				}
			})
		})
	}
}

// A pause between the readings of the two clocks is no step.
func TestClockIsNotDeceivedByAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reading := 0
		c := Clock{Start: time.Now(), Wall: func() time.Time {
			if reading++; reading%looks != 0 {
				time.Sleep(time.Second)
			}
			return time.Now()
		}}
		for range 5 {
			if step, ok := c.Look(); ok {
				t.Errorf("got %v", step)
			}
		}
	})
}

func TestTheMachinesClockIsReadUnlessAnotherIsGiven(t *testing.T) {
	c := Clock{Start: time.Now()}
	if step, ok := c.Look(); ok {
		t.Errorf("a step of %v within no time", step)
	}
	c.Start = time.Date(2001, 2, 3, 4, 5, 6, 7, time.UTC) // without a monotonic reading nothing can be told
	if step, ok := c.Look(); ok {
		t.Errorf("a step of %v without a monotonic clock", step)
	}
}
