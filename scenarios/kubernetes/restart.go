package kubernetes

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/scenarios"
)

// Workload names what is restarted, by a rollout.
type Workload struct {
	Kind string `json:"kind,omitempty"` // Deployment (unless said), StatefulSet or DaemonSet
	Name string `json:"name"`
}

// annotationRestarted stands on the pods of a restarted workload, with the drill and step.
const annotationRestarted = "gameday.dev/restarted"

func (w Workload) kind() string {
	if w.Kind == "" {
		return "Deployment"
	}
	return w.Kind
}

// String names the workload.
func (w Workload) String() string { return w.kind() + " " + w.Name }

func (w Workload) problems(under string) []string {
	out := needed(under, "name", w.Name)
	if !slices.Contains([]string{"Deployment", "StatefulSet", "DaemonSet"}, w.kind()) {
		out = append(out, fmt.Sprintf("%s.kind: is %q, want Deployment, StatefulSet or DaemonSet", under, w.Kind))
	}
	return out
}

// restarted is a workload as it was before its restart.
type restarted struct {
	Kind     string `json:"kind"`
	Name     string `json:"name"`
	UID      string `json:"uid"`
	Selector string `json:"selector"`
	Ready    int    `json:"ready"` // pods

	namespace string
}

func (w Workload) find(ctx context.Context, cluster client.WithWatch, namespace string) (restarted, error) {
	out := restarted{Kind: w.kind(), Name: w.Name, namespace: namespace}
	object := out.object(namespace)
	if err := gone(cluster.Get(ctx, client.ObjectKeyFromObject(object), object), fmt.Sprintf("%s in namespace %q", w, namespace)); err != nil {
		return out, err
	}
	selector, err := podSelector(object)
	if err != nil {
		return out, fmt.Errorf("%s in namespace %q: %w", w, namespace, err)
	}
	pods, err := listPods(ctx, cluster, namespace, selector)
	out.UID, out.Selector, out.Ready = string(object.GetUID()), selector.String(), countReady(pods)
	return out, err
}

func podSelector(object *unstructured.Unstructured) (labels.Selector, error) {
	raw, _, err := unstructured.NestedMap(object.Object, "spec", "selector")
	if err != nil {
		return nil, err
	}
	var selector metav1.LabelSelector
	if err := fromUnstructured(raw, &selector); err != nil {
		return nil, fmt.Errorf("read its selector: %w", err)
	}
	return metav1.LabelSelectorAsSelector(&selector)
}

func (r restarted) object(namespace string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetAPIVersion("apps/v1")
	object.SetKind(r.Kind)
	object.SetNamespace(namespace)
	object.SetName(r.Name)
	return object
}

// annotate sets, or with null takes away, the annotation that makes the pods of a workload others.
func (r restarted) annotate(ctx context.Context, cluster client.WithWatch, namespace, value string) error {
	patch := fmt.Appendf(nil, `{"spec":{"template":{"metadata":{"annotations":{%q:%s}}}}}`, annotationRestarted, value)
	return cluster.Patch(ctx, r.object(namespace), client.RawPatch("application/merge-patch+json", patch))
}

// restart rolls the workload out anew, and returns once a pod was started so.
func (r restarted) restart(ctx context.Context, env scenarios.Env, cluster client.WithWatch) error {
	mark := env.Run + ": " + env.Step
	if err := r.annotate(ctx, cluster, r.namespace, fmt.Sprintf("%q", mark)); err != nil {
		return fmt.Errorf("restart %s %s: %w", r.Kind, r.Name, err)
	}
	return r.await(ctx, cluster, r.namespace, func(pods []corev1.Pod) scenarios.State {
		n := len(started(pods, mark))
		return scenarios.State{Done: n > 0, Seen: fmt.Sprintf("%d pods started since", n)}
	})
}

// settle makes the workload what it was, and returns once no pod of the restart is left and as many are ready as before.
func (r restarted) settle(ctx context.Context, cluster client.WithWatch, namespace string) error {
	err := scenarios.Insist(ctx, func(ctx context.Context) error { return r.annotate(ctx, cluster, namespace, "null") })
	if err != nil {
		return fmt.Errorf("make %s %s what it was: %w", r.Kind, r.Name, err)
	}
	if r.Kind != "Deployment" {
		if err := r.unblock(ctx, cluster, namespace); err != nil {
			return err
		}
	}
	return r.await(ctx, cluster, namespace, func(pods []corev1.Pod) scenarios.State {
		left := len(started(pods, ""))
		ready := countReady(pods)
		return scenarios.State{
			Done: left == 0 && ready >= r.Ready,
			Seen: fmt.Sprintf("%d of %d pods ready, %d left of the restart (%s)", ready, r.Ready, left, describePods(pods)),
		}
	})
}

// unblock deletes pods of the restart that never became ready: a StatefulSet waits for them for ever, also on its way back
// (kubernetes/kubernetes#67250).
func (r restarted) unblock(ctx context.Context, cluster client.WithWatch, namespace string) error {
	selector, err := labels.Parse(r.Selector)
	if err != nil {
		return err
	}
	pods, err := listPods(ctx, cluster, namespace, selector)
	if err != nil {
		return err
	}
	for _, pod := range started(pods, "") {
		if isReady(&pod) {
			continue
		}
		if err := cluster.Delete(ctx, &pod, client.Preconditions{UID: &pod.UID}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete pod %s, which never became ready: %w", pod.Name, err)
		}
	}
	return nil
}

func (r restarted) await(ctx context.Context, cluster client.WithWatch, namespace string, see func(pods []corev1.Pod) scenarios.State) error {
	selector, err := labels.Parse(r.Selector)
	if err != nil {
		return fmt.Errorf("selector of %s %s: %w", r.Kind, r.Name, err)
	}
	list := &corev1.PodList{}
	err = scenarios.AwaitList(ctx, cluster, list, client.ListOptions{Namespace: namespace, LabelSelector: selector}, func() scenarios.State {
		return see(alive(list.Items))
	})
	if err != nil {
		return fmt.Errorf("the pods of %s %s: %w", r.Kind, r.Name, err)
	}
	return nil
}

// started are the pods that a restart made: the one with the mark, or any.
func started(pods []corev1.Pod, mark string) []corev1.Pod {
	return slices.DeleteFunc(slices.Clone(pods), func(pod corev1.Pod) bool {
		value, there := pod.Annotations[annotationRestarted]
		return !there || mark != "" && value != mark
	})
}
