package scenarios

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gamedayhq/gameday/probes"
	"github.com/gamedayhq/gameday/reports"
)

// blind is a question whose answer is always good, also when it must be bad.
type blind struct{ question }

func (b blind) Falsified() (probes.Probe, string) {
	probe, _ := b.New()
	return probe, "said to be bad"
}

// unsure is a question that cannot be falsified.
type unsure struct{}

func (unsure) Problems() []string { return nil }
func (unsure) New() (probes.Probe, error) {
	return probes.Func(func(context.Context) error { return nil }), nil
}

// twinOf is a question with a falsified one of the test's own.
type twinOf struct {
	question
	twin probes.Func
}

func (q twinOf) Falsified() (probes.Probe, string) { return q.twin, "the test's" }

func good() error { return nil }

func TestAMonitorThatCannotSayBadMakesTheDrillInconclusive(t *testing.T) {
	for name, test := range map[string]struct {
		ask  Question
		want string
	}{
		"it always says good":       {blind{question(good)}, "good"},
		"it has no question for it": {unsure{}, "cannot be put so that it must be bad"},
		"it could not be asked":     {twinOf{question(good), func(context.Context) error { return probes.ErrNotAsked }}, "missed: not asked"},
		"it panics":                 {twinOf{question(good), func(context.Context) error { panic("no") }}, "the probe panicked"},
		"it is named":               {blind{question(good)}, `monitor "buyers": good`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				s := drillOf(w, Step{Name: "break", Action: breaks{world: w, name: "a"}, Hold: time.Second})
				s.Monitors[0].Ask = test.ask
				s.Monitors = append(s.Monitors, Monitor{Name: "able", Ask: question(w.answer)})
				ev, err := playAt(t, t.Context(), s)
				if err != nil || ev.Verdict != reports.Inconclusive {
					t.Errorf("verdict %v (%v), want inconclusive", ev.Verdict, err)
				}
				if len(w.log) > 0 {
					t.Errorf("%v happened, want nothing touched", w.log)
				}
				want := test.want
				if why := strings.Join(ev.Why, "\n"); !strings.Contains(why, want) {
					t.Errorf("why %q, want %q in it", why, want)
				}
				for _, event := range ev.Timeline {
					if event.Kind == reports.BaselineStarted {
						t.Error("the baseline began")
					}
				}
			})
		})
	}
}

func TestAMonitorIsProvedAbleToSayBadBeforeTheBaseline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := drillOf(w, Step{Name: "break", Action: breaks{world: w, name: "a"}, Hold: 5 * time.Second})
		silent := twinOf{question(good), func(ctx context.Context) error { <-ctx.Done(); return nil }}
		deaf := twinOf{question(good), func(context.Context) error { time.Sleep(time.Hour); return nil }}
		s.Monitors = append(s.Monitors, Monitor{Name: "silent", Ask: silent}, Monitor{Name: "deaf", Ask: deaf})
		ev, err := playAt(t, t.Context(), s)
		if err != nil || ev.Verdict != reports.Pass {
			t.Fatalf("verdict %v (%v), want pass; why: %v", ev.Verdict, err, ev.Why)
		}
		want := map[string]string{
			"buyers": "bad: refused", "silent": "bad: timeout: no answer within 1s", "deaf": "bad: timeout: no answer within 1s",
		}
		for _, check := range ev.Checks {
			if check.Kind != "canSayBad" {
				continue
			}
			if check.Got != want[check.Monitor] || check.Verdict != reports.Pass {
				t.Errorf("check %+v, want %q", check, want[check.Monitor])
			}
			delete(want, check.Monitor)
		}
		if len(want) > 0 {
			t.Errorf("no check for %v", want)
		}
		time.Sleep(2 * time.Hour) // lets the deaf one end
	})
}

func TestADrillThatIsCalledOffWhileMonitorsAreProvedSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := drillOf(w, Step{Name: "break", Action: breaks{world: w, name: "a"}, Hold: time.Second})
		ctx, cancel := context.WithCancelCause(t.Context())
		s.Monitors[0].Ask = twinOf{question(good), func(ctx context.Context) error { cancel(ErrInterrupted); return nil }}
		ev, err := playAt(t, ctx, s)
		if err != nil || ev.Verdict != reports.Inconclusive || len(w.log) > 0 {
			t.Errorf("verdict %v, error %v, log %v; want inconclusive and nothing touched", ev.Verdict, err, w.log)
		}
		if why := strings.Join(ev.Why, "\n"); !strings.Contains(why, "interrupted") || strings.Contains(why, "not seen to say bad") {
			t.Errorf("why %q, want only that it was interrupted", why)
		}
	})
}
