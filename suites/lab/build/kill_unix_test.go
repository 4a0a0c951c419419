//go:build unix

package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fakeGo is a go command whose compiler writes half a binary and then takes its
// time. It shows how the real one is called.
const fakeGo = `#!/bin/sh
if [ "$1" = env ]; then echo go1.26.8; exit; fi
while [ "$1" != -o ]; do shift; done
printf half > "$2"
chmod +x "$2"
sleep 600 &
echo $! > "$FAKE_GO_CHILD.new" && mv "$FAKE_GO_CHILD.new" "$FAKE_GO_CHILD"
wait
`

func TestAKilledBuildLeavesNothing(t *testing.T) {
	bin, child := t.TempDir(), filepath.Join(t.TempDir(), "child")
	if err := os.WriteFile(filepath.Join(bin, "go"), []byte(fakeGo), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("FAKE_GO_CHILD", child)
	b := Builder{Cache: t.TempDir()}
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	result := make(chan error, 1)
	go func() {
		_, err := b.build(ctx, oneTarget(greeting), nil)
		result <- err
	}()
	pid := awaitPid(t, child, result)
	stop := errors.New("the user pressed a key")
	cancel(stop)
	if err := <-result; !errors.Is(err, stop) || !strings.HasPrefix(err.Error(), "build hello: go build was ended") {
		t.Errorf("got %v", err)
	}
	awaitEnd(t, pid)
	assertNoBinary(t, b.Cache)
	if half, err := filepath.Glob(filepath.Join(b.Cache, "*", "*", "hello")); err != nil || len(half) > 0 {
		t.Errorf("half a binary is left: %v, %v", half, err)
	}
}

// awaitPid returns the process that the fake compiler started.
func awaitPid(t *testing.T, path string, result <-chan error) int {
	t.Helper()
	for range 100 {
		select {
		case err := <-result:
			t.Fatalf("the build ended before it was killed: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
		content, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
		if err != nil {
			t.Fatal(err)
		}
		return pid
	}
	t.Fatal("the fake compiler did not start within 5 s")
	return 0
}

// awaitEnd accepts a zombie: who reaps orphans is not up to the builder.
func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	for range 100 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") || syscall.Kill(pid, 0) != nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("process %d of the killed build still runs", pid)
}

func TestOnlyTargetsWithCgoGetTheCCompiler(t *testing.T) {
	bin := t.TempDir()
	const tellingGo = "#!/bin/sh\n[ \"$1\" = env ] || { echo CGO_ENABLED=$CGO_ENABLED \"$@\"; exit 1; }\n"
	if err := os.WriteFile(filepath.Join(bin, "go"), []byte(tellingGo), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	for cgo, row := range map[bool]struct{ enabled, static string }{
		false: {"CGO_ENABLED=0 build", ""},
		true:  {"CGO_ENABLED=1 build", "-extldflags=-static"},
	} {
		c := oneTarget(greeting)
		c.targets[0].Cgo = cgo
		_, err := Builder{Cache: t.TempDir()}.build(t.Context(), c, nil)
		if err == nil || !strings.Contains(err.Error(), row.enabled) || !strings.Contains(err.Error(), row.static) ||
			strings.Contains(err.Error(), "-extldflags") != cgo {
			t.Errorf("cgo %t: got %v, want it to call with %q and %q", cgo, err, row.enabled, row.static)
		}
	}
}

func TestAStaleScratchFolderIsRemoved(t *testing.T) {
	b := Builder{Cache: t.TempDir()}
	stale := filepath.Join(b.Cache, "scratch", "greeting", "work", "stale.go")
	if err := os.MkdirAll(filepath.Dir(stale), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(stale, []byte("syntax error"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := b.build(t.Context(), oneTarget(greeting), nil); err != nil {
		t.Errorf("what a killed builder left stops the next: %v", err)
	}
}
