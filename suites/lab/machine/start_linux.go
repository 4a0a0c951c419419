package machine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	startLimit = 60 * time.Second
	askLimit   = 2 * time.Second
	stageEnv   = "GAMEDAY_MACHINE_STAGE"
	goWord     = "go"
	okWord     = "ok"
)

// Start brings the machine up and returns when its PID 1 answers; the parts come
// up by themselves, see [Client.Wait]. A machine that runs with the same spec is
// left alone; one that is broken, changed or half made is stopped and made anew.
func Start(ctx context.Context, spec Spec) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := start(ctx, spec); err != nil {
		return fmt.Errorf("start machine %s: %w", spec.Name, err)
	}
	return nil
}

func start(ctx context.Context, spec Spec) error {
	if err := spec.Validate(); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return errors.New("namespaces and mounts need root")
	}
	if err := os.MkdirAll(filepath.Join(spec.Dir, "log"), 0o755); err != nil {
		return fmt.Errorf("make machine folder: %w", err)
	}
	var err error
	if spec.Dir, err = realDir(spec.Dir); err != nil {
		return err
	}
	free, err := lock(ctx, spec.Dir)
	if err != nil {
		return err
	}
	defer free()
	rec, err := readRecord(spec.Dir)
	if err != nil {
		return err
	}
	if rec.runs(ctx, spec) {
		return nil
	}
	if err := remove(ctx, spec.Dir); err != nil {
		return err
	}
	if err := create(ctx, spec); err != nil {
		// The caller's ctx may be what ended the attempt; what was made must still go.
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
		defer cancel()
		return errors.Join(err, remove(clean, spec.Dir))
	}
	return nil
}

// runs says whether the machine of the record is up, answers, and is the wanted one.
func (r record) runs(ctx context.Context, spec Spec) bool {
	if r.Process == nil || !r.Process.alive() || !reflect.DeepEqual(r.Spec, normal(spec)) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	_, err := Dial(spec.Dir).Status(ctx)
	return err == nil
}

// create makes a machine where none is. Every step is undone by remove, from the
// record alone, wherever the steps end.
func create(ctx context.Context, spec Spec) error {
	rec := record{Spec: normal(spec)}
	if spec.Network != nil {
		rec.Link = spec.Network.Link
		if link, err := findLink(rec.Link); err != nil || link != nil {
			return errors.Join(err, fmt.Errorf("network link %s is in use by something else", rec.Link))
		}
	}
	if spec.Cgroup {
		folders, err := cgroupFolders(spec)
		if err != nil {
			return err
		}
		rec.Cgroups = folders
	}
	for _, m := range spec.Mounts {
		rec.Targets = append(rec.Targets, m.Target)
	}
	if err := writeJSON(specPath(spec.Dir), spec); err != nil {
		return err
	}
	if err := rec.write(spec.Dir); err != nil {
		return err
	}
	if err := makeMountPoints(spec.Mounts); err != nil {
		return err
	}
	if err := makeCgroups(rec.Cgroups); err != nil {
		return err
	}
	b, err := beget(spec)
	if err != nil {
		return err
	}
	defer b.close()
	p, err := identify(b.pid)
	if err != nil {
		return err
	}
	rec.Process = &p
	if err := rec.write(spec.Dir); err != nil {
		return err
	}
	if err := joinCgroups(rec.Cgroups, b.pid); err != nil {
		return err
	}
	if spec.Network != nil {
		if err := spec.Network.plug(b.pid); err != nil {
			return err
		}
	}
	if err := b.release(ctx); err != nil {
		return fmt.Errorf("%w\n%s", err, logTail(logPath(spec.Dir, machineLog)))
	}
	return nil
}

// newborn is a PID 1 that waits for permission to go on.
type newborn struct {
	pid     int
	permit  *os.File // its end without a word tells the newborn that the starter died
	verdict *os.File
}

// beget clones PID 1 into its namespaces. The cgroup namespace comes later: its
// root is the group a process is in when it makes one.
func beget(spec Spec) (_ newborn, err error) {
	log, err := openLog(spec.Dir, machineLog)
	if err != nil {
		return newborn{}, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	permitR, permitW, err := os.Pipe()
	if err != nil {
		return newborn{}, fmt.Errorf("make pipe: %w", err)
	}
	defer permitR.Close() //nolint:errcheck // the child has its own
	verdictR, verdictW, err := os.Pipe()
	if err != nil {
		return newborn{}, errors.Join(fmt.Errorf("make pipe: %w", err), permitW.Close())
	}
	defer verdictW.Close() //nolint:errcheck // the child has its own
	flags := uintptr(syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC)
	if spec.Network != nil {
		flags |= syscall.CLONE_NEWNET
	}
	program := spec.Program
	if program == "" {
		program = "/proc/self/exe"
	}
	cmd := &exec.Cmd{
		Path:        program,
		Args:        []string{os.Args[0], "lab", "machine", specPath(spec.Dir)},
		Env:         slices.Concat(partEnv, []string{stageEnv + "=born"}),
		Dir:         "/",
		Stdout:      log,
		Stderr:      log,
		ExtraFiles:  []*os.File{permitR, verdictW},
		SysProcAttr: &syscall.SysProcAttr{Cloneflags: flags, Setsid: true},
	}
	if err := cmd.Start(); err != nil {
		return newborn{}, errors.Join(fmt.Errorf("clone PID 1: %w", err), permitW.Close(), verdictR.Close())
	}
	// A caller that lives on must collect the exit status, or a zombie stays.
	go cmd.Wait() //nolint:errcheck // how it ended is seen elsewhere
	return newborn{pid: cmd.Process.Pid, permit: permitW, verdict: verdictR}, nil
}

func (b newborn) close() {
	for _, f := range []io.Closer{b.permit, b.verdict} {
		if err := f.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
			fmt.Fprintf(os.Stderr, "close pipe to PID 1: %v\n", err)
		}
	}
}

// release lets the newborn go on and waits for its word that it serves.
func (b newborn) release(ctx context.Context) error {
	if _, err := io.WriteString(b.permit, goWord); err != nil {
		return fmt.Errorf("let PID 1 go on: %w", err)
	}
	if err := b.permit.Close(); err != nil {
		return fmt.Errorf("let PID 1 go on: %w", err)
	}
	stop := context.AfterFunc(ctx, func() {
		_ = b.verdict.SetReadDeadline(time.Now()) // wakes the read below; ctx is then reported
	})
	defer stop()
	line, err := bufio.NewReader(b.verdict).ReadString('\n')
	switch line = strings.TrimSpace(line); {
	case ctx.Err() != nil:
		return fmt.Errorf("wait for PID 1 to answer: %w", ctx.Err())
	case line == okWord:
		return nil
	case line != "":
		return fmt.Errorf("PID 1 failed: %s", line)
	case errors.Is(err, io.EOF):
		return errors.New("PID 1 ended before it answered")
	}
	return fmt.Errorf("wait for PID 1 to answer: %w", err)
}
