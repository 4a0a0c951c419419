package kubernetes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

// Leftover is something in a cluster that a drill has done and that is not undone.
type Leftover struct {
	Run       string    `json:"run"`
	Step      string    `json:"step"`
	Fault     string    `json:"fault"`               // the key of the step's action
	Kind      string    `json:"kind"`                // of the object that tells of it
	Namespace string    `json:"namespace,omitempty"` // of that object
	Name      string    `json:"name"`                // of that object
	Expires   time.Time `json:"expires,omitzero"`    // when it should have been over
}

// String names the fault and the object that tells of it.
func (l Leftover) String() string {
	where := l.Name
	if l.Namespace != "" {
		where = l.Namespace + "/" + l.Name
	}
	return fmt.Sprintf("%s of step %q of drill %s (%s %s)", l.Fault, l.Step, l.Run, l.Kind, where)
}

// carriers are the kinds of objects that tell of a fault.
func carriers() []client.Object {
	return []client.Object{&corev1.Node{}, &corev1.ConfigMap{}, &corev1.Secret{}, &corev1.ResourceQuota{}, &networkingv1.NetworkPolicy{}}
}

// order is in which leftovers are undone: first what keeps pods from starting, last what waits for them to be ready.
var order = []string{keyQuota, keyCut, keyCordon, keyRotate, keyDrain, keyScale, keyDelete}

// Leftovers returns what drills have done in a cluster by the faults of this package and not undone, to nodes and in the namespaces
// (without one, in all), in the order in which to recover it: a pod that was scaled away comes back only where none is forbidden,
// say. Only metadata is read, so no secret passes. Its error tells of every kind that could not be listed: what is there may then be
// more than what is returned.
func Leftovers(ctx context.Context, cluster client.WithWatch, namespaces ...string) ([]Leftover, error) {
	var out []Leftover
	var errs []error
	for _, kind := range carriers() {
		gvk, err := cluster.GroupVersionKindFor(kind)
		if err != nil {
			return nil, fmt.Errorf("list what drills left: %w", err)
		}
		for _, namespace := range places(kind, namespaces) {
			list := &metav1.PartialObjectMetadataList{}
			list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
			if err := cluster.List(ctx, list, client.HasLabels{LabelUndo}, client.InNamespace(namespace)); err != nil {
				errs = append(errs, fmt.Errorf("look for what drills left among objects of kind %s: %w", gvk.Kind, err))
				continue
			}
			for i := range list.Items {
				out = append(out, leftover(gvk.Kind, &list.Items[i]))
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Leftover) int {
		return cmp.Compare(slices.Index(order, a.Fault), slices.Index(order, b.Fault))
	})
	return out, errors.Join(errs...)
}

// places are the namespaces in which objects of the kind are looked for; the empty one is the whole cluster.
func places(kind client.Object, namespaces []string) []string {
	if _, node := kind.(*corev1.Node); node || len(namespaces) == 0 {
		return []string{""}
	}
	return namespaces
}

func leftover(kind string, object client.Object) Leftover {
	l := Leftover{
		Run: object.GetLabels()[scenarios.LabelRun], Step: object.GetAnnotations()[AnnotationStep],
		Fault: object.GetLabels()[LabelUndo], Kind: kind, Namespace: object.GetNamespace(), Name: object.GetName(),
	}
	// A time that cannot be read is none: such a leftover counts as expired.
	if at, err := time.Parse(time.RFC3339, object.GetAnnotations()[scenarios.AnnotationExpires]); err == nil {
		l.Expires = at
	}
	return l
}

// Recover undoes what a drill left, by the code of the drill's own undo, and returns once that is proven. What is gone already is
// undone. It may be called twice, and by two processes at once. Give each leftover a deadline of its own: one may wait in vain for
// what only another's recovery brings.
func Recover(ctx context.Context, cluster client.WithWatch, l Leftover) (*reports.Proof, error) {
	undoer, known := undoers[l.Fault]
	if !known {
		return nil, fmt.Errorf("undo %s: no gameday of this version knows the fault %q", l, l.Fault)
	}
	for _, object := range carriers() {
		gvk, err := cluster.GroupVersionKindFor(object)
		if err != nil {
			return nil, fmt.Errorf("undo %s: %w", l, err)
		}
		if gvk.Kind != l.Kind {
			continue
		}
		err = scenarios.Insist(ctx, func(ctx context.Context) error {
			return cluster.Get(ctx, client.ObjectKey{Namespace: l.Namespace, Name: l.Name}, object)
		})
		absent := apierrors.IsNotFound(err)
		switch {
		case err != nil && !absent:
			return nil, fmt.Errorf("undo %s: %w", l, err)
		case absent || object.GetLabels()[LabelUndo] != l.Fault || object.GetLabels()[scenarios.LabelRun] != l.Run:
			return &reports.Proof{By: "no note of the fault in the cluster", Proven: true, Detail: "undone already"}, nil
		}
		proof, err := undoer(ctx, cluster, carrier{Fault: l.Fault, Object: object})
		if err != nil {
			return nil, fmt.Errorf("undo %s: %w", l, err)
		}
		return proof, nil
	}
	return nil, fmt.Errorf("undo %s: no fault of gameday leaves a %s", l, l.Kind)
}
