package scenarios

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gamedayhq/gameday/reports"
)

func inGroup(way Way, name string, of ...Step) Step {
	return Step{Name: name, Group: &Group{Way: way, Of: of}}
}

// events are those that tell of steps, as "kind step".
func events(ev reports.Evidence, kinds ...reports.Kind) []string {
	var out []string
	for _, event := range ev.Timeline {
		if slices.Contains(kinds, event.Kind) {
			out = append(out, string(event.Kind)+" "+event.Step)
		}
	}
	return out
}

func at(t *testing.T, ev reports.Evidence, kind reports.Kind, step string) time.Duration {
	t.Helper()
	for _, event := range ev.Timeline {
		if event.Kind == kind && event.Step == step {
			return event.At
		}
	}
	t.Fatalf("no %s of %q", kind, step)
	return 0
}

func TestStepsOfAParallelGroupOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := drillOf(w, inGroup(Together, "both",
			Step{Name: "first", Action: breaks{world: w, name: "a"}, Hold: 5 * time.Second},
			Step{Name: "second", Action: breaks{world: w, name: "b"}, Hold: 2 * time.Second},
			Step{Name: "third", Action: does(func(ctx context.Context) error { return Sleep(ctx, time.Second) })}),
			Step{Name: "after", Action: Wait(3 * time.Second)})
		s.Objectives = append(s.Objectives,
			&reports.Recovery{Of: "buyers", After: "first", From: reports.FromEnd, Within: reports.Duration(3 * time.Second)},
			&reports.Recovery{Of: "buyers", After: "both", Within: reports.Duration(12 * time.Second)})
		ev, err := playAt(t, t.Context(), s)
		if err != nil || ev.Verdict != reports.Pass {
			t.Fatalf("verdict %v (%v), want pass; why: %v", ev.Verdict, err, ev.Why)
		}
		if a, b := at(t, ev, reports.StepStarted, "first"), at(t, ev, reports.StepStarted, "second"); b-a > 100*time.Millisecond {
			t.Errorf("began %v after one another, want at once", b-a)
		}
		if got := at(t, ev, reports.StepEnded, "both"); got != at(t, ev, reports.StepEnded, "first") {
			t.Errorf("the group ended at %v, want with the last of its steps", got)
		}
		if at(t, ev, reports.UndoDone, "second") > at(t, ev, reports.UndoStarted, "first") {
			t.Error("the second fault was not undone on its own, while the first held")
		}
		if started := at(t, ev, reports.StepStarted, "after"); started < at(t, ev, reports.StepEnded, "both") {
			t.Error("the step after the group began before the group had ended")
		}
		if len(w.left()) > 0 {
			t.Errorf("%v is left broken", w.left())
		}
	})
}

// Whenever a drill with groups is cut short, or one of its steps fails, what it began is undone, and it never passes.
func TestAGroupCutShortLeavesNothing(t *testing.T) {
	steps := func(w *world) []Step {
		return []Step{inGroup(Together, "all",
			Step{Name: "first", Action: breaks{world: w, name: "a"}, Hold: 3 * time.Second},
			inGroup(InTurn, "line",
				Step{Name: "second", Action: breaks{world: w, name: "b"}, Hold: time.Second},
				Step{Name: "third", Repeat: 2, Action: breaks{world: w, name: "c"}, Hold: time.Second}),
			Step{Name: "fourth", Action: breaks{world: w, name: "d"}, Hold: 2 * time.Second})}
	}
	for cut := 9500 * time.Millisecond; cut < 26*time.Second; cut += 500 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			ctx, cancel := context.WithCancelCause(t.Context())
			timer := time.AfterFunc(cut, func() { cancel(ErrInterrupted) })
			ev, err := playAt(t, ctx, drillOf(w, steps(w)...))
			if left := w.left(); len(left) > 0 {
				t.Errorf("cut at %v: %v is left broken", cut, left)
			}
			if timer.Stop() {
				return
			}
			if err != nil || ev.Verdict == reports.Pass || !ev.Complete {
				t.Errorf("cut at %v: verdict %v, error %v, complete %v; want no pass, no error, and a whole journal", cut, ev.Verdict, err, ev.Complete)
			}
			begun, undone := events(ev, reports.StepStarted), events(ev, reports.UndoDone)
			faults := slices.DeleteFunc(begun, func(text string) bool {
				return strings.HasSuffix(text, " all") || strings.HasSuffix(text, " line") || strings.HasSuffix(text, " third")
			})
			if len(faults) != len(undone) {
				t.Errorf("cut at %v: begun %v, undone %v", cut, faults, undone)
			}
		})
	}
}

func TestAFailedStepCallsOffTheOthersOfItsGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		bad := func(ctx context.Context) error {
			return errors.Join(Sleep(ctx, 3*time.Second), &SystemError{errors.New("the backup ended badly")})
		}
		s := drillOf(w, inGroup(Together, "both",
			Step{Name: "break", Action: breaks{world: w, name: "a"}, Hold: time.Hour},
			Step{Name: "back up", Action: does(bad)}),
			Step{Name: "next", Action: does(func(context.Context) error { w.note("next"); return nil })})
		began := time.Now()
		ev, err := playAt(t, t.Context(), s)
		if err != nil || ev.Verdict != reports.Fail {
			t.Errorf("verdict %v (%v), want fail: the system failed", ev.Verdict, err)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("the other step was held for %v", took)
		}
		if want := []string{"do a", "undo a"}; !slices.Equal(w.log, want) || len(w.left()) > 0 {
			t.Errorf("log %v, left %v; want %v and nothing", w.log, w.left(), want)
		}
	})
}

func TestARepeatedStepIsPlayedAndNamedEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := drillOf(w,
			Step{Name: "break", Repeat: 3, Action: breaks{world: w, name: "a"}, Hold: 2 * time.Second},
			Step{Name: "cycle", Repeat: 2, Group: &Group{Way: InTurn, Of: []Step{
				{Name: "lose", Action: does(func(context.Context) error { w.note("lose"); return nil })},
				{Name: "restore", Undoes: "lose", Action: does(func(context.Context) error { w.note("restore"); return nil })},
			}}})
		ratio := reports.Ratio(0.99)
		s.Objectives = append(s.Objectives,
			&reports.Availability{Of: "buyers", Window: reports.Window{During: "break"}, AtMost: &ratio},
			&reports.Recovery{Of: "buyers", After: "break (3)", From: reports.FromEnd, Within: reports.Duration(3 * time.Second)})
		ev, err := playAt(t, t.Context(), s)
		if err != nil || ev.Verdict != reports.Pass {
			t.Fatalf("verdict %v (%v), want pass; why: %v", ev.Verdict, err, ev.Why)
		}
		want := []string{
			"break", "break (1)", "break (2)", "break (3)",
			"cycle", "cycle (1)", "lose (1)", "restore (1)", "cycle (2)", "lose (2)", "restore (2)",
		}
		var got []string
		for _, text := range events(ev, reports.StepStarted) {
			got = append(got, strings.TrimPrefix(text, "step.started "))
		}
		if !slices.Equal(got, want) {
			t.Errorf("played\n%q\nwant\n%q", got, want)
		}
	})
}

func coins() *Scenario {
	step := func(name string) Step { return Step{Name: name, Action: Wait(time.Second)} }
	s := drillOf(newWorld(), inGroup(ByChance, "chance", step("a"), step("b"), step("c"), step("d"), step("e")))
	s.Steps[0].Group.Pick = 2
	return s
}

func TestChanceIsDrawnFromASeedThatTheEvidenceKeeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := coins()
		ev, err := playAt(t, t.Context(), s)
		if err != nil || ev.Verdict != reports.Pass {
			t.Fatalf("verdict %v (%v), want pass; why: %v", ev.Verdict, err, ev.Why)
		}
		var chosen Chosen
		for _, event := range ev.Timeline {
			if event.Topic == TopicChosen {
				if err := json.Unmarshal(event.Data, &chosen); err != nil {
					t.Fatal(err)
				}
			}
		}
		if len(chosen.Steps) != 2 || chosen.Group != "chance" || len(ev.Drill.Steps) != 3 {
			t.Fatalf("chosen %+v of a drill of the steps %+v; want two, and no step that was not", chosen, ev.Drill.Steps)
		}
		s.Seed = &chosen.Seed
		again, err := playAt(t, t.Context(), s)
		if err != nil || fmt.Sprint(again.Drill.Steps) != fmt.Sprint(ev.Drill.Steps) {
			t.Errorf("with the seed %d again: %v (%v), want %v", chosen.Seed, again.Drill.Steps, err, ev.Drill.Steps)
		}
	})
}

func TestEachSeedDrawsEachStep(t *testing.T) {
	drawn := map[string]int{}
	const seeds = 1000
	for seed := range uint64(seeds) {
		s := coins()
		s.Seed = &seed
		_, chosen := s.asPlayed()
		for _, name := range chosen[0].Steps {
			drawn[name]++
		}
	}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		if n := drawn[name]; n < 330 || n > 470 { // 400 on average; these bounds are more than four deviations away
			t.Errorf("%s was drawn %d times of %d, want about 400", name, n, seeds)
		}
	}
}
