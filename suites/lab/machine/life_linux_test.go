package machine

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

func TestLife(t *testing.T) {
	sleeper := Part{Name: "sleeper", Argv: []string{"sleep", "1000"}, After: []string{"web"}}
	spec := newSpec(t, 1, sleeper, web(t))
	first := up(t, spec)

	resp, err := http.Get("http://10.99.0.2:8000/")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.Body.Close() != nil || string(body) != "host-t1" {
		t.Errorf("through the bridge: %q, %v", body, err)
	}
	if first.Hostname != "host-t1" {
		t.Errorf("host name %q", first.Hostname)
	}
	w, _ := first.Part("web")
	s, _ := first.Part("sleeper")
	if w.Version != "v1" || w.State != Ready || !s.Since.After(w.Since) {
		t.Errorf("want sleeper after web: %+v", first.Parts)
	}
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", s.HostPID))
	if err != nil || !strings.HasPrefix(string(cmdline), "sleep") {
		t.Errorf("host pid %d of sleeper is %q, %v", s.HostPID, cmdline, err)
	}

	if again := up(t, spec); again.PID != first.PID {
		t.Errorf("a second start made PID 1 anew: %d, before %d", again.PID, first.PID)
	}
	run(t, spec, "touch", "/run/mark", filepath.Join(spec.Dir, "disk"))
	spec.Parts[0].Argv = []string{"sleep", "2000"}
	if changed := up(t, spec); changed.PID == first.PID {
		t.Error("a changed spec left the old machine running")
	}
	if out := run(t, spec, "ls", "/run", spec.Dir); strings.Contains(out, "mark") || !strings.Contains(out, "disk") {
		t.Errorf("want an empty /run and the disk kept after a restart: %s", out)
	}
}

func TestInside(t *testing.T) {
	spec := newSpec(t, 1, shell("all", "cat /proc/self/cgroup; exec sleep 100"))
	spec.Mounts = []Mount{
		{Source: filepath.Join(spec.Dir, "kubelet"), Target: "/var/lib/gdt-kubelet/deep"},
		{Source: "/etc/hostname", Target: "/run/given/name"},
		{Source: "/etc/hosts", Target: "/var/lib/gdt-file"},
		{Source: "/usr", Target: filepath.Join(spec.Dir, "usr"), ReadOnly: true},
	}
	up(t, spec)
	place, pods := "/", "/sys/fs/cgroup/pids/kubepods"
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil { // v2
		place, pods = "/init", "/sys/fs/cgroup/kubepods"
	}
	for script, want := range map[string]string{
		"ls /sys/class/net | xargs":                           "eth0 lo",
		"cat /proc/sys/net/ipv4/ip_forward":                   "1",
		"ip -o route show default | cut -d' ' -f1-5":          "default via 10.99.0.1 dev eth0",
		"findmnt -no PROPAGATION /":                           "shared",
		"findmnt -no FSTYPE /run":                             "tmpfs",
		"cut -d: -f3 /proc/self/cgroup | sort -u":             place,
		"cut -d: -f3 /proc/1/cgroup | sort -u":                place,
		"mount | grep -c gameday-lab":                         "0",
		"mkdir " + pods + " && rmdir " + pods + " && echo ok": "ok",
		"findmnt -no TARGET /var/lib/gdt-kubelet/deep":        "/var/lib/gdt-kubelet/deep",
		"cmp /etc/hosts /var/lib/gdt-file && echo same":       "same",
		"findmnt -no TARGET /run/given/name":                  "/run/given/name",
		"touch " + spec.Dir + "/usr/x 2>&1 | grep -c Read":    "1",
	} {
		if out := run(t, spec, "sh", "-c", script+" || :"); out != want {
			t.Errorf("%s: %q, want %q", script, out, want)
		}
	}
	if _, err := os.Stat("/var/lib/gdt-kubelet/deep"); err != nil {
		t.Error(err)
	}
	if err := Stop(t.Context(), spec.Dir); err != nil {
		t.Error(err)
	}
	for _, path := range []string{"/var/lib/gdt-kubelet", "/var/lib/gdt-file", "/run/given"} {
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("mount point %s stays on the host: %v", path, err)
		}
	}
	if _, err := os.Stat(filepath.Join(spec.Dir, "kubelet")); err != nil {
		t.Errorf("the source of a mount is a disk and stays: %v", err)
	}
}

// What containerd and the kubelet do is done here with the shell: mounts, a network
// namespace pinned in /run, cgroups below the root, a PID namespace, an orphan.
func TestEverythingInsideEnds(t *testing.T) {
	for _, how := range []string{"stop", "kill"} {
		t.Run(how, func(t *testing.T) {
			spec := newSpec(t, 1, shell("idle", "exec sleep 1000"))
			host := up(t, spec)
			run(t, spec, "sh", "-ec", `
				mkdir -p /run/pod
				pods=/sys/fs/cgroup/pids/kubepods
				[ -d ${pods%/*} ] || pods=/sys/fs/cgroup/kubepods
				mkdir -p $pods/pod1
				mount -t tmpfs pod /run/pod
				ip netns add cni-1
				ip link add veth1 type veth peer name eth9 netns cni-1
				setsid unshare --fork --pid --mount --net sh -c 'echo $$ >/dev/null; exec sleep 3000' >/dev/null 2>&1 &
				echo $! >$pods/pod1/cgroup.procs
				setsid sleep 4000 >/dev/null 2>&1 &`)
			eventually(t, "sleepers", func() string {
				out := run(t, spec, "ps", "-eo", "comm")
				if strings.Count(out, "sleep") == 3 {
					return ""
				}
				return out
			})
			namespaces := namespacesOf(spec.Dir)
			if len(namespaces) != 6 {
				t.Errorf("want six namespaces: %v", namespaces)
			}
			if how == "stop" {
				if err := Stop(t.Context(), spec.Dir); err != nil {
					t.Fatal(err)
				}
				wantNothingLeft(t, spec, namespaces)
				return
			}
			if err := unix.Kill(host.PID, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			eventually(t, "processes after the death of PID 1", func() string {
				found := leftovers(t, spec, namespaces)
				return strings.Join(slices.DeleteFunc(found, func(s string) bool {
					return strings.HasPrefix(s, "/") // folders and files are Stop's work
				}), "; ")
			})
			if _, err := Dial(spec.Dir).Status(t.Context()); err == nil {
				t.Error("a dead machine gives a status")
			}
			if healed := up(t, spec); healed.PID == host.PID {
				t.Error("start did not make the machine anew")
			}
		})
	}
}

func TestTwoMachines(t *testing.T) {
	one, two := newSpec(t, 1, web(t)), newSpec(t, 2, web(t))
	var bridge string
	for _, spec := range []*Spec{&one, &two} {
		spec.Mounts = []Mount{{Source: filepath.Join(spec.Dir, "own"), Target: "/var/lib/gdt-shared"}}
		up(t, *spec)
		run(t, *spec, "sh", "-c", "hostname >/var/lib/gdt-shared/name")
		link, err := netlink.LinkByName(testBridge)
		if err != nil {
			t.Fatal(err)
		}
		if now := link.Attrs().HardwareAddr.String(); bridge != "" && now != bridge {
			t.Errorf("the second machine changed the bridge's hardware address from %s to %s", bridge, now)
		} else {
			bridge = now
		}
	}
	if out := run(t, one, "cat", "/var/lib/gdt-shared/name"); out != "host-t1" {
		t.Errorf("first machine reads the second one's folder: %q", out)
	}
	if out := run(t, two, "bash", "-c", `exec 3<>/dev/tcp/10.99.0.2/8000; printf 'GET / HTTP/1.0\r\n\r\n' >&3; tail -n1 <&3`); !strings.HasSuffix(out, "host-t1") {
		t.Errorf("second machine asks the first: %q", out)
	}
	if err := Stop(t.Context(), one.Dir); err != nil {
		t.Fatal(err)
	}
	if out := run(t, two, "cat", "/var/lib/gdt-shared/name"); out != "host-t2" {
		t.Errorf("stopping one machine took the other one's mount: %q", out)
	}
	if err := Stop(t.Context(), two.Dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/var/lib/gdt-shared"); !os.IsNotExist(err) {
		t.Errorf("the last machine left the mount point: %v", err)
	}
	if err := RemoveBridge(testBridge); err != nil {
		t.Error(err)
	}
	if err := RemoveBridge(testBridge); err != nil {
		t.Errorf("removing an absent bridge: %v", err)
	}
}

func TestHostNetwork(t *testing.T) {
	spec := newSpec(t, 1, shell("idle", "exec sleep 1000"))
	spec.Network, spec.Cgroup = nil, false
	up(t, spec)
	host, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	if out := run(t, spec, "readlink", "/proc/1/ns/net"); out != host {
		t.Errorf("network namespace %s, want the host's %s", out, host)
	}
}

func TestForeignLinkIsKept(t *testing.T) {
	newSpec(t, 1)
	run := func(args ...string) {
		t.Helper()
		if out, err := runHost(t, "ip", args...); err != nil {
			t.Fatalf("ip %v: %v: %s", args, err, out)
		}
	}
	run("link", "add", "gdt-foreign", "type", "veth", "peer", "name", "gdt-peer")
	defer run("link", "del", "gdt-foreign")
	spec := newSpec(t, 3, shell("idle", "exec sleep 1000"))
	spec.Network.Link = "gdt-foreign"
	err := Start(within(t, 20*time.Second), spec)
	if err == nil || !strings.Contains(err.Error(), "gdt-foreign is in use") {
		t.Errorf("start over a foreign link: %v", err)
	}
	if err := RemoveBridge("gdt-foreign"); err == nil || !strings.Contains(err.Error(), "not made by a lab") {
		t.Errorf("remove a foreign link: %v", err)
	}
	run("link", "show", "gdt-foreign")
	spec.Network.Link = "gdt-t3" // for the look at what is left
}

func TestFailureInsideIsTold(t *testing.T) {
	spec := newSpec(t, 1, shell("idle", "exec sleep 1000"))
	spec.Hostname = strings.Repeat("x", 65)
	err := Start(within(t, 20*time.Second), spec)
	if err == nil || !strings.Contains(err.Error(), "set host name") {
		t.Errorf("want the cause from inside: %v", err)
	}
	wantNothingLeft(t, spec, nil)
	spec.Hostname = "fine"
	up(t, spec)
}

// A long folder name must not make the control socket's name too long.
func TestLongFolder(t *testing.T) {
	spec := newSpec(t, 1, shell("idle", "exec sleep 1000"))
	spec.Dir = filepath.Join(spec.Dir, strings.Repeat("long/", 30))
	up(t, spec)
	if err := Stop(t.Context(), spec.Dir); err != nil {
		t.Error(err)
	}
}

func TestMainOutside(t *testing.T) {
	if err := Main(t.Context(), "/nowhere"); err == nil || !strings.Contains(err.Error(), "lab up starts it") {
		t.Errorf("main outside of a machine: %v", err)
	}
}

// On most hosts / is shared, and a mount made inside would appear outside. This
// host's may be private, so the test goes into a mount namespace that is shared.
func TestMountsStayInside(t *testing.T) {
	const inner = "GAMEDAY_TEST_SHARED_ROOT"
	if os.Getenv(inner) == "" {
		newSpec(t, 1)
		cmd := exec.CommandContext(within(t, time.Minute), "unshare", "--mount", "--propagation", "shared",
			exe(t), "-test.run", "^TestMountsStayInside$", "-test.v")
		cmd.Env = append(os.Environ(), inner+"=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestMountsStayInside") {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	before, err := readMounts()
	if err != nil {
		t.Fatal(err)
	}
	spec := newSpec(t, 1, shell("idle", "exec sleep 1000"))
	up(t, spec)
	run(t, spec, "mount", "-t", "tmpfs", "inside", "/mnt")
	after, err := readMounts()
	if err != nil || !slices.Equal(before, after) {
		t.Errorf("mounts outside: %v, before: %v, %v", after, before, err)
	}
}

// Machines of one lab are started and stopped side by side.
func TestSideBySide(t *testing.T) {
	specs := []Spec{newSpec(t, 1, web(t)), newSpec(t, 2, web(t)), newSpec(t, 3, web(t))}
	ctx := within(t, time.Minute)
	for range 4 {
		for _, act := range []func(Spec) error{
			func(s Spec) error { return Start(ctx, s) },
			func(s Spec) error { return Dial(s.Dir).Wait(ctx) },
			func(s Spec) error { return Stop(ctx, s.Dir) },
		} {
			var group errgroup.Group
			for _, s := range specs {
				group.Go(func() error { return act(s) })
			}
			if err := group.Wait(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A start that runs out of time takes back what it made.
func TestStartOutOfTime(t *testing.T) {
	spec := newSpec(t, 1, web(t))
	began := time.Now()
	up(t, spec)
	whole := time.Since(began)
	for i := range 6 {
		if err := Stop(t.Context(), spec.Dir); err != nil {
			t.Fatal(err)
		}
		err := Start(within(t, whole*time.Duration(i)/8), spec)
		if err != nil {
			wantNothingLeft(t, spec, nil)
		}
		t.Logf("%d/8 of the time: %v", i, err)
	}
}
