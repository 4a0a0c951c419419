// Package chaosmesh plays the faults of Chaos Mesh: one Fault for every kind, on the typed API module.
//
// It trusts no condition of a chaos object. A fault counts as injected when the controller's own account says so for every
// place it was to bite (injectedCount of each record) and, where there is one, an independent sign agrees; it counts as gone
// when each record is recovered, the object is away, and nothing of it is left.
package chaosmesh

import (
	"context"
	"fmt"
	"strings"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/scenarios"
)

// AddToScheme registers the types of Chaos Mesh.
func AddToScheme(scheme *runtime.Scheme) error { return v1alpha1.AddToScheme(scheme) }

// Fault is one chaos object: created to inject, deleted to undo.
type Fault struct {
	Cluster   string               // as the drill names it; empty for the drill's own
	Namespace string               // of the chaos object
	Object    v1alpha1.InnerObject // its kind and spec, defaulted
	radius    scenarios.BlastRadius
}

var (
	_ scenarios.Fault       = (*Fault)(nil)
	_ scenarios.Preflighter = (*Fault)(nil)
	_ scenarios.Describer   = (*Fault)(nil)
	_ scenarios.Problems    = (*Fault)(nil)
	_ scenarios.Bounded     = (*Fault)(nil)
)

func (f *Fault) kind() string { return f.Object.GetObjectKind().GroupVersionKind().Kind }

// Describe says which chaos on which pods.
func (f *Fault) Describe() string {
	words := []string{f.kind()}
	if action := f.action(); action != "" {
		words = append(words, action)
	}
	if selector := f.selector(); selector != nil {
		words = append(words, "on", string(selector.Mode), "of the pods", describeSelector(selector.Selector))
	}
	return strings.Join(words, " ")
}

// action returns the spec's action, for the kinds that have one.
func (f *Fault) action() string {
	switch chaos := f.Object.(type) {
	case *v1alpha1.PodChaos:
		return string(chaos.Spec.Action)
	case *v1alpha1.NetworkChaos:
		return string(chaos.Spec.Action)
	case *v1alpha1.IOChaos:
		return string(chaos.Spec.Action)
	case *v1alpha1.DNSChaos:
		return string(chaos.Spec.Action)
	case *v1alpha1.JVMChaos:
		return string(chaos.Spec.Action)
	default:
		return ""
	}
}

// object returns the chaos object to create: named and labelled after the drill, so that a new process finds it again.
func (f *Fault) object(env scenarios.Env) v1alpha1.InnerObject {
	object, _ := f.Object.DeepCopyObject().(v1alpha1.InnerObject)
	object.SetNamespace(f.Namespace)
	object.SetName(objectName(env))
	labels := map[string]string{scenarios.LabelRun: env.Run}
	for key, value := range object.GetLabels() {
		labels[key] = value
	}
	object.SetLabels(labels)
	return object
}

// objectName is the drill's identity and the step's name, cut to what a label may hold.
func objectName(env scenarios.Env) string {
	slug := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		default:
			return '-'
		}
	}, env.Step)
	return strings.Trim(env.Run+"-"+strings.Trim(slug, "-"), "-")
}

// Preflight finds out whether the kind is served and whether the fault would hit something, and something allowed.
func (f *Fault) Preflight(ctx context.Context, env scenarios.Env) error {
	cluster, err := env.Clusters.Get(f.Cluster)
	if err != nil {
		return err
	}
	if err := f.served(ctx, cluster); err != nil {
		return err
	}
	_, err = f.resolve(ctx, cluster)
	return err
}

// served tells a cluster without Chaos Mesh from one that cannot be asked.
func (f *Fault) served(ctx context.Context, cluster client.WithWatch) error {
	gvk := f.Object.GetObjectKind().GroupVersionKind()
	if _, err := cluster.RESTMapper().RESTMapping(gvk.GroupKind(), gvk.Version); err != nil {
		return fmt.Errorf("%s is not served by the cluster: install Chaos Mesh there (https://chaos-mesh.org): %w", gvk.Kind, err)
	}
	list := v1alpha1.AllKinds()[gvk.Kind].SpawnList()
	if err := cluster.List(ctx, list, client.InNamespace(f.Namespace), client.Limit(1)); err != nil {
		return fmt.Errorf("list %s in %q: %w", gvk.Kind, f.Namespace, err)
	}
	return nil
}
