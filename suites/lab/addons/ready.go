package addons

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/scenarios"
)

// Wait waits until all of the add-on is there and ready. Its error says what was
// seen last.
func (a Addon) Wait(ctx context.Context, c client.WithWatch) error {
	if err := await(ctx, c, a.Objects); err != nil {
		return fmt.Errorf("wait for %s: %w", a.Name, err)
	}
	return nil
}

// Readiness is the state of one object that takes time to become ready.
type Readiness struct {
	Kind, Name string
	Ready      bool
	Seen       string
}

// Look says how each object that can be ready stands, now.
func (a Addon) Look(ctx context.Context, c client.Client) ([]Readiness, error) {
	var all []Readiness
	for _, object := range a.Objects {
		if isDefinition(object) || !canBeReady(object) {
			continue
		}
		live := blank(object)
		one := Readiness{Kind: object.GetKind(), Name: name(object)}
		err := c.Get(ctx, client.ObjectKeyFromObject(object), live)
		switch {
		case client.IgnoreNotFound(err) != nil:
			return all, fmt.Errorf("look at %s %s: %w", one.Kind, one.Name, err)
		case err != nil:
			one.Seen = "not there"
		default:
			one.Ready, one.Seen = judge(live)
		}
		all = append(all, one)
	}
	return all, nil
}

func await(ctx context.Context, c client.WithWatch, objects []*unstructured.Unstructured) error {
	group, within := errgroup.WithContext(ctx)
	for _, object := range only(objects, canBeReady) {
		live := blank(object)
		group.Go(func() error {
			return scenarios.Await(within, c, live, func(found bool) scenarios.State {
				if !found {
					return scenarios.State{Seen: "not there"}
				}
				ready, seen := judge(live)
				return scenarios.State{Done: ready, Seen: seen}
			})
		})
	}
	return group.Wait()
}

func blank(object *unstructured.Unstructured) *unstructured.Unstructured {
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(object.GroupVersionKind())
	live.SetNamespace(object.GetNamespace())
	live.SetName(object.GetName())
	return live
}

func canBeReady(object *unstructured.Unstructured) bool {
	return isWorkload(object) || isDefinition(object) || object.GetKind() == "BackupStorageLocation"
}

// judge says whether a live object is ready, and its state in words.
func judge(live *unstructured.Unstructured) (ready bool, seen string) {
	number := func(path ...string) int64 {
		n, _, _ := unstructured.NestedInt64(live.Object, path...)
		return n
	}
	current := number("status", "observedGeneration") >= live.GetGeneration()
	switch live.GetKind() {
	case "Deployment":
		want, updated, ready := number("spec", "replicas"), number("status", "updatedReplicas"), number("status", "availableReplicas")
		return current && updated == want && ready == want && number("status", "replicas") == want,
			fmt.Sprintf("%d of %d replicas available, %d up to date", ready, want, updated)
	case "StatefulSet":
		want, updated, ready := number("spec", "replicas"), number("status", "updatedReplicas"), number("status", "readyReplicas")
		return current && updated == want && ready == want, fmt.Sprintf("%d of %d replicas ready, %d up to date", ready, want, updated)
	case "DaemonSet":
		want, updated := number("status", "desiredNumberScheduled"), number("status", "updatedNumberScheduled")
		ready := number("status", "numberAvailable")
		return current && want > 0 && updated == want && ready == want, fmt.Sprintf("%d of %d pods available, %d up to date", ready, want, updated)
	case "CustomResourceDefinition":
		return condition(live, "Established")
	case "BackupStorageLocation":
		phase, _, _ := unstructured.NestedString(live.Object, "status", "phase")
		message, _, _ := unstructured.NestedString(live.Object, "status", "message")
		if phase == "" {
			phase = "not validated yet"
		}
		if message != "" {
			phase += ": " + message
		}
		return phase == "Available", phase
	}
	return true, "there"
}

func condition(live *unstructured.Unstructured, kind string) (ready bool, seen string) {
	conditions, _, _ := unstructured.NestedSlice(live.Object, "status", "conditions")
	for _, one := range conditions {
		if m, ok := one.(map[string]any); ok && m["type"] == kind {
			return m["status"] == "True", fmt.Sprintf("%s=%v", kind, m["status"])
		}
	}
	return false, "not " + kind
}

// There says whether every object of the add-on is in the cluster. It asks for
// names only, and not for what the objects hold.
func (a Addon) There(ctx context.Context, c client.Client) (bool, error) {
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	var missing atomic.Int64
	for _, object := range a.Objects {
		group.Go(func() error {
			live := &metav1.PartialObjectMetadata{}
			live.SetGroupVersionKind(object.GroupVersionKind())
			err := c.Get(within, client.ObjectKeyFromObject(object), live)
			if apierrors.IsNotFound(err) || apimeta.IsNoMatchError(err) {
				missing.Add(1)
				return nil
			}
			if err != nil {
				return fmt.Errorf("look for %s %s: %w", object.GetKind(), name(object), err)
			}
			return nil
		})
	}
	err := group.Wait()
	return missing.Load() == 0, err
}

// Settle waits until every pod that should run does so in containers started after
// a moment, and is ready. After a node came back, its pods' old states stand in
// the API until the kubelet has looked at each.
func Settle(ctx context.Context, c client.Client, after time.Time, tell func(string)) error {
	const pace = 250 * time.Millisecond
	var seen string
	for {
		pods := &corev1.PodList{}
		err := c.List(ctx, pods)
		if err == nil {
			var unsettled []string
			for i := range pods.Items {
				if why := unsettledPod(&pods.Items[i], after.Truncate(time.Second)); why != "" {
					unsettled = append(unsettled, why)
				}
			}
			if len(unsettled) == 0 {
				return nil
			}
			seen = strings.Join(unsettled, ", ")
			tell(seen)
		} else {
			seen = err.Error()
		}
		if err := scenarios.Sleep(ctx, pace); err != nil {
			return fmt.Errorf("wait for all pods: %w; last seen: %s", err, seen)
		}
	}
}

func unsettledPod(pod *corev1.Pod, after time.Time) (why string) {
	id := pod.Namespace + "/" + pod.Name
	if pod.Status.Phase == corev1.PodSucceeded || pod.DeletionTimestamp != nil {
		return ""
	}
	if len(pod.Status.ContainerStatuses) < len(pod.Spec.Containers) {
		return id + " is " + strings.ToLower(string(pod.Status.Phase))
	}
	for _, container := range pod.Status.ContainerStatuses {
		switch running := container.State.Running; {
		case container.State.Waiting != nil:
			return id + " waits: " + container.State.Waiting.Reason
		case running == nil || running.StartedAt.Time.Before(after):
			return id + " has not been started again"
		case !container.Ready:
			return id + " is not ready"
		}
	}
	return ""
}
