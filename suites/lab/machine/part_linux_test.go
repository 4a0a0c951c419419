package machine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestCrashAndRestart(t *testing.T) {
	crasher := shell("crasher", "echo no luck; exit 7")
	crasher.Restart = true
	after := Part{Name: "after", Argv: []string{"sleep", "100"}, After: []string{"crasher"}}
	crasher.Ready = &Check{Target: "file:///nowhere"}
	spec := newSpec(t, 1, crasher, after)
	if err := Start(within(t, 20*time.Second), spec); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	err := Dial(spec.Dir).Wait(within(t, 2*time.Second), "after")
	for _, want := range []string{"after is waiting", "needs crasher", "exit code 7", "no luck", "crasher.log"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in: %v", want, err)
		}
	}
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) < 2*time.Second {
		t.Errorf("want the deadline as the cause: %v", err)
	}
	p, _ := status(t, spec).Part("crasher")
	// Backoff of 0.2, 0.4, 0.8 s in 2 s: three restarts, or four on a fast machine.
	if p.Restarts < 2 || p.Restarts > 4 {
		t.Errorf("restarts in two seconds: %d", p.Restarts)
	}
}

func TestKilledPartComesBack(t *testing.T) {
	server := web(t)
	server.Restart = true
	spec := newSpec(t, 1, server)
	before, _ := up(t, spec).Part("web")
	run(t, spec, "kill", "-9", "--", "-"+strconv.Itoa(before.PID))
	eventually(t, "restarted part", func() string {
		p, _ := status(t, spec).Part("web")
		if p.Restarts == 1 && p.State == Ready && p.PID != before.PID && p.HostPID != 0 {
			return ""
		}
		return string(p.State) + " " + p.LastError
	})
}

func TestWaitGivesUpEarly(t *testing.T) {
	broken := shell("broken", "echo reason; exit 3")
	broken.Ready = &Check{Target: "file:///nowhere"}
	spec := newSpec(t, 1, broken, Part{Name: "absent", Argv: []string{"/no/such/program"}}, shell("idle", "exec sleep 100"))
	if err := Start(within(t, 20*time.Second), spec); err != nil {
		t.Fatal(err)
	}
	for part, want := range map[string]string{
		"broken": "broken is crashed",
		"absent": "no such file",
		"ghost":  "has no part ghost",
	} {
		began := time.Now()
		err := Dial(spec.Dir).Wait(within(t, 20*time.Second), part)
		if err == nil || !strings.Contains(err.Error(), want) || time.Since(began) > 10*time.Second {
			t.Errorf("wait for %s: %v after %s", part, err, time.Since(began))
		}
	}
	if err := Dial(spec.Dir).Wait(within(t, 20*time.Second), "idle"); err != nil {
		t.Error(err)
	}
}

func TestPauseStopStart(t *testing.T) {
	server := web(t)
	server.Restart = true
	spec := newSpec(t, 1, server)
	up(t, spec)
	ctx := within(t, 40*time.Second)
	c := Dial(spec.Dir)
	ask := func() error {
		short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		defer cancel()
		return probeHTTP("http://10.99.0.2:8000/")(short)
	}
	do := func(act func(context.Context, string) error) {
		t.Helper()
		if err := act(ctx, "web"); err != nil {
			t.Fatal(err)
		}
	}
	do(c.PausePart)
	if err := ask(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a paused server must be silent: %v", err)
	}
	short, cancel := context.WithTimeout(ctx, time.Second)
	if err := c.Wait(short); err == nil || !strings.Contains(err.Error(), "ready but paused") {
		t.Errorf("wait for a paused part: %v", err)
	}
	cancel()
	do(c.ContinuePart)
	if err := errors.Join(ask(), c.Wait(ctx)); err != nil {
		t.Errorf("after continue: %v", err)
	}
	do(c.PausePart)
	began := time.Now()
	do(c.StopPart)
	if took := time.Since(began); took >= stopGrace {
		t.Errorf("a paused part was killed, after %s, where SIGTERM does", took)
	}
	if err := ask(); err == nil {
		t.Error("a stopped server answers")
	}
	time.Sleep(500 * time.Millisecond)
	if p, _ := status(t, spec).Part("web"); p.State != Stopped || p.PID != 0 || p.Paused {
		t.Errorf("want it to stay stopped: %+v", p)
	}
	if err := c.Wait(ctx); err == nil || !strings.Contains(err.Error(), "web is stopped") {
		t.Errorf("wait for a stopped part: %v", err)
	}
	if err := c.PausePart(ctx, "web"); err == nil || !strings.Contains(err.Error(), "does not run") {
		t.Errorf("pause of a stopped part: %v", err)
	}
	do(c.StopPart)
	do(c.StartPart)
	do(c.StartPart)
	if err := errors.Join(c.Wait(ctx), ask()); err != nil {
		t.Errorf("after start: %v", err)
	}
	if err := c.StopPart(ctx, "ghost"); err == nil || !strings.Contains(err.Error(), "no part ghost") {
		t.Errorf("stop of an unknown part: %v", err)
	}
}

// Wait must learn of a change when it happens, not by asking again.
func TestWaitIsWoken(t *testing.T) {
	late := shell("late", "sleep 1; touch /run/late; exec sleep 100")
	late.Ready = &Check{Target: "file:///run/late", Interval: 10 * time.Millisecond}
	spec := newSpec(t, 1, late)
	if err := Start(within(t, 20*time.Second), spec); err != nil {
		t.Fatal(err)
	}
	if err := Dial(spec.Dir).Wait(within(t, 20*time.Second)); err != nil {
		t.Fatal(err)
	}
	p, _ := status(t, spec).Part("late")
	if seen := time.Since(p.Since); seen > 500*time.Millisecond {
		t.Errorf("learnt %s after the change", seen)
	}
}

func TestStubbornPart(t *testing.T) {
	spec := newSpec(t, 1, shell("stubborn", `trap "" TERM; while :; do sleep 0.1; done`))
	up(t, spec)
	began := time.Now()
	if err := Dial(spec.Dir).StopPart(within(t, 20*time.Second), "stubborn"); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < stopGrace || took > stopGrace+3*time.Second {
		t.Errorf("killed after %s, want %s", took, stopGrace)
	}
}

// A machine stops the parts that need others first, and within its limit even
// with one that does not want to.
func TestShutdownOrder(t *testing.T) {
	const script = `trap 'echo %s >>DIR/order; exit' TERM; while :; do sleep 0.05; done`
	spec := newSpec(t, 1)
	part := func(name string, after ...string) Part {
		p := shell(name, strings.NewReplacer("%s", name, "DIR", spec.Dir).Replace(script))
		p.After = after
		return p
	}
	spec.Parts = []Part{
		part("top", "middle", "stubborn"),
		part("bottom"),
		part("middle", "bottom"),
		shell("stubborn", `trap "" TERM; while :; do sleep 0.1; done`),
	}
	up(t, spec)
	began := time.Now()
	if err := Stop(within(t, 20*time.Second), spec.Dir); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > shutdownLimit+2*time.Second {
		t.Errorf("took %s", took)
	}
	raw, err := os.ReadFile(filepath.Join(spec.Dir, "order"))
	if err != nil || string(raw) != "top\nmiddle\nbottom\n" {
		t.Errorf("order of the ends: %q, %v", raw, err)
	}
}

func TestOrphansAndGroups(t *testing.T) {
	messy := shell("messy", "for i in 1 2 3; do (sleep 0.1 &); done; sleep 5000 & exec sleep 0.5")
	spec := newSpec(t, 1, messy, shell("idle", "exec sleep 1000"))
	up(t, spec)
	eventually(t, "children of PID 1", func() string {
		out := run(t, spec, "ps", "-eo", "stat,args")
		if strings.Contains(out, "defunct") || strings.Contains(out, "sleep 0.") || strings.Contains(out, "sleep 5000") {
			return out
		}
		return ""
	})
}

func TestPre(t *testing.T) {
	p := shell("main", "cat pre; exit 1")
	p.Restart, p.Env = true, []string{"WORD=hello"}
	p.Pre = [][]string{{"sh", "-c", "echo $WORD$SHELLVAR >>pre"}, {"true"}}
	bad := shell("bad", "exec sleep 100")
	bad.Pre = [][]string{{"true"}, {"sh", "-c", "echo grievance; exit 9"}}
	spec := newSpec(t, 1, p, bad)
	spec.Parts[0].Dir = filepath.Join(spec.Dir, "work")
	t.Setenv("SHELLVAR", "leaked")
	if err := Start(within(t, 20*time.Second), spec); err != nil {
		t.Fatal(err)
	}
	err := Dial(spec.Dir).Wait(within(t, 20*time.Second), "bad")
	for _, want := range []string{"prepare part bad", "exit code 9", "grievance"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in: %v", want, err)
		}
	}
	eventually(t, "a restart", func() string {
		if s, _ := status(t, spec).Part("main"); s.Restarts < 2 {
			return string(s.State)
		}
		return ""
	})
	raw, err := os.ReadFile(filepath.Join(spec.Dir, "work", "pre"))
	if err != nil || string(raw) != "hello\n" {
		t.Errorf("want one run before the part, with its own environment only: %q, %v", raw, err)
	}
}

func TestLogIsShortened(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "log"), 0o755); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", logKept) + "the end"
	if err := os.WriteFile(logPath(dir, "p"), []byte(long), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := openLog(dir, "p")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(" and more"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(logPath(dir, "p"))
	if err != nil || len(raw) != logKept+len(" and more") || !strings.HasSuffix(string(raw), "the end and more") {
		t.Errorf("%d bytes, %v", len(raw), err)
	}
}
