package scenarios

import (
	"encoding/json"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gamedayhq/gameday/probes"
	"github.com/gamedayhq/gameday/reports"
)

// playWithClock plays a drill whose wall clock is off by what off says at each time since its start, and returns its evidence and the
// steps that it notes.
func playWithClock(t *testing.T, off func(time.Duration) time.Duration) (reports.Evidence, []probes.ClockStep) {
	t.Helper()
	w := newWorld()
	s := drillOf(w, Step{Name: "break", Action: breaks{world: w, name: "a"}, Hold: 5 * time.Second})
	dir, start := t.TempDir(), time.Now()
	err := Runner{Run: "test-run", Dir: dir, wall: func() time.Time {
		now := time.Now()
		return now.Add(off(now.Sub(start)))
	}}.Play(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	ev, err := reports.Conclude(dir)
	if err != nil {
		t.Fatal(err)
	}
	var steps []probes.ClockStep
	for _, event := range ev.Timeline {
		if event.Topic == reports.TopicClock {
			var step probes.ClockStep
			if err := json.Unmarshal(event.Data, &step); err != nil {
				t.Error(err)
			}
			steps = append(steps, step)
		}
	}
	return ev, steps
}

func TestAStepOfTheWallClockIsNotedAndChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		steady, none := playWithClock(t, func(time.Duration) time.Duration { return 0 })
		set, steps := playWithClock(t, func(at time.Duration) time.Duration {
			switch {
			case at < 3*time.Second:
				return 0
			case at < 6*time.Second:
				return -2 * time.Hour
			default:
				return time.Minute
			}
		})
		want := []probes.ClockStep{{By: -2 * time.Hour, Off: -2 * time.Hour}, {By: 2*time.Hour + time.Minute, Off: time.Minute}}
		if len(none) > 0 || !slices.Equal(steps, want) {
			t.Errorf("a steady clock gives %v, and one that is set %v; want nothing and %v", none, steps, want)
		}
		// These count what was recorded, the two facts among it.
		counts := func(c reports.Check) bool { return c.Kind == "record" || c.Kind == "journal" }
		a, errA := json.Marshal(slices.DeleteFunc(slices.Clone(steady.Checks), counts))
		b, errB := json.Marshal(slices.DeleteFunc(slices.Clone(set.Checks), counts))
		if errA != nil || errB != nil || string(a) != string(b) || set.Verdict != steady.Verdict || steady.Verdict == 0 {
			t.Errorf("the checks are not the same (%v, %v):\n%s\n%s", errA, errB, a, b)
		}
	})
}
