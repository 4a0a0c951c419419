package machine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// mountInfo is one line of /proc/self/mountinfo.
type mountInfo struct {
	root, point, fstype, options string
}

func readMounts() ([]mountInfo, error) { return readMountsOf("self") }

func readMountsOf(pid string) ([]mountInfo, error) {
	raw, err := os.ReadFile(filepath.Join("/proc", pid, "mountinfo"))
	if err != nil {
		return nil, fmt.Errorf("read mounts: %w", err)
	}
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var mounts []mountInfo
	for line := range strings.Lines(string(raw)) {
		left, right, ok := strings.Cut(line, " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if !ok || len(l) < 6 || len(r) < 3 {
			return nil, fmt.Errorf("read mounts: strange line %q", line)
		}
		mounts = append(mounts, mountInfo{root: unescape.Replace(l[3]), point: unescape.Replace(l[4]), fstype: r[0], options: r[2]})
	}
	return mounts, nil
}

// setUpMounts gives the machine its own view of the file system. It runs inside.
func setUpMounts(spec Spec) error {
	// First of all, or the mounts below would be seen on the host.
	if err := mount("/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	all, err := hierarchies() // the host's /sys is needed for this, and /proc of the same process
	if err != nil && spec.Cgroup {
		return err
	}
	resolver, err := keepResolver()
	if err != nil {
		return err
	}
	const quiet = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := replaceMount("/proc", "proc", quiet, ""); err != nil {
		return err
	}
	// /sys shows the network namespace it was mounted in, and holds the cgroups.
	if spec.Network != nil || spec.Cgroup {
		if err := replaceMount("/sys", "sysfs", quiet, ""); err != nil {
			return err
		}
		if err := mountCgroups(all, spec.Cgroup); err != nil {
			return err
		}
	}
	if err := replaceMount("/dev/shm", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777"); err != nil {
		return err
	}
	if err := replaceMount("/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
		return err
	}
	if err := resolver.restore(); err != nil {
		return err
	}
	for _, m := range spec.Mounts {
		if err := bind(m); err != nil {
			return err
		}
	}
	// Containers hand mounts to each other through the machine's root.
	return mount("/", "", unix.MS_REC|unix.MS_SHARED, "")
}

// replaceMount puts a new file system in place of the old one and all below it.
func replaceMount(target, fstype string, flags uintptr, data string) error {
	mounts, err := readMounts()
	if err != nil {
		return err
	}
	slices.Reverse(mounts) // what was mounted last comes off first
	for _, m := range mounts {
		if m.point != target && !strings.HasPrefix(m.point, target+"/") {
			continue
		}
		// EINVAL: it went away with one above it.
		if err := unix.Unmount(m.point, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("unmount %s: %w", m.point, err)
		}
	}
	if err := os.MkdirAll(target, 0o755); err != nil {
		return fmt.Errorf("make mount point: %w", err)
	}
	return mount(target, fstype, flags, data)
}

// mount mounts a file system without a device, or with an empty type changes a mount.
func mount(target, fstype string, flags uintptr, data string) error {
	if err := unix.Mount(fstype, target, fstype, flags, data); err != nil {
		return fmt.Errorf("mount %s %s with flags %#x and options %q: %w", fstype, target, flags, data, err)
	}
	return nil
}

func bind(m Mount) error {
	// It may be in the machine's own /run, or removed again by another machine's end.
	if err := m.makeTarget(); err != nil {
		return err
	}
	if err := unix.Mount(m.Source, m.Target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %s to %s: %w", m.Source, m.Target, err)
	}
	if !m.ReadOnly {
		return nil
	}
	return mount(m.Target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
}

// mountCgroups mounts every hierarchy of the host again. In a cgroup namespace of
// its own the machine sees its own group as the root of each.
func mountCgroups(all []hierarchy, own bool) error {
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	for _, h := range all {
		if h.pure() {
			if err := mount(cgroupRoot, "cgroup2", flags, ""); err != nil {
				return err
			}
			if !own {
				return nil
			}
			return makeRoomV2()
		}
	}
	if err := mount(cgroupRoot, "tmpfs", flags, "mode=755"); err != nil {
		return err
	}
	for _, h := range all {
		target := filepath.Join(cgroupRoot, filepath.Base(h.mount))
		if err := os.Mkdir(target, 0o755); err != nil {
			return fmt.Errorf("make mount point: %w", err)
		}
		if h.v2 {
			if err := mount(target, "cgroup2", flags, ""); err != nil {
				return err
			}
			continue
		}
		options := h.names
		if strings.HasPrefix(options, "name=") {
			options = "none," + options
		}
		if err := mount(target, "cgroup", flags, options); err != nil {
			return err
		}
		// Controllers mounted together are looked for by their single names too.
		if names := strings.Split(h.names, ","); len(names) > 1 {
			for _, name := range names {
				if err := os.Symlink(filepath.Base(target), filepath.Join(cgroupRoot, name)); err != nil {
					return fmt.Errorf("link cgroup controller: %w", err)
				}
			}
		}
	}
	return nil
}

// makeRoomV2 moves PID 1 out of the machine's root group, because a group with
// processes cannot give controllers to groups below it.
func makeRoomV2() error {
	leaf := filepath.Join(cgroupRoot, "init")
	if err := os.Mkdir(leaf, 0o755); err != nil {
		return fmt.Errorf("make cgroup: %w", err)
	}
	if err := joinCgroups([]string{leaf}, os.Getpid()); err != nil {
		return err
	}
	return giveControllers(cgroupRoot)
}

// resolver is the host's DNS setting where /etc/resolv.conf points into /run.
type resolver struct {
	path    string
	content []byte
}

func keepResolver() (resolver, error) {
	path, err := filepath.EvalSymlinks("/etc/resolv.conf")
	if err != nil || !strings.HasPrefix(path, "/run/") {
		return resolver{}, nil //nolint:nilerr // none, a dangling link, or a plain file that stays visible
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return resolver{}, fmt.Errorf("read DNS setting: %w", err)
	}
	return resolver{path: path, content: content}, nil
}

func (r resolver) restore() error {
	if r.path == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(r.path), 0o755); err != nil {
		return fmt.Errorf("keep DNS setting: %w", err)
	}
	if err := os.WriteFile(r.path, r.content, 0o644); err != nil {
		return fmt.Errorf("keep DNS setting: %w", err)
	}
	return nil
}
