package scenarios

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gamedayhq/gameday/reports"
)

// baseline watches the untouched system. A system that is not steady ends the drill before anything is broken.
func (d *drill) baseline(ctx context.Context) error {
	if err := d.event(reports.Event{Kind: reports.BaselineStarted}); err != nil {
		return err
	}
	if err := Sleep(ctx, d.scenario.Baseline); err != nil {
		return err
	}
	if err := d.event(reports.Event{Kind: reports.BaselineEnded}); err != nil {
		return err
	}
	// The samples of the baseline's last slots are still out: the slowest monitor's timeout brings them in.
	var slowest time.Duration
	for _, m := range d.questions {
		slowest = max(slowest, m.Timeout+m.Every)
	}
	if err := Sleep(ctx, slowest); err != nil {
		return err
	}
	return d.steady()
}

// steady judges the baseline with the judge that will judge the drill.
func (d *drill) steady() error {
	if err := d.journal.Sync(); err != nil {
		return err
	}
	record, _, err := reports.Read(d.JournalPath())
	if err != nil {
		return err
	}
	check := reports.Steady(record)
	if check.Verdict == reports.Pass {
		return nil
	}
	return fmt.Errorf("%w: the baseline is not steady: %s", ErrVoid, check.Reason)
}

// steps plays steps in order. When one of them fails, or the drill is cut short, those that undo what a step before them
// did are still played, on a context that outlives the caller's; the others are not.
func (d *drill) steps(ctx context.Context, steps []Step) error {
	var failed error
	started := map[string]bool{}
	lasting, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoBudget)
	defer cancel()
	for _, step := range steps {
		with := ctx
		if failed != nil {
			if step.Undoes == "" || !started[step.Undoes] {
				continue
			}
			with = lasting
		}
		started[step.Name] = true
		if err := d.step(with, step); err != nil {
			failed = errors.Join(failed, fmt.Errorf("step %q: %w", step.Name, err))
		}
	}
	return failed
}

// step writes the intent, owes the undo, does, holds, undoes.
func (d *drill) step(ctx context.Context, step Step) error {
	if step.Group != nil {
		return d.group(ctx, step)
	}
	if err := d.event(reports.Event{Kind: reports.StepStarted, Step: step.Name, Detail: describe(step.Action)}); err != nil {
		return err
	}
	_, fault := step.Action.(Fault)
	if fault {
		d.owed.owe(step)
	}
	err := d.do(ctx, step)
	if err == nil {
		err = Sleep(ctx, step.Hold)
	}
	if fault {
		lasting, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoBudget)
		defer cancel()
		err = errors.Join(err, d.undo(lasting, step))
	}
	return errors.Join(err, d.event(reports.Event{Kind: reports.StepEnded, Step: step.Name}))
}

// do runs the action within its timeout and records how it ended.
func (d *drill) do(ctx context.Context, step Step) error {
	one, cancel := context.WithTimeoutCause(ctx, step.Timeout, fmt.Errorf("not done within %v", step.Timeout))
	defer cancel()
	err := step.Action.Do(one, d.env(step.Name))
	return errors.Join(err, d.ended(step.Name, err))
}

// ended records how an action, or a group, came out.
func (d *drill) ended(step string, err error) error {
	if err == nil {
		return d.event(reports.Event{Kind: reports.StepDone, Step: step})
	}
	event := reports.Event{Kind: reports.StepFailed, Step: step, Detail: err.Error()}
	var system *SystemError
	if errors.As(err, &system) {
		event.Topic = reports.TopicSystem
	}
	return d.event(event)
}

// undoAll undoes what is still owed, the last fault first. What could not be proven undone is recorded and stays an error.
func (d *drill) undoAll(ctx context.Context) error {
	var errs []error
	for {
		step, owed := d.owed.last()
		if !owed {
			return errors.Join(errs...)
		}
		errs = append(errs, d.undo(ctx, step))
	}
}

// undo undoes a fault that is owed. That a fault could not be proven undone is a verdict of the drill, so it is recorded, not
// returned; a record that cannot be kept, or a cluster that cannot be reached, is an error.
func (d *drill) undo(ctx context.Context, step Step) error {
	fault, ok := step.Action.(Fault)
	if !d.owed.settle(step.Name) || !ok {
		return nil
	}
	recorded := d.event(reports.Event{Kind: reports.UndoStarted, Step: step.Name})
	one, cancel := context.WithTimeoutCause(ctx, step.Timeout, fmt.Errorf("not undone within %v", step.Timeout))
	defer cancel()
	if err := fault.Undo(one, d.env(step.Name)); err != nil {
		recorded = errors.Join(recorded, d.event(reports.Event{Kind: reports.UndoFailed, Step: step.Name, Detail: err.Error()}))
		if errors.Is(err, ErrUnreachable) { // nothing is known of the fault, which is no verdict of the system
			recorded = errors.Join(recorded, fmt.Errorf("undo step %q: %w", step.Name, err))
		}
		return recorded
	}
	return errors.Join(recorded, d.event(reports.Event{Kind: reports.UndoDone, Step: step.Name}))
}
