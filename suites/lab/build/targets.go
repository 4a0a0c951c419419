package build

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// Target is one binary that can be built.
type Target struct {
	Name    string   // of the binary
	Pin     string   // the folder of pins that fixes its modules
	Package string   // import path of its main package
	Version string   // of the upstream's release
	Ldflags []string // of the linker, beside those that every target gets
	Cgo     bool     // has C of its own: built by a C compiler, static all the same
}

// The names end in .txt since a folder with a go.mod is a module of its own, and
// what is in it cannot be embedded.
//
//go:embed pins
var pinFiles embed.FS

const (
	kubernetesVersion = "v1.37.2"
	etcdVersion       = "v3.6.16"
	chaosMeshVersion  = "v0.9.1-0.20260902003049-47411975a8cb"
	veleroVersion     = "v1.18.3"
	awsPluginVersion  = "v1.14.3"
	coreDNSVersion    = "v1.15.0"
	versityVersion    = "v1.8.0"
	helmVersion       = "v4.3.1"
)

// Targets are the lab's binaries, those that are needed first in front.
func Targets() []Target {
	targets := kubernetes("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl")
	targets = append(targets, Target{Name: "etcd", Pin: "etcd", Package: "gameday.lab/etcd", Version: etcdVersion})
	targets = append(targets, chaosMesh("chaos-controller-manager", "chaos-daemon", "chaos-daemon-helper")...)
	targets = append(targets, velero("velero", "velero-restore-helper")...)
	return append(
		targets,
		Target{
			Name: "velero-plugin-for-aws", Pin: "velero-plugin-for-aws", Version: awsPluginVersion,
			Package: "github.com/vmware-tanzu/velero-plugin-for-aws/velero-plugin-for-aws",
		},
		Target{Name: "coredns", Pin: "coredns", Package: "github.com/coredns/coredns", Version: coreDNSVersion},
		Target{
			Name: "versitygw", Pin: "versitygw", Version: versityVersion,
			Package: "github.com/versity/versitygw/cmd/versitygw",
			Ldflags: []string{"-X", "main.Version=" + versityVersion},
		},
		Target{
			Name: "helm", Pin: "helm", Version: helmVersion,
			Package: "helm.sh/helm/v4/cmd/helm",
			Ldflags: []string{"-X", "helm.sh/helm/v4/internal/version.version=" + helmVersion},
		},
	)
}

// kubernetes stamps the version in both places that Kubernetes does: the servers
// report the one of component-base, their user agent has the one of client-go.
func kubernetes(names ...string) []Target {
	number := strings.Split(strings.TrimPrefix(kubernetesVersion, "v"), ".")
	var ldflags []string
	for _, path := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		ldflags = append(
			ldflags,
			"-X", path+".gitVersion="+kubernetesVersion,
			"-X", path+".gitMajor="+number[0],
			"-X", path+".gitMinor="+number[1],
		)
	}
	var targets []Target
	for _, name := range names {
		targets = append(targets, Target{
			Name: name, Pin: "kubernetes", Version: kubernetesVersion,
			Package: "k8s.io/kubernetes/cmd/" + name, Ldflags: ldflags,
		})
	}
	return targets
}

func chaosMesh(names ...string) []Target {
	const module = "github.com/chaos-mesh/chaos-mesh"
	var targets []Target
	for _, name := range names {
		targets = append(targets, Target{
			Name: name, Pin: "chaos-mesh", Version: chaosMeshVersion, Package: module + "/cmd/" + name,
			Ldflags: []string{"-X", module + "/pkg/version.gitVersion=" + chaosMeshVersion},
			// It traces processes to change their time; its stand-in without C is
			// behind the rest and does not compile.
			Cgo: name == "chaos-daemon",
		})
	}
	return targets
}

// velero has a default registry of its images stamped in, as upstream has it.
func velero(names ...string) []Target {
	const module = "github.com/vmware-tanzu/velero"
	var targets []Target
	for _, name := range names {
		targets = append(targets, Target{
			Name: name, Pin: "velero", Version: veleroVersion, Package: module + "/cmd/" + name,
			Ldflags: []string{
				"-X", module + "/pkg/buildinfo.Version=" + veleroVersion,
				"-X", module + "/pkg/buildinfo.ImageRegistry=velero",
			},
		})
	}
	return targets
}

// catalog is what can be built and the pins it is built from.
type catalog struct {
	targets []Target
	pins    fs.FS
}

func shipped() (catalog, error) {
	pins, err := fs.Sub(pinFiles, "pins")
	if err != nil {
		return catalog{}, fmt.Errorf("open the pins: %w", err)
	}
	return catalog{targets: Targets(), pins: pins}, nil
}

// pick returns the targets of these names in the catalog's order, all of them
// when no name is given.
func (c catalog) pick(names []string) ([]Target, error) {
	if len(names) == 0 {
		return c.targets, nil
	}
	var known []string
	for _, t := range c.targets {
		known = append(known, t.Name)
	}
	var unknown []string
	for _, name := range names {
		if !slices.Contains(known, name) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		return nil, fmt.Errorf("no target named %s; there are %s", strings.Join(unknown, ", "), strings.Join(known, ", "))
	}
	var picked []Target
	for _, t := range c.targets {
		if slices.Contains(names, t.Name) {
			picked = append(picked, t)
		}
	}
	return picked, nil
}
