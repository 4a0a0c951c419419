// Package chaosmesh plays the faults of Chaos Mesh: one Fault for every kind, on the typed API module.
//
// It trusts no condition of a chaos object. A fault counts as injected when the controller's own account says so for every
// place it was to bite (injectedCount of each record) and, where there is one, an independent sign agrees; it counts as gone
// when each record is recovered, the object is away, and nothing of it is left.
package chaosmesh

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/gamedayhq/gameday/scenarios"
)

// AddToScheme registers the types of Chaos Mesh.
func AddToScheme(scheme *runtime.Scheme) error { return v1alpha1.AddToScheme(scheme) }

// Fault is one chaos object: created to inject, deleted to undo.
type Fault struct {
	Cluster   string               // as the drill names it; empty for the drill's own
	Namespace string               // of the chaos object
	Object    v1alpha1.InnerObject // its kind and spec, defaulted
	Ladder    Ladder               // what its undo may do beyond stopping and deleting
	radius    scenarios.BlastRadius
	bounded   bool // its duration is ours, made of the step's times
}

var (
	_ scenarios.Fault       = (*Fault)(nil)
	_ scenarios.Preflighter = (*Fault)(nil)
	_ scenarios.Describer   = (*Fault)(nil)
	_ scenarios.Problems    = (*Fault)(nil)
	_ scenarios.Bounded     = (*Fault)(nil)
	_ scenarios.Held        = (*Fault)(nil)
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

// object returns the chaos object to create: named and labelled after the drill, so that a new process finds it again, with
// all that its undo must know.
func (f *Fault) object(env scenarios.Env) v1alpha1.InnerObject {
	object, _ := f.Object.DeepCopyObject().(v1alpha1.InnerObject)
	object.SetNamespace(f.Namespace)
	object.SetName(objectName(env))
	labels := map[string]string{}
	maps.Copy(labels, object.GetLabels())
	labels[scenarios.LabelRun] = env.Run
	object.SetLabels(labels)
	annotations := map[string]string{}
	maps.Copy(annotations, object.GetAnnotations())
	annotations[annotationStep] = env.Step
	if f.Ladder.any() {
		annotations[annotationLadder] = f.Ladder.String()
	}
	object.SetAnnotations(annotations)
	return object
}

// grace is added to a fault's own time before it counts as expired: the clocks of machines differ, and an undo takes its time.
const grace = 15 * time.Minute

// expires is when a fault that is created now should be over at the latest.
func (f *Fault) expires() (string, error) {
	duration, err := f.duration()
	if err != nil && !f.Object.IsOneShot() {
		return "", err
	}
	if duration <= 0 && !f.Object.IsOneShot() {
		return "", fmt.Errorf("%s has no duration: nothing would end it if nobody were left to undo it", f.kind())
	}
	return time.Now().Add(max(duration, 0) + grace).UTC().Format(time.RFC3339), nil
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
