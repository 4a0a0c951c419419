package scenarios

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gamedayhq/gameday/reports"
)

// A door is an action of the user's own: a command or a call. One with an undo is a fault; one without says why none is needed.
//
// gameday cannot see what is behind a door. So a door's fault needs a sign ([Sign]) to be proven by somebody else than itself, and
// its undo must be one that may be run at any time, also twice or before: what it does is not in any cluster, so no other process
// can undo it but one that has the scenario.
type door struct {
	key    string // in a scenario file
	kind   string // of what it does, for the evidence
	target string
	do     func(ctx context.Context, env Env) (string, error)
	undo   func(ctx context.Context, env Env) (string, error)
	proof  *Sign
}

// inject looks that the sign is absent, does it, and waits for the sign.
func (d door) inject(ctx context.Context, env Env) error {
	if err := env.Fact(reports.TopicTargets, targetsOf(d.kind, d.target), d.target); err != nil {
		return err
	}
	if d.proof != nil {
		if err := d.proof.Before(ctx, env); err != nil {
			return err
		}
	}
	words, err := d.do(ctx, env)
	if err != nil {
		return err
	}
	proof := reports.Proof{By: words, Proven: true, Detail: "by its own word alone: a proof would show it"}
	if d.proof != nil {
		seen, err := d.proof.Await(ctx, env, true)
		if err != nil {
			return fmt.Errorf("%w: not injected: %w", ErrVoid, err)
		}
		proof = reports.Proof{By: "the sign that it named", Independent: true, Proven: true, Detail: seen}
	}
	return env.Fact(reports.TopicInjected, proof, proof.Detail)
}

// recover undoes it, and waits until the sign is gone.
func (d door) recover(ctx context.Context, env Env) error {
	words, err := d.undo(ctx, env)
	if err != nil {
		return err
	}
	proof := reports.Proof{By: words, Proven: true, Detail: "by the undo's own word alone: a proof would show it"}
	if d.proof != nil {
		seen, err := d.proof.Await(ctx, env, false)
		if err != nil {
			return fmt.Errorf("the fault may still be in place: %w", err)
		}
		proof = reports.Proof{By: "the sign that it named is gone", Independent: true, Proven: true, Detail: seen}
	}
	return env.Fact(reports.TopicRecovered, proof, proof.Detail)
}

// problems tells offline what is wrong with a door's undo and proof. none is why it has no undo.
func (d door) problems(undo bool, none string, proof *Sign) []string {
	var out []string
	switch {
	case undo && none != "":
		out = append(out, d.key+".undo: says both what undoes it and why nothing does: want one of the two")
	case !undo && strings.TrimSpace(none) == "":
		out = append(out, d.key+".undo: is missing: say what undoes it (it may be run twice, or before), or undo: {none: why nothing is left to undo}")
	}
	if proof != nil {
		out = append(out, proof.Problems(d.key+".proof")...)
		if !undo {
			out = append(out, d.key+".proof: proves a fault, and what has no undo is none: watch it with a monitor")
		}
	}
	return out
}

// ran runs a command and records what became of it.
func (c Command) ran(ctx context.Context, env Env) (string, error) {
	ran, err := c.run(ctx, env)
	return "exit status 0", errors.Join(err, ran.record(env))
}
