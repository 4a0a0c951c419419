package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gamedayhq/gameday/suites/lab/machine"
)

// brokenError says that a machine did not become what it should be.
type brokenError struct {
	machine string
	error
}

func (e *brokenError) Unwrap() error { return e.error }

// of marks a step's failure as that of a machine.
func of(machine string, err error) error {
	if err == nil {
		return nil
	}
	return &brokenError{machine, err}
}

// outlives is what outlives the rebuilding of a machine: who holds a kubeconfig goes on
// to use it, and the backups are not the machine's to lose.
var outlives = map[string][]string{
	Primary: {"pki", "log"},
	Standby: {"pki", "log"},
	Depot:   {"s3", "log", "front-door.map"},

	unpacking: {"log"},
}

// rebuild makes room for a new machine in place of one that did not come back.
func (l Layout) rebuild(ctx context.Context, name string) error {
	dir := l.machine(name)
	if err := machine.Stop(ctx, dir); err != nil {
		return fmt.Errorf("rebuild machine %s: %w", name, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("rebuild machine %s: %w", name, err)
	}
	kept := map[string]bool{}
	for _, entry := range outlives[name] {
		kept[entry] = true
	}
	for _, entry := range entries {
		if kept[entry.Name()] {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
			return fmt.Errorf("rebuild machine %s: %w", name, err)
		}
	}
	return nil
}

// wake starts the parts of a running machine that somebody stopped or froze.
func wake(ctx context.Context, dir string) error {
	client := machine.Dial(dir)
	status, err := client.Status(ctx)
	if err != nil {
		return err
	}
	for _, part := range status.Parts {
		if part.Paused {
			if err := client.ContinuePart(ctx, part.Name); err != nil {
				return err
			}
		}
		if part.Final {
			if err := client.StartPart(ctx, part.Name); err != nil {
				return err
			}
		}
	}
	return nil
}
