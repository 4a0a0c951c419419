package scenarios

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Tasks run beside the steps of a drill until they are stopped: a writer of markers, for one. The zero value is not usable;
// the runner makes one a drill.
type Tasks struct {
	ctx  context.Context // of the drill; ends them all
	mu   sync.Mutex
	runs map[string]*task
	next map[string]int64
}

type task struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// NewTasks returns an empty set whose tasks end with ctx at the latest.
func NewTasks(ctx context.Context) *Tasks {
	return &Tasks{ctx: ctx, runs: map[string]*task{}, next: map[string]int64{}}
}

// Go starts a named task. A name can be used again once its task was stopped.
func (t *Tasks) Go(name string, run func(ctx context.Context) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, running := t.runs[name]; running {
		return fmt.Errorf("task %q is running already", name)
	}
	ctx, cancel := context.WithCancel(t.ctx)
	one := &task{cancel: cancel, done: make(chan struct{})}
	t.runs[name] = one
	go func() {
		defer close(one.done)
		one.err = run(ctx)
	}()
	return nil
}

// Take uses up a ledger's next number, 1 first, and returns it, so that steps that write to one ledger go on where the last one ended.
func (t *Tasks) Take(ledger string) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next[ledger]++
	return t.next[ledger]
}

// Stop ends a task, waits for it and returns its error. A task that does not run is none to stop.
func (t *Tasks) Stop(name string) error {
	t.mu.Lock()
	one, running := t.runs[name]
	delete(t.runs, name)
	t.mu.Unlock()
	if !running {
		return nil
	}
	one.cancel()
	<-one.done
	return one.err
}

// StopAll ends every task and returns their errors.
func (t *Tasks) StopAll() error {
	t.mu.Lock()
	names := make([]string, 0, len(t.runs))
	for name := range t.runs {
		names = append(names, name)
	}
	t.mu.Unlock()
	var errs []error
	for _, name := range names {
		if err := t.Stop(name); err != nil {
			errs = append(errs, fmt.Errorf("task %q: %w", name, err))
		}
	}
	return errors.Join(errs...)
}
