package machine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// reaper starts processes and collects every process that ends. PID 1 inherits
// orphans (containerd's shims among them), so it must wait for any child; that
// rules out os/exec, whose Wait would race with it.
type reaper struct {
	mu    sync.Mutex
	exits map[int]chan syscall.WaitStatus
}

// child is a started process, the leader of its process group.
type child struct {
	pid  int
	exit chan syscall.WaitStatus // one value, then closed
}

type command struct {
	argv []string
	env  []string
	dir  string
	log  *os.File
}

func newReaper() *reaper { return &reaper{exits: map[int]chan syscall.WaitStatus{}} }

// start runs a command. The lock covers fork and entry, so that a child that
// ends at once still finds its channel.
func (r *reaper) start(c command) (child, error) {
	path, err := exec.LookPath(c.argv[0])
	if err != nil {
		return child{}, fmt.Errorf("find %s: %w", c.argv[0], err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return child{}, fmt.Errorf("open null device: %w", err)
	}
	defer null.Close() //nolint:errcheck // opened for reading
	r.mu.Lock()
	defer r.mu.Unlock()
	pid, err := syscall.ForkExec(path, c.argv, &syscall.ProcAttr{
		Dir:   c.dir,
		Env:   c.env,
		Files: []uintptr{null.Fd(), c.log.Fd(), c.log.Fd()},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		return child{}, fmt.Errorf("start %s: %w", path, err)
	}
	exit := make(chan syscall.WaitStatus, 1)
	r.exits[pid] = exit
	return child{pid: pid, exit: exit}, nil
}

// loop collects until the channel of signals is closed.
func (r *reaper) loop(ended <-chan os.Signal) {
	for range ended {
		for r.collect() {
		}
	}
}

func (r *reaper) listen() <-chan os.Signal {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	return ended
}

func (r *reaper) collect() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	var status syscall.WaitStatus
	pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
	if errors.Is(err, syscall.EINTR) {
		return true
	}
	if err != nil || pid <= 0 {
		return false // no children at all, or none that has ended
	}
	exit, ours := r.exits[pid]
	if !ours {
		return true
	}
	delete(r.exits, pid)
	// What the part left behind in its group would hold ports and files of its
	// successor. The kernel does not give the group's number away while it is used.
	if err := unix.Kill(-pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
		fmt.Fprintf(os.Stderr, "kill rest of process group %d: %v\n", pid, err)
	}
	exit <- status
	close(exit)
	return true
}

func (c child) signal(s unix.Signal) error {
	if err := unix.Kill(-c.pid, s); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("send %s to process group %d: %w", unix.SignalName(s), c.pid, err)
	}
	return nil
}

// exitError words a wait status; nil for exit code 0.
func exitError(s syscall.WaitStatus) error {
	switch {
	case s.Signaled():
		return fmt.Errorf("killed by %s", unix.SignalName(s.Signal()))
	case s.ExitStatus() != 0:
		return fmt.Errorf("exit code %d", s.ExitStatus())
	}
	return nil
}
