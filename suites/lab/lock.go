package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// BusyError says that another process is at work on the lab.
type BusyError struct {
	Dir string
	By  string // what the other process said about itself
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("another process is at work on the lab in %s (%s): wait until it has ended", e.Dir, e.By)
}

// hold takes the lab's lock, which the kernel gives back when the process ends,
// however it ends. The returned function gives it back.
func (l Layout) hold(verb string) (free func() error, err error) {
	if err := os.MkdirAll(filepath.Dir(l.lock()), 0o755); err != nil {
		return nil, fmt.Errorf("lock the lab: %w", err)
	}
	for {
		file, err := os.OpenFile(l.lock(), os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, fmt.Errorf("lock the lab: %w", err)
		}
		if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			by := l.holder()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return nil, errors.Join(&BusyError{Dir: l.Dir, By: by}, file.Close())
			}
			return nil, errors.Join(fmt.Errorf("lock the lab: %w", err), file.Close())
		}
		// Who held it before may have removed the file with the lab. A lock on a
		// file that nobody else can open is none.
		if same, err := names(l.lock(), file); err != nil || !same {
			if err := errors.Join(err, file.Close()); err != nil {
				return nil, fmt.Errorf("lock the lab: %w", err)
			}
			continue
		}
		text := fmt.Sprintf("gameday lab %s, pid %d", verb, os.Getpid())
		if err := errors.Join(file.Truncate(0), writeAt(file, text)); err != nil {
			return nil, errors.Join(fmt.Errorf("lock the lab: %w", err), file.Close())
		}
		return file.Close, nil
	}
}

func writeAt(file *os.File, text string) error {
	_, err := file.WriteAt([]byte(text), 0)
	return err
}

// names says whether path still names the open file.
func names(path string, file *os.File) (bool, error) {
	opened, err := file.Stat()
	if err != nil {
		return false, err
	}
	named, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(opened, named), err
}

func (l Layout) holder() string {
	text, err := os.ReadFile(l.lock())
	if by := strings.TrimSpace(string(text)); err == nil && by != "" {
		return by
	}
	return "it has not said which"
}
