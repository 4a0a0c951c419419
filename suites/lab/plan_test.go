package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestPlanDoesStepsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var done []string
		var p plan
		for _, s := range []struct {
			name  string
			after []string
			takes time.Duration
		}{
			{"slow", nil, 3 * time.Second},
			{"quick", nil, time.Second},
			{"after quick", []string{"quick"}, time.Second},
			{"after both", []string{"slow", "after quick"}, time.Second},
		} {
			p.add(s.name, s.after, func(context.Context, func(string)) error {
				time.Sleep(s.takes)
				mu.Lock()
				defer mu.Unlock()
				done = append(done, s.name)
				return nil
			})
		}
		start := time.Now()
		if err := p.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := []string{"quick", "after quick", "slow", "after both"}; !slices.Equal(done, want) {
			t.Errorf("done: %v, want %v", done, want)
		}
		if took := time.Since(start); took != 4*time.Second {
			t.Errorf("took %s, want 4s: what can be done at once was not", took)
		}
	})
}

func TestPlanEndsWithTheFirstFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p plan
		cause := errors.New("no disk")
		p.add("fails", nil, func(context.Context, func(string)) error {
			time.Sleep(time.Second)
			return &brokenError{Primary, cause}
		})
		p.add("waits", nil, func(ctx context.Context, _ func(string)) error {
			<-ctx.Done()
			return ctx.Err()
		})
		p.add("never", []string{"fails"}, func(context.Context, func(string)) error {
			t.Error("a step began whose condition failed")
			return nil
		})
		err := p.run(t.Context())
		var broken *brokenError
		if !errors.Is(err, cause) || !strings.Contains(err.Error(), "fails: no disk") || !errors.As(err, &broken) {
			t.Errorf("got %v", err)
		}
	})
}

func TestPlanEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p plan
		p.add("waits", nil, func(ctx context.Context, _ func(string)) error {
			<-ctx.Done()
			return ctx.Err()
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := p.run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestPlanTellsWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []Progress
		p := plan{report: func(at Progress) { told = append(told, at) }}
		p.add("one", nil, func(_ context.Context, tell func(string)) error {
			tell("half")
			time.Sleep(1500 * time.Millisecond)
			return nil
		})
		p.add("two", []string{"one"}, func(context.Context, func(string)) error { return nil })
		if err := p.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, at := range told {
			lines = append(lines, fmt.Sprintf("%s|%s|%v|%s", at.Step, at.Detail, at.Done, strings.Join(at.Working, ",")))
		}
		want := []string{"one|half|false|one", "||false|one", "one|half|true|", "two||true|"}
		if !slices.Equal(lines, want) {
			t.Errorf("told %q, want %q", lines, want)
		}
		if last := told[len(told)-1]; last.Left != 0 || last.Steps != 2 || last.Elapsed != 1500*time.Millisecond {
			t.Errorf("last: %+v", last)
		}
	})
}

func TestPlanThatCouldNotEndIsRefused(t *testing.T) {
	nothing := func(context.Context, func(string)) error { return nil }
	var p plan
	p.add("one", []string{"two"}, nothing)
	p.add("two", nil, nothing)
	if err := p.run(t.Context()); err == nil || !strings.Contains(err.Error(), `"two"`) {
		t.Errorf("got %v", err)
	}
	p = plan{}
	p.add("one", nil, nothing)
	p.add("one", nil, nothing)
	if err := p.run(t.Context()); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("got %v", err)
	}
}

// TestThePlanOfUp holds the plan itself to its rules: every step is there and none waits for ever.
func TestThePlanOfUp(t *testing.T) {
	l, err := Options{Cache: t.TempDir(), Dir: t.TempDir()}.layout()
	if err != nil {
		t.Fatal(err)
	}
	u := &up{layout: l, refs: map[string]string{}}
	u.make()
	if err := u.plan.check(); err != nil {
		t.Error(err)
	}
	for _, c := range l.clusters() {
		for _, name := range addonNames(c.Name) {
			if !slices.ContainsFunc(u.plan.steps, func(s step) bool { return s.name == c.Name+": install "+name }) {
				t.Errorf("no step installs %s in %s", name, c.Name)
			}
		}
	}
}
