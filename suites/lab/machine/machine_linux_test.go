package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// TestMain plays four programs: the tests, PID 1 of a machine, a starter that can
// be killed, and a part that serves HTTP.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "lab" && os.Args[2] == "machine" {
		exit(Main(context.Background(), os.Args[3]))
	}
	if len(os.Args) == 3 && os.Args[1] == "start" {
		spec, err := readSpec(os.Args[2])
		exit(errors.Join(err, Start(context.Background(), spec)))
	}
	if len(os.Args) == 3 && os.Args[1] == "serve" {
		host, err := os.Hostname()
		http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, host) })
		exit(errors.Join(err, http.ListenAndServe(os.Args[2], nil)))
	}
	code := m.Run()
	if err := RemoveBridge(testBridge); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

const testBridge = "gdt-br"

// newSpec returns a machine with a network and cgroups of its own. What it leaves
// on the host fails the test.
func newSpec(t *testing.T, number int, parts ...Part) Spec {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("making namespaces, mounts and cgroups needs root")
	}
	name := fmt.Sprintf("t%d", number)
	spec := Spec{
		Name:     name,
		Dir:      filepath.Join(t.TempDir(), name),
		Hostname: "host-" + name,
		Cgroup:   true,
		Network: &Network{
			Bridge:  testBridge,
			Link:    "gdt-" + name,
			Address: fmt.Sprintf("10.99.0.%d/24", number+1),
			Gateway: "10.99.0.1",
		},
		Parts: parts,
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		log, err := os.ReadFile(logPath(spec.Dir, machineLog))
		if err == nil && (t.Failed() || strings.Contains(string(log), "panic:") || strings.Contains(string(log), "DATA RACE")) {
			t.Errorf("log of PID 1: %s", log)
		}
		namespaces := namespacesOf(spec.Dir)
		if err := Stop(ctx, spec.Dir); err != nil {
			t.Errorf("stop: %v", err)
		}
		wantNothingLeft(t, spec, namespaces)
	})
	return spec
}

func exe(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func shell(name, script string) Part {
	return Part{Name: name, Argv: []string{"sh", "-c", script}}
}

func web(t *testing.T) Part {
	t.Helper()
	return Part{Name: "web", Version: "v1", Argv: []string{exe(t), "serve", ":8000"}, Ready: &Check{Target: "http://127.0.0.1:8000/"}}
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// up starts the machine and waits for all its parts.
func up(t *testing.T, spec Spec) Status {
	t.Helper()
	ctx := within(t, 30*time.Second)
	if err := Start(ctx, spec); err != nil {
		t.Fatal(err)
	}
	if err := Dial(spec.Dir).Wait(ctx); err != nil {
		t.Fatal(err)
	}
	return status(t, spec)
}

func status(t *testing.T, spec Spec) Status {
	t.Helper()
	s, err := Dial(spec.Dir).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func run(t *testing.T, spec Spec, argv ...string) string {
	t.Helper()
	out, err := Run(within(t, 20*time.Second), spec.Dir, argv...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// eventually repeats a question until it is answered by "".
func eventually(t *testing.T, what string, ask func() string) {
	t.Helper()
	last := ""
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if last = ask(); last == "" {
			return
		}
	}
	t.Fatalf("%s: last seen: %s", what, last)
}

// namespacesOf returns the names of the machine's own namespaces, as "pid:[4026531836]".
func namespacesOf(dir string) []string {
	rec, err := readRecord(dir)
	if err != nil || rec.Process == nil {
		return nil
	}
	var own []string
	for _, kind := range []string{"pid", "mnt", "net", "uts", "ipc", "cgroup"} {
		inside, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", rec.Process.PID, kind))
		host, hostErr := os.Readlink("/proc/self/ns/" + kind)
		if err == nil && hostErr == nil && inside != host {
			own = append(own, inside)
		}
	}
	return own
}

// wantNothingLeft looks for all that a machine makes on the host.
func wantNothingLeft(t *testing.T, spec Spec, namespaces []string) {
	t.Helper()
	if found := leftovers(t, spec, namespaces); len(found) > 0 {
		t.Errorf("left on the host: %s", strings.Join(found, "; "))
	}
}

func leftovers(t *testing.T, spec Spec, namespaces []string) []string {
	t.Helper()
	var found []string
	links, err := filepath.Glob("/proc/[0-9]*/ns/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		ns, err := os.Readlink(link)
		for _, own := range namespaces {
			if err == nil && ns == own && !zombie(link) {
				found = append(found, "namespace "+ns+" of "+link)
			}
		}
	}
	machines, err := findMachines(spec.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range machines {
		found = append(found, "PID 1 as process "+strconv.Itoa(p.PID))
	}
	if spec.Network != nil {
		if _, err := netlink.LinkByName(spec.Network.Link); err == nil {
			found = append(found, "link "+spec.Network.Link)
		}
	}
	mounts, err := readMounts()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mounts {
		if strings.HasPrefix(m.point, filepath.Dir(spec.Dir)) || strings.HasPrefix(m.point, "/run/netns") {
			found = append(found, "mount "+m.point)
		}
	}
	folders, err := cgroupFolders(spec)
	if err != nil {
		t.Fatal(err)
	}
	paths := append(folders, recordPath(spec.Dir), specPath(spec.Dir), filepath.Join(spec.Dir, "control.sock"))
	for _, path := range paths {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			found = append(found, fmt.Sprintf("%s (%v)", path, err))
		}
	}
	return found
}

// zombie says whether the process of a /proc path is dead and only waits for the
// host's init to take note.
func zombie(path string) bool {
	pid, err := strconv.Atoi(strings.Split(path, "/")[2])
	if err != nil {
		return false
	}
	s, err := readStat(pid)
	return err != nil || s.state == "Z"
}
