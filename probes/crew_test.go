package probes

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestManyMonitorsLeaveNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		var monitors []Monitor
		for range 1000 {
			monitors = append(monitors, Monitor{Name: "slow", Probe: after(20*ms, nil), Every: time.Second, Timeout: time.Second})
		}
		for range 10 {
			monitors = append(monitors, Monitor{Name: "fast", Probe: after(2*ms, nil), Every: ms, Timeout: 100 * ms})
		}
		before := runtime.NumGoroutine()
		time.AfterFunc(10*time.Second+500*ms, func() {
			// Twenty asks of the fast monitors and those that wait for the next ones; the thousand slow ones are done.
			if most := before + 2*keepIdle; runtime.NumGoroutine() > most {
				t.Errorf("%d goroutines between the slots, at most %d are of use", runtime.NumGoroutine(), most)
			}
		})
		got := map[string]int{}
		Run(ctx, time.Now(), monitors, func(s Sample) {
			if s.Outcome != Good {
				t.Errorf("%+v", s)
			}
			got[s.Monitor]++
		})
		if got["slow"] != 21_000 || got["fast"] != 200_010 {
			t.Errorf("got %v samples, want 21000 slow and 200010 fast ones", got)
		}
		synctest.Wait()
		if after := runtime.NumGoroutine(); after > before {
			t.Errorf("%d goroutines are left, there were %d", after, before)
		}
	})
}

func TestAsksAreHandedToThoseWhoAreFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// A probe that ends its goroutine takes the worker away; all others are used again.
		var asked atomic.Int64
		probe := Func(func(ctx context.Context) error {
			if asked.Add(1)%10 == 0 {
				runtime.Goexit()
			}
			return after(500*time.Microsecond, nil)(ctx)
		})
		c := &crew{}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		out := make(chan Sample, 10_000)
		e := newEngine(ctx, time.Now(), []Monitor{{Name: "m", Probe: probe, Every: ms, Timeout: 10 * ms}}, out)
		context.AfterFunc(ctx, func() { e.ended <- e.now() })
		e.loop()
		if len(out) != 1001 {
			t.Errorf("%d samples, want 1001", len(out))
		}
		*c = e.crew
		if len(c.busy) != 0 || len(c.idle) != 1 {
			t.Errorf("%d workers are busy and %d are idle, want none and one", len(c.busy), len(c.idle))
		}
	})
}

func TestLateSlotsArePutWhileTheyStillSayWhen(t *testing.T) {
	// The engine is stuck for a time and then finds that many slots due.
	for _, test := range []struct {
		every, stuck time.Duration
		want         int // slots missed
	}{
		{100 * ms, 99 * ms, 0},
		{100 * ms, 100 * ms, 1},
		{100 * ms, 250 * ms, 2},
		{ms, 9 * ms, 0},
		{ms, 10 * ms, 1},
		{ms, 25 * ms, 16},
		{time.Microsecond, 999 * time.Microsecond, 0},
		{time.Microsecond, 1001 * time.Microsecond, 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), ms)
			defer cancel()
			missed, latest := 0, time.Duration(0)
			m := Monitor{Name: "m", Probe: after(0, nil), Every: test.every, Timeout: ms}
			m.Run(ctx, time.Now().Add(-test.stuck), func(s Sample) {
				if latest = max(latest, s.Late); s.Outcome == Missed {
					missed++
				}
			})
			if missed != test.want || latest >= m.lateAfter() {
				t.Errorf("every %v and stuck for %v: %d slots missed, want %d, and the latest %v late", test.every, test.stuck, missed, test.want, latest)
			}
		})
	}
}

func TestSlotsWithinAMillisecondAreAskedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, lots := time.Now(), map[time.Duration]int{}
		var put sync.Mutex
		m := Monitor{Name: "m", Every: 100 * time.Microsecond, Timeout: 10 * ms, Probe: Func(func(context.Context) error {
			put.Lock()
			defer put.Unlock()
			lots[time.Since(start)]++
			return nil
		})}
		for _, s := range run(t, m, 90*ms) {
			if s.Outcome != Good || s.Late >= shortestNap || s.Took != s.Late {
				t.Errorf("%+v", s)
			}
		}
		if len(lots) != 101 {
			t.Errorf("901 slots were asked in %d lots, want 101: %v", len(lots), lots)
		}
	})
}

func TestAnswersAreHeardSoon(t *testing.T) {
	// The next wake is too far away to wait for it, or so near that nothing need be done.
	for _, test := range []struct{ every, answered, heard time.Duration }{
		{time.Second, 30 * ms, 30 * ms},
		{50 * ms, 30 * ms, 30 * ms},
		{50 * ms, 45 * ms, 50 * ms},
		{5 * ms, 2 * ms, 5 * ms},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 3*test.every)
			defer cancel()
			m := Monitor{Name: "m", Every: test.every, Timeout: time.Second, Probe: after(test.answered, nil)}
			m.Run(ctx, start, func(s Sample) {
				if s.Slot == 1 && time.Since(start)-s.Due != test.heard {
					t.Errorf("every %v: answered after %v and sent after %v, want after %v", test.every, test.answered, time.Since(start)-s.Due, test.heard)
				}
			})
		})
	}
}

func TestTheInboxRingsForWhatCannotWait(t *testing.T) {
	rings := func(b *inbox) bool {
		select {
		case <-b.bell:
			return true
		default:
			return false
		}
	}
	for name, test := range map[string]struct {
		wake, at time.Duration // the loop sleeps until then, if it sleeps; the answer came then
		want     bool
	}{
		"the loop is awake":              {0, ms, false},
		"it will wake soon":              {15 * ms, 5 * ms, false},
		"it will sleep for long":         {15*ms + 1, 5 * ms, true},
		"it should be awake and is not":  {15 * ms, 15 * ms, true},
		"nothing but answers will come":  {never, ms, true},
		"just before it wakes by itself": {15 * ms, 15*ms - 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newInbox()
			if test.wake != 0 && !b.rest(test.wake, 0) {
				t.Fatal("it may not rest though there is nothing to hear")
			}
			b.put(answer{at: test.at})
			if got := rings(b); got != test.want {
				t.Errorf("it rings: %v, want %v", got, test.want)
			}
			if b.put(answer{at: test.at}); rings(b) {
				t.Error("it rings twice")
			}
		})
	}
	b := newInbox()
	b.put(answer{at: ms})
	if b.rest(20*ms, ms) {
		t.Error("the loop may sleep for long though there is something to hear")
	}
	if !b.rest(11*ms, ms) {
		t.Error("the loop may not sleep for as long as an answer may wait")
	}
	if got := b.take(nil); len(got) != 1 || !b.rest(time.Hour, ms) {
		t.Errorf("took %v, and the loop may not rest", got)
	}
}
