package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

// Delete deletes pods, or other objects of a namespace. The undo waits until a controller has replaced the pods, and makes again,
// as it was, what no controller does.
type Delete struct {
	Cluster    string            `json:"cluster,omitempty"`
	Namespace  string            `json:"namespace"`
	APIVersion string            `json:"apiVersion,omitempty"` // v1 unless said
	Kind       string            `json:"kind,omitempty"`       // Pod unless said
	Name       string            `json:"name,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
	// Count says how many of those that the labels select: a number, or a share (rounded down); one unless said. Which ones is
	// left to chance, drawn from the drill's identity.
	Count *intstr.IntOrString `json:"count,omitempty"`
	Grace *reports.Duration   `json:"grace,omitempty"` // of a pod, instead of its own; 0s kills

	radius scenarios.BlastRadius
	times
}

var (
	_ scenarios.Fault       = (*Delete)(nil)
	_ scenarios.Preflighter = (*Delete)(nil)
	_ scenarios.Describer   = (*Delete)(nil)
	_ scenarios.Problems    = (*Delete)(nil)
	_ scenarios.Bounded     = (*Delete)(nil)
	_ scenarios.Held        = (*Delete)(nil)
)

// irrecoverable kinds take with them what no manifest brings back.
var irrecoverable = []string{"Namespace", "Node", "PersistentVolume", "PersistentVolumeClaim", "CustomResourceDefinition"}

func (d *Delete) apiVersion() string {
	if d.APIVersion == "" {
		return "v1"
	}
	return d.APIVersion
}

func (d *Delete) kind() string {
	if d.Kind == "" {
		return "Pod"
	}
	return d.Kind
}

func (d *Delete) what() string {
	if d.Name != "" {
		return fmt.Sprintf("%s %s/%s", d.kind(), d.Namespace, d.Name)
	}
	return fmt.Sprintf("%s with %s in namespace %s", d.kind(), labelsOf(d.Labels), d.Namespace)
}

// Problems says offline what is wrong with the fault.
func (d *Delete) Problems() []string {
	out := needed(keyDelete, "namespace", d.Namespace)
	if (d.Name == "") == (len(d.Labels) == 0) {
		out = append(out, "delete: say what with name, or with labels: one of the two")
	}
	if d.Name != "" && d.Count != nil {
		out = append(out, "delete.count: counts what labels select; a name is one")
	}
	if d.Count != nil {
		n, err := intstr.GetScaledValueFromIntOrPercent(d.Count, 100, false)
		if err != nil || n < 1 || d.Count.Type == intstr.String && n > 100 {
			out = append(out, fmt.Sprintf("delete.count: is %q, want a number or a share such as 34%%", d.Count.String()))
		}
	}
	if slices.Contains(irrecoverable, d.kind()) {
		out = append(out, fmt.Sprintf("delete.kind: a %s takes with it what no undo brings back: play its loss with lose, and a later restore that undoes it", d.kind()))
	}
	if d.Grace != nil && (*d.Grace < 0 || d.kind() != "Pod") {
		out = append(out, "delete.grace: is a time of pods, none or more")
	}
	if _, err := groupVersionKind(d.apiVersion(), d.kind()); err != nil {
		out = append(out, fmt.Sprintf("delete.apiVersion: is %q, want group/version, apps/v1 say", d.APIVersion))
	}
	return out
}

// Bound keeps the scenario's blast radius and says offline in what the fault exceeds it.
func (d *Delete) Bound(radius scenarios.BlastRadius) []string {
	d.radius = radius
	return reach(keyDelete, radius, d.Namespace)
}

// Describe says what is deleted.
func (d *Delete) Describe() string {
	if d.Name != "" {
		return "delete " + d.what()
	}
	count := "1"
	if d.Count != nil {
		count = d.Count.String()
	}
	return "delete " + count + " " + d.what()
}

// Preflight finds out whether there is something to delete.
func (d *Delete) Preflight(ctx context.Context, env scenarios.Env) error {
	cluster, err := env.Clusters.Get(d.Cluster)
	if err != nil {
		return err
	}
	_, err = d.resolve(ctx, env, cluster)
	return err
}

// resolve finds what would be deleted.
func (d *Delete) resolve(ctx context.Context, env scenarios.Env, cluster client.WithWatch) ([]unstructured.Unstructured, error) {
	found, n, err := d.candidates(ctx, cluster)
	if err != nil {
		return nil, err
	}
	chosen := choose(env, found, n)
	if len(chosen) == 0 {
		return nil, fmt.Errorf("%w: there are %d %s, of which %s is none", scenarios.ErrVoid, len(found), d.what(), d.Describe())
	}
	return chosen, d.check(ctx, cluster, found, len(chosen))
}

// candidates finds what is selected, and how many of it would be deleted.
func (d *Delete) candidates(ctx context.Context, cluster client.WithWatch) (found []unstructured.Unstructured, n int, err error) {
	gvk, err := groupVersionKind(d.apiVersion(), d.kind())
	if err != nil {
		return nil, 0, err
	}
	if d.Name != "" {
		object := untyped(gvk)
		err := cluster.Get(ctx, client.ObjectKey{Namespace: d.Namespace, Name: d.Name}, object)
		if err := gone(err, d.what()); err != nil {
			return nil, 0, err
		}
		return []unstructured.Unstructured{*object}, 1, nil
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
	if err := cluster.List(ctx, list, &client.ListOptions{Namespace: d.Namespace, LabelSelector: labelsOf(d.Labels)}); err != nil {
		return nil, 0, fmt.Errorf("list %s: %w", d.what(), err)
	}
	found = slices.DeleteFunc(list.Items, func(object unstructured.Unstructured) bool {
		phase, _, _ := unstructured.NestedString(object.Object, "status", "phase")
		over := d.kind() == "Pod" && (phase == string(corev1.PodSucceeded) || phase == string(corev1.PodFailed))
		return over || object.GetDeletionTimestamp() != nil
	})
	n = 1
	if d.Count != nil {
		if n, err = intstr.GetScaledValueFromIntOrPercent(d.Count, len(found), false); err != nil {
			return nil, 0, fmt.Errorf("count %s: %w", d.Count.String(), err)
		}
	}
	return found, min(n, len(found)), nil
}

// check holds what would be hit against the blast radius: the pods, also those that go with their workload.
func (d *Delete) check(ctx context.Context, cluster client.WithWatch, found []unstructured.Unstructured, hits int) error {
	targets := scenarios.Targets{Namespaces: []string{d.Namespace}}
	for i := range found {
		if d.kind() == "Pod" {
			pod, err := podFrom(&found[i])
			if err != nil {
				return err
			}
			targets.Pods, targets.Hits = append(targets.Pods, *pod), hits
			continue
		}
		if set := matchLabels(&found[i]); len(set) > 0 {
			pods, err := listPods(ctx, cluster, d.Namespace, labelsOf(set))
			if err != nil {
				return err
			}
			targets.Pods = append(targets.Pods, pods...)
		}
	}
	return d.radius.Check(ctx, cluster, targets)
}

// deleted is what the undo of a deletion must know.
type deleted struct {
	Pods    []group           `json:"pods,omitempty"`    // that were ready, and must be again
	Objects []json.RawMessage `json:"objects,omitempty"` // to make again
}

// Do writes down what goes, deletes it, and returns once it is gone by UID.
func (d *Delete) Do(ctx context.Context, env scenarios.Env) error {
	ctx = d.until(ctx)
	cluster, err := env.Clusters.Get(d.Cluster)
	if err != nil {
		return err
	}
	objects, err := d.resolve(ctx, env, cluster)
	if err != nil {
		return err
	}
	var targets []reports.Target
	for i := range objects {
		targets = append(targets, target(d.Cluster, d.kind(), &objects[i]))
	}
	if err := env.Fact(reports.TopicTargets, targets, fmt.Sprintf("%d: %s", len(objects), d.what())); err != nil {
		return err
	}
	was, err := inventory(ctx, cluster, objects)
	if err != nil {
		return err
	}
	if err := keep(ctx, env, cluster, d.note(env), keyDelete, was); err != nil {
		return err
	}
	for i := range objects {
		if err := d.remove(ctx, cluster, &objects[i]); err != nil {
			return err
		}
	}
	for i := range objects {
		if err := awaitRemoved(ctx, cluster, &objects[i]); err != nil {
			return fmt.Errorf("%w: not injected: %w", scenarios.ErrVoid, err)
		}
	}
	proof := &reports.Proof{By: "uid gone", Independent: true, Proven: true, Detail: fmt.Sprintf("%d of kind %s are gone by UID", len(objects), d.kind())}
	return env.Fact(reports.TopicInjected, proof, proof.Detail)
}

// note is a Secret where it holds secrets. A step's own: several deletions may go on at once.
func (d *Delete) note(env scenarios.Env) client.Object {
	meta := noteMeta(d.Namespace, keyDelete, env.Run, env.Step)
	if d.kind() == "Secret" {
		return &corev1.Secret{ObjectMeta: meta}
	}
	return &corev1.ConfigMap{ObjectMeta: meta}
}

func (d *Delete) remove(ctx context.Context, cluster client.WithWatch, object client.Object) error {
	uid := object.GetUID()
	options := &client.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}, PropagationPolicy: new(metav1.DeletePropagationBackground)}
	if d.Grace != nil {
		options.GracePeriodSeconds = new(int64(d.Grace.D() / time.Second))
	}
	err := cluster.Delete(ctx, object, options)
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("delete %s %s: %w", d.kind(), client.ObjectKeyFromObject(object), err)
	}
	return nil
}

// awaitRemoved waits until an object is gone, by its UID: another may stand under its name at once.
func awaitRemoved(ctx context.Context, cluster client.WithWatch, object *unstructured.Unstructured) error {
	uid := object.GetUID()
	seen := object.DeepCopy()
	return scenarios.Await(ctx, cluster, seen, func(found bool) scenarios.State {
		if !found || seen.GetUID() != uid {
			return scenarios.State{Done: true, Seen: "gone"}
		}
		if finalizers := seen.GetFinalizers(); len(finalizers) > 0 {
			return scenarios.State{Seen: fmt.Sprintf("still there, held by the finalizers %v", finalizers)}
		}
		return scenarios.State{Seen: "still there"}
	})
}

// Undo makes again what was deleted, and returns once it is there and as many pods are ready as before.
func (d *Delete) Undo(ctx context.Context, env scenarios.Env) error {
	cluster, err := env.Clusters.Get(d.Cluster)
	if err != nil {
		return err
	}
	left, err := find(ctx, env, cluster, d.note(env))
	if err != nil {
		return err
	}
	return undo(ctx, env, cluster, left...)
}

// undelete undoes a deletion by its note.
func undelete(ctx context.Context, cluster client.WithWatch, left carrier) (*reports.Proof, error) {
	var was deleted
	if err := left.state(&was); err != nil {
		return nil, err
	}
	for _, raw := range was.Objects {
		if err := remake(ctx, cluster, raw); err != nil {
			return nil, err
		}
	}
	var errs []error
	ready := 0
	for _, pods := range was.Pods {
		errs = append(errs, pods.await(ctx, cluster))
		ready += pods.Ready
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	proof := &reports.Proof{
		By: "pods ready", Independent: true, Proven: true,
		Detail: fmt.Sprintf("%d objects made again, %d pods ready, as before", len(was.Objects), ready),
	}
	if ready == 0 {
		// Nobody but the API tells of an object on which no pod depends.
		proof.By, proof.Independent = "objects there again", false
	}
	return proof, forget(ctx, cluster, left)
}
