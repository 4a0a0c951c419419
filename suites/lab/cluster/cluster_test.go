package cluster_test

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/gamedayhq/gameday/suites/lab/cluster"
	"github.com/gamedayhq/gameday/suites/lab/machine"
)

func example(dir string) cluster.Cluster {
	return cluster.Cluster{
		Name: "primary", Version: "v1.37.2", Dir: dir,
		Network: machine.Network{Bridge: "gameday0", Link: "gd-primary", Address: "10.98.0.11/24", Gateway: "10.98.0.1"},
		Pods:    netip.MustParsePrefix("10.98.64.0/20"), Services: netip.MustParsePrefix("10.98.128.0/20"),
		Programs: map[string]string{
			"etcd": "/cache/etcd", "kube-apiserver": "/cache/kube-apiserver", "kube-controller-manager": "/cache/kube-controller-manager",
			"kube-scheduler": "/cache/kube-scheduler", "kube-proxy": "/cache/kube-proxy", "kubelet": "/cache/kubelet",
		},
		Versions: map[string]string{"etcd": "v3.6.16", "containerd": "1.6.20"},
		Pause:    "gameday.local/pause:1",
	}
}

func setUp(t *testing.T, c cluster.Cluster) machine.Spec {
	t.Helper()
	if err := c.Credentials(); err != nil {
		t.Fatal(err)
	}
	spec, err := c.Machine()
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func TestMachineIsWellFormed(t *testing.T) {
	spec := setUp(t, example(t.TempDir()))
	if err := spec.Validate(); err != nil {
		t.Error(err)
	}
	for _, part := range spec.Parts {
		if part.Ready == nil || part.Version == "" || part.Argv[0] == "" {
			t.Errorf("part %s is not whole: %+v", part.Name, part)
		}
		for _, arg := range part.Argv {
			if _, path, ok := strings.Cut(arg, "=/"); ok && strings.HasPrefix("/"+path, spec.Dir+"/") && !made[filepath.Base(path)] {
				if _, err := os.Stat("/" + path); err != nil {
					t.Errorf("part %s is told of a file that is not there: %v", part.Name, err)
				}
			}
		}
	}
}

// made are the files that the programs make themselves.
var made = map[string]bool{"etcd": true, "volume-plugins": true}

func TestMachineIsTheSameAgain(t *testing.T) {
	dir := t.TempDir()
	first, err := json.Marshal(setUp(t, example(dir)))
	if err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(setUp(t, example(dir)))
	if err != nil {
		t.Fatal(err)
	}
	if string(first) != string(again) {
		t.Errorf("an unchanged cluster would be restarted:\n%s\n%s", first, again)
	}
	changed := example(dir)
	changed.Pause = "gameday.local/pause:2"
	other, err := json.Marshal(setUp(t, changed))
	if err != nil {
		t.Fatal(err)
	}
	if string(first) == string(other) {
		t.Error("a change of a configuration file only would not be seen")
	}
}

func TestConfigurationIsFilledIn(t *testing.T) {
	c := example(t.TempDir())
	setUp(t, c)
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(c.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "{{") || strings.Contains(string(text), "<no value>") {
			t.Errorf("%s is not filled in:\n%s", name, text)
		}
		return string(text)
	}
	if !json.Valid([]byte(read("cni/10-gameday.conflist"))) {
		t.Error("the network's configuration is no JSON")
	}
	for _, name := range []string{"kubelet.yaml", "kube-proxy.yaml", "scheduler.yaml"} {
		if err := yaml.UnmarshalStrict([]byte(read(name)), &map[string]any{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, want := range map[string]string{
		"containerd.toml": `sandbox_image = "gameday.local/pause:1"`,
		"kubelet.yaml":    `clusterDNS: ["10.98.128.10"]`,
		"kube-proxy.yaml": `clusterCIDR: "10.98.64.0/20"`,
	} {
		if !strings.Contains(read(name), want) {
			t.Errorf("%s has no %s", name, want)
		}
	}
}

func TestWhatIsBelowVarStaysVisible(t *testing.T) {
	c := example(t.TempDir())
	setUp(t, c)
	c.Dir = "/var/lib/gameday/lab/primary"
	c.Programs = map[string]string{"etcd": "/var/cache/gameday/bin/etcd", "kubelet": "/usr/local/bin/kubelet"}
	var targets []string
	for _, m := range cluster.Mounts(c) {
		targets = append(targets, m.Source+" on "+m.Target)
	}
	want := []string{
		"/var/lib/gameday/lab/primary/volumes on /var/lib/gameday/lab/primary/var/lib/gameday-volumes",
		"/var/cache/gameday/bin on /var/lib/gameday/lab/primary/var/cache/gameday/bin",
		"/var/lib/gameday/lab/primary on /var/lib/gameday/lab/primary/var/lib/gameday/lab/primary",
		"/var/lib/gameday/lab/primary/var on /var",
	}
	if !slices.Equal(targets, want) {
		t.Errorf("got %q, want %q", targets, want)
	}
}

func TestKubeconfigHasBothContexts(t *testing.T) {
	one, two := example(t.TempDir()), example(t.TempDir())
	two.Name, two.Network.Address = "standby", "10.98.0.12/24"
	for _, c := range []cluster.Cluster{one, two} {
		if err := c.Credentials(); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := cluster.Kubeconfig(path, one, two); err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.LoadFromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if config.CurrentContext != "primary" || len(config.Contexts) != 2 {
		t.Errorf("current context %q of %d", config.CurrentContext, len(config.Contexts))
	}
	if got := config.Clusters["standby"].Server; got != "https://10.98.0.12:6443" {
		t.Errorf("the standby is at %s", got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("an administrator's key is readable by others: %v, %v", info.Mode(), err)
	}
}
