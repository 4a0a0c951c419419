package scenarios

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gamedayhq/gameday/probes"
	"github.com/gamedayhq/gameday/reports"
)

// question is a monitor's question for tests: its answer may change while the drill runs.
type question func() error

func (q question) Problems() []string { return nil }
func (q question) String() string     { return "a test's question" }
func (q question) New() (probes.Probe, error) {
	return probes.Func(func(context.Context) error { return q() }), nil
}

func (q question) Falsified() (probes.Probe, string) {
	return probes.Func(func(context.Context) error { return &probes.Failure{Reason: probes.ReasonRefused} }), "refused"
}

// world is a system under test that faults of tests break.
type world struct {
	mu     sync.Mutex
	broken map[string]bool
	log    []string
}

func newWorld() *world { return &world{broken: map[string]bool{}} }

func (w *world) note(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, what)
}

func (w *world) set(name string, broken bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken[name] = broken
}

func (w *world) left() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for name, broken := range w.broken {
		if broken {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func (w *world) answer() error {
	if len(w.left()) > 0 {
		return &probes.Failure{Reason: probes.ReasonRefused}
	}
	return nil
}

// breaks is a fault of tests. It takes a second to do and a second to undo, as real ones take time.
type breaks struct {
	world                     *world
	name                      string
	preflight, doing, undoing error
	noProof                   bool
}

func (b breaks) Preflight(context.Context, Env) error { return b.preflight }

func (b breaks) Do(ctx context.Context, env Env) error {
	b.world.note("do " + b.name)
	if err := env.Fact(reports.TopicTargets, []reports.Target{{Kind: "Pod", Name: b.name}}, ""); err != nil {
		return err
	}
	b.world.set(b.name, true)
	if err := Sleep(ctx, time.Second); err != nil {
		return err
	}
	if b.doing != nil {
		return b.doing
	}
	return env.Fact(reports.TopicInjected, reports.Proof{By: "test", Proven: !b.noProof, Independent: true}, "")
}

func (b breaks) Undo(ctx context.Context, env Env) error {
	b.world.note("undo " + b.name)
	if err := Sleep(ctx, time.Second); err != nil {
		return err
	}
	if b.undoing != nil {
		return b.undoing
	}
	b.world.set(b.name, false)
	return env.Fact(reports.TopicRecovered, reports.Proof{By: "test", Proven: true, Independent: true}, "")
}

// does is an action of tests.
type does func(ctx context.Context) error

func (d does) Do(ctx context.Context, _ Env) error { return d(ctx) }

func drillOf(w *world, steps ...Step) *Scenario {
	ratio := reports.Ratio(0.5)
	return &Scenario{
		Name: "test", Why: "A test.",
		Monitors: []Monitor{{Name: "buyers", Every: 100 * time.Millisecond, Timeout: 100 * time.Millisecond, Ask: question(w.answer)}},
		Steps:    steps,
		Objectives: reports.Objectives{
			&reports.Availability{Of: "buyers", Window: reports.Window{During: "baseline"}, AtLeast: &ratio},
		},
	}
}

// playAt plays a scenario in fake time and returns what it left.
func playAt(t *testing.T, ctx context.Context, s *Scenario) (reports.Evidence, error) {
	t.Helper()
	dir := t.TempDir()
	err := Runner{Run: "test-run", Dir: dir}.Play(ctx, s)
	if _, missing := os.Stat(filepath.Join(dir, reports.JournalFile)); missing != nil {
		return reports.Evidence{}, err
	}
	ev, concludeErr := reports.Conclude(dir)
	if concludeErr != nil {
		t.Fatal(concludeErr)
	}
	return ev, err
}

func TestADrillThatHoldsPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := drillOf(w, Step{Name: "break", Action: breaks{world: w, name: "a"}, Hold: 5 * time.Second})
		s.Objectives = append(s.Objectives, &reports.Recovery{Of: "buyers", After: "break", From: reports.FromEnd, Within: reports.Duration(3 * time.Second)})
		ev, err := playAt(t, t.Context(), s)
		if err != nil || ev.Verdict != reports.Pass {
			t.Fatalf("verdict %v (%v), want pass; why: %v", ev.Verdict, err, ev.Why)
		}
		if want := []string{"do a", "undo a"}; !slices.Equal(w.log, want) || len(w.left()) > 0 {
			t.Errorf("log %v, left %v; want %v and nothing", w.log, w.left(), want)
		}
		var kinds []string
		for _, event := range ev.Timeline {
			if event.Kind != reports.Fact {
				kinds = append(kinds, string(event.Kind))
			}
		}
		want := "preflight baseline.started baseline.ended step.started step.done undo.started undo.done step.ended monitors.stopped drill.ended"
		if got := strings.Join(kinds, " "); got != want {
			t.Errorf("events\n got %s\nwant %s", got, want)
		}
	})
}

func TestADrillThatProvesNothingIsInconclusive(t *testing.T) {
	void := fmt.Errorf("%w: no pod matches", ErrVoid)
	for name, spoil := range map[string]func(s *Scenario, w *world){
		"a fault hits no target": func(s *Scenario, w *world) {
			s.Steps[0].Action = breaks{world: w, name: "a", preflight: void}
		},
		"the baseline is not steady": func(_ *Scenario, w *world) { w.set("something else", true) },
		"the monitor never asked": func(s *Scenario, _ *world) {
			s.Monitors[0].Ask = question(func() error { return probes.ErrNotAsked })
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				s := drillOf(w, Step{Name: "break", Action: breaks{world: w, name: "a"}, Hold: time.Second})
				spoil(s, w)
				ev, err := playAt(t, t.Context(), s)
				if err != nil || ev.Verdict != reports.Inconclusive {
					t.Errorf("verdict %v (%v), want inconclusive", ev.Verdict, err)
				}
				if len(w.log) > 0 {
					t.Errorf("%v happened, want nothing broken", w.log)
				}
				if len(ev.Why) == 0 {
					t.Error("the evidence does not say why")
				}
			})
		})
	}
}

func TestAFaultWithoutProofIsInconclusive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := drillOf(w, Step{Name: "break", Action: breaks{world: w, name: "a", noProof: true}, Hold: time.Second})
		if ev, err := playAt(t, t.Context(), s); err != nil || ev.Verdict != reports.Inconclusive {
			t.Errorf("verdict %v (%v), want inconclusive", ev.Verdict, err)
		}
	})
}

func TestAFaultThatIsNotUndoneFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := drillOf(w, Step{Name: "break", Action: breaks{world: w, name: "a", undoing: errors.New("stuck")}, Hold: time.Second})
		ev, err := playAt(t, t.Context(), s)
		if err != nil || ev.Verdict != reports.Fail {
			t.Fatalf("verdict %v (%v), want fail", ev.Verdict, err)
		}
		if !strings.Contains(strings.Join(ev.Why, "\n"), "stuck") {
			t.Errorf("why is %q, want the undo's error in it", ev.Why)
		}
	})
}

// Whenever a drill is cut short, what it began is undone, and it never passes.
func TestADrillCutShortLeavesNothing(t *testing.T) {
	for cut := 500 * time.Millisecond; cut < 26*time.Second; cut += 500 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			s := drillOf(w,
				Step{Name: "first", Action: breaks{world: w, name: "a"}, Hold: 2 * time.Second},
				Step{Name: "second", Action: breaks{world: w, name: "b"}, Hold: 2 * time.Second})
			ctx, cancel := context.WithCancelCause(t.Context())
			timer := time.AfterFunc(cut, func() { cancel(ErrInterrupted) })
			ev, err := playAt(t, ctx, s)
			if left := w.left(); len(left) > 0 {
				t.Errorf("cut at %v: %v is left broken", cut, left)
			}
			if timer.Stop() { // the drill was over before
				return
			}
			if err != nil || ev.Verdict == reports.Pass {
				t.Errorf("cut at %v: verdict %v, error %v; want no pass and no harness error", cut, ev.Verdict, err)
			}
			if !ev.Complete {
				t.Errorf("cut at %v: the journal does not end in good order", cut)
			}
		})
	}
}

func TestAFailedActionIsUndoneToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := drillOf(w,
			Step{Name: "break", Action: breaks{world: w, name: "a", doing: errors.New("broken tool")}, Hold: time.Second},
			Step{Name: "next", Action: does(func(context.Context) error { w.note("next"); return nil })})
		ev, err := playAt(t, t.Context(), s)
		if err == nil || ev.Verdict == reports.Pass {
			t.Errorf("verdict %v, error %v; want the harness's error and no pass", ev.Verdict, err)
		}
		if want := []string{"do a", "undo a"}; !slices.Equal(w.log, want) {
			t.Errorf("log %v, want %v", w.log, want)
		}
	})
}

func TestAStepThatUndoesIsPlayedAfterAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		ctx, cancel := context.WithCancelCause(t.Context())
		s := drillOf(w,
			Step{Name: "lose", Action: does(func(context.Context) error { w.note("lose"); cancel(ErrInterrupted); return nil })},
			Step{Name: "between", Action: does(func(context.Context) error { w.note("between"); return nil })},
			Step{Name: "restore", Undoes: "lose", Action: does(func(ctx context.Context) error { w.note("restore"); return ctx.Err() })},
			Step{Name: "mend", Undoes: "between", Action: does(func(context.Context) error { w.note("mend"); return nil })})
		ev, err := playAt(t, ctx, s)
		if err != nil || ev.Verdict == reports.Pass {
			t.Errorf("verdict %v, error %v; want no pass and no error", ev.Verdict, err)
		}
		if want := []string{"lose", "restore"}; !slices.Equal(w.log, want) {
			t.Errorf("log %v, want %v", w.log, want)
		}
	})
}

func TestAStopConditionEndsTheDrill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := drillOf(w, Step{Name: "break", Action: breaks{world: w, name: "a"}, Hold: time.Hour})
		s.StopWhen = []reports.StopWhen{{Availability: &reports.StopAvailability{
			Of: "buyers", Over: reports.Duration(2 * time.Second), Below: 0.5,
		}}}
		began := time.Now()
		ev, err := playAt(t, t.Context(), s)
		if err != nil || ev.Verdict == reports.Pass {
			t.Errorf("verdict %v, error %v; want no pass and no error", ev.Verdict, err)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("the drill went on for %v", took)
		}
		if len(w.left()) > 0 {
			t.Errorf("%v is left broken", w.left())
		}
	})
}
