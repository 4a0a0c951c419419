package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	backoffFirst = 200 * time.Millisecond
	backoffMost  = 10 * time.Second
	steadyAfter  = 30 * time.Second // a part that ran this long starts over with the first backoff
	logKept      = 5 << 20
)

// partEnv is all that a part inherits: a lab must not depend on the shell that started it.
var partEnv = []string{
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"HOME=/root",
	"LANG=C.UTF-8",
}

// part runs one program again and again.
type part struct {
	spec   Part
	sup    *supervisor
	status PartStatus // guarded by sup.mu

	mu       sync.Mutex // serialises start and stop, and guards what follows
	cancel   context.CancelFunc
	done     chan struct{} // closed when the loop has ended; nil before the first start
	prepared bool          // touched by the loop only

	childMu sync.Mutex
	child   *child
}

// start makes the part run; nothing happens when it does.
func (p *part) start(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done != nil {
		select {
		case <-p.done:
		default:
			return
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	p.cancel, p.done = cancel, done
	p.sup.change(p, func(s *PartStatus) { s.State, s.Final = Waiting, false })
	go func() {
		defer close(done)
		defer cancel()
		p.loop(ctx)
	}()
}

// stop ends the part and waits until it is gone.
func (p *part) stop(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done == nil {
		return nil
	}
	p.cancel()
	select {
	case <-p.done:
		p.sup.change(p, func(s *PartStatus) { s.State, s.Final = Stopped, true })
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop part %s: still there: %w", p.spec.Name, ctx.Err())
	}
}

func (p *part) loop(ctx context.Context) {
	backoff := backoffFirst
	lastError := ""
	for {
		p.sup.change(p, func(s *PartStatus) { s.State = Waiting })
		if err := p.sup.awaitUp(ctx, p); err != nil {
			p.ended(Stopped, nil)
			return
		}
		p.sup.change(p, func(s *PartStatus) { s.State, s.LastError = Starting, lastError })
		began := time.Now()
		err := p.once(ctx)
		switch {
		case ctx.Err() != nil:
			p.ended(Stopped, nil)
			return
		case !p.spec.Restart && err == nil:
			p.ended(Stopped, nil)
			return
		case !p.spec.Restart:
			p.ended(Crashed, err)
			return
		}
		if err == nil {
			err = errors.New("ended by itself")
		}
		lastError = err.Error()
		p.sup.change(p, func(s *PartStatus) { s.State, s.PID, s.Paused, s.LastError = Crashed, 0, false, lastError })
		if time.Since(began) >= steadyAfter {
			backoff = backoffFirst
		}
		if pause(ctx, backoff) != nil {
			p.ended(Stopped, nil)
			return
		}
		backoff = min(2*backoff, backoffMost)
		p.sup.change(p, func(s *PartStatus) { s.Restarts++ })
	}
}

// ended notes the end of the loop. The last error of a stopped part is kept.
func (p *part) ended(state State, err error) {
	p.sup.change(p, func(s *PartStatus) {
		s.State, s.PID, s.Paused, s.Final = state, 0, false, true
		if err != nil {
			s.LastError = err.Error()
		}
	})
}

// once runs the part from start to end; nil means exit code 0.
func (p *part) once(ctx context.Context) (err error) {
	log, err := openLog(p.sup.spec.Dir, p.spec.Name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	if err := p.prepare(ctx, log); err != nil {
		return err
	}
	c, err := p.launch(command{argv: p.spec.Argv, env: p.env(), dir: p.spec.Dir, log: log})
	if err != nil {
		return err
	}
	defer p.forget()
	p.sup.change(p, func(s *PartStatus) { s.PID = c.pid })
	checking, cancel := context.WithCancel(ctx)
	checked := make(chan struct{})
	go func() {
		defer close(checked)
		p.awaitReady(checking)
	}()
	status, stopErr := c.wait(ctx, p.sup)
	cancel()
	<-checked // or a late yes would call a dead part ready
	return errors.Join(exitError(status), stopErr)
}

func (p *part) awaitReady(ctx context.Context) {
	if p.spec.Ready != nil {
		err := p.spec.Ready.await(ctx, func(err error) {
			p.sup.change(p, func(s *PartStatus) { s.LastError = "not ready: " + err.Error() })
		})
		if err != nil {
			return // the part ended or is told to stop; its end is reported by once
		}
	}
	if ctx.Err() == nil {
		p.sup.change(p, func(s *PartStatus) { s.State, s.LastError = Ready, "" })
	}
}

// prepare runs the commands before the part, each to its end, once per start of the machine.
func (p *part) prepare(ctx context.Context, log *os.File) error {
	if p.prepared {
		return nil
	}
	for _, argv := range p.spec.Pre {
		c, err := p.launch(command{argv: argv, env: p.env(), dir: p.spec.Dir, log: log})
		if err != nil {
			return fmt.Errorf("prepare part %s: %w", p.spec.Name, err)
		}
		status, stopErr := c.wait(ctx, p.sup)
		p.forget()
		if err := errors.Join(exitError(status), stopErr, ctx.Err()); err != nil {
			return fmt.Errorf("prepare part %s: run %v: %w", p.spec.Name, argv, err)
		}
	}
	p.prepared = true
	return nil
}

func (p *part) launch(cmd command) (child, error) {
	c, err := p.sup.reaper.start(cmd)
	if err != nil {
		return child{}, err
	}
	p.childMu.Lock()
	defer p.childMu.Unlock()
	p.child = &c
	return c, nil
}

func (p *part) forget() {
	p.childMu.Lock()
	defer p.childMu.Unlock()
	p.child = nil
}

// freeze stops (SIGSTOP) or continues the part's process group.
func (p *part) freeze(on bool) error {
	p.childMu.Lock()
	defer p.childMu.Unlock()
	if p.child == nil {
		return fmt.Errorf("part %s does not run", p.spec.Name)
	}
	s := unix.SIGCONT
	if on {
		s = unix.SIGSTOP
	}
	if err := p.child.signal(s); err != nil {
		return err
	}
	p.sup.change(p, func(s *PartStatus) { s.Paused = on })
	return nil
}

// wait returns when the child has ended; when ctx ends, it sees to that.
func (c child) wait(ctx context.Context, s *supervisor) (syscall.WaitStatus, error) {
	select {
	case status := <-c.exit:
		return status, nil
	case <-ctx.Done():
	}
	// A paused process takes SIGTERM only after SIGCONT.
	err := errors.Join(c.signal(unix.SIGTERM), c.signal(unix.SIGCONT))
	grace := time.NewTimer(time.Duration(s.grace.Load()))
	defer grace.Stop()
	select {
	case status := <-c.exit:
		return status, err
	case <-grace.C:
	}
	err = errors.Join(err, c.signal(unix.SIGKILL))
	return <-c.exit, err
}

func logPath(dir, name string) string { return filepath.Join(dir, "log", name+".log") }

// openLog opens a part's log for appending and keeps the end of a long one.
func openLog(dir, name string) (*os.File, error) {
	path := logPath(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make log folder: %w", err)
	}
	if info, err := os.Stat(path); err == nil && info.Size() > logKept {
		tail, err := readTail(path, logKept)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, tail, 0o644); err != nil {
			return nil, fmt.Errorf("shorten log: %w", err)
		}
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return f, nil
}

func (p *part) env() []string { return slices.Concat(partEnv, p.spec.Env) }
