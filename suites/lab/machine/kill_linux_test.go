package machine

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func runHost(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	return string(out), err
}

// The starter is killed at many moments of its work; whatever it leaves, Stop
// removes it (every first time) and Start makes a machine of it (every second).
func TestKilledStarter(t *testing.T) {
	const tries = 24
	spec := newSpec(t, 1, web(t))
	whole := killStarter(t, spec, time.Minute)
	outcomes := map[string]int{}
	for i := range tries {
		if err := Stop(within(t, 30*time.Second), spec.Dir); err != nil {
			t.Fatalf("after kill %d: %v", i, err)
		}
		wantNothingLeft(t, spec, namespacesOf(spec.Dir))
		// Every third try ends at a time, the others at a sight: how long a stage lasts differs from machine to machine.
		switch i % 3 {
		case 0:
			killStarter(t, spec, whole*time.Duration(i)/(tries*4/5))
		case 1:
			killStarterAt(t, spec, func(r record) bool { return r.Spec.Name != "" })
		default:
			killStarterAt(t, spec, func(r record) bool { return r.Process != nil })
		}
		rec, err := readRecord(spec.Dir)
		switch {
		case err != nil:
			t.Fatal(err)
		case rec.Process != nil && rec.runs(t.Context(), spec):
			outcomes["whole machine"]++
		case rec.Process != nil:
			outcomes["after the clone"]++
		case rec.Spec.Name != "":
			outcomes["after the first record"]++
		default:
			outcomes["before the first record"]++
		}
		if i%2 == 1 {
			up(t, spec)
		}
	}
	t.Logf("killed with this to see: %v", outcomes)
	if outcomes["after the clone"]+outcomes["after the first record"] == 0 {
		t.Error("no starter was killed while its machine was half made")
	}
}

// killStarter starts the machine from another process, which is killed after a
// while. It returns how long that process lived.
func killStarter(t *testing.T, spec Spec, after time.Duration) time.Duration {
	t.Helper()
	if err := os.MkdirAll(spec.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	given := filepath.Join(spec.Dir, "given.json")
	if err := writeJSON(given, spec); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), after)
	defer cancel()
	began := time.Now()
	err := exec.CommandContext(ctx, exe(t), "start", given).Run()
	if err != nil && ctx.Err() == nil {
		t.Fatalf("starter failed by itself: %v", err)
	}
	return time.Since(began)
}

// killStarterAt starts the machine from another process, which is killed as soon as the record is as it is waited for.
func killStarterAt(t *testing.T, spec Spec, seen func(record) bool) {
	t.Helper()
	if err := os.MkdirAll(spec.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	given := filepath.Join(spec.Dir, "given.json")
	if err := writeJSON(given, spec); err != nil {
		t.Fatal(err)
	}
	starter := exec.Command(exe(t), "start", given)
	if err := starter.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- starter.Wait() }()
	for deadline := time.Now().Add(time.Minute); ; {
		rec, err := readRecord(spec.Dir)
		if err != nil {
			t.Fatal(err)
		}
		if seen(rec) {
			break
		}
		select {
		case err := <-ended:
			if rec, _ := readRecord(spec.Dir); err == nil && seen(rec) {
				return // it was quicker than we looked: the machine is whole
			}
			t.Fatalf("the starter ended by itself: %v", err)
		case <-time.After(100 * time.Microsecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("the record never became what was waited for; last seen: %+v", rec)
		}
	}
	if err := starter.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	<-ended
}

// A newborn that never gets permission ends with its starter.
func TestNewbornEndsWithStarter(t *testing.T) {
	spec := newSpec(t, 1, web(t))
	spec.Network = nil // or it would soon fail for want of a cable
	if err := os.MkdirAll(spec.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := writeJSON(specPath(spec.Dir), spec); err != nil {
		t.Fatal(err)
	}
	b, err := beget(spec)
	if err != nil {
		t.Fatal(err)
	}
	p, err := identify(b.pid)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "newborn by its command line", func() string {
		found, err := findMachines(spec.Dir)
		if err != nil || len(found) != 1 || found[0] != p {
			return "no machine"
		}
		return ""
	})
	b.close()
	eventually(t, "newborn without a starter", func() string {
		if p.alive() {
			return "alive"
		}
		return ""
	})
}

func TestLostRecord(t *testing.T) {
	for _, how := range []string{"record", "record and spec", "damaged"} {
		t.Run(how, func(t *testing.T) {
			spec := newSpec(t, 1, shell("idle", "exec sleep 1000"))
			up(t, spec)
			namespaces := namespacesOf(spec.Dir)
			var err error
			switch how {
			case "record":
				err = os.Remove(recordPath(spec.Dir))
			case "record and spec":
				err = unix.Unlink(specPath(spec.Dir))
				if err == nil {
					err = os.Remove(recordPath(spec.Dir))
				}
			case "damaged":
				err = os.WriteFile(recordPath(spec.Dir), []byte("{"), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := Stop(within(t, 30*time.Second), spec.Dir); err != nil {
				t.Fatal(err)
			}
			wantNothingLeft(t, spec, namespaces)
		})
	}
}

// A pid of the record that is somebody else's by now is not touched.
func TestReusedPID(t *testing.T) {
	spec := newSpec(t, 1)
	bystander := exec.Command("sleep", "100")
	if err := bystander.Start(); err != nil {
		t.Fatal(err)
	}
	defer bystander.Wait()
	defer bystander.Process.Kill()
	now, err := identify(bystander.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if !now.alive() {
		t.Fatal("a running process counts as dead")
	}
	for _, before := range []process{
		{PID: now.PID, StartTime: now.StartTime - 1, BootID: now.BootID},
		{PID: now.PID, StartTime: now.StartTime, BootID: "an earlier boot"},
	} {
		if err := os.MkdirAll(spec.Dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := (record{Process: &before, Spec: spec}).write(spec.Dir); err != nil {
			t.Fatal(err)
		}
		if err := Stop(within(t, 20*time.Second), spec.Dir); err != nil {
			t.Fatal(err)
		}
		if err := before.end(t.Context(), time.Second); err != nil {
			t.Fatal(err)
		}
		if !now.alive() {
			t.Fatal("the bystander was killed")
		}
	}
}

func TestStopOfNothing(t *testing.T) {
	spec := newSpec(t, 1)
	if err := Stop(t.Context(), spec.Dir); err != nil {
		t.Errorf("no folder: %v", err)
	}
	if err := os.MkdirAll(spec.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Stop(t.Context(), spec.Dir); err != nil {
		t.Errorf("empty folder: %v", err)
	}
}

// PID 1 that does not react to SIGTERM is killed.
func TestStuckMachine(t *testing.T) {
	spec := newSpec(t, 1, shell("idle", "exec sleep 1000"))
	s := up(t, spec)
	if err := unix.Kill(s.PID, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := Stop(within(t, 30*time.Second), spec.Dir); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < termGrace {
		t.Errorf("killed after %s, want a grace of %s", took, termGrace)
	}
}
