package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

const (
	stopLimit = 60 * time.Second
	termGrace = 8 * time.Second // more than the machine takes to stop its parts
)

// Stop ends the machine in dir and removes all that is left of it on the host. The
// folder with its logs stays. It needs nothing but the folder, and does what can
// be done even when the record in it is missing.
func Stop(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	dir, err := realDir(dir)
	if err != nil {
		return err
	}
	if _, err := os.Stat(dir); err == nil {
		free, err := lock(ctx, dir)
		if err != nil {
			return fmt.Errorf("stop machine in %s: %w", dir, err)
		}
		defer free()
	}
	if err := remove(ctx, dir); err != nil {
		return fmt.Errorf("stop machine in %s: %w", dir, err)
	}
	return nil
}

// remove takes down whatever there is. The record goes last: a kill in between
// leaves it for the next attempt.
func remove(ctx context.Context, dir string) error {
	rec, err := readRecord(dir)
	if err != nil {
		return err
	}
	lives, err := findMachines(dir)
	if err != nil {
		return err
	}
	if rec.Process != nil && rec.Process.alive() {
		lives = append(lives, *rec.Process)
	}
	if rec.Spec.Name == "" {
		if rec, err = lostRecord(dir, lives); err != nil {
			return err
		}
	}
	for _, p := range lives {
		if err := p.end(ctx, termGrace); err != nil {
			return err
		}
	}
	if err := removeCgroups(ctx, rec.Cgroups); err != nil {
		return err
	}
	if rec.Link != "" {
		if err := removeLink(rec.Link); err != nil {
			return err
		}
	}
	if err := removeMountPoints(rec.Targets); err != nil {
		return err
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	path, free, err := controlPath(dir)
	if err != nil {
		return err
	}
	defer free()
	for _, path := range []string{path, specPath(dir), recordPath(dir) + ".new", specPath(dir) + ".new", recordPath(dir)} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove machine record: %w", err)
		}
	}
	return nil
}
