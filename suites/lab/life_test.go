//go:build lab && linux

package lab_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gamedayhq/gameday/suites/lab"
)

// These tests bring a whole lab of their own up and down, beside any other: they
// need root, some minutes, and the cache filled or half an hour.
//
//	go test -tags lab -timeout 90m ./suites/lab/

// bench is a lab under test and the gameday that plays it.
type bench struct {
	t       *testing.T
	program string
	options lab.Options
}

func newBench(t *testing.T) bench {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a lab needs root")
	}
	// Not below the test's own folder: what Down leaves must be seen, not swept away.
	dir := "/var/lib/gameday-lab-test"
	b := bench{t: t, program: filepath.Join(t.TempDir(), "gameday"), options: lab.Options{Dir: dir, Subnet: "10.97.0.0/16"}}
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", b.program, "github.com/gamedayhq/gameday/cmd/gameday")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build gameday: %v\n%s", err, out)
	}
	b.options.Program = b.program
	t.Cleanup(func() {
		if out, err := b.command(context.Background(), "lab", "down").CombinedOutput(); err != nil {
			t.Errorf("take the lab down: %v\n%s", err, out)
		}
	})
	return b
}

func (b bench) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, b.program, args...)
	cmd.Env = append(os.Environ(), "GAMEDAY_LAB_DIR="+b.options.Dir, "GAMEDAY_LAB_SUBNET="+b.options.Subnet)
	return cmd
}

func (b bench) must(args ...string) string {
	b.t.Helper()
	cmd := b.command(b.t.Context(), args...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		b.t.Fatalf("gameday %s: %v\n%s%s", strings.Join(args, " "), err, out, complaint.String())
	}
	return string(out)
}

// status is the exit code and what was said of gameday's command.
func (b bench) status(args ...string) (int, string) {
	b.t.Helper()
	out, err := b.command(b.t.Context(), args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		b.t.Fatalf("gameday %s: %v", strings.Join(args, " "), err)
	}
	if exit != nil {
		return exit.ExitCode(), string(out)
	}
	return 0, string(out)
}

func TestAKilledUpLeavesNothingAfterDown(t *testing.T) {
	b := newBench(t)
	before := b.footprint()
	for _, moment := range []string{"make the bridge", "start the depot", "primary: start the machine", "primary: bring in CoreDNS", "standby: start Kubernetes"} {
		t.Run(moment, func(t *testing.T) {
			b.t = t
			b.killAt(moment)
			b.must("lab", "down")
			if left := differences(before, b.footprint()); len(left) > 0 {
				t.Errorf("after down:\n%s", strings.Join(left, "\n"))
			}
		})
	}
}

// killAt brings the lab up in another process and kills that when a step is done.
func (b bench) killAt(step string) {
	b.t.Helper()
	cmd := b.command(b.t.Context(), "lab", "up", "--verbose")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	var said bytes.Buffer
	buffer := make([]byte, 4096)
	for !strings.Contains(said.String(), step+" (") {
		n, err := stderr.Read(buffer)
		said.Write(buffer[:n])
		if err != nil {
			b.t.Fatalf("up ended before %q: %v\n%s", step, err, said.String())
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		b.t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		b.t.Fatal("up ended before it was killed")
	}
}

func TestLifeOfALab(t *testing.T) {
	b := newBench(t)
	before := b.footprint()
	first := time.Now()
	up, err := lab.Up(t.Context(), b.options) // as a library; the tests below go by the command
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("up took %s", time.Since(first))
	if got := strings.TrimSpace(b.must("lab", "kubeconfig")); got != up.Kubeconfig() {
		t.Errorf("the command says that the kubeconfig is %s, the library %s", got, up.Kubeconfig())
	}

	b.run("what it leaves would be seen", func(b bench) {
		seen := strings.Join(differences(before, b.footprint()), "\n")
		for _, kind := range []string{"left: link gd-", "left: cgroup", "left: process", "left: file", "left: /proc/net/route"} {
			if !strings.Contains(seen, kind) {
				b.t.Errorf("of a running lab no %q was seen in:\n%s", kind, seen)
			}
		}
	})
	b.run("everything is ready", testReady)
	b.run("a second up changes nothing", testAgain)
	b.run("two at once: the second says so", testLock)
	b.run("a stopped part is seen and woken", testWake)
	b.run("the front door leads where it is told", testDoor)
	b.run("the backups are under object lock", testBucket)
	b.run("it heals after every process was killed", testHeal)

	b.must("lab", "down")
	if left := differences(before, b.footprint()); len(left) > 0 {
		t.Errorf("after down:\n%s", strings.Join(left, "\n"))
	}
	b.must("lab", "down") // without a lab there is nothing to do
	if code, said := b.status("lab", "status"); code == 0 || !strings.Contains(said, "gameday lab up") {
		t.Errorf("status without a lab: exit code %d, %s", code, said)
	}
}

func (b bench) run(name string, test func(bench)) {
	b.t.Run(name, func(t *testing.T) {
		b.t = t
		test(b)
	})
}

func (b bench) lines() []lab.Line {
	b.t.Helper()
	var status lab.Status
	if err := json.Unmarshal([]byte(b.must("lab", "status", "-o", "json")), &status); err != nil {
		b.t.Fatal(err)
	}
	const most = 3 << 30
	if status.Memory > most {
		b.t.Errorf("the lab takes %d MiB of memory, more than %d", status.Memory>>20, most>>20)
	}
	return status.Lines
}

func testReady(b bench) {
	for _, line := range b.lines() {
		if !line.Ready {
			b.t.Errorf("%s/%s: %s", line.Machine, line.Part, line.State)
		}
	}
}

func testAgain(b bench) {
	was := b.pods()
	b.must("lab", "up")
	if now := b.pods(); now != was {
		b.t.Errorf("pods before:\n%s\nafter a second up:\n%s", was, now)
	}
}

// pods are the names and restarts of all pods.
func (b bench) pods() string {
	b.t.Helper()
	var all strings.Builder
	for _, name := range []string{lab.Primary, lab.Standby} {
		api := b.api(name)
		pods := podList(b.t, api)
		slices.Sort(pods)
		fmt.Fprintf(&all, "%s: %s\n", name, strings.Join(pods, ", "))
	}
	return all.String()
}

func testLock(b bench) {
	first := b.command(b.t.Context(), "lab", "up")
	if err := first.Start(); err != nil {
		b.t.Fatal(err)
	}
	defer func() {
		if err := first.Wait(); err != nil {
			b.t.Errorf("the first up: %v", err)
		}
	}()
	holder := fmt.Sprintf("pid %d", first.Process.Pid)
	for range 100 { // until the first one has the lock
		text, err := os.ReadFile(b.options.Dir + ".lock")
		if err == nil && strings.Contains(string(text), holder) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	code, said := b.status("lab", "up")
	if code != 3 || !strings.Contains(said, holder) {
		b.t.Errorf("exit code %d, want 3 and the words %q in: %s", code, holder, said)
	}
}

func testWake(b bench) {
	b.must("lab", "stop", "standby/kube-scheduler")
	code, said := b.status("lab", "status")
	if code != 1 || !strings.Contains(said, "! stopped") {
		b.t.Errorf("status of a lab with a stopped part: exit code %d, %s", code, said)
	}
	b.must("lab", "up")
	testReady(b)
}

func testDoor(b bench) {
	b.must("lab", "front-door", "standby")
	if code := b.get("/readyz"); code != http.StatusServiceUnavailable {
		b.t.Errorf("the standby has no shop, but the front door answers %d", code)
	}
	b.must("lab", "front-door", "primary")
	if code := b.get("/readyz"); code != http.StatusOK {
		b.t.Errorf("back at the primary the front door answers %d", code)
	}
	if code, said := b.status("lab", "front-door", "nowhere"); code == 0 || !strings.Contains(said, "nowhere") {
		b.t.Errorf("exit code %d: %s", code, said)
	}
}

func (b bench) get(path string) int {
	b.t.Helper()
	response, err := http.Get(b.open().Depot().FrontDoorURL() + path)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		b.t.Fatal(err)
	}
	return response.StatusCode
}

func (b bench) open() *lab.Lab {
	b.t.Helper()
	there, err := lab.Open(b.options)
	if err != nil {
		b.t.Fatal(err)
	}
	return there
}

func testHeal(b bench) {
	orders := b.open().Depot().FrontDoorURL() + "/orders"
	response, err := http.Post(orders, "application/json", strings.NewReader(`{"item":"tea","quantity":1,"key":"before-the-kill"}`))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusCreated {
		b.t.Fatalf("order: %s, %v", response.Status, err)
	}
	for pid := range processes(b.t, "machine\x00"+b.options.Dir) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			b.t.Fatal(err)
		}
	}
	if code, _ := b.status("lab", "status"); code != 1 {
		b.t.Errorf("status of a dead lab: exit code %d, want 1", code)
	}
	b.must("lab", "up")
	testReady(b)
	if response, err = http.Get(orders); err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || !strings.Contains(string(text), `"item":"tea"`) {
		b.t.Errorf("the order did not outlive the kill: %s, %v", text, err)
	}
}
