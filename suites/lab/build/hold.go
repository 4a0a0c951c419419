package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// lockEvery is how often a builder looks whether a pin is free.
const lockEvery = 250 * time.Millisecond

// held is a pin that this builder has for itself, with a scratch folder in the
// cache, so that what is made there can be renamed into its place.
type held struct {
	lock    *os.File
	scratch string
}

// hold waits until no other builder has the pin. The kernel frees a lock when its
// process dies; a scratch folder that the dead left behind is removed here.
func hold(ctx context.Context, cache, pin string, waiting func()) (held, error) {
	if err := os.MkdirAll(filepath.Join(cache, "lock"), 0o755); err != nil {
		return held{}, fmt.Errorf("make the lock folder: %w", err)
	}
	path := filepath.Join(cache, "lock", pin)
	lock, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return held{}, fmt.Errorf("open the lock: %w", err)
	}
	h := held{lock: lock, scratch: filepath.Join(cache, "scratch", pin)}
	if err := h.acquire(ctx, waiting); err != nil {
		return held{}, errors.Join(fmt.Errorf("wait for pin %s: %w", pin, err), lock.Close())
	}
	if err := errors.Join(sign(lock), os.RemoveAll(h.scratch), os.MkdirAll(h.scratch, 0o755)); err != nil {
		return held{}, errors.Join(fmt.Errorf("prepare the scratch folder: %w", err), lock.Close())
	}
	return h, nil
}

func (h held) acquire(ctx context.Context, waiting func()) error {
	ticker := time.NewTicker(lockEvery)
	defer ticker.Stop()
	var told time.Time
	for {
		free, err := tryLock(h.lock)
		if err != nil || free {
			return err
		}
		if time.Since(told) >= tickEvery {
			told = time.Now()
			waiting()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s has it: %w", holder(h.lock.Name()), context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

// sign writes down who has the lock, for those who wait for it.
func sign(lock *os.File) error {
	if err := lock.Truncate(0); err != nil {
		return err
	}
	_, err := lock.WriteAt([]byte(fmt.Sprintf("process %d", os.Getpid())), 0)
	return err
}

func holder(path string) string {
	content, err := os.ReadFile(path)
	if err != nil || len(content) == 0 {
		return "another builder"
	}
	return strings.TrimSpace(string(content))
}

// release gives the pin back. Closing the file frees the lock.
func (h held) release() error {
	return errors.Join(os.RemoveAll(h.scratch), h.lock.Close())
}
