package machine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	permitFD  = 3
	verdictFD = 4
)

// Main is PID 1 of a machine, the program behind "lab machine". It returns when
// the machine was told to end.
func Main(ctx context.Context, specPath string) error {
	stage := os.Getenv(stageEnv)
	if os.Getpid() != 1 || stage == "" {
		return errors.New("this command is the inside of a machine; lab up starts it")
	}
	spec, err := readSpec(specPath)
	if err == nil && stage == "born" {
		err = settle(spec)
	}
	if err == nil {
		err = live(ctx, spec)
	}
	return err
}

// settle waits until the starter has done its part, makes the cgroup namespace and
// executes the program again in it. A namespace made by one thread is that
// thread's alone; exec makes it that of the whole process.
func settle(spec Spec) error {
	permit := os.NewFile(permitFD, "permit")
	word, err := io.ReadAll(bufio.NewReader(permit))
	if err != nil {
		return fmt.Errorf("wait for the starter: %w", err)
	}
	if string(word) != goWord {
		return errors.New("the starter ended too early")
	}
	if err := permit.Close(); err != nil {
		return fmt.Errorf("close pipe: %w", err)
	}
	runtime.LockOSThread() // never unlocked: exec ends this program
	if spec.Cgroup {
		if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
			return fmt.Errorf("make cgroup namespace: %w", err)
		}
	}
	env := slices.Concat(partEnv, []string{stageEnv + "=settled"})
	if err := syscall.Exec("/proc/self/exe", os.Args, env); err != nil {
		return fmt.Errorf("execute PID 1 again: %w", err)
	}
	return nil
}

// live sets the machine up and runs its parts until SIGTERM.
func live(ctx context.Context, spec Spec) error {
	syscall.CloseOnExec(verdictFD)
	verdict := os.NewFile(verdictFD, "verdict")
	ctx, cancel := signal.NotifyContext(ctx, unix.SIGTERM, unix.SIGINT)
	defer cancel()
	signal.Ignore(unix.SIGHUP)
	s := newSupervisor(spec)
	go s.reaper.loop(s.reaper.listen())
	serve, err := setUp(ctx, s)
	if err != nil {
		_, tellErr := fmt.Fprintln(verdict, err)
		return errors.Join(err, tellErr)
	}
	served := make(chan error, 1)
	go func() { served <- serve() }()
	for _, p := range s.parts {
		p.start(context.WithoutCancel(ctx)) // parts are ended in order, by shutdown
	}
	// The starter may be gone already; the machine does not need it any more.
	if _, err := fmt.Fprintln(verdict, okWord); err != nil && !errors.Is(err, unix.EPIPE) {
		return fmt.Errorf("tell the starter: %w", err)
	}
	if err := verdict.Close(); err != nil {
		return fmt.Errorf("close pipe: %w", err)
	}
	select {
	case <-ctx.Done():
	case err = <-served:
		err = fmt.Errorf("serve control socket: %w", err)
	}
	return errors.Join(err, s.shutdown(context.WithoutCancel(ctx)))
}

// setUp makes the inside of the machine and returns what serves its control socket.
func setUp(ctx context.Context, s *supervisor) (serve func() error, err error) {
	spec := s.spec
	if err := setUpMounts(spec); err != nil {
		return nil, err
	}
	name := spec.Hostname
	if name == "" {
		name = spec.Name
	}
	if err := unix.Sethostname([]byte(name)); err != nil {
		return nil, fmt.Errorf("set host name: %w", err)
	}
	if spec.Network != nil {
		if err := setUpNetwork(*spec.Network); err != nil {
			return nil, err
		}
	}
	for _, p := range spec.Parts {
		if p.Dir == "" {
			continue
		}
		if err := os.MkdirAll(p.Dir, 0o755); err != nil {
			return nil, fmt.Errorf("make folder of part %s: %w", p.Name, err)
		}
	}
	listener, err := listenControl(filepath.Clean(spec.Dir))
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: s.control(context.WithoutCancel(ctx)), ReadHeaderTimeout: actionLimit}
	return func() error { return server.Serve(listener) }, nil
}
