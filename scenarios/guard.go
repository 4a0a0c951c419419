package scenarios

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gamedayhq/gameday/reports"
)

// Guard stands over a drill: it is asked before anything is touched, and may end the drill at any time.
type Guard interface {
	// Enter returns once the drill may go on; an error refuses it, and is the harness's. It may keep stop, which ends the drill
	// later with a cause: what was begun is then undone. leave, unless nil, is called once all that could be undone is undone, on a
	// context that outlives the drill's.
	Enter(ctx context.Context, env Env, stop func(cause error)) (leave func(ctx context.Context) error, err error)
}

// Looker is a guard that can tell, without changing anything, whether it would let a drill in.
type Looker interface {
	Look(ctx context.Context, env Env) error
}

// leaveWithin bounds what leaving the guards may take.
const leaveWithin = time.Minute

// enter asks the guards in their order. Those that were entered are left also when a later one refuses.
func (d *drill) enter(ctx context.Context) error {
	for _, guard := range d.Guards {
		leave, err := guard.Enter(ctx, d.env(""), func(cause error) { d.cancel(cause) })
		if leave != nil {
			d.entered = append(d.entered, leave)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// leave leaves the guards, the last one first.
func (d *drill) leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), leaveWithin, fmt.Errorf("not done within %v", leaveWithin))
	defer cancel()
	var errs []error
	for _, leave := range slices.Backward(d.entered) {
		errs = append(errs, leave(ctx))
	}
	d.entered = nil
	return errors.Join(errs...)
}

// describeEnvironment opens the preflight and records what is known of the clusters, and what chance chose.
func (d *drill) describeEnvironment() error {
	if err := d.event(reports.Event{Kind: reports.Preflight, Detail: "preflight"}); err != nil {
		return err
	}
	for _, facts := range d.Environment {
		if err := d.env("").Fact(reports.TopicEnvironment, facts, ""); err != nil {
			return err
		}
	}
	for _, chosen := range d.chosen {
		if err := d.env(chosen.Group).Fact(TopicChosen, chosen, fmt.Sprintf("%v, by the seed %d", chosen.Steps, chosen.Seed)); err != nil {
			return err
		}
	}
	return nil
}
