// Package cluster sets up one single-node Kubernetes cluster of the lab: it
// writes certificates and configuration, and says which programs make the
// machine. It starts nothing itself.
package cluster

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"github.com/gamedayhq/gameday/suites/lab/folder"
	"github.com/gamedayhq/gameday/suites/lab/machine"
	"github.com/gamedayhq/gameday/suites/lab/pki"
)

// Cluster is one single-node Kubernetes cluster.
type Cluster struct {
	Name     string            // of the cluster, its machine and its only node
	Version  string            // of Kubernetes
	Dir      string            // the machine's folder
	Network  machine.Network   // of the node
	Pods     netip.Prefix      // addresses of pods
	Services netip.Prefix      // addresses of services
	Programs map[string]string // Kubernetes' servers and etcd: name to path
	Versions map[string]string // of those programs, where they are not Kubernetes'
	Pause    string            // image that holds a pod's namespaces
}

//go:embed files
var files embed.FS

// Credentials makes sure of the cluster's certificates and of a kubeconfig for
// each of its users.
func (c Cluster) Credentials() error {
	for _, write := range []func() error{c.certificates, c.kubeconfigs} {
		if err := write(); err != nil {
			return fmt.Errorf("make the credentials of cluster %s: %w", c.Name, err)
		}
	}
	return nil
}

// Machine writes what else the cluster's programs read and returns the machine
// that runs them.
func (c Cluster) Machine() (machine.Spec, error) {
	if err := c.folders(); err != nil {
		return machine.Spec{}, fmt.Errorf("set up cluster %s: %w", c.Name, err)
	}
	digest, err := c.configuration()
	if err != nil {
		return machine.Spec{}, fmt.Errorf("set up cluster %s: %w", c.Name, err)
	}
	parts := c.parts()
	for i := range parts {
		// No flag tells that a file changed: its digest in the environment makes the
		// machine see that it is not the same any more.
		parts[i].Env = append(parts[i].Env, "GAMEDAY_LAB_CONFIGURATION="+digest)
	}
	return machine.Spec{
		Name:     c.Name,
		Dir:      c.Dir,
		Hostname: c.Name,
		Network:  &c.Network,
		Cgroup:   true,
		Mounts:   c.mounts(),
		Parts:    parts,
	}, nil
}

// Server is the API server's URL.
func (c Cluster) Server() string { return "https://" + c.Node().String() + ":6443" }

// Node is the node's address.
func (c Cluster) Node() netip.Addr {
	return netip.MustParsePrefix(c.Network.Address).Addr()
}

// DNS is the address of the cluster's name service, as configured in the kubelet.
func (c Cluster) DNS() netip.Addr { return nth(c.Services, 10) }

// PKI is the folder of the cluster's certificates.
func (c Cluster) PKI() string { return filepath.Join(c.Dir, "pki") }

func (c Cluster) path(name string) string { return filepath.Join(c.Dir, name) }

// nth is the n-th address of a prefix.
func nth(prefix netip.Prefix, n int) netip.Addr {
	address := prefix.Masked().Addr()
	for range n {
		address = address.Next()
	}
	return address
}

// folders makes the machine's own /var. Kubelet, containerd and CNI keep state at
// places below /var that no flag moves; with a /var of its own the machine
// shares none of them with the host or with the other cluster.
func (c Cluster) folders() error {
	for _, name := range []string{"var/lib/kubelet", "var/log/pods", "var/log/containers", "var/tmp", "var/cache", "volumes", "cni", "containerd/opt"} {
		if err := os.MkdirAll(c.path(name), 0o755); err != nil {
			return err
		}
	}
	err := os.Symlink("/run", c.path("var/run"))
	if err != nil && !os.IsExist(err) {
		return err
	}
	return nil
}

// VolumeRoot is where the provisioner makes volumes, as the node sees it.
const VolumeRoot = "/var/lib/gameday-volumes"

func (c Cluster) mounts() []machine.Mount {
	mounts := []machine.Mount{
		{Source: c.path("volumes"), Target: c.path("var") + strings.TrimPrefix(VolumeRoot, "/var")},
	}
	// What lies below the host's /var and is needed inside keeps its path there.
	kept := map[string]bool{c.Dir: true}
	for _, program := range c.Programs {
		kept[filepath.Dir(program)] = true
	}
	for _, path := range slices.Sorted(maps.Keys(kept)) {
		if below, ok := strings.CutPrefix(path, "/var/"); ok {
			mounts = append(mounts, machine.Mount{Source: path, Target: filepath.Join(c.path("var"), below)})
		}
	}
	return append(mounts, machine.Mount{Source: c.path("var"), Target: "/var"})
}

// certificates makes sure of the cluster's authority and all it signs.
func (c Cluster) certificates() error {
	authority, err := pki.Open(c.PKI(), c.Name)
	if err != nil {
		return err
	}
	node := c.Node().String()
	requests := []pki.Request{
		{File: "apiserver", CommonName: "kube-apiserver", Hosts: []string{
			"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost",
			"127.0.0.1", node, nth(c.Services, 1).String(),
		}},
		{File: "etcd", CommonName: "etcd", Hosts: []string{"localhost", "127.0.0.1"}},
		{File: "kubelet", CommonName: node, Hosts: []string{c.Name, node}},
	}
	for _, u := range users(c.Name) {
		requests = append(requests, pki.Request{File: u.file, CommonName: u.name, Organizations: u.groups})
	}
	for _, r := range requests {
		if _, err := authority.Issue(r); err != nil {
			return err
		}
	}
	return authority.SigningKey("sa")
}

// configuration writes the programs' own files.
func (c Cluster) configuration() (digest string, err error) {
	// No name outside the cluster can be resolved in it: nothing there leads outside.
	if _, err := folder.Write(c.path("resolv.conf"), nil, 0o644); err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, file := range [][2]string{
		{"containerd.toml", "containerd.toml"},
		{"cni.conflist", "cni/10-gameday.conflist"},
		{"kubelet.yaml", "kubelet.yaml"},
		{"kube-proxy.yaml", "kube-proxy.yaml"},
		{"scheduler.yaml", "scheduler.yaml"},
	} {
		text, err := c.render(file[0])
		if err != nil {
			return "", err
		}
		sum.Write(text)
		if _, err := folder.Write(c.path(file[1]), text, 0o644); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:8]), nil
}

func (c Cluster) render(file string) ([]byte, error) {
	t, err := template.New(file).Option("missingkey=error").ParseFS(files, "files/"+file)
	if err != nil {
		return nil, fmt.Errorf("read template %s: %w", file, err)
	}
	var text bytes.Buffer
	if err := t.Execute(&text, c); err != nil {
		return nil, fmt.Errorf("fill in %s: %w", file, err)
	}
	return text.Bytes(), nil
}
