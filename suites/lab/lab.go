// Package lab runs two real Kubernetes clusters on one Linux machine, with Chaos
// Mesh and Velero in both and a shop to break: for a first look, for tests and for
// rehearsals. It needs no container engine, no registry and no download beside Go
// modules and Debian packages.
//
//	primary  a node in namespaces of its own    the shop, Chaos Mesh, Velero
//	standby  another                            Chaos Mesh, Velero, room for the shop
//	depot    servers on the host's side         S3 store, Prometheus, Alertmanager, front door
//
// [Up] brings it to this state from whatever it finds, [Down] leaves nothing of it.
package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/gamedayhq/gameday/suites/lab/cluster"
	"github.com/gamedayhq/gameday/suites/lab/depot"
	"github.com/gamedayhq/gameday/suites/lab/folder"
	"github.com/gamedayhq/gameday/suites/lab/machine"
)

// Options say which lab is meant. The zero value is the usual one.
type Options struct {
	Dir     string // state; GAMEDAY_LAB_DIR or /var/lib/gameday/lab if empty
	Subnet  string // 16 bits of IPv4; GAMEDAY_LAB_SUBNET or 10.98.0.0/16 if empty
	Cache   string // gameday/lab in the user's cache folder if empty
	Program string // a gameday program, which is PID 1 of the machines and serves the shop; the running one if empty
	Report  func(Progress)
}

// Lab is a lab that is up, or was when it was opened.
type Lab struct {
	layout Layout
}

// ErrNone says that there is no lab.
var ErrNone = errors.New("there is no lab: start one by `gameday lab up`")

// mark is the file that says which lab is in a folder; it is written before
// anything is started, so where it is missing nothing runs.
type mark struct {
	Subnet string `json:"subnet"`
}

func (l Layout) markPath() string { return filepath.Join(l.Dir, "lab.json") }

func (l Layout) writeMark() error {
	text, err := json.Marshal(mark{Subnet: l.Subnet.String()})
	if err != nil {
		return fmt.Errorf("mark the lab's folder: %w", err)
	}
	_, err = folder.Write(l.markPath(), append(text, '\n'), 0o644)
	return err
}

// found returns the layout of the lab that is there: its own subnet, whatever the
// environment says now.
func (o Options) found() (Layout, error) {
	l, err := o.layout()
	if err != nil {
		return l, err
	}
	text, err := os.ReadFile(l.markPath())
	if errors.Is(err, os.ErrNotExist) {
		return l, ErrNone
	}
	if err != nil {
		return l, fmt.Errorf("look for a lab: %w", err)
	}
	var m mark
	if err := json.Unmarshal(text, &m); err != nil {
		return l, fmt.Errorf("read %s: %w", l.markPath(), err)
	}
	o.Subnet = m.Subnet
	return o.layout()
}

// Open returns the lab that is there, without a look at how it is.
func Open(o Options) (*Lab, error) {
	l, err := o.found()
	if err != nil {
		return nil, err
	}
	return &Lab{layout: l}, nil
}

// Kubeconfig is the path of a file with a context for each cluster, named after it.
func (l *Lab) Kubeconfig() string { return l.layout.Kubeconfig() }

// Config reaches a cluster with its administrator's rights.
func (l *Lab) Config(name string) (*rest.Config, error) {
	if _, err := l.cluster(name); err != nil {
		return nil, err
	}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: l.Kubeconfig()},
		&clientcmd.ConfigOverrides{CurrentContext: name},
	).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("reach cluster %s: %w", name, err)
	}
	config.QPS = -1 // the API server has its own fairness
	return config, nil
}

func (l *Lab) cluster(name string) (cluster.Cluster, error) {
	for _, c := range l.layout.clusters() {
		if c.Name == name {
			return c, nil
		}
	}
	return cluster.Cluster{}, fmt.Errorf("the lab has no cluster %q, only %s and %s", name, Primary, Standby)
}

// Machine steers a machine: primary, standby or depot.
func (l *Lab) Machine(name string) (machine.Client, error) {
	switch name {
	case Primary, Standby, Depot:
		return machine.Dial(l.layout.machine(name)), nil
	}
	return machine.Client{}, fmt.Errorf("the lab has no machine %q, only %s, %s and %s", name, Primary, Standby, Depot)
}

// Depot is what stands outside of the clusters: store, monitoring, front door.
func (l *Lab) Depot() depot.Depot { return l.layout.depot() }

// Lead sends the buyers to a cluster.
func (l *Lab) Lead(ctx context.Context, name string) error { return l.layout.depot().Lead(ctx, name) }

// KubeconfigPath is the kubeconfig of the lab that is there, empty when there is none.
func KubeconfigPath() string {
	l, err := Open(Options{})
	if err != nil {
		return ""
	}
	return l.Kubeconfig()
}
