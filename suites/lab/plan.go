package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Progress is told whenever the work on a lab has moved, and every few seconds
// while it has not.
type Progress struct {
	Step    string        // that moved; empty when only time passed
	Detail  string        // what the step is at, or how it ended
	Done    bool          // the step is done
	Notice  bool          // to be told in any case: Detail says something about Step that is out of the ordinary
	Took    time.Duration // by the step so far
	Elapsed time.Duration // since the beginning
	Steps   int           // in all
	Left    int           // not yet done
	Working []string      // steps at work, the longest first
}

// step is a piece of the work that starts when those it comes after are done.
type step struct {
	name  string
	after []string
	do    func(ctx context.Context, tell func(detail string)) error
}

// plan is all the work, each step as soon as it can be.
type plan struct {
	steps  []step
	report func(Progress) // never called twice at a time; may be nil

	mu      sync.Mutex
	began   time.Time
	working map[string]time.Time
	done    int
}

func (p *plan) add(name string, after []string, do func(ctx context.Context, tell func(detail string)) error) {
	p.steps = append(p.steps, step{name, after, do})
}

// beat is how often progress is told while nothing moves.
const beat = time.Second

// run works the plan off. The first failure ends what is at work; its error is
// the one that is returned, with those of others that failed by themselves.
func (p *plan) run(ctx context.Context) error {
	if err := p.check(); err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	p.began, p.working = time.Now(), map[string]time.Time{}
	finished := map[string]chan struct{}{}
	for _, s := range p.steps {
		finished[s.name] = make(chan struct{})
	}
	errs := make([]error, len(p.steps))
	var all sync.WaitGroup
	for i, s := range p.steps {
		all.Go(func() {
			for _, name := range s.after {
				select {
				case <-finished[name]:
				case <-ctx.Done():
					return
				}
			}
			if ctx.Err() != nil {
				return
			}
			if errs[i] = p.work(ctx, s); errs[i] != nil {
				stop(errs[i])
				return
			}
			close(finished[s.name])
		})
	}
	ended := make(chan struct{})
	go func() { all.Wait(); close(ended) }()
	p.beatUntil(ended)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return errors.Join(errs...)
}

// check refuses a plan that could not end.
func (p *plan) check() error {
	var known []string
	for _, s := range p.steps {
		for _, name := range s.after {
			if !slices.Contains(known, name) {
				return fmt.Errorf("step %q comes after %q, which is not before it in the plan", s.name, name)
			}
		}
		if slices.Contains(known, s.name) {
			return fmt.Errorf("step %q is twice in the plan", s.name)
		}
		known = append(known, s.name)
	}
	return nil
}

func (p *plan) work(ctx context.Context, s step) error {
	start := time.Now()
	p.mu.Lock()
	p.working[s.name] = start
	p.mu.Unlock()
	var last string
	err := s.do(ctx, func(detail string) {
		last = detail
		p.tell(Progress{Step: s.name, Detail: detail, Took: time.Since(start)})
	})
	p.mu.Lock()
	delete(p.working, s.name)
	if err == nil {
		p.done++
	}
	p.mu.Unlock()
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	p.tell(Progress{Step: s.name, Detail: last, Done: true, Took: time.Since(start)})
	return nil
}

func (p *plan) beatUntil(ended <-chan struct{}) {
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for {
		select {
		case <-ended:
			return
		case <-ticker.C:
			p.tell(Progress{})
		}
	}
}

func (p *plan) tell(progress Progress) {
	if p.report == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	progress.Elapsed = time.Since(p.began)
	progress.Steps, progress.Left = len(p.steps), len(p.steps)-p.done
	for name := range p.working {
		progress.Working = append(progress.Working, name)
	}
	slices.SortFunc(progress.Working, func(a, b string) int { return p.working[a].Compare(p.working[b]) })
	p.report(progress)
}
