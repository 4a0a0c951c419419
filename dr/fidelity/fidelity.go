// Package fidelity holds what a restore made against what its backup holds, object by object and field by field.
//
// The truth is the tarball that Velero wrote, not the live objects before the loss: it is what the backup promised. Each of its
// objects ends in exactly one of four heaps: same, explained (each difference is covered by a rule, whose id and source are kept),
// changed, lost; so the population of the backup is their sum. What stands at the target and in no backup is unexpected or
// explained too. References that lead nowhere, or from a sandbox into production, are findings.
//
// The package knows no cluster client: live objects come through the interface Live. It judges nothing, and it prints no value of
// a Secret: such values are compared in memory and stand in the result only as a hash keyed by the run.
package fidelity

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
)

// Resource is a resource as an API server serves it, for example {Group: "apps", Version: "v1", Name: "deployments"}.
type Resource struct {
	Group      string `json:"group,omitempty"`
	Version    string `json:"version"`
	Name       string `json:"name"` // plural
	Kind       string `json:"kind"`
	Namespaced bool   `json:"namespaced,omitempty"`
}

// GroupResource is the name that Velero's tarball uses: deployments.apps, or pods.
func (r Resource) GroupResource() string {
	if r.Group == "" {
		return r.Name
	}
	return r.Name + "." + r.Group
}

// Live yields the objects at the target of a restore.
type Live interface {
	// Resources lists what the API serves and can list, once for each version. An API that could not be discovered is an error.
	Resources(ctx context.Context) ([]Resource, error)
	// List calls yield once for each object of the resource in the given namespaces, or in the whole cluster if there are none.
	// The objects belong to yield. An error of yield ends the list and is returned.
	List(ctx context.Context, of Resource, namespaces []string, yield func(object map[string]any) error) error
}

// Options say how the backup was restored. The zero value is a restore to where the objects came from.
type Options struct {
	NamespaceMapping  map[string]string `json:"namespaceMapping,omitempty"` // backup's namespace to target's, as given to Velero
	StorageClasses    map[string]string `json:"storageClasses,omitempty"`   // as given to Velero's change-storage-class plugin
	Images            map[string]string `json:"images,omitempty"`           // part of an image name to its substitute, as in change-image-name
	RestoreStatus     []string          `json:"restoreStatus,omitempty"`    // group-resources whose status was asked to be restored
	Restore           string            `json:"restore,omitempty"`          // name of the Restore; its label must stand on each object
	PreserveNodePorts bool              `json:"preserveNodePorts,omitempty"`
	// WholeCluster says that the backup holds all cluster-scoped objects, so that any other at the target is unexpected.
	WholeCluster bool       `json:"wholeCluster,omitempty"`
	Declared     []Declared `json:"declared,omitempty"` // the operator's own rules
	Limits       Limits     `json:"limits,omitzero"`
	// Key is the key of the hashes that stand for secret values, 16 bytes or more; a random one unless given.
	Key []byte `json:"-"`
}

// Limits bound what a tarball may ask of the machine, and how much of the result is written out.
type Limits struct {
	Object  int64 `json:"object,omitempty"`  // bytes of one object; 8 MiB unless given
	Objects int   `json:"objects,omitempty"` // files in the tarball; 2,000,000 unless given
	Total   int64 `json:"total,omitempty"`   // bytes when unpacked; 16 GiB unless given
	Kept    int64 `json:"kept,omitempty"`    // bytes of objects kept in memory, compressed; 384 MiB unless given
	Ratio   int64 `json:"ratio,omitempty"`   // unpacked to packed bytes, beyond the first 64 MiB; 200 unless given
	Listed  int   `json:"listed,omitempty"`  // objects written out in each list, the rest are counted; 1,000 unless given
}

func (l Limits) withDefaults() Limits {
	set := func(to *int64, unless int64) {
		if *to <= 0 {
			*to = unless
		}
	}
	set(&l.Object, 8<<20)
	set(&l.Total, 16<<30)
	set(&l.Kept, 384<<20)
	set(&l.Ratio, 200)
	if l.Objects <= 0 {
		l.Objects = 2_000_000
	}
	if l.Listed <= 0 {
		l.Listed = 1000
	}
	return l
}

// Problems says what is wrong with the options, all mistakes at once.
func (o Options) Problems() []string {
	var out []string
	targets := map[string]string{}
	for from, to := range o.NamespaceMapping {
		if from == "" || to == "" {
			out = append(out, fmt.Sprintf("namespaceMapping: %q to %q: both must be named", from, to))
		}
		if other, twice := targets[to]; twice {
			out = append(out, fmt.Sprintf("namespaceMapping: %q and %q both go to %q: their objects could not be told apart", min(from, other), max(from, other), to))
		}
		targets[to] = from
	}
	if len(o.Key) > 0 && len(o.Key) < 16 {
		out = append(out, fmt.Sprintf("key: has %d bytes, want 16 or more", len(o.Key)))
	}
	names := map[string]bool{}
	for i, d := range o.Declared {
		for _, problem := range d.Problems() {
			out = append(out, fmt.Sprintf("declared[%d].%s", i, problem))
		}
		if names[d.Name] {
			out = append(out, fmt.Sprintf("declared[%d].name: %q is there twice", i, d.Name))
		}
		names[d.Name] = true
	}
	return out
}

// Compare reads the tarball of a backup (the .tar.gz as Velero stores it) whole and holds the live objects against it. A tarball
// that is damaged, hostile or of an unknown layout is one of the Err values of this package; so a result was made of all of it.
func Compare(ctx context.Context, tarball io.Reader, live Live, o Options) (Result, error) {
	if problems := o.Problems(); len(problems) > 0 {
		var all []error
		for _, p := range problems {
			all = append(all, errors.New(p))
		}
		return Result{}, fmt.Errorf("compare with the backup: %w", errors.Join(all...))
	}
	if len(o.Key) == 0 {
		o.Key = make([]byte, 32)
		if _, err := rand.Read(o.Key); err != nil {
			return Result{}, fmt.Errorf("make a key for the hashes: %w", err)
		}
	}
	o.Limits = o.Limits.withDefaults()
	truth, err := readTarball(ctx, tarball, o.Limits)
	if err != nil {
		return Result{}, fmt.Errorf("read the backup's tarball: %w", err)
	}
	c := newComparison(truth, o)
	if err := c.run(ctx, live); err != nil {
		return Result{}, fmt.Errorf("compare with the backup: %w", err)
	}
	return c.finish(), nil
}
