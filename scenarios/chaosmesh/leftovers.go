package chaosmesh

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

// annotationStep names the step that created a chaos object.
const annotationStep = "gameday.dev/step"

// Leftover is a chaos object that a drill has created and that is still in a cluster.
type Leftover struct {
	Run       string    `json:"run"`
	Step      string    `json:"step"`
	Kind      string    `json:"kind"`
	Namespace string    `json:"namespace"`
	Name      string    `json:"name"`
	Expires   time.Time `json:"expires,omitzero"` // when it should have been over; zero: it does not say, which counts as expired
}

// String names the object and the drill.
func (l Leftover) String() string {
	return fmt.Sprintf("%s %s/%s of step %q of drill %s", l.Kind, l.Namespace, l.Name, l.Step, l.Run)
}

// Leftovers returns the chaos objects of all drills, of every kind, in the namespaces; without one, in all. A cluster without Chaos
// Mesh has none. Its error tells of every kind that could not be listed: what is there may then be more than what is returned.
func Leftovers(ctx context.Context, cluster client.WithWatch, namespaces ...string) ([]Leftover, error) {
	if len(namespaces) == 0 {
		namespaces = []string{""}
	}
	var out []Leftover
	var errs []error
	for _, kind := range slices.Sorted(maps.Keys(v1alpha1.AllKinds())) {
		for _, namespace := range namespaces {
			found, err := leftoversOf(ctx, cluster, kind, namespace)
			out = append(out, found...)
			errs = append(errs, err)
			if errors.Is(err, scenarios.ErrUnreachable) {
				return out, errors.Join(errs...) // nor would the others be answered
			}
		}
	}
	return out, errors.Join(errs...)
}

func leftoversOf(ctx context.Context, cluster client.WithWatch, kind, namespace string) ([]Leftover, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(v1alpha1.SchemeGroupVersion.WithKind(kind + "List"))
	err := scenarios.Insist(ctx, func(ctx context.Context) error {
		return cluster.List(ctx, list, client.HasLabels{scenarios.LabelRun}, client.InNamespace(namespace))
	})
	if meta.IsNoMatchError(err) {
		return nil, nil // this cluster does not serve the kind
	}
	if err != nil {
		return nil, fmt.Errorf("look for what drills left among objects of kind %s: %w", kind, err)
	}
	var out []Leftover
	for i := range list.Items {
		out = append(out, leftover(kind, &list.Items[i]))
	}
	return out, nil
}

func leftover(kind string, object client.Object) Leftover {
	l := Leftover{
		Run: object.GetLabels()[scenarios.LabelRun], Step: object.GetAnnotations()[annotationStep],
		Kind: kind, Namespace: object.GetNamespace(), Name: object.GetName(),
	}
	if at, err := time.Parse(time.RFC3339, object.GetAnnotations()[scenarios.AnnotationExpires]); err == nil {
		l.Expires = at
	}
	return l
}

// Recover undoes what a drill left, by the code of the drill's own undo, and returns once that is proven: it stops the fault,
// deletes its object, climbs what the object says of its [Ladder], and looks for what is left. An object that is gone already
// counts as undone. It may be called twice, and by two processes at once; ctx must have a deadline.
func Recover(ctx context.Context, cluster client.WithWatch, l Leftover) (*reports.Proof, error) {
	kind, known := v1alpha1.AllKinds()[l.Kind]
	if !known {
		return nil, fmt.Errorf("undo %s: no gameday of this version knows the kind", l)
	}
	object, ok := kind.SpawnObject().(v1alpha1.InnerObject)
	if !ok {
		return nil, fmt.Errorf("undo %s: it injects nothing by itself", l)
	}
	err := scenarios.Insist(ctx, func(ctx context.Context) error {
		return cluster.Get(ctx, client.ObjectKey{Namespace: l.Namespace, Name: l.Name}, object)
	})
	gone := apierrors.IsNotFound(err) || meta.IsNoMatchError(err)
	if err != nil && !gone {
		return nil, fmt.Errorf("undo %s: %w", l, err)
	}
	if gone || object.GetLabels()[scenarios.LabelRun] != l.Run {
		return &reports.Proof{By: "object gone", Proven: true, Detail: "undone already"}, nil
	}
	object.GetObjectKind().SetGroupVersionKind(v1alpha1.SchemeGroupVersion.WithKind(l.Kind))
	fault, _ := object.DeepCopyObject().(v1alpha1.InnerObject)
	u := &undoing{
		fault: &Fault{Namespace: l.Namespace, Object: fault}, cluster: cluster, object: object,
		env:    scenarios.Env{Run: l.Run, Step: l.Step, Journal: unrecorded{}},
		ladder: ladderOf(object.GetAnnotations()[annotationLadder]),
	}
	proof, err := u.run(ctx)
	if err != nil {
		return nil, fmt.Errorf("undo %s: %w", l, err)
	}
	return proof, nil
}

// unrecorded is the journal of an undo that has none: what it saw is in its proof or its error.
type unrecorded struct{}

// Event forgets the event.
func (unrecorded) Event(reports.Event) error { return nil }

// Start is of no use without a record.
func (unrecorded) Start() time.Time { return time.Time{} }
