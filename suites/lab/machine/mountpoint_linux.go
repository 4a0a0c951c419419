package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// madeByLab marks a folder of the host that exists only as a mount point of machines.
const madeByLab = "trusted.gameday.lab"

// makeMountPoints makes the sources and targets that are absent on the host.
func makeMountPoints(mounts []Mount) error {
	for _, m := range mounts {
		if _, err := os.Stat(m.Source); errors.Is(err, fs.ErrNotExist) {
			if err := os.MkdirAll(m.Source, 0o755); err != nil {
				return fmt.Errorf("make mount source: %w", err)
			}
		}
		if hidden(m.Target) != "" {
			continue // made inside
		}
		if err := m.makeTarget(); err != nil {
			return err
		}
	}
	return nil
}

// makeTarget makes the mount point, a folder or a file like the source, unless it is there.
func (m Mount) makeTarget() error {
	info, err := os.Stat(m.Source)
	if err != nil {
		return fmt.Errorf("look at mount source: %w", err)
	}
	if info.IsDir() {
		return makeMountPoint(m.Target)
	}
	if err := makeMountPoint(filepath.Dir(m.Target)); err != nil {
		return err
	}
	f, err := os.OpenFile(m.Target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("make mount point: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("make mount point: %w", err)
	}
	return markMountPoint(m.Target)
}

// makeMountPoint makes a folder and those above it, each with the lab's mark.
func makeMountPoint(path string) error {
	_, err := os.Stat(path)
	if err == nil {
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look at mount point: %w", err)
	}
	if err := makeMountPoint(filepath.Dir(path)); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o755); errors.Is(err, fs.ErrExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("make mount point: %w", err)
	}
	return markMountPoint(path)
}

// markMountPoint puts the mark on; without it, as on a file system that knows no
// such marks, the mount point stays on the host.
func markMountPoint(path string) error {
	if err := unix.Setxattr(path, madeByLab, []byte("1"), 0); err != nil && !errors.Is(err, unix.ENOTSUP) {
		return fmt.Errorf("mark mount point %s: %w", path, err)
	}
	return nil
}

// removeMountPoints removes the marked, empty folders that no other machine uses.
// Removing a folder that is a mount point in another namespace would unmount it
// there, so that is looked up first.
func removeMountPoints(targets []string) error {
	if len(targets) == 0 {
		return nil
	}
	used, err := mountPointsInUse()
	if err != nil {
		return err
	}
	for _, target := range slices.Backward(targets) {
		for path := target; path != "/"; path = filepath.Dir(path) {
			_, err := unix.Getxattr(path, madeByLab, make([]byte, 1))
			if errors.Is(err, unix.ENOENT) {
				continue // never made, while one above may have been
			}
			if err != nil || used[path] {
				break // not ours, or still in use
			}
			err = os.Remove(path)
			if errors.Is(err, unix.ENOTEMPTY) {
				break
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("remove mount point: %w", err)
			}
		}
	}
	return nil
}

// mountPointsInUse collects the mount points of all processes, one per mount namespace.
func mountPointsInUse() (map[string]bool, error) {
	namespaces, err := filepath.Glob("/proc/[0-9]*/ns/mnt")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	seen, used := map[string]bool{}, map[string]bool{}
	for _, path := range namespaces {
		ns, err := os.Readlink(path)
		if err != nil || seen[ns] {
			continue // the process ended, or another one of its namespace was seen
		}
		seen[ns] = true
		mounts, err := readMountsOf(filepath.Base(filepath.Dir(filepath.Dir(path))))
		if err != nil {
			delete(seen, ns) // another process of the namespace may be luckier
			continue
		}
		for _, m := range mounts {
			used[m.point] = true
		}
	}
	return used, nil
}
