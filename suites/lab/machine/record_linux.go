package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// record is what must be known to remove a machine. Everything that outlives the
// namespaces is written here before it is made.
type record struct {
	Process *process `json:"process,omitempty"` // nil until PID 1 is started
	Cgroups []string `json:"cgroups,omitempty"` // folders
	Link    string   `json:"link,omitempty"`    // host's end of the network cable
	Targets []string `json:"targets,omitempty"` // mount points
	Spec    Spec     `json:"spec"`
}

func specPath(dir string) string   { return filepath.Join(dir, "spec.json") }
func recordPath(dir string) string { return filepath.Join(dir, "machine.json") }

// readRecord returns the zero record when there is none that can be read.
func readRecord(dir string) (record, error) {
	raw, err := os.ReadFile(recordPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, nil
	}
	if err != nil {
		return record{}, fmt.Errorf("read machine record: %w", err)
	}
	var r record
	if json.Unmarshal(raw, &r) != nil {
		return record{}, nil //nolint:nilerr // as good as lost, which Stop copes with
	}
	return r, nil
}

func (r record) write(dir string) error {
	return writeJSON(recordPath(dir), r)
}

// writeJSON replaces a file in one step, so that a kill leaves the old or the new one.
func writeJSON(path string, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	next := path + ".new"
	f, err := os.OpenFile(next, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(append(raw, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// lock keeps other starts and stops of the machine out. The kernel frees it when
// its holder dies.
func lock(ctx context.Context, dir string) (free func(), err error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open machine lock: %w", err)
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil //nolint:errcheck // holds no data
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return nil, errors.Join(fmt.Errorf("lock %s: another start or stop of this machine is under way: %w", path, err), f.Close())
		}
	}
}

// controlPath names the control socket through a descriptor of its folder, because
// a socket's name has room for 107 bytes only.
func controlPath(dir string) (path string, free func(), err error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", nil, fmt.Errorf("open machine folder %s: %w", dir, err)
	}
	free = func() { unix.Close(fd) } //nolint:errcheck // holds no data
	return "/proc/self/fd/" + strconv.Itoa(fd) + "/control.sock", free, nil
}

// realDir makes the folder's name the same however it is given.
func realDir(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find machine folder: %w", err)
	}
	real, err := filepath.EvalSymlinks(abs)
	if errors.Is(err, fs.ErrNotExist) {
		return abs, nil
	}
	if err != nil {
		return "", fmt.Errorf("find machine folder: %w", err)
	}
	return real, nil
}

// normal passes a spec through its stored form, so that an empty list equals an absent one.
func normal(s Spec) Spec {
	raw, err := json.Marshal(s)
	if err != nil {
		return s
	}
	var out Spec
	if json.Unmarshal(raw, &out) != nil {
		return s
	}
	return out
}

// lostRecord works a record out from the spec and from the machine's processes.
func lostRecord(dir string, lives []process) (record, error) {
	var rec record
	for _, p := range lives {
		folders, err := cgroupFoldersOf(p.PID)
		if err != nil {
			return record{}, err
		}
		rec.Cgroups = append(rec.Cgroups, folders...)
	}
	spec, err := readSpec(specPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return rec, nil
	}
	if err != nil {
		return record{}, err
	}
	rec.Spec = spec
	if spec.Network != nil {
		rec.Link = spec.Network.Link
	}
	for _, m := range spec.Mounts {
		rec.Targets = append(rec.Targets, m.Target)
	}
	if !spec.Cgroup {
		return rec, nil
	}
	folders, err := cgroupFolders(spec)
	if err != nil {
		return record{}, err
	}
	rec.Cgroups = append(rec.Cgroups, folders...)
	return rec, nil
}
