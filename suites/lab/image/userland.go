package image

import (
	"bufio"
	"context"
	_ "embed" // the script
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

const (
	userlandTar    = "userland.tar"
	userlandDigest = "userland.tar.sha256"
	busybox        = "busybox"

	// unfinished begins the name of what is being made.
	unfinished = ".unfinished-"
	// A download over a slow line takes minutes; one that hangs, for ever.
	userlandDeadline = 20 * time.Minute
	// Long after the deadline nobody is working on an unfinished file any more.
	sweepAfter = time.Hour
)

//go:embed files/userland.sh
var userlandScript string

// packages are what the database and Chaos Mesh's daemon need; coreutils and
// util-linux are in every Debian.
var packages = []string{"busybox-static", "ipset", "iproute2", "iptables", "postgresql", "procps", "stress-ng"}

// Userland returns a folder that holds a small Debian of this machine's own
// release as one layer, and its static busybox. It is made once, from the
// machine's own package mirror, which takes a minute or two.
func Userland(ctx context.Context, cache string, report func(string)) (string, error) {
	release, err := codename("/etc/os-release")
	if err != nil {
		return "", err
	}
	dir, err := userlandDir(cache, release)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := makeUserland(ctx, dir, release, report); err != nil {
		return "", fmt.Errorf("make the %s userland: %w", release, err)
	}
	return dir, nil
}

// userlandDir is named after all that decides what is in it, but for the mirror's
// state: a userland stays as it was made.
func userlandDir(cache, release string) (string, error) {
	key, err := hash([]any{format, release, packages, userlandScript})
	return filepath.Join(cache, "userland", release+"-"+key), err
}

func makeUserland(ctx context.Context, dir, release string, report func(string)) error {
	if os.Geteuid() != 0 {
		return errors.New("only root can: it sets up packages in a folder of their own")
	}
	source, err := findMirror(ctx, release)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := sweep(filepath.Dir(dir)); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), unfinished)
	if err != nil {
		return err
	}
	err = bootstrap(ctx, source, temp, report)
	if err == nil {
		err = finish(temp, dir)
	}
	return errors.Join(err, os.RemoveAll(temp))
}

// bootstrap runs the script in namespaces that end with this process.
func bootstrap(ctx context.Context, from mirror, out string, report func(string)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, userlandDeadline, fmt.Errorf("not done after %v", userlandDeadline))
	defer cancel()
	// The kernel ends it with the thread that started it, so that thread must stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, "setpriv", "--pdeathsig", "KILL",
		"unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child=KILL", "--mount-proc",
		"sh", "-c", userlandScript, "userland.sh", from.uri, from.suite, strings.Join(from.components, ","), from.keyring, strings.Join(packages, ","), out)
	// The tree is built below out, wherever the temporary folder is said to be.
	cmd.Env = append(os.Environ(), "TMPDIR="+out)
	if from.proxy != "" {
		cmd.Env = append(cmd.Env, "http_proxy="+from.proxy)
	}
	cmd.WaitDelay = 10 * time.Second
	reader, writer := io.Pipe()
	cmd.Stdout, cmd.Stderr = writer, writer
	tail := make(chan []string, 1)
	go func() { tail <- follow(reader, report) }()
	err := cmd.Run()
	err = errors.Join(err, writer.Close())
	last := <-tail
	if ctx.Err() != nil {
		return fmt.Errorf("%w; debootstrap last said: %s", context.Cause(ctx), strings.Join(last[max(0, len(last)-1):], ""))
	}
	if err != nil {
		return fmt.Errorf("debootstrap: %w; it last said:\n%s", err, strings.Join(last, "\n"))
	}
	return nil
}

// follow reports a line for each stage of debootstrap's work, and returns the
// last lines of all it says.
func follow(r io.Reader, report func(string)) []string {
	const kept = 20
	var last []string
	stage := ""
	for lines := bufio.NewScanner(r); lines.Scan(); {
		line := lines.Text()
		last = append(last, line)
		last = last[max(0, len(last)-kept):]
		words := strings.Fields(strings.TrimPrefix(line, "I: "))
		if len(words) > 0 && words[0] != stage && slices.Contains([]string{"Retrieving", "Extracting", "Unpacking", "Configuring"}, words[0]) {
			stage = words[0]
			if report != nil {
				report("userland: " + strings.ToLower(stage) + " packages")
			}
		}
	}
	return last
}

// finish gives the folder its name once everything in it is on the disk.
func finish(temp, dir string) error {
	e, err := (&layer{read: func() (io.ReadCloser, error) { return os.Open(filepath.Join(temp, userlandTar)) }}).sum()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(temp, userlandDigest), []byte(e.digest+"\n"), 0o644); err != nil {
		return err
	}
	for _, name := range []string{userlandTar, busybox, userlandDigest} {
		if err := syncFile(filepath.Join(temp, name)); err != nil {
			return err
		}
	}
	if err := os.Chmod(temp, 0o755); err != nil {
		return err
	}
	err = os.Rename(temp, dir)
	if _, statErr := os.Stat(dir); err != nil && statErr == nil {
		return nil // another process was quicker; its userland is as good
	}
	return err
}

func syncFile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// sweep removes what killed processes left unfinished.
func sweep(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, unfinished+"*"))
	if err != nil {
		return err
	}
	for _, path := range left {
		info, err := os.Stat(path)
		if errors.Is(err, os.ErrNotExist) || err == nil && time.Since(info.ModTime()) < sweepAfter {
			continue
		}
		if err := errors.Join(err, os.RemoveAll(path)); err != nil {
			return fmt.Errorf("sweep: %w", err)
		}
	}
	return nil
}
