package depot

import (
	"bufio"
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func example(t *testing.T) Depot {
	t.Helper()
	return Depot{
		Dir: t.TempDir(), Address: netip.MustParseAddr("127.0.0.1"), Program: "/cache/versitygw",
		Versions: map[string]string{"s3": "v1.8.0"},
		Sites: []Site{
			{Name: "primary", Shop: "10.98.0.11:30080", Observer: "/lab/primary/observer.kubeconfig"},
			{Name: "standby", Shop: "10.98.0.12:30080", Observer: "/lab/standby/observer.kubeconfig"},
		},
	}
}

func TestMachineIsWellFormedAndTheSameAgain(t *testing.T) {
	d := example(t)
	spec, err := d.Machine()
	if err != nil {
		t.Fatal(err)
	}
	if err := spec.Validate(); err != nil {
		t.Error(err)
	}
	again, err := d.Machine()
	if err != nil {
		t.Fatal(err)
	}
	one, errOne := json.Marshal(spec)
	two, errTwo := json.Marshal(again)
	if errOne != nil || errTwo != nil || string(one) != string(two) {
		t.Errorf("an unchanged depot would be restarted:\n%s\n%s", one, two)
	}
	d.Sites[1].Shop = "10.98.0.13:30080"
	other, err := d.Machine()
	if err != nil {
		t.Fatal(err)
	}
	if three, err := json.Marshal(other); err != nil || string(one) == string(three) {
		t.Errorf("a change of a configuration file only would not be seen (%v)", err)
	}
}

// TestProgramsTakeTheirConfiguration has the programs themselves check it.
func TestProgramsTakeTheirConfiguration(t *testing.T) {
	d := example(t)
	if _, err := d.Machine(); err != nil {
		t.Fatal(err)
	}
	for _, check := range [][]string{
		{"haproxy", "-c", "-f", filepath.Join(d.Dir, "haproxy.cfg")},
		{"promtool", "check", "config", filepath.Join(d.Dir, "prometheus.yml")},
		{"amtool", "check-config", filepath.Join(d.Dir, "alertmanager.yml")},
	} {
		t.Run(check[0], func(t *testing.T) {
			if _, err := exec.LookPath(check[0]); err != nil {
				t.Skipf("%s is not installed; gameday lab up installs it", check[0])
			}
			if out, err := exec.CommandContext(t.Context(), check[0], check[1:]...).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestRules plays the alerts on made-up numbers.
func TestRules(t *testing.T) {
	if _, err := exec.LookPath("promtool"); err != nil {
		t.Skip("promtool is not installed; gameday lab up installs it")
	}
	d := example(t)
	if _, err := d.Machine(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(d.Dir, "rules_test.yml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "promtool", "test", "rules", path).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestKeysAreKept(t *testing.T) {
	d := example(t)
	one, err := d.Keys()
	if err != nil {
		t.Fatal(err)
	}
	if two, err := d.Keys(); err != nil || one != two || one.Secret == "" {
		t.Errorf("keys %+v, then %+v, %v", one, two, err)
	}
}

// door stands in for HAProxy's admin socket.
func door(t *testing.T, d Depot, leads string) {
	t.Helper()
	listener, err := net.Listen("unix", filepath.Join(d.Dir, "haproxy.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			line, _ := bufio.NewReader(conn).ReadString('\n')
			fields := strings.Fields(line)
			if fields[0] == "show" {
				_, _ = conn.Write([]byte("0x55d1 active " + leads + "\n\n"))
			} else if leads != "stuck" {
				leads = fields[4]
				_, _ = conn.Write([]byte("\n"))
			}
			_ = conn.Close()
		}
	}()
}

func TestLead(t *testing.T) {
	d := example(t)
	if _, err := d.Machine(); err != nil {
		t.Fatal(err)
	}
	door(t, d, "primary")
	if err := d.Lead(t.Context(), "standby"); err != nil {
		t.Fatal(err)
	}
	if leads, err := d.Leads(t.Context()); err != nil || leads != "standby" {
		t.Errorf("leads to %q, %v", leads, err)
	}
	if _, err := d.Machine(); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(d.doorMap()); err != nil || string(text) != "active standby\n" {
		t.Errorf("after a restart it would lead to %q, %v", text, err)
	}
	if err := d.Lead(t.Context(), "nowhere"); err == nil || !strings.Contains(err.Error(), "primary and standby") {
		t.Errorf("lead nowhere: %v", err)
	}
}

func TestLeadSaysWhenTheDoorDoesNotFollow(t *testing.T) {
	d := example(t)
	door(t, d, "stuck")
	if err := d.Lead(t.Context(), "standby"); err == nil || !strings.Contains(err.Error(), `still leads to "stuck"`) {
		t.Errorf("got %v", err)
	}
}

func TestLeadWithoutADoor(t *testing.T) {
	if err := example(t).Lead(t.Context(), "standby"); err == nil || !strings.Contains(err.Error(), "gameday lab up") {
		t.Errorf("got %v", err)
	}
}
