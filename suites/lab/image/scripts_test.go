package image

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestScriptsAreWellFormed(t *testing.T) {
	err := fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := files.ReadFile(path)
		if err != nil {
			return err
		}
		if !bytes.HasPrefix(text, []byte("#!/bin/sh\n")) {
			t.Errorf("%s does not say which shell runs it", path)
		}
		if out, err := exec.Command("sh", "-n", path).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", path, err, out)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// needRoot skips where namespaces cannot be made.
func needRoot(t *testing.T, programs ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make namespaces")
	}
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs the program %s", program)
		}
	}
}

// start runs a program that the test's end kills.
func start(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(name, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
			_ = cmd.Wait() // tells of the signal
		}
	})
	return cmd
}

// eventually asks until the answer is yes.
func eventually(t *testing.T, what string, ask func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ask(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func comm(pid int) string {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(name))
}

// child is the first child of a process, or 0.
func child(pid int) int {
	list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0
	}
	var first int
	if _, err := fmt.Sscan(string(list), &first); err != nil {
		return 0
	}
	return first
}

func namespace(pid int, kind string) string {
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
	if err != nil {
		return ""
	}
	return link
}

// target is a process in namespaces of its own, as a container's is.
func target(t *testing.T) int {
	t.Helper()
	outer := start(t, "unshare", "--net", "--ipc", "--mount", "--pid", "--fork", "--kill-child=KILL", "sleep", "300")
	eventually(t, "the target runs", func() bool { return comm(child(outer.Process.Pid)) == "sleep" })
	return child(outer.Process.Pid)
}

func TestNsexecEntersTheNamespacesAskedFor(t *testing.T) {
	needRoot(t, "unshare", "nsenter", "setpriv")
	pid := target(t)
	for _, kinds := range [][]string{{"net"}, {"net", "ipc"}, {"mnt"}, {"mnt", "net"}} {
		args := []string{"files/nsexec.sh"}
		for _, kind := range kinds {
			args = append(args, "-"+kind[:1], fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
		}
		args = append(args, "--", "readlink", "/proc/self/ns/net", "/proc/self/ns/ipc", "/proc/self/ns/mnt")
		out, err := exec.Command("sh", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v: %s", kinds, err, out)
		}
		for _, kind := range []string{"net", "ipc", "mnt"} {
			want := namespace(os.Getpid(), kind)
			if strings.Contains(strings.Join(kinds, " "), kind) {
				want = namespace(pid, kind)
			}
			if !strings.Contains(string(out), want) {
				t.Errorf("%v: ran in %s, want the %s namespace %s", kinds, out, kind, want)
			}
		}
	}
}

func TestNsexecTellsHowTheCommandEnded(t *testing.T) {
	needRoot(t, "unshare", "nsenter", "setpriv")
	pidns := fmt.Sprintf("/proc/%d/ns/pid", target(t))
	err := exec.Command("sh", "files/nsexec.sh", "-l", "-p", pidns, "--", "sh", "-c", "exit 7").Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 7 {
		t.Errorf("got %v, want the command's own exit code 7", err)
	}
	out, err := exec.Command("sh", "files/nsexec.sh", "-l", "-m", "/proc/self/ns/mnt", "--", "toda").CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 64 || !strings.Contains(string(out), "cannot run toda") {
		t.Errorf("a program of the image in other mounts: got %v: %s", err, out)
	}
}

// Chaos Mesh's daemon starts a stressor paused, moves it into a cgroup, sends
// SIGCONT until the process is not called pause, and ends it by SIGTERM.
func TestPausedCommandRunsInTheNamespaceAndEndsWithItsParent(t *testing.T) {
	needRoot(t, "unshare", "nsenter", "setpriv")
	bin := t.TempDir()
	for name, file := range map[string]string{"pause": "files/pause.sh", "nsexec": "files/nsexec.sh"} {
		text, err := files.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(bin, name), text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	pid := target(t)
	paused := start(t, filepath.Join(bin, "pause"), filepath.Join(bin, "nsexec"), "-p", fmt.Sprintf("/proc/%d/ns/pid", pid), "--", "sleep", "301")
	outer := paused.Process.Pid
	time.Sleep(200 * time.Millisecond)
	if got := comm(outer); got != "pause" {
		t.Fatalf("without SIGCONT it became %q", got)
	}
	eventually(t, "it resumes", func() bool {
		if err := paused.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		return comm(outer) != "pause"
	})
	eventually(t, "the command runs", func() bool { return comm(child(outer)) == "sleep" })
	stressor := child(outer)
	if got, want := namespace(stressor, "pid"), namespace(pid, "pid"); got != want {
		t.Errorf("the command runs in %s, want %s", got, want)
	}
	if err := paused.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = paused.Wait() // tells of the signal
	eventually(t, "the command is gone", func() bool { return comm(stressor) != "sleep" })
}

func TestMemStressSpeaksToStressNg(t *testing.T) {
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "stress-ng"), []byte("#!/bin/sh\necho \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"--workers 1 --size 256MB":              "--vm 1 --vm-bytes 256m ",
		"--workers 3 --size 100MiB":             "--vm 3 --vm-bytes 300m ",
		"--size 1g --workers 2 --timeout 5s":    "--vm 2 --vm-bytes 2g ",
		"--workers 2 --size 25%":                "--vm 2 --vm-bytes 50% ",
		"--workers 1 --size 4096":               "--vm 1 --vm-bytes 4096b ",
		"--workers 1 --size 4096B":              "--vm 1 --vm-bytes 4096b ",
		"--workers 1 --size 64KB --vm-populate": "--vm 1 --vm-bytes 64k ",
		"":                                      "--vm 1 --vm-bytes 256m ",
		"--workers 1 --size much":               "memStress: cannot read the size much",
		"--workers 1 --size 12parsecs":          "memStress: cannot read the size 12parsecs",
	} {
		cmd := exec.Command("sh", append([]string{"files/memstress.sh"}, strings.Fields(args)...)...)
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if !strings.HasPrefix(string(out), want) || (err != nil) != strings.HasPrefix(want, "memStress") {
			t.Errorf("memStress %s: got %q, %v; want %q", args, out, err, want)
		}
	}
}
