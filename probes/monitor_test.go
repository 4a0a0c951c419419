package probes

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const ms = time.Millisecond

// run runs m in fake time for the duration and returns what it sent. It checks what holds of every run.
func run(t *testing.T, m Monitor, during time.Duration) []Sample {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), during)
	defer cancel()
	var samples []Sample
	m.Run(ctx, time.Now(), func(s Sample) { samples = append(samples, s) })
	if want := int(during/m.Every) + 1; len(samples) != want {
		t.Errorf("%v at one a %v sent %d samples, want %d", during, m.Every, len(samples), want)
	}
	inOrder(t, m, samples)
	time.Sleep(time.Hour) // asks that ignore their context return, so that the bubble sees any other goroutine that is left
	return samples
}

// inOrder checks that the samples are those of slots 0, 1, 2, … with nothing left open.
func inOrder(t *testing.T, m Monitor, samples []Sample) {
	t.Helper()
	for k, s := range samples {
		if s.Monitor != m.Name || s.Slot != int64(k) || s.Due != time.Duration(k)*m.Every || s.Outcome == 0 {
			t.Fatalf("sample %d is %+v, want slot %d, due %v, with an outcome", k, s, k, time.Duration(k)*m.Every)
		}
		if (s.Outcome == Good) != (s.Reason == "") {
			t.Fatalf("sample %d is %v with reason %q", k, s.Outcome, s.Reason)
		}
		if s.Outcome == Good && (s.Took < s.Late || s.Took >= s.Late+m.Timeout || s.Late >= m.lateAfter()) {
			t.Fatalf("sample %d is good though it took %v and was put %v late", k, s.Took, s.Late)
		}
	}
}

// line writes samples as a line of "+", "-", "L" (late), "F" (in flight), "N" (not asked).
func line(samples []Sample) string {
	var b strings.Builder
	for _, s := range samples {
		switch {
		case s.Outcome == Good:
			b.WriteByte('+')
		case s.Outcome == Bad:
			b.WriteByte('-')
		case s.Reason == ReasonLate:
			b.WriteByte('L')
		case s.Reason == ReasonInFlight:
			b.WriteByte('F')
		default:
			b.WriteByte('N')
		}
	}
	return b.String()
}

// after answers with err after a delay, or when its context ends.
func after(delay time.Duration, err error) Func {
	return func(ctx context.Context) error {
		select {
		case <-time.After(delay):
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func TestMonitorAsksOpenLoop(t *testing.T) {
	for name, test := range map[string]struct {
		probe       Probe
		timeout     time.Duration
		maxInFlight int
		want        string // of 11 slots, 100 ms apart
		took        time.Duration
	}{
		"an answer at once":                                   {after(0, nil), 100 * ms, 0, "+++++++++++", 0},
		"a slow answer delays no slot":                        {after(350*ms, nil), time.Second, 0, "+++++++++++", 350 * ms},
		"an answer just in time":                              {after(100*ms-1, nil), 100 * ms, 0, "+++++++++++", 100*ms - 1},
		"an answer at the deadline is none":                   {after(100*ms, nil), 100 * ms, 0, "-----------", 100 * ms},
		"a hung target":                                       {after(time.Hour, nil), 300 * ms, 0, "-----------", 300 * ms},
		"a hung target with one in flight":                    {after(time.Hour, nil), 150 * ms, 1, "-F-F-F-F-F-", 0},
		"a good answer after the deadline is none":            {Func(func(context.Context) error { time.Sleep(250 * ms); return nil }), 200 * ms, 0, "-----------", 200 * ms},
		"an ask that ignores its context keeps its place":     {Func(func(context.Context) error { time.Sleep(950 * ms); return nil }), 200 * ms, 3, "---FFFFFFF-", 0},
		"a timeout that is no whole number of slots":          {after(time.Hour, nil), 250 * ms, 0, "-----------", 250 * ms},
		"a timeout below the pace":                            {after(time.Hour, nil), 30 * ms, 0, "-----------", 30 * ms},
		"a failure":                                           {after(20*ms, &Failure{Reason: ReasonStatus}), 100 * ms, 0, "-----------", 20 * ms},
		"a wrapped failure":                                   {after(20*ms, fmt.Errorf("x: %w", &Failure{Reason: ReasonStatus})), 100 * ms, 0, "-----------", 20 * ms},
		"any other error":                                     {after(20*ms, errors.New("x")), 100 * ms, 0, "-----------", 20 * ms},
		"a probe that could not ask":                          {after(20*ms, fmt.Errorf("x: %w", ErrNotAsked)), 100 * ms, 0, "NNNNNNNNNNN", 20 * ms},
		"not asked outweighs a failure":                       {after(0, errors.Join(&Failure{Reason: ReasonStatus}, ErrNotAsked)), 100 * ms, 0, "NNNNNNNNNNN", 0},
		"a panic":                                             {Func(func(context.Context) error { panic("x") }), 100 * ms, 0, "NNNNNNNNNNN", 0},
		"a probe that ends its goroutine":                     {Func(func(context.Context) error { runtime.Goexit(); return nil }), 100 * ms, 0, "NNNNNNNNNNN", 0},
		"a nil failure is an error that says nothing":         {Func(func(context.Context) error { return (*Failure)(nil) }), 100 * ms, 0, "NNNNNNNNNNN", 0},
		"a silent witness is no bad answer":                   {witness{after(time.Hour, nil)}, 200 * ms, 0, "NNNNNNNNNNN", 0},
		"a witness that ignores its context":                  {witness{Func(func(context.Context) error { time.Sleep(950 * ms); return nil })}, 200 * ms, 0, "NNNFFFFFFFN", 0},
		"a witness that says firing":                          {witness{after(0, &Failure{Reason: ReasonFiring})}, 200 * ms, 0, "-----------", 0},
		"an ask that panics late gives its place back":        {Func(func(context.Context) error { time.Sleep(250 * ms); panic("x") }), 200 * ms, 0, "-----------", 200 * ms},
		"an ask that ends its goroutine gives its place back": {Func(func(context.Context) error { time.Sleep(50 * ms); runtime.Goexit(); return nil }), 200 * ms, 1, "NNNNNNNNNNN", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := Monitor{Name: "m", Probe: test.probe, Every: 100 * ms, Timeout: test.timeout, MaxInFlight: test.maxInFlight}
				samples := run(t, m, time.Second)
				if got := line(samples); got != test.want {
					t.Errorf("got  %s\nwant %s\n%+v", got, test.want, samples)
				}
				for _, s := range samples {
					if test.took != 0 && s.Took != test.took || s.Late != 0 {
						t.Errorf("slot %d took %v and was %v late, want %v and not late", s.Slot, s.Took, s.Late, test.took)
					}
				}
			})
		})
	}
}

type witness struct{ Func }

func (witness) Witness() string { return "the oracle" }

func TestMonitorSaysWhy(t *testing.T) {
	for want, probe := range map[string]Probe{
		"":                                    after(0, nil),
		"timeout: no answer within 1s":        after(time.Hour, nil),
		"status: 503":                         after(0, fmt.Errorf("x: %w", &Failure{Reason: ReasonStatus, Detail: "503"})),
		"error: bang":                         after(0, errors.New("bang")),
		"error: ":                             after(0, &Failure{}),
		"not asked: not asked: no file":       after(0, fmt.Errorf("%w: no file", ErrNotAsked)),
		"not asked: the probe panicked: bang": Func(func(context.Context) error { panic("bang") }),
		"not asked: the probe ended its goroutine":            Func(func(context.Context) error { runtime.Goexit(); return nil }),
		"not asked: no answer from the oracle within 1s":      witness{after(time.Hour, nil)},
		"error: " + strings.Repeat("é", maxDetail/2) + "…":    after(0, errors.New(strings.Repeat("é", 1000))),
		"error: x" + strings.Repeat("é", maxDetail/2-1) + "…": after(0, errors.New("x"+strings.Repeat("é", 1000))),
		"error: half a letter \uFFFD":                         after(0, errors.New("half a letter \xc3")),
	} {
		synctest.Test(t, func(t *testing.T) {
			s := run(t, Monitor{Name: "m", Probe: probe, Every: time.Hour, Timeout: time.Second}, time.Minute)[0]
			got := string(s.Reason) + ": " + s.Detail
			if s.Outcome == Good {
				got = s.Detail
			}
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestMonitorSendsInOrderAsSoonAsItMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		probe := Func(func(ctx context.Context) error {
			if asked.Add(1) == 2 { // slot 1 is slow: 2 and 3 wait for it
				return after(250*ms, nil)(ctx)
			}
			return nil
		})
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 500*ms)
		defer cancel()
		var got []string
		Monitor{Name: "m", Probe: probe, Every: 100 * ms, Timeout: time.Second}.Run(ctx, start, func(s Sample) {
			got = append(got, fmt.Sprintf("%d at %v", s.Slot, time.Since(start)))
		})
		want := []string{"0 at 0s", "1 at 350ms", "2 at 350ms", "3 at 350ms", "4 at 400ms", "5 at 500ms"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func TestMonitorStartsLate(t *testing.T) {
	for name, start := range map[string]func(time.Time) time.Time{
		"with a monotonic reading":    func(now time.Time) time.Time { return now.Add(-1050 * ms) },
		"without a monotonic reading": func(now time.Time) time.Time { return now.Add(-1050 * ms).Round(0) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 150*ms)
				defer cancel()
				var samples []Sample
				m := Monitor{Name: "m", Probe: after(30*ms, nil), Every: 100 * ms, Timeout: 100 * ms}
				m.Run(ctx, start(time.Now()), func(s Sample) { samples = append(samples, s) })
				inOrder(t, m, samples)
				if got, want := line(samples), "LLLLLLLLLL+++"; got != want {
					t.Fatalf("got %s, want %s", got, want)
				}
				if got, want := samples[9].Detail, "the harness woke 150ms after the slot was due"; got != want {
					t.Errorf("slot 9 says %q, want %q", got, want)
				}
				if s := samples[10]; s.Late != 50*ms || s.Took != 80*ms {
					t.Errorf("slot 10 was %v late and took %v, want 50ms and 80ms", s.Late, s.Took)
				}
				if s := samples[11]; s.Late != 0 || s.Took != 30*ms {
					t.Errorf("slot 11 was %v late and took %v, want 0 and 30ms", s.Late, s.Took)
				}
			})
		})
	}
}

func TestMonitorWaitsForItsStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now().Add(30 * time.Second)
		var samples []Sample
		m := Monitor{Name: "m", Probe: after(0, nil), Every: 10 * time.Second, Timeout: time.Second}
		m.Run(ctx, start, func(s Sample) { samples = append(samples, s) })
		inOrder(t, m, samples)
		if got := line(samples); got != "++++" {
			t.Errorf("got %s, want ++++", got)
		}
	})
}

func TestMonitorFinishesWhatWasDueWhenItsContextEnds(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		var cut atomic.Int64
		probe := Func(func(ctx context.Context) error {
			if ctx.Value(key{}) != "kept" {
				return errors.New("the values of the context are gone")
			}
			deadline, ok := ctx.Deadline()
			if !ok || time.Until(deadline) != 300*ms {
				return errors.New("the ask has not its own deadline")
			}
			time.Sleep(250 * ms)
			if ctx.Err() != nil {
				cut.Add(1)
			}
			return nil
		})
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "kept"))
		time.AfterFunc(420*ms, cancel)
		start := time.Now()
		var samples []Sample
		m := Monitor{Name: "m", Probe: probe, Every: 100 * ms, Timeout: 300 * ms}
		m.Run(ctx, start, func(s Sample) { samples = append(samples, s) })
		if got := line(samples); got != "+++++" || cut.Load() != 0 {
			t.Errorf("got %s and %d asks cut, want +++++ and none: %+v", got, cut.Load(), samples)
		}
		if got := time.Since(start); got != 650*ms {
			t.Errorf("Run returned after %v, want 650ms: when the last answer came", got)
		}
	})
}

func TestMonitorEndsAtAnyTime(t *testing.T) {
	for at := 1; at < 230; at++ {
		synctest.Test(t, func(t *testing.T) {
			m := Monitor{Name: "m", Probe: after(15*ms, nil), Every: 10 * ms, Timeout: 40 * ms}
			run(t, m, time.Duration(at)*ms)
		})
	}
}

func TestMonitorThatEndedBeforeItBeganSendsNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	Monitor{Name: "m", Probe: after(0, nil), Every: ms, Timeout: ms}.Run(ctx, time.Now().Add(-time.Hour), func(s Sample) {
		t.Errorf("sent %+v", s)
	})
}

func TestMonitorsDoNotStarveEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
		defer cancel()
		release := make(chan struct{})
		monitors := []Monitor{
			{Name: "deaf", Every: ms, Timeout: time.Second, Probe: Func(func(context.Context) error { <-release; return nil })},
			{Name: "hung", Every: 3 * ms, Timeout: 2 * time.Second, Probe: after(time.Hour, nil)},
			{Name: "well", Every: 10 * ms, Timeout: 10 * ms, Probe: after(5*ms, nil)},
			{Name: "rare", Every: 5 * time.Second, Timeout: time.Minute, Probe: after(7*ms, nil)},
		}
		samples := map[string][]Sample{}
		Run(ctx, time.Now(), monitors, func(s Sample) { samples[s.Monitor] = append(samples[s.Monitor], s) })
		close(release)
		for name, want := range map[string]string{
			// After a timeout as many asks are in flight as one holds, with what lateness allows, and none of them returns.
			"deaf": strings.Repeat("-", 1010) + strings.Repeat("F", 7991),
			"hung": strings.Repeat("-", 3001),
			"well": strings.Repeat("+", 901),
			"rare": "++",
		} {
			if got := line(samples[name]); got != want {
				t.Errorf("%s: got  %s\nwant %s", name, got, want)
			}
		}
		for _, m := range monitors {
			inOrder(t, m, samples[m.Name])
		}
		if s := samples["well"][900]; s.Took != 5*ms || s.Late != 0 {
			t.Errorf("the well one is disturbed: %+v", s)
		}
	})
}

func TestMonitorPanicsWhereItsCallerCanSeeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer func() {
			if p := recover(); p != "full" {
				t.Errorf("recovered %v, want the panic of send", p)
			}
		}()
		Monitor{Name: "m", Probe: after(5*ms, nil), Every: ms, Timeout: 10 * ms}.Run(t.Context(), time.Now(), func(s Sample) {
			if s.Slot == 3 {
				panic("full")
			}
		})
	}) // the bubble fails if a goroutine is left
}

func TestMonitorProblems(t *testing.T) {
	good := Monitor{Name: "m", Probe: after(0, nil), Every: time.Second, Timeout: time.Second}
	if got := good.Problems(); got != nil {
		t.Errorf("a good monitor has problems %q", got)
	}
	want := []string{
		"name: missing", "probe: missing", "every: is 0s, must be above zero", "timeout: is 0s, must be above zero",
		"maxInFlight: is -1, must be from 1 to 10000, or 0 for as many as the timeout holds",
	}
	if diff := cmp.Diff(want, Monitor{MaxInFlight: -1}.Problems()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	good.Timeout = 10_000 * time.Second
	if got := good.Problems(); len(got) != 1 || !strings.HasPrefix(got[0], "timeout: holds 10000 slots") {
		t.Errorf("a timeout of 10000 slots gives %q", got)
	}
	defer func() {
		if p, ok := recover().(string); !ok || !strings.Contains(p, "every: is 0s") {
			t.Errorf("Run of a bad monitor gave %v", p)
		}
	}()
	Monitor{}.Run(t.Context(), time.Now(), func(Sample) {})
}

func TestOutcomesReadAndWriteTheirNames(t *testing.T) {
	for _, want := range []Outcome{Good, Bad, Missed} {
		text, err := want.MarshalText()
		var got Outcome
		if err := errors.Join(err, got.UnmarshalText(text)); err != nil || got != want {
			t.Errorf("%v came back as %v, %v", want, got, err)
		}
	}
	if _, err := Outcome(0).MarshalText(); err == nil || err.Error() != "Outcome(0) is no outcome" {
		t.Errorf("no outcome was written: %v", err)
	}
	var o Outcome
	if err := o.UnmarshalText([]byte("fine")); err == nil || o != 0 {
		t.Errorf("an unknown name was read as %v", o)
	}
	if got := (&Failure{Reason: ReasonDNS}).Error() + " " + (&Failure{ReasonDNS, "x"}).Error(); got != "dns dns: x" {
		t.Errorf("failures say %q", got)
	}
	if !slices.Contains([]Reason{ReasonDNS}, "dns") {
		t.Error("reasons are their text")
	}
}
