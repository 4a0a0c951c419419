package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
)

// oneTarget is a catalog of one target, a main of these lines.
func oneTarget(main string) catalog {
	return catalog{
		targets: []Target{{
			Name: "hello", Pin: "greeting", Package: "gameday.lab/greeting", Version: "v1",
			Ldflags: []string{"-X", "main.word=hello"},
		}},
		pins: fstest.MapFS{
			"greeting/go.mod.txt":  {Data: []byte("module gameday.lab/greeting\n\ngo 1.26.0\n")},
			"greeting/main.go.txt": {Data: []byte(main)},
		},
	}
}

const greeting = "package main\n\nvar word string\n\nfunc main() { print(word) }\n"

// states collects what a builder reports.
func states(b *Builder) *[]string {
	var seen []string
	b.Report = func(p Progress) {
		if said := fmt.Sprintf("%s %s %d/%d", p.Target, p.State, p.Done, p.Total); !slices.Contains(seen, said) {
			seen = append(seen, said)
		}
	}
	return &seen
}

func TestBuildThenCached(t *testing.T) {
	// As some machines have it: a build must not depend on it.
	t.Setenv("GOFLAGS", "-mod=mod -tags=no_such_tag")
	t.Setenv("CGO_ENABLED", "1")
	b := Builder{Cache: t.TempDir()}
	seen := states(&b)
	paths, err := b.build(t.Context(), oneTarget(greeting), nil)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), paths["hello"]).CombinedOutput(); err != nil || string(out) != "hello" {
		t.Errorf("the binary says %q, %v", out, err)
	}
	if info, err := exec.CommandContext(t.Context(), "go", "version", "-m", paths["hello"]).Output(); err != nil ||
		!strings.Contains(string(info), "CGO_ENABLED=0") || strings.Contains(string(info), "no_such_tag") {
		t.Errorf("the binary was built so: %s, %v", info, err)
	}
	if left, err := os.ReadDir(filepath.Join(b.Cache, "scratch")); err != nil || len(left) > 0 {
		t.Errorf("left in the scratch folder: %v, %v", left, err)
	}
	again, err := b.build(t.Context(), oneTarget(greeting), []string{"hello"})
	if err != nil || again["hello"] != paths["hello"] {
		t.Errorf("the second time got %v, %v", again, err)
	}
	want := []string{"hello building 0/1", "hello built 1/1", "hello cached 1/1"}
	if !slices.Equal(*seen, want) {
		t.Errorf("reported %q, want %q", *seen, want)
	}
	changed := strings.Replace(greeting, "print(word)", "print(word, 1)", 1)
	other, err := b.build(t.Context(), oneTarget(changed), nil)
	if err != nil || other["hello"] == paths["hello"] {
		t.Errorf("a changed pin got %v, %v", other, err)
	}
}

func TestFailureShowsTheEndOfTheOutput(t *testing.T) {
	var main strings.Builder
	main.WriteString("package main\n\nfunc main() {\n")
	for i := range 60 {
		fmt.Fprintf(&main, "\tundefined%d()\n", i)
	}
	main.WriteString("}\n")
	c := oneTarget(main.String())
	broken := Builder{Cache: t.TempDir()}
	_, err := broken.build(t.Context(), c, nil)
	if err == nil {
		t.Fatal("built what is broken")
	}
	log, _ := filepath.Glob(filepath.Join(broken.Cache, "log", "hello-*.log"))
	if len(log) != 1 {
		t.Fatalf("logs: %v", log)
	}
	for _, want := range []string{"build hello: go build: exit status 1", "undefined: undefined9", "too many errors", log[0]} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
	assertNoBinary(t, broken.Cache)
}

func TestTailIsFortyLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	var all []string
	for i := range 100 {
		all = append(all, fmt.Sprint("line ", i))
	}
	if err := os.WriteFile(path, []byte(strings.Join(all, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, want := tail(path), strings.Join(all[60:], "\n"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestReadyBinariesAreUsed(t *testing.T) {
	ready := filepath.Join(t.TempDir(), "hello")
	if err := os.WriteFile(ready, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	// No go command is needed when all is there.
	t.Setenv("PATH", t.TempDir())
	b := Builder{Cache: t.TempDir(), Bin: filepath.Dir(ready)}
	seen := states(&b)
	paths, err := b.build(t.Context(), oneTarget("broken"), nil)
	if err != nil || paths["hello"] != ready || !slices.Equal(*seen, []string{"hello ready 1/1"}) {
		t.Errorf("got %v, %v, reported %q", paths, err, *seen)
	}
	if err := os.Chmod(ready, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := b.build(t.Context(), oneTarget("broken"), nil); err == nil || !strings.Contains(err.Error(), "is not an executable file") {
		t.Errorf("a file that cannot run: %v", err)
	}
	b.Bin = filepath.Join(b.Bin, "nowhere")
	if _, err := b.build(t.Context(), oneTarget("broken"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
}

func TestBinariesThatAreNotReadyAreBuilt(t *testing.T) {
	b := Builder{Cache: t.TempDir(), Bin: t.TempDir()}
	paths, err := b.build(t.Context(), oneTarget(greeting), nil)
	if err != nil || !strings.HasPrefix(paths["hello"], b.Cache) {
		t.Errorf("got %v, %v", paths, err)
	}
}

func TestConcurrentBuildersShareOneBuild(t *testing.T) {
	cache := t.TempDir()
	var (
		mu    sync.Mutex
		built int
		group sync.WaitGroup
	)
	for range 3 {
		group.Go(func() {
			b := Builder{Cache: cache, Report: func(p Progress) {
				mu.Lock()
				defer mu.Unlock()
				if p.State == Built {
					built++
				}
			}}
			if _, err := b.build(t.Context(), oneTarget(greeting), nil); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if built != 1 {
		t.Errorf("built %d times", built)
	}
}

func TestWaitForAPinSaysWhoHasIt(t *testing.T) {
	b := Builder{Cache: t.TempDir()}
	seen := states(&b)
	other, err := hold(t.Context(), b.Cache, "greeting", func() {})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 2*lockEvery, errors.New("patience is at an end"))
	defer cancel()
	_, err = b.build(ctx, oneTarget(greeting), nil)
	want := fmt.Sprintf("build hello: wait for pin greeting: process %d has it: patience is at an end", os.Getpid())
	if err == nil || err.Error() != want || !slices.Equal(*seen, []string{"hello waiting 0/1"}) {
		t.Errorf("got %v, reported %q", err, *seen)
	}
	if err := other.release(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.build(t.Context(), oneTarget(greeting), nil); err != nil {
		t.Errorf("after the release: %v", err)
	}
}

func assertNoBinary(t *testing.T, cache string) {
	t.Helper()
	if found, err := filepath.Glob(filepath.Join(cache, "bin", "*", "*")); err != nil || len(found) > 0 {
		t.Errorf("in the cache: %v, %v", found, err)
	}
}
