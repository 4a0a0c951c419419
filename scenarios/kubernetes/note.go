package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/scenarios"
)

const (
	// LabelUndo stands, with the key of a fault, on what must be undone: a note, or the object that does the harm itself.
	LabelUndo = "gameday.dev/undo"
	// AnnotationStep names the step that did it.
	AnnotationStep = "gameday.dev/step"
	// AnnotationState is what the undo needs to know, as JSON, on objects that carry it themselves.
	AnnotationState = "gameday.dev/undo-state"

	noteKey = "undo" // of a note's data
)

// grace is added to a fault's own times before it counts as expired: the clocks of machines differ, and an undo takes its time.
const grace = 15 * time.Minute

// carrier is an object in the cluster that tells of a fault: enough to undo it without the drill.
type carrier struct {
	Fault  string        // its key
	Object client.Object // the note, or the object that does the harm
}

// state reads what the undo must know.
func (c carrier) state(into any) error {
	var raw []byte
	switch object := c.Object.(type) {
	case *corev1.ConfigMap:
		raw = []byte(object.Data[noteKey])
	case *corev1.Secret:
		raw = object.Data[noteKey]
	default:
		raw = []byte(object.GetAnnotations()[AnnotationState])
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("read what %s says of the undo: %w", c, err)
	}
	return nil
}

// String names the object, never what is in it.
func (c carrier) String() string {
	return fmt.Sprintf("%T %s", c.Object, client.ObjectKeyFromObject(c.Object))
}

// mark puts the drill's identity on an object of the fault.
func mark(ctx context.Context, env scenarios.Env, fault string, object client.Object) {
	labels := maps.Clone(object.GetLabels())
	if labels == nil {
		labels = map[string]string{}
	}
	labels[scenarios.LabelRun], labels[LabelUndo] = env.Run, fault
	object.SetLabels(labels)
	annotations := maps.Clone(object.GetAnnotations())
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[AnnotationStep] = env.Step
	annotations[scenarios.AnnotationExpires] = expires(ctx)
	object.SetAnnotations(annotations)
}

// unmark takes it off again.
func unmark(object client.Object) {
	labels, annotations := object.GetLabels(), object.GetAnnotations()
	delete(labels, scenarios.LabelRun)
	delete(labels, LabelUndo)
	for _, key := range []string{AnnotationStep, scenarios.AnnotationExpires, AnnotationState} {
		delete(annotations, key)
	}
	object.SetLabels(labels)
	object.SetAnnotations(annotations)
}

// times are a step's own.
type times struct{ hold, timeout time.Duration }

// Holds takes them: the faults of this package last until they are undone.
func (t *times) Holds(hold, timeout time.Duration) []string {
	t.hold, t.timeout = hold, timeout
	return nil
}

// lasts is the key of a context's time for a fault.
type lasts struct{}

// until lets what is marked under the context expire when the fault was done, held and undone, each as slowly as it may.
func (t *times) until(ctx context.Context) context.Context {
	return context.WithValue(ctx, lasts{}, t.hold+2*t.timeout)
}

// expires is when a fault that is begun now should be over at the latest.
func expires(ctx context.Context) string {
	takes, _ := ctx.Value(lasts{}).(time.Duration)
	return time.Now().Add(takes + grace).UTC().Format(time.RFC3339)
}

// keep writes a note of a fault before its deed. A note that is there already, of another step or drill, means that the target
// is under a fault: two faults on one target could not be undone.
func keep(ctx context.Context, env scenarios.Env, cluster client.WithWatch, note client.Object, fault string, state any) error {
	raw, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("write what the undo must know: %w", err)
	}
	switch note := note.(type) {
	case *corev1.ConfigMap:
		note.Data = map[string]string{noteKey: string(raw)}
		note.Immutable = new(true)
	case *corev1.Secret:
		note.Data = map[string][]byte{noteKey: raw}
		note.Immutable = new(true)
	default:
		return fmt.Errorf("write a note as %T: want a ConfigMap or a Secret", note)
	}
	mark(ctx, env, fault, note)
	if err := cluster.Create(ctx, note); err != nil {
		if apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("the target is under another fault, by %s %s: wait until that drill is over, or sweep what it left (gameday sweep)",
				note.GetObjectKind().GroupVersionKind().Kind, client.ObjectKeyFromObject(note))
		}
		return fmt.Errorf("write what the undo must know, before anything is touched: %w", err)
	}
	return nil
}

// find gets the note, or the object that does the harm, that this step has made; none when it is not there.
func find(ctx context.Context, env scenarios.Env, cluster client.WithWatch, object client.Object) ([]carrier, error) {
	err := scenarios.Insist(ctx, func(ctx context.Context) error {
		return cluster.Get(ctx, client.ObjectKeyFromObject(object), object)
	})
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("look for what must be undone: %w", err)
	}
	absent := apierrors.IsNotFound(err)
	if absent || object.GetLabels()[scenarios.LabelRun] != env.Run || object.GetAnnotations()[AnnotationStep] != env.Step {
		return nil, nil
	}
	return []carrier{{Fault: object.GetLabels()[LabelUndo], Object: object}}, nil
}

// forget removes a note, or an object that does harm, once the undo was seen. It is made sure that it is the one that was read.
func forget(ctx context.Context, cluster client.WithWatch, left carrier) error {
	uid := left.Object.GetUID()
	err := scenarios.Insist(ctx, func(ctx context.Context) error {
		if uid == "" {
			return cluster.Delete(ctx, left.Object)
		}
		return cluster.Delete(ctx, left.Object, client.Preconditions{UID: &uid})
	})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete %s: %w", left, err)
	}
	return nil
}

// noteMeta names a note. What it is named after is what two faults must not share: a target, or only a step.
func noteMeta(namespace, fault string, after ...string) metav1.ObjectMeta {
	sum := fnv.New64a()
	for _, word := range after {
		_, _ = sum.Write([]byte(word)) // never fails, by its documentation
		_, _ = sum.Write([]byte{0})
	}
	return metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("gameday-%s-%016x", fault, sum.Sum64())}
}

func groupVersionKind(apiVersion, kind string) (schema.GroupVersionKind, error) {
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		return schema.GroupVersionKind{}, fmt.Errorf("apiVersion %q: %w", apiVersion, err)
	}
	return gv.WithKind(kind), nil
}

func untyped(gvk schema.GroupVersionKind) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(gvk)
	return object
}
