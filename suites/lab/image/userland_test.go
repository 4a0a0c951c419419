package image

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFollowReportsEachStageOnceAndKeepsTheEnd(t *testing.T) {
	var said []string
	text := "I: Retrieving a\nI: Validating a\nI: Retrieving b\nW: odd\nI: Unpacking a...\n" + strings.Repeat("E: broken\n", 30)
	last := follow(strings.NewReader(text), func(s string) { said = append(said, s) })
	if diff := cmp.Diff([]string{"userland: retrieving packages", "userland: unpacking packages"}, said); diff != "" {
		t.Errorf("reported (-want +got):\n%s", diff)
	}
	if len(last) != 20 || last[19] != "E: broken" {
		t.Errorf("kept %q", last)
	}
	follow(strings.NewReader(text), nil)
}

// leftovers are the mounts and processes that name a folder.
func leftovers(t *testing.T, dir string) []string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, dir) {
			found = append(found, "mount "+line)
		}
	}
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range processes {
		line, err := os.ReadFile(p)
		if err == nil && strings.Contains(string(line), dir) {
			found = append(found, "process "+strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

func TestFailedUserlandSaysWhyAndLeavesNothing(t *testing.T) {
	needRoot(t, "debootstrap", "unshare", "setpriv")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	uri := "http://" + listener.Addr().String() + "/debian"
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	err = bootstrap(t.Context(), mirror{uri: uri, suite: "bookworm", components: []string{"main"}}, out, nil)
	if err == nil || !strings.Contains(err.Error(), "debootstrap: exit status") || !strings.Contains(err.Error(), uri) {
		t.Errorf("got %v, want debootstrap's own words about %s", err, uri)
	}
	if left := leftovers(t, out); len(left) > 0 {
		t.Errorf("left %q", left)
	}
}

func TestStoppedUserlandLeavesNothing(t *testing.T) {
	needRoot(t, "debootstrap", "unshare", "setpriv")
	asked := make(chan struct{}, 100)
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	defer hangs.Close()
	ctx, cancel := context.WithCancel(t.Context())
	out := t.TempDir()
	ended := make(chan error, 1)
	go func() {
		ended <- bootstrap(ctx, mirror{uri: hangs.URL, suite: "bookworm", components: []string{"main"}}, out, nil)
	}()
	<-asked
	if left := leftovers(t, out); len(left) == 0 {
		t.Error("the test cannot see debootstrap's processes")
	}
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want that it was cancelled", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("does not stop")
	}
	eventually(t, "no mount or process is left", func() bool { return len(leftovers(t, out)) == 0 })
	if got := contents(t, out); !cmp.Equal(got, []string{busybox, userlandTar}) {
		t.Errorf("the folder has %v, want the two empty files only", got)
	}
}

// cached is the userland if this machine has made it.
func cached(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	release, err := codename("/etc/os-release")
	if err != nil {
		t.Skip(err)
	}
	dir, err := userlandDir(filepath.Join(cache, "gameday", "lab"), release)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the userland is not in the cache yet (gameday lab up makes it): %v", err)
	}
	return dir
}

// unpacked is the userland as a tree, with the scripts of the images in it.
func unpacked(t *testing.T) string {
	t.Helper()
	dir := cached(t)
	needRoot(t, "tar", "chroot", "unshare", "nsenter")
	root := t.TempDir()
	if out, err := exec.Command("tar", "-C", root, "-xpf", filepath.Join(dir, userlandTar)).CombinedOutput(); err != nil {
		t.Fatalf("unpack: %v: %s", err, out)
	}
	for name, file := range map[string]string{"postgres-server": "postgres.sh", "memStress": "memstress.sh"} {
		text, err := files.ReadFile("files/" + file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, "usr/local/bin", name), text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestUserlandHasWhatTheDaemonCalls(t *testing.T) {
	root := unpacked(t)
	script := `set -e
for p in ip tc ipset iptables stress-ng choom nsenter setpriv ps sh psql postgres initdb pg_isready pg_dump; do command -v $p >/dev/null || echo "missing: $p"; done
iptables --version; ip6tables --version; stress-ng --version; busybox true; postgres --version; ls -d /run/postgresql
test ! -e /usr/sbin/policy-rc.d; ls /var/lib/postgresql
memStress --workers 2 --size 8MB --timeout 1s; stress-ng --cpu-load-slice 10 --cpu-method sqrt --cpu 1 --cpu-load 10 --timeout 1s`
	const boot = `mount --bind /dev "$0/dev" && mount -t proc proc "$0/proc" && exec chroot "$0" sh -c "$1"`
	cmd := exec.Command("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child=KILL", "sh", "-c", boot, root, script)
	cmd.Env = []string{searchPath}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Log(string(out))
	if strings.Contains(string(out), "missing: ") || strings.Count(string(out), "(legacy)") != 2 || strings.Count(string(out), "successful run completed") != 2 {
		t.Errorf("the userland lacks a program, or iptables are not the old ones, or a stressor failed:\n%s", out)
	}
}
