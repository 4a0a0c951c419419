package chaosmesh

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

// signWithin is how long a sign of the fault may stay away after its controller has told of it: the kubelet sees a container
// that was killed within its relist period of a second, and starts a new image within a few.
const signWithin = 30 * time.Second

// confirm looks for a sign of the fault beside the controller's records, where there is one. A sign that must come and does not
// makes the drill void: the fault did not bite. A fault that gives no sign in the API rests on the records alone, and its proof
// says so.
func (f *Fault) confirm(ctx context.Context, cluster client.WithWatch, source string, found *targets, proof *reports.Proof) error {
	ctx, cancel := context.WithTimeoutCause(ctx, signWithin, fmt.Errorf("%w: no sign of it within %v", scenarios.ErrVoid, signWithin))
	defer cancel()
	if f.rulesOf() != nil {
		return f.confirmRules(ctx, cluster, source, proof)
	}
	chaos, ok := f.Object.(*v1alpha1.PodChaos)
	if !ok {
		return nil
	}
	sign := signs[chaos.Spec.Action]
	for _, site := range proof.Records {
		before := podOf(found.candidates, site.ID)
		if before == nil {
			continue // a pod that came after we looked: the controller's word is all there is
		}
		container := ""
		if parts := strings.SplitN(site.ID, "/", 3); len(parts) == 3 {
			container = parts[2]
		}
		list := &corev1.PodList{}
		err := scenarios.AwaitList(ctx, cluster, list, client.ListOptions{Namespace: before.Namespace}, func() scenarios.State {
			return sign.seen(before, list.Items, container)
		})
		if err != nil {
			return fmt.Errorf("the controller says that the fault was injected into %s, and the pod does not show it: %w", site.ID, err)
		}
		proof.Independent = true
	}
	if proof.Independent {
		proof.By += ", " + sign.name
		proof.Detail = fmt.Sprintf("injected at %d places: by the records, and %s", len(proof.Records), sign.words)
	}
	return nil
}

// sign is what the kubelet or the API server shows of a fault.
type sign struct {
	name, words string
	// bitten reports whether the pod that was resolved before shows the fault in what it is now; nil when it is gone.
	bitten func(before, now *corev1.Pod, container string) bool
}

var signs = map[v1alpha1.PodChaosAction]sign{
	v1alpha1.PodKillAction: {"uid gone", "the pods' UIDs are gone or going", func(before, now *corev1.Pod, _ string) bool {
		return now == nil || now.UID != before.UID || now.DeletionTimestamp != nil
	}},
	v1alpha1.PodFailureAction: {"containers stopped", "the kubelet has stopped their containers", func(before, now *corev1.Pod, _ string) bool {
		return now == nil || now.UID != before.UID || !isReady(now) || anyContainer(before, now, "", restarted)
	}},
	v1alpha1.ContainerKillAction: {"container ended", "the kubelet has seen the containers end", func(before, now *corev1.Pod, container string) bool {
		return now == nil || now.UID != before.UID || anyContainer(before, now, container, restarted)
	}},
}

// seen looks for the pod among those that are there now.
func (s sign) seen(before *corev1.Pod, pods []corev1.Pod, container string) scenarios.State {
	var now *corev1.Pod
	for i := range pods {
		if pods[i].Name == before.Name {
			now = &pods[i]
		}
	}
	if s.bitten(before, now, container) {
		return scenarios.State{Done: true}
	}
	return scenarios.State{Seen: fmt.Sprintf("pod %s unharmed", client.ObjectKeyFromObject(before))}
}

// anyContainer reports whether a container of the pod, or the named one, is as asked between before and now.
func anyContainer(before, now *corev1.Pod, name string, is func(before, now corev1.ContainerStatus) bool) bool {
	for _, status := range now.Status.ContainerStatuses {
		if name != "" && status.Name != name {
			continue
		}
		for _, was := range before.Status.ContainerStatuses {
			if was.Name == status.Name && is(was, status) {
				return true
			}
		}
	}
	return false
}

// restarted reports whether the container that ran before does not run any more.
func restarted(before, now corev1.ContainerStatus) bool {
	return now.RestartCount > before.RestartCount || now.ContainerID != before.ContainerID || now.State.Running == nil && before.State.Running != nil
}

// confirmRules waits until the notes that Chaos Mesh keeps pod by pod hold the fault's rules, and say that the daemon has put
// them in place. That is another controller's account than the records', yet of Chaos Mesh as well: no independent sign.
func (f *Fault) confirmRules(ctx context.Context, cluster client.WithWatch, source string, proof *reports.Proof) error {
	rules := f.rulesOf()
	total := 0
	for _, namespace := range f.namespaces() {
		seen := 0
		err := scenarios.AwaitList(ctx, cluster, rules.list, client.ListOptions{Namespace: namespace}, func() scenarios.State {
			with, _ := rules.read(source)
			seen = len(with)
			var not []string
			for _, n := range with {
				if n.failed != "" {
					return scenarios.State{Err: fmt.Errorf("%w: %s of pod %s: %s", scenarios.ErrVoid, rules.kind, n.pod(), n.failed)}
				}
				if !n.applied {
					not = append(not, n.pod())
				}
			}
			return scenarios.State{Done: len(not) == 0, Seen: fmt.Sprintf("rules not yet in place on the pods %v", not)}
		})
		if err != nil {
			return fmt.Errorf("not injected: %w", err)
		}
		total += seen
		proof.Detail += fmt.Sprintf("; %d pods in %s have its rules, by %s", seen, namespace, rules.kind)
	}
	if total == 0 {
		return errors.Join(scenarios.ErrVoid, fmt.Errorf("the records say injected, and no %s holds a rule of %s", rules.kind, source))
	}
	proof.By += ", " + rules.kind
	return nil
}
