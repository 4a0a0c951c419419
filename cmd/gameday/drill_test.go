//go:build lab

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios/library"
	"github.com/gamedayhq/gameday/suites/lab"
)

// short writes the shipped pod drill with short times, changed by replacements, and returns its path.
func short(t *testing.T, replace ...string) string {
	t.Helper()
	text, err := library.Read("shop-survives-a-lost-pod")
	if err != nil {
		t.Fatal(err)
	}
	pairs := append([]string{"baseline: 10s", "baseline: 4s", "hold: 20s", "hold: 6s"}, replace...)
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(string(text), pairs[i]) {
			t.Fatalf("the shipped scenario has no %q", pairs[i])
		}
	}
	path := filepath.Join(t.TempDir(), "drill.yaml")
	if err := os.WriteFile(path, []byte(strings.NewReplacer(pairs...).Replace(string(text))), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// playOn runs a drill on the lab and returns its exit code, its evidence folder and what was said.
func playOn(t *testing.T, path string) (code int, dir, said string) {
	t.Helper()
	if lab.KubeconfigPath() == "" {
		t.Fatal("there is no lab: start it with: gameday lab up")
	}
	out := t.TempDir()
	code, stdout, stderr := gameday(t, "run", "--out", out, path)
	dirs, err := filepath.Glob(filepath.Join(out, "*"))
	if err != nil || len(dirs) > 1 {
		t.Fatalf("evidence in %v: %v", dirs, err)
	}
	if len(dirs) == 1 {
		dir = dirs[0]
	}
	return code, dir, stdout + stderr
}

func evidenceOf(t *testing.T, dir, said string) reports.Evidence {
	t.Helper()
	if dir == "" {
		t.Fatalf("there is no evidence; said:\n%s", said)
	}
	ev, err := reports.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, reports.ReportFile)); err != nil {
		t.Error(err)
	}
	return ev
}

func TestADrillExitsWithItsVerdict(t *testing.T) {
	for name, row := range map[string]struct {
		replace []string
		want    int
	}{
		"an objective that cannot hold":     {[]string{"within: 5s", "within: 1ms"}, exitFail},
		"a selector that matches nothing":   {[]string{"app: shop", "app: nothing-of-the-kind"}, exitInconclusive},
		"a baseline that is not steady":     {[]string{"status: 200", "status: 418"}, exitInconclusive},
		"more pods than the radius allows":  {[]string{"mode: one", "mode: all"}, exitHarness},
		"a monitor that can never be asked": {[]string{"http: {url: \"${shop}/orders?limit=1\", status: 200}", "alert: {url: \"http://127.0.0.1:1\", name: X}"}, exitInconclusive},
	} {
		t.Run(name, func(t *testing.T) {
			code, dir, said := playOn(t, short(t, row.replace...))
			if code != row.want {
				t.Errorf("exit %d, want %d; said:\n%s", code, row.want, said)
			}
			ev := evidenceOf(t, dir, said)
			if ev.Verdict == reports.Pass {
				t.Errorf("verdict pass; said:\n%s", said)
			}
			if code, _, said := gameday(t, "verify", dir); code != verdictCode(ev.Verdict) {
				t.Errorf("verify exits %d for a verdict %v:\n%s", code, ev.Verdict, said)
			}
		})
	}
}

// The API server goes away in the middle of a drill: the drill ends within a minute, does not pass, and leaves evidence.
func TestAnAPIServerThatStopsDoesNotHangADrill(t *testing.T) {
	up, err := lab.Open(lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	primary, err := up.Machine(lab.Primary)
	if err != nil {
		t.Fatal(err)
	}
	var stopped time.Time
	stop := time.AfterFunc(7*time.Second, func() { // in the fault's hold
		stopped = time.Now()
		if err := primary.StopPart(t.Context(), "kube-apiserver"); err != nil {
			t.Error(err)
		}
	})
	defer stop.Stop()
	t.Cleanup(func() {
		if code, _, said := gamedayCleanup("lab", "start", "primary/kube-apiserver"); code != 0 {
			t.Errorf("start the API server again: exit %d: %s", code, said)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := primary.Wait(ctx, "kube-apiserver"); err != nil {
			t.Error(err)
		}
		// What the drill could not undo, the sweep does; the drill's lease may not have expired yet. kube-proxy finds its way back
		// to the API server in its own time: until then the cluster's own clients are refused, Chaos Mesh among them.
		scenario := short(t)
		until(t, "sweep", "--force")
		until(t, "plan", scenario)
	})
	code, dir, said := playOn(t, short(t))
	if code != exitHarness && code != exitInconclusive {
		t.Errorf("exit %d, want 3 or 2; said:\n%s", code, said)
	}
	if took := time.Since(stopped); stopped.IsZero() || took > time.Minute {
		t.Errorf("the drill ended %v after the API server stopped; said:\n%s", took, said)
	}
	if ev := evidenceOf(t, dir, said); ev.Verdict == reports.Pass {
		t.Errorf("verdict pass; said:\n%s", said)
	}
}

// until runs the program until it exits 0.
func until(t *testing.T, args ...string) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(time.Second) {
		code, out, said := gamedayCleanup(args...)
		if code == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v exits %d: %s%s", args, code, out, said)
		}
	}
}

// gamedayCleanup runs the program when the test's own context is over.
func gamedayCleanup(args ...string) (code int, out, errs string) {
	var stdout, stderr bytes.Buffer
	code = run(context.Background(), args, streams{in: strings.NewReader(""), out: &stdout, err: &stderr})
	return code, stdout.String(), stderr.String()
}
