// Package depot sets up the machine beside the clusters: the S3 store that holds
// their backups, Prometheus and Alertmanager that watch the shop, and the front
// door through which buyers reach it. Its servers listen on the lab's own address
// of the host only.
package depot

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"text/template"
	"time"

	"github.com/gamedayhq/gameday/suites/lab/folder"
	"github.com/gamedayhq/gameday/suites/lab/machine"
)

// Depot is the machine outside of the clusters.
type Depot struct {
	Dir      string // the machine's folder
	Address  netip.Addr
	Program  string            // of the S3 store
	Versions map[string]string // of the parts
	Sites    []Site            // the first is where the front door leads at first
}

// Site is a cluster as the depot sees it.
type Site struct {
	Name     string
	Shop     string // address and port where the cluster serves the shop
	Observer string // kubeconfig that may look at pods
}

// Ports are where the depot's servers listen.
type Ports struct{ Store, Prometheus, Alertmanager, FrontDoor, Metrics, Targets int }

// Ports are the same in every lab: each lab has an address of its own.
func (d Depot) Ports() Ports {
	return Ports{Store: 9000, Prometheus: 9090, Alertmanager: 9093, FrontDoor: 8080, Metrics: 8405, Targets: 8406}
}

func (d Depot) url(port int) string { return fmt.Sprintf("http://%s:%d", d.Address, port) }

// PrometheusURL is where Prometheus answers.
func (d Depot) PrometheusURL() string { return d.url(d.Ports().Prometheus) }

// AlertmanagerURL is where Alertmanager answers.
func (d Depot) AlertmanagerURL() string { return d.url(d.Ports().Alertmanager) }

// FrontDoorURL is where buyers go.
func (d Depot) FrontDoorURL() string { return d.url(d.Ports().FrontDoor) }

//go:embed files
var files embed.FS

// Machine writes all that the depot's programs read and returns the machine that
// runs them.
func (d Depot) Machine() (machine.Spec, error) {
	spec := machine.Spec{Name: "depot", Dir: d.Dir, Hostname: "depot"}
	for _, name := range []string{"s3/data", "s3/versions", "prometheus", "alertmanager"} {
		if err := os.MkdirAll(d.path(name), 0o755); err != nil {
			return spec, fmt.Errorf("set up depot: %w", err)
		}
	}
	keys, err := d.Keys()
	if err != nil {
		return spec, fmt.Errorf("set up depot: %w", err)
	}
	digest, err := d.configuration()
	if err != nil {
		return spec, fmt.Errorf("set up depot: %w", err)
	}
	// No flag tells that a file changed: its digest in the environment makes the
	// machine see that it is not the same any more.
	spec.Parts = d.parts(keys, "GAMEDAY_LAB_CONFIGURATION="+digest)
	return spec, nil
}

func (d Depot) path(name string) string { return filepath.Join(d.Dir, name) }

func (d Depot) configuration() (digest string, err error) {
	sum := sha256.New()
	for _, file := range []string{"haproxy.cfg", "prometheus.yml", "rules.yml", "alertmanager.yml"} {
		text, err := d.render(file)
		if err != nil {
			return "", err
		}
		sum.Write(text)
		if _, err := folder.Write(d.path(file), text, 0o644); err != nil {
			return "", err
		}
	}
	if _, err := os.Stat(d.doorMap()); os.IsNotExist(err) {
		if err := d.keepDoor(d.Sites[0].Name); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:8]), nil
}

func (d Depot) render(file string) ([]byte, error) {
	t := template.New(file)
	if file == "rules.yml" { // has braces of its own
		t = t.Delims("<<", ">>")
	}
	t, err := t.ParseFS(files, "files/"+file)
	if err != nil {
		return nil, fmt.Errorf("read template %s: %w", file, err)
	}
	var text bytes.Buffer
	if err := t.Execute(&text, d); err != nil {
		return nil, fmt.Errorf("fill in %s: %w", file, err)
	}
	return text.Bytes(), nil
}

func (d Depot) parts(keys Keys, configuration string) []machine.Part {
	ports := d.Ports()
	listen := func(port int) string { return fmt.Sprintf("%s:%d", d.Address, port) }
	parts := []machine.Part{
		{
			Name: "s3",
			Argv: []string{d.Program, "--port", listen(ports.Store), "--quiet", "posix", "--versioning-dir", d.path("s3/versions"), d.path("s3/data")},
			Env:  []string{"ROOT_ACCESS_KEY=" + keys.Access, "ROOT_SECRET_KEY=" + keys.Secret},
		},
		{
			Name: "targets",
			// PID 1 of the machine is gameday itself, wherever the host has it.
			Argv:  append([]string{"/proc/1/exe", "lab", "serve", "targets", listen(ports.Targets)}, d.observers()...),
			Ready: &machine.Check{Target: d.url(ports.Targets) + "/"},
		},
		{
			Name: "prometheus",
			Argv: []string{
				"prometheus", "--config.file=" + d.path("prometheus.yml"), "--storage.tsdb.path=" + d.path("prometheus"),
				"--storage.tsdb.retention.time=1d", "--web.listen-address=" + listen(ports.Prometheus), "--log.level=warn",
			},
			Ready: &machine.Check{Target: d.PrometheusURL() + "/-/ready"},
		},
		{
			Name: "alertmanager",
			Argv: []string{
				"prometheus-alertmanager", "--config.file=" + d.path("alertmanager.yml"), "--storage.path=" + d.path("alertmanager"),
				"--web.listen-address=" + listen(ports.Alertmanager), "--cluster.listen-address=", "--log.level=warn",
			},
			Ready: &machine.Check{Target: d.AlertmanagerURL() + "/-/ready"},
		},
		{
			Name:  "front-door",
			Argv:  []string{"haproxy", "-db", "-f", d.path("haproxy.cfg")},
			Ready: &machine.Check{Target: "unix://" + d.path("haproxy.sock")},
		},
	}
	for i := range parts {
		parts[i].Version = d.Versions[parts[i].Name]
		parts[i].Restart = true
		parts[i].Env = append(parts[i].Env, configuration)
		if parts[i].Ready == nil {
			parts[i].Ready = &machine.Check{Target: "tcp://" + listen(ports.Store)}
		}
		parts[i].Ready.Interval = 100 * time.Millisecond
	}
	return parts
}

// Keys open the S3 store.
type Keys struct{ Access, Secret string }

// Keys are made at first and kept with the lab.
func (d Depot) Keys() (Keys, error) {
	path := d.path("s3/keys.json")
	raw, err := os.ReadFile(path)
	if err == nil {
		var keys Keys
		if err := json.Unmarshal(raw, &keys); err != nil {
			return Keys{}, fmt.Errorf("read %s: %w", path, err)
		}
		return keys, nil
	}
	if !os.IsNotExist(err) {
		return Keys{}, fmt.Errorf("read the store's keys: %w", err)
	}
	keys := Keys{Access: "gameday", Secret: rand.Text()}
	if raw, err = json.Marshal(keys); err != nil {
		return Keys{}, fmt.Errorf("encode the store's keys: %w", err)
	}
	_, err = folder.Write(path, raw, 0o600)
	return keys, err
}
