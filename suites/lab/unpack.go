package lab

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gamedayhq/gameday/scenarios"
	"github.com/gamedayhq/gameday/suites/lab/folder"
	"github.com/gamedayhq/gameday/suites/lab/machine"
)

// A node's images are most of what a new node has to write, so containerd unpacks
// them once, in a machine that does nothing else, and its folder is kept in the
// cache. A new node gets that folder by hard links: files of images never change,
// and both nodes have the same ones in memory.

// unpacking is the machine that unpacks.
const unpacking = "unpack"

const unpackConfig = `version = 2
root = %q
state = "/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]

[grpc]
address = "/run/containerd/containerd.sock"
`

// unpack returns the folder of a containerd that has all images.
func (u *up) unpack(ctx context.Context, tell func(string)) (dir string, err error) {
	roots := filepath.Join(u.layout.Cache, "unpacked")
	sum := sha256.New()
	fmt.Fprintln(sum, "1", u.versions["containerd"])
	for _, a := range u.archives {
		fmt.Fprintln(sum, a.refs)
	}
	dir = filepath.Join(roots, fmt.Sprintf("%x", sum.Sum(nil)[:8]))
	free, err := holdFolder(ctx, roots, syscall.LOCK_EX)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, free()) }()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	// Nodes have links of their own to what is in the others.
	if err := removeOthers(roots, dir); err != nil {
		return "", err
	}
	made, err := u.fill(ctx, tell)
	if err != nil {
		return "", err
	}
	if err := move(ctx, made, dir); err != nil {
		return "", fmt.Errorf("keep the unpacked images: %w", err)
	}
	return dir, u.layout.rebuild(ctx, unpacking)
}

// fill has the images unpacked and returns the folder.
func (u *up) fill(ctx context.Context, tell func(string)) (string, error) {
	// What an Up left behind that was killed here is of no use.
	if err := u.layout.rebuild(ctx, unpacking); err != nil {
		return "", err
	}
	at := u.layout.machine(unpacking)
	root := filepath.Join(at, "containerd")
	config := filepath.Join(at, "containerd.toml")
	if _, err := folder.Write(config, fmt.Appendf(nil, unpackConfig, root), 0o644); err != nil {
		return "", err
	}
	spec := machine.Spec{Name: unpacking, Dir: at, Program: u.program, Parts: []machine.Part{{
		Name:  "containerd",
		Argv:  []string{"containerd", "--config", config, "--log-level", "warn"},
		Ready: &machine.Check{Target: "unix:///run/containerd/containerd.sock", Interval: 100 * time.Millisecond},
	}}}
	if err := u.boot(ctx, spec, tell); err != nil {
		return "", err
	}
	for _, a := range u.archives {
		tell(strings.Join(a.refs, " "))
		if err := importArchive(ctx, at, a); err != nil {
			return "", err
		}
	}
	return root, machine.Stop(ctx, at)
}

// furnish gives a new node the unpacked images.
func (u *up) furnish(ctx context.Context, node string) (err error) {
	target := filepath.Join(u.layout.machine(node), "containerd")
	if _, err := os.Stat(target); err == nil {
		return nil
	}
	free, err := holdFolder(ctx, filepath.Dir(u.unpacked), syscall.LOCK_SH)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, free()) }()
	half := target + ".half"
	if err := os.RemoveAll(half); err != nil {
		return fmt.Errorf("furnish %s: %w", node, err)
	}
	if err := os.MkdirAll(filepath.Dir(half), 0o755); err != nil {
		return fmt.Errorf("furnish %s: %w", node, err)
	}
	if err := copyTree(ctx, "--link", u.unpacked, half); err != nil {
		// The cache is on another disk.
		if err = errors.Join(os.RemoveAll(half), copyTree(ctx, "--reflink=auto", u.unpacked, half)); err != nil {
			return fmt.Errorf("furnish %s: %w", node, err)
		}
	}
	if err := ownDatabases(ctx, half); err != nil {
		return fmt.Errorf("furnish %s: %w", node, err)
	}
	if err := os.Rename(half, target); err != nil {
		return fmt.Errorf("furnish %s: %w", node, err)
	}
	return nil
}

// ownDatabases makes copies of what is written to: containerd's databases.
func ownDatabases(ctx context.Context, root string) error {
	databases, err := filepath.Glob(filepath.Join(root, "*", "*.db"))
	if err != nil {
		return err
	}
	if len(databases) == 0 {
		return fmt.Errorf("no database of containerd is in %s", root)
	}
	for _, path := range databases {
		if err := copyTree(ctx, "--reflink=auto", path, path+".own"); err != nil {
			return err
		}
		if err := os.Rename(path+".own", path); err != nil {
			return err
		}
	}
	return nil
}

// copyTree leaves the copying to cp, which knows links, devices and attributes.
func copyTree(ctx context.Context, how, from, to string) error {
	out, err := exec.CommandContext(ctx, "cp", "--archive", how, "--no-target-directory", from, to).CombinedOutput()
	if err != nil {
		return fmt.Errorf("copy %s to %s: %w: %s", from, to, err, tail(out))
	}
	return nil
}

// move also moves to another disk, where the name appears only when all is there.
func move(ctx context.Context, from, to string) error {
	err := os.Rename(from, to)
	if !errors.Is(err, syscall.EXDEV) {
		return err
	}
	half := to + ".half"
	if err := copyTree(ctx, "--reflink=auto", from, half); err != nil {
		return errors.Join(err, os.RemoveAll(half))
	}
	return os.Rename(half, to)
}

func removeOthers(roots, keep string) error {
	entries, err := os.ReadDir(roots)
	if err != nil {
		return fmt.Errorf("look for unpacked images: %w", err)
	}
	for _, entry := range entries {
		path := filepath.Join(roots, entry.Name())
		if !entry.IsDir() || path == keep {
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove old unpacked images: %w", err)
		}
	}
	return nil
}

// holdFolder waits for a lock on a folder of the cache, which labs share.
func holdFolder(ctx context.Context, dir string, how int) (free func() error, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, fs.FileMode(0o644))
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	for {
		err := syscall.Flock(int(file.Fd()), how|syscall.LOCK_NB)
		if err == nil {
			return file.Close, nil
		}
		if errors.Is(err, syscall.EWOULDBLOCK) {
			if err = scenarios.Sleep(ctx, 100*time.Millisecond); err == nil {
				continue
			}
		}
		return nil, errors.Join(fmt.Errorf("lock %s: %w", dir, err), file.Close())
	}
}
