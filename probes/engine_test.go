package probes

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestMonitorCountsAStallAsItsOwnFault(t *testing.T) {
	for name, test := range map[string]struct {
		probe Probe
		want  string
	}{
		// The receiver sleeps for 5 s from slot 2 on. 16 samples find room behind it and one more is in the engine's hand; when it
		// wakes, slots are late up to the one that is due then. A hung target's sample of slot 2 comes one slot later.
		"a good target": {after(0, nil), "+++" + strings.Repeat("+", 17) + strings.Repeat("L", 32) + "++++++++"},
		"a hung target whose asks heed their end": {after(time.Hour, nil), "---" + strings.Repeat("-", 17) + strings.Repeat("L", 33) + "-------"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := Monitor{Name: "m", Probe: test.probe, Every: 100 * ms, Timeout: 100 * ms}
				ctx, cancel := context.WithTimeout(t.Context(), 5900*ms)
				defer cancel()
				var samples []Sample
				m.Run(ctx, time.Now(), func(s Sample) {
					if samples = append(samples, s); s.Slot == 2 {
						time.Sleep(5 * time.Second)
					}
				})
				inOrder(t, m, samples)
				if got := line(samples); got != test.want {
					t.Errorf("got  %s\nwant %s", got, test.want)
				}
			})
		})
	}
}

func TestMonitorTrustsNoSilenceThatItWasNotThereToHear(t *testing.T) {
	// The receiver sleeps from 150 ms to 3150 ms. The engine is stuck from 1850 ms, when slot 17 is answered, and slot 18 is under
	// way then; its deadline is at 2100 ms.
	for name, test := range map[string]struct {
		ignores bool
		want    string
	}{
		"an ask that ended itself in time is believed": {false, "bad timeout: no answer within 300ms"},
		"an ask that nobody looked after is not":       {true, "missed late: the harness looked for the answer 1.05s after its deadline"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				var asked atomic.Int64
				probe := Func(func(ctx context.Context) error {
					switch {
					case asked.Add(1) != 19:
						return after(150*ms, nil)(ctx)
					case test.ignores:
						<-release
						return nil
					default:
						return after(time.Hour, nil)(ctx)
					}
				})
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				var samples []Sample
				m := Monitor{Name: "m", Probe: probe, Every: 100 * ms, Timeout: 300 * ms}
				m.Run(ctx, time.Now(), func(s Sample) {
					if samples = append(samples, s); s.Slot == 0 {
						time.Sleep(3 * time.Second)
					}
				})
				close(release)
				inOrder(t, m, samples)
				s := samples[18]
				if s.Outcome == Bad && s.Took != 300*ms {
					t.Errorf("slot 18 took %v, want its timeout, whenever that was noticed", s.Took)
				}
				if got := fmt.Sprintf("%v %s: %s", s.Outcome, s.Reason, s.Detail); got != test.want {
					t.Errorf("slot 18 is %s\nwant %s\n%s", got, test.want, line(samples))
				}
			})
		})
	}
}

func TestMonitorHoldsUnderRandomLatencies(t *testing.T) {
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			m := Monitor{Name: "m", Every: ms + time.Duration(rng.Int64N(int64(50*ms))), Timeout: 1 + time.Duration(rng.Int64N(int64(300*ms)))}
			during := time.Duration(rng.Int64N(int64(60 * m.Every)))
			latencies := make([]time.Duration, during/m.Every+1)
			for k := range latencies {
				latencies[k] = time.Duration(rng.Int64N(int64(2 * m.Timeout)))
			}
			start := time.Now()
			m.Probe = Func(func(ctx context.Context) error {
				return after(latencies[time.Since(start)/m.Every], nil)(ctx)
			})
			for k, s := range run(t, m, during) {
				want := Sample{Monitor: "m", Slot: int64(k), Due: time.Duration(k) * m.Every, Took: latencies[k], Outcome: Good}
				if latencies[k] >= m.Timeout {
					want.Took, want.Outcome, want.Reason, want.Detail = m.Timeout, Bad, ReasonTimeout, fmt.Sprintf("no answer within %v", m.Timeout)
				}
				if s != want {
					t.Fatalf("seed %d:\ngot  %+v\nwant %+v", seed, s, want)
				}
			}
		})
	}
}

func TestMonitorHoldsUnderRandomMisbehaviour(t *testing.T) {
	seen := map[Reason]int{}
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 2))
			m := Monitor{Name: "m", Every: 1 + time.Duration(rng.Int64N(int64(20*ms))), Timeout: 1 + time.Duration(rng.Int64N(int64(200*ms)))}
			m.MaxInFlight = rng.IntN(m.span() + 3)
			bound := int64(m.MaxInFlight)
			if bound == 0 {
				bound = int64(m.inFlight())
			}
			m.Probe = misbehaving(t, rng, 2*m.Timeout, bound)
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rng.Int64N(int64(200*m.Every))))
			defer cancel()
			start := time.Now().Add(time.Duration(rng.Int64N(int64(20*m.Every))) - 10*m.Every)
			pause := rand.New(rand.NewPCG(seed, 3))
			var samples []Sample
			var sending atomic.Bool
			m.Run(ctx, start, func(s Sample) {
				if !sending.CompareAndSwap(false, true) {
					t.Errorf("seed %d: two sends at once", seed)
				}
				samples = append(samples, s)
				if pause.IntN(20) == 0 {
					time.Sleep(time.Duration(pause.Int64N(int64(40 * m.Every))))
				}
				sending.Store(false)
			})
			inOrder(t, m, samples)
			time.Sleep(time.Hour) // for the asks that ignore their context
			for _, s := range samples {
				seen[s.Reason]++
			}
		})
	}
	for _, reason := range []Reason{"", ReasonTimeout, ReasonLate, ReasonInFlight, ReasonNotAsked} {
		if seen[reason] < 50 {
			t.Errorf("the seeds gave reason %q %d times only: they try too little (%v)", reason, seen[reason], seen)
		}
	}
}

// misbehaving returns a probe that is slow, deaf to its context, panics, ends its goroutine or could not ask, by chance, and that
// fails the test when more than bound asks are in flight.
func misbehaving(t *testing.T, rng *rand.Rand, slowest time.Duration, bound int64) Func {
	t.Helper()
	var inFlight atomic.Int64
	var dice sync.Mutex
	return func(ctx context.Context) error {
		if n := inFlight.Add(1); n > bound {
			t.Errorf("%d asks in flight, at most %d may be", n, bound)
		}
		defer inFlight.Add(-1)
		dice.Lock()
		kind, delay := rng.IntN(8), time.Duration(rng.Int64N(int64(slowest)))
		dice.Unlock()
		switch kind {
		case 0:
			time.Sleep(3 * delay) // ignores its context
		case 1:
			panic(kind)
		case 2:
			runtime.Goexit()
		case 3:
			return after(delay, ErrNotAsked)(ctx)
		}
		return after(delay, nil)(ctx)
	}
}
