package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gamedayhq/gameday/suites/lab/machine"
)

// downLimit bounds all of Down.
const downLimit = 3 * time.Minute

// Down takes the lab away, in whatever state it is, and leaves nothing of it but
// the cache. Without a lab there is nothing to do.
func Down(ctx context.Context, o Options) (err error) {
	l, err := o.found()
	if errors.Is(err, ErrNone) {
		// What was begun before the mark was written is worth a look all the same.
		l, err = o.layout()
	}
	if err != nil {
		return err
	}
	free, err := l.hold("down")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, free()) }()
	ctx, cancel := context.WithTimeoutCause(ctx, downLimit, fmt.Errorf("not done within %s", downLimit))
	defer cancel()
	u := plan{report: o.Report}
	var stopped []string
	for _, name := range []string{Primary, Standby, Depot, unpacking} {
		stopped = append(stopped, "stop "+name)
		u.add("stop "+name, nil, func(ctx context.Context, _ func(string)) error { return machine.Stop(ctx, l.machine(name)) })
	}
	u.add("remove the bridge", stopped, func(context.Context, func(string)) error {
		return errors.Join(machine.RemoveBridge(l.Bridge()), machine.RestoreHostSettings(l.Dir), letServicesUp())
	})
	u.add("remove the state", []string{"remove the bridge"}, func(context.Context, func(string)) error { return l.remove() })
	if err := u.run(ctx); err != nil {
		return fmt.Errorf("take the lab down: %w", err)
	}
	return nil
}

// remove deletes the state. The mark goes first: what is left of a folder without
// one is no lab.
func (l Layout) remove() error {
	for _, path := range []string{l.markPath(), l.Dir, l.lock()} {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove the lab's folder: %w", err)
		}
	}
	if l.Dir != defaultDir {
		return nil
	}
	// Others may have put something into the folder above; then it stays.
	err := os.Remove(filepath.Dir(l.Dir))
	if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, syscall.EEXIST) {
		return fmt.Errorf("remove the lab's folder: %w", err)
	}
	return nil
}

// Wipe removes the cache too: binaries, userland and images.
func Wipe(o Options) error {
	l, err := o.layout()
	if err != nil {
		return err
	}
	if err := os.RemoveAll(l.Cache); err != nil {
		return fmt.Errorf("remove the lab's cache: %w", err)
	}
	return nil
}
