package machine

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	cgroupRoot    = "/sys/fs/cgroup"
	cgroupLab     = "gameday-lab"
	cgroupRetry   = 50 * time.Millisecond
	cgroupTimeout = 10 * time.Second
)

// hierarchy is one mounted cgroup hierarchy: all of v2, or some controllers of v1.
type hierarchy struct {
	v2    bool
	names string // v1: "cpu,cpuacct" or "name=systemd"
	mount string // where it is mounted
	root  string // which group that shows
	place string // the process's group
}

// hierarchies lists the mounted hierarchies with the caller's place in each.
func hierarchies() ([]hierarchy, error) { return hierarchiesOf("self") }

func hierarchiesOf(pid string) ([]hierarchy, error) {
	places, err := os.ReadFile(filepath.Join("/proc", pid, "cgroup"))
	if err != nil {
		return nil, fmt.Errorf("read cgroups of process %s: %w", pid, err)
	}
	mounts, err := readMounts()
	if err != nil {
		return nil, err
	}
	var found []hierarchy
	for line := range strings.Lines(string(places)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			return nil, fmt.Errorf("read cgroups of process %s: strange line %q", pid, line)
		}
		h := hierarchy{v2: fields[0] == "0", names: fields[1]}
		i := slices.IndexFunc(mounts, func(m mountInfo) bool {
			if !strings.HasPrefix(m.point, cgroupRoot) {
				return false
			}
			if h.v2 {
				return m.fstype == "cgroup2"
			}
			return m.fstype == "cgroup" && containsAll(m.options, strings.Split(h.names, ","))
		})
		if i < 0 {
			continue // not mounted, so nobody uses it
		}
		h.mount, h.root, h.place = mounts[i].point, mounts[i].root, fields[2]
		found = append(found, h)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no cgroup hierarchy is mounted below %s", cgroupRoot)
	}
	return found, nil
}

func containsAll(options string, names []string) bool {
	have := strings.Split(options, ",")
	for _, name := range names {
		if !slices.Contains(have, name) {
			return false
		}
	}
	return true
}

// labFolder is where the lab's cgroups go. On v1 that is below the caller, whose
// limits then hold for the lab too. On v2 a group with processes cannot give
// controllers to groups below it, so it is the top.
func (h hierarchy) labFolder() (string, error) {
	if h.pure() {
		return filepath.Join(h.mount, cgroupLab), nil
	}
	rel, err := filepath.Rel(h.root, h.place)
	if err != nil || rel == ".." || strings.HasPrefix(rel, "../") || strings.Contains(h.root, "..") {
		return "", fmt.Errorf("own cgroup %s is outside of what is mounted on %s", h.place, h.mount)
	}
	return filepath.Join(h.mount, rel, cgroupLab), nil
}

// pure says that this is cgroup v2 without v1 beside it.
func (h hierarchy) pure() bool { return h.v2 && h.mount == cgroupRoot }

// cgroupFolders names the machine's folder in each hierarchy. The end of the name
// tells labs in different folders apart.
func cgroupFolders(s Spec) ([]string, error) {
	all, err := hierarchies()
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256([]byte(s.Dir))
	var folders []string
	for _, h := range all {
		lab, err := h.labFolder()
		if err != nil {
			return nil, err
		}
		folders = append(folders, filepath.Join(lab, fmt.Sprintf("%s-%x", s.Name, id[:4])))
	}
	return folders, nil
}

// cgroupFoldersOf finds the machine's folders by a process in it or below.
func cgroupFoldersOf(pid int) ([]string, error) {
	all, err := hierarchiesOf(strconv.Itoa(pid))
	if err != nil {
		return nil, err
	}
	var folders []string
	for _, h := range all {
		before, after, ok := strings.Cut(h.place, "/"+cgroupLab+"/")
		rel, err := filepath.Rel(h.root, "/"+strings.TrimPrefix(before, "/"))
		if !ok || err != nil {
			continue
		}
		name, _, _ := strings.Cut(after, "/")
		folders = append(folders, filepath.Join(h.mount, rel, cgroupLab, name))
	}
	return folders, nil
}

// makeCgroups makes the folders, which the record already names.
func makeCgroups(folders []string) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	for _, folder := range folders {
		i := slices.IndexFunc(all, func(h hierarchy) bool {
			lab, err := h.labFolder()
			return err == nil && lab == filepath.Dir(folder)
		})
		if i < 0 {
			return fmt.Errorf("make cgroup %s: its hierarchy is gone", folder)
		}
		h := all[i]
		lab := filepath.Dir(folder)
		if h.pure() {
			if err := giveControllers(h.mount); err != nil {
				return err
			}
		}
		if err := h.makeFolder(folder); err != nil {
			return err
		}
		if h.pure() {
			if err := giveControllers(lab); err != nil {
				return err
			}
		}
	}
	return nil
}

// makeFolder makes the machine's folder and the lab's above it. Another machine's
// end may remove the latter, while it is empty, before the former is in it.
func (h hierarchy) makeFolder(folder string) (err error) {
	const tries = 100
	for range tries {
		for _, path := range []string{filepath.Dir(folder), folder} {
			if err = os.Mkdir(path, 0o755); errors.Is(err, fs.ErrExist) {
				err = nil
			}
			if err == nil {
				err = h.initFolder(path)
			}
			if err != nil {
				break
			}
		}
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("make cgroup: %w", err)
	}
	return nil
}

// initFolder makes a new v1 folder usable.
func (h hierarchy) initFolder(path string) error {
	// A cpuset without processors and memory takes no processes.
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		have, err := os.ReadFile(filepath.Join(path, name))
		if h.v2 || errors.Is(err, fs.ErrNotExist) || strings.TrimSpace(string(have)) != "" {
			continue
		}
		parent, err := os.ReadFile(filepath.Join(filepath.Dir(path), name))
		if err != nil {
			return fmt.Errorf("read cgroup setting: %w", err)
		}
		if err := os.WriteFile(filepath.Join(path, name), parent, 0o644); err != nil {
			return fmt.Errorf("write cgroup setting: %w", err)
		}
	}
	// Kernels before 5.11 count memory per group unless told to count it per tree.
	tree := filepath.Join(path, "memory.use_hierarchy")
	if raw, err := os.ReadFile(tree); err == nil && strings.TrimSpace(string(raw)) == "0" {
		if err := os.WriteFile(tree, []byte("1"), 0o644); err != nil {
			return fmt.Errorf("write cgroup setting: %w", err)
		}
	}
	return nil
}

// giveControllers lets the v2 groups below path use every controller there is.
func giveControllers(path string) error {
	raw, err := os.ReadFile(filepath.Join(path, "cgroup.controllers"))
	if err != nil {
		return fmt.Errorf("read cgroup controllers: %w", err)
	}
	var missing []error
	for _, name := range strings.Fields(string(raw)) {
		// One at a time: one that cannot be given must not keep back the others.
		if err := os.WriteFile(filepath.Join(path, "cgroup.subtree_control"), []byte("+"+name), 0o644); err != nil {
			missing = append(missing, fmt.Errorf("give cgroup controller %s: %w", name, err))
		}
	}
	given, err := os.ReadFile(filepath.Join(path, "cgroup.subtree_control"))
	if err != nil {
		return fmt.Errorf("read cgroup controllers: %w", err)
	}
	for _, need := range []string{"cpu", "cpuset", "memory", "pids"} {
		if !slices.Contains(strings.Fields(string(given)), need) {
			return errors.Join(fmt.Errorf("groups below %s lack the %s controller, which a kubelet needs", path, need), errors.Join(missing...))
		}
	}
	return nil
}

func joinCgroups(folders []string, pid int) error {
	for _, folder := range folders {
		if err := os.WriteFile(filepath.Join(folder, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644); err != nil {
			return fmt.Errorf("move process %d into cgroup: %w", pid, err)
		}
	}
	return nil
}

// removeCgroups kills what is left in the folders and removes them with all below,
// then the lab's folder above them when no other machine uses it.
func removeCgroups(ctx context.Context, folders []string) error {
	ctx, cancel := context.WithTimeout(ctx, cgroupTimeout)
	defer cancel()
	for _, folder := range folders {
		if filepath.Base(filepath.Dir(folder)) != cgroupLab || !strings.HasPrefix(folder, cgroupRoot+"/") {
			return fmt.Errorf("remove cgroup %s: it is not one of a lab", folder)
		}
		for {
			err := removeCgroup(folder)
			if err == nil {
				break
			}
			if pause(ctx, cgroupRetry) != nil {
				return fmt.Errorf("remove cgroup %s: %w", folder, err)
			}
		}
		err := os.Remove(filepath.Dir(folder))
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.ENOTEMPTY) {
			return fmt.Errorf("remove cgroup: %w", err)
		}
	}
	return nil
}

// removeCgroup tries once. Dying processes keep a group busy for a moment.
func removeCgroup(folder string) error {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeCgroup(filepath.Join(folder, e.Name())); err != nil {
				return err
			}
		}
	}
	procs, err := os.ReadFile(filepath.Join(folder, "cgroup.procs"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, field := range strings.Fields(string(procs)) {
		pid, err := strconv.Atoi(field)
		if err != nil || pid == 0 {
			return fmt.Errorf("cgroup holds process %q, which cannot be seen from here", field)
		}
		if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("kill process %d left in cgroup: %w", pid, err)
		}
	}
	if err := os.Remove(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
