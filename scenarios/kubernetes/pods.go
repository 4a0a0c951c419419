package kubernetes

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/scenarios"
)

// listPods lists the pods of a namespace that match, those that have run to their end aside.
func listPods(ctx context.Context, cluster client.WithWatch, namespace string, selector labels.Selector) ([]corev1.Pod, error) {
	var list corev1.PodList
	if err := cluster.List(ctx, &list, &client.ListOptions{Namespace: namespace, LabelSelector: selector}); err != nil {
		return nil, fmt.Errorf("list pods in %q: %w", namespace, err)
	}
	return alive(list.Items), nil
}

// alive leaves out the pods that have run to their end: they serve nobody.
func alive(pods []corev1.Pod) []corev1.Pod {
	return slices.DeleteFunc(pods, func(pod corev1.Pod) bool {
		return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	})
}

// isReady tells a pod that serves, and is not going.
func isReady(pod *corev1.Pod) bool {
	if pod.DeletionTimestamp != nil {
		return false
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

func countReady(pods []corev1.Pod) int {
	n := 0
	for i := range pods {
		if isReady(&pods[i]) {
			n++
		}
	}
	return n
}

// awaitReady waits until at least want pods of a namespace that match are ready.
func awaitReady(ctx context.Context, cluster client.WithWatch, namespace string, selector labels.Selector, want int) error {
	list := &corev1.PodList{}
	options := client.ListOptions{Namespace: namespace, LabelSelector: selector}
	err := scenarios.AwaitList(ctx, cluster, list, options, func() scenarios.State {
		ready := countReady(list.Items)
		return scenarios.State{Done: ready >= want, Seen: fmt.Sprintf("%d of %d pods ready (%s)", ready, want, describePods(list.Items))}
	})
	if err != nil {
		return fmt.Errorf("the pods %s are not back: %w", selector, err)
	}
	return nil
}

// awaitGone waits until none of the pods is there any more, by UID.
func awaitGone(ctx context.Context, cluster client.WithWatch, pods []corev1.Pod) error {
	uids := map[types.UID]bool{}
	namespaces := map[string]bool{}
	for _, pod := range pods {
		uids[pod.UID], namespaces[pod.Namespace] = true, true
	}
	for _, namespace := range slices.Sorted(maps.Keys(namespaces)) {
		list := &corev1.PodList{}
		err := scenarios.AwaitList(ctx, cluster, list, client.ListOptions{Namespace: namespace}, func() scenarios.State {
			left := slices.DeleteFunc(slices.Clone(list.Items), func(pod corev1.Pod) bool { return !uids[pod.UID] })
			return scenarios.State{Done: len(left) == 0, Seen: "still there: " + describePods(left)}
		})
		if err != nil {
			return fmt.Errorf("the pods are not gone: %w", err)
		}
	}
	return nil
}

func describePods(pods []corev1.Pod) string {
	if len(pods) == 0 {
		return "no pod"
	}
	out := make([]string, 0, len(pods))
	for i := range pods {
		state := "not ready"
		switch {
		case pods[i].DeletionTimestamp != nil:
			state = "going"
		case isReady(&pods[i]):
			state = "ready"
		}
		out = append(out, pods[i].Name+" "+state)
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// choose returns n of the objects, by chance. The chance is drawn from the drill's identity and the step's name, which the
// evidence keeps, so that the choice can be made again.
func choose(env scenarios.Env, from []unstructured.Unstructured, n int) []unstructured.Unstructured {
	lot := func(object *unstructured.Unstructured) uint64 {
		sum := fnv.New64a()
		_, _ = sum.Write([]byte(env.Run + "\x00" + env.Step + "\x00" + string(object.GetUID()))) // never fails, by its documentation
		return sum.Sum64()
	}
	out := slices.Clone(from)
	slices.SortFunc(out, func(a, b unstructured.Unstructured) int {
		return cmp.Or(cmp.Compare(lot(&a), lot(&b)), cmp.Compare(a.GetName(), b.GetName()))
	})
	return out[:min(n, len(out))]
}

// ownLabels are the labels that a pod shares with those that would take its place: not those that name one pod or one revision,
// and not those that Velero puts on what it restores, which no template has.
func ownLabels(pod *corev1.Pod) map[string]string {
	out := maps.Clone(pod.Labels)
	for _, key := range []string{
		"pod-template-hash", "controller-revision-hash", "pod-template-generation",
		"statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index",
	} {
		delete(out, key)
	}
	maps.DeleteFunc(out, func(key, _ string) bool { return strings.HasPrefix(key, "velero.io/") })
	return out
}

// hasController tells a pod or object that somebody will make again.
func hasController(object client.Object) bool { return metav1.GetControllerOf(object) != nil }
