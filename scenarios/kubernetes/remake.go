package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/scenarios"
)

// inventory writes down what the undo of a deletion must make again, and which pods must be ready again.
func inventory(ctx context.Context, cluster client.WithWatch, objects []unstructured.Unstructured) (deleted, error) {
	var was deleted
	var pods []corev1.Pod
	for i := range objects {
		object := &objects[i]
		if object.GetKind() == "Pod" {
			pod, err := podFrom(object)
			if err != nil {
				return was, err
			}
			pods = append(pods, *pod)
			if hasController(object) {
				continue // it comes back by itself, under another name perhaps
			}
		} else if set := matchLabels(object); len(set) > 0 {
			one, err := countGroup(ctx, cluster, object.GetNamespace(), set)
			if err != nil {
				return was, err
			}
			was.Pods = append(was.Pods, one)
		}
		raw, err := json.Marshal(bare(object))
		if err != nil {
			return was, fmt.Errorf("write down %s %s: %w", object.GetKind(), object.GetName(), err)
		}
		was.Objects = append(was.Objects, raw)
	}
	more, err := groups(ctx, cluster, pods)
	was.Pods = append(was.Pods, more...)
	return was, err
}

func podFrom(object *unstructured.Unstructured) (*corev1.Pod, error) {
	pod := &corev1.Pod{}
	if err := fromUnstructured(object.Object, pod); err != nil {
		return nil, fmt.Errorf("read pod %s: %w", object.GetName(), err)
	}
	return pod, nil
}

func fromUnstructured(from map[string]any, into any) error {
	return runtime.DefaultUnstructuredConverter.FromUnstructured(from, into)
}

// matchLabels are the labels of a workload's pods; none for what has no pods.
func matchLabels(object *unstructured.Unstructured) map[string]string {
	set, _, err := unstructured.NestedStringMap(object.Object, "spec", "selector", "matchLabels")
	if err != nil {
		return nil // a field of that name that selects in another way
	}
	return set
}

// bare leaves out of an object what its API server wrote.
func bare(object *unstructured.Unstructured) *unstructured.Unstructured {
	out := object.DeepCopy()
	for _, key := range []string{
		"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink",
		"deletionTimestamp", "deletionGracePeriodSeconds",
	} {
		unstructured.RemoveNestedField(out.Object, "metadata", key)
	}
	unstructured.RemoveNestedField(out.Object, "status")
	if out.GetKind() == "Pod" {
		unstructured.RemoveNestedField(out.Object, "spec", "nodeName") // its node may be the one that is lost
	}
	return out
}

// remake makes an object again, unless it was never gone or somebody else has made it.
func remake(ctx context.Context, cluster client.WithWatch, raw json.RawMessage) error {
	object := &unstructured.Unstructured{}
	if err := json.Unmarshal(raw, object); err != nil {
		return fmt.Errorf("read an object to make again: %w", err)
	}
	there := false
	// One that is still going (a pod in its grace) stands in the way of its own successor.
	seen := object.DeepCopy()
	err := scenarios.Await(ctx, cluster, seen, func(found bool) scenarios.State {
		there = found && seen.GetDeletionTimestamp() == nil
		return scenarios.State{Done: there || !found, Seen: "the old one is going"}
	})
	if err == nil && !there {
		err = scenarios.Insist(ctx, func(ctx context.Context) error { return cluster.Create(ctx, object.DeepCopy()) })
	}
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("make %s %s again: %w", object.GetKind(), client.ObjectKeyFromObject(object), err)
	}
	return nil
}
