package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Builder builds targets or finds what was built before. Its zero value works.
// It waits as long as its context lets it: all targets from nothing take
// a quarter of an hour or more on two cores.
type Builder struct {
	Cache  string         // folder; gameday/lab in the user's cache folder if empty
	Bin    string         // folder of ready binaries; one that has the name is used instead
	Report func(Progress) // told how the build goes, one call at a time; may be nil
}

// The states of a target, see [Progress].
const (
	Ready    = "ready"    // found in the folder of ready binaries
	Cached   = "cached"   // built before
	Waiting  = "waiting"  // another builder has the pin
	Building = "building" // said again every few seconds
	Built    = "built"
)

// Progress tells the state of one target.
type Progress struct {
	Target      string
	State       string
	Elapsed     time.Duration // since the work on this target began
	Done, Total int           // targets that are there and targets asked for
}

// Build returns the absolute paths of the named binaries by name, of all targets
// if no name is given. It builds those that are neither ready nor cached.
func (b Builder) Build(ctx context.Context, names ...string) (map[string]string, error) {
	c, err := shipped()
	if err != nil {
		return nil, err
	}
	return b.build(ctx, c, names)
}

func (b Builder) build(ctx context.Context, c catalog, names []string) (map[string]string, error) {
	targets, err := c.pick(names)
	if err != nil {
		return nil, err
	}
	r := run{report: b.Report, total: len(targets), paths: map[string]string{}}
	if r.cache, err = b.cache(); err != nil {
		return nil, err
	}
	var missing []Target
	for _, t := range targets {
		path, err := b.ready(t.Name)
		if err != nil {
			return nil, err
		}
		if path == "" {
			missing = append(missing, t)
			continue
		}
		r.done(t.Name, path, Ready)
	}
	if err := r.make(ctx, c, missing); err != nil {
		return nil, err
	}
	return r.paths, nil
}

// cache is absolute since the go command runs in a folder of its own.
func (b Builder) cache() (string, error) {
	dir := b.Cache
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find the cache folder: %w", err)
		}
		dir = filepath.Join(user, "gameday", "lab")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find the cache folder: %w", err)
	}
	return dir, nil
}

// ready returns the path of a ready binary, an empty one if there is none. What
// has the name but cannot run is an error: whoever named the folder meant it.
func (b Builder) ready(name string) (string, error) {
	if b.Bin == "" {
		return "", nil
	}
	if _, err := os.Stat(b.Bin); err != nil {
		return "", fmt.Errorf("look for ready binaries: %w", err)
	}
	path, err := filepath.Abs(filepath.Join(b.Bin, name))
	if err != nil {
		return "", fmt.Errorf("look for a ready %s: %w", name, err)
	}
	switch there, err := executable(path); {
	case err != nil:
		return "", fmt.Errorf("use the ready %s: %w", name, err)
	case !there:
		return "", nil
	}
	return path, nil
}

// executable tells whether a program is there. A file that is there and is none
// is an error.
func executable(path string) (bool, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0:
		return false, fmt.Errorf("%s is not an executable file", path)
	}
	return true, nil
}
