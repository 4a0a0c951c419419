package chaosmesh

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

// clean looks for what the fault left behind, and waits until the pods that it hit are back.
func (u *undoing) clean(ctx context.Context) error {
	if err := u.noRules(ctx); err != nil {
		return err
	}
	if err := u.replaced(ctx); err != nil {
		return err
	}
	return u.podsBack(ctx)
}

// rules are the objects in which Chaos Mesh notes, pod by pod, what a fault of some kinds does there.
type rules struct {
	kind string
	list client.ObjectList
	// read returns what is noted of the pods that have a rule of the source, and of others that tell of a failure.
	read func(source string) (with, failed []note)
}

// note is what the controller of a pod's rules says of them.
type note struct {
	namespace, name string
	applied         bool // the daemon has put the rules in place as they stand
	failed          string
}

// rulesOf returns how the rules of the fault's kind are read; nil for a kind that has none.
func (f *Fault) rulesOf() *rules {
	switch f.Object.(type) {
	case *v1alpha1.NetworkChaos:
		list := &v1alpha1.PodNetworkChaosList{}
		return &rules{"PodNetworkChaos", list, func(source string) (with, failed []note) {
			for _, item := range list.Items {
				s := item.Status
				with, failed = triage(with, failed, slices.Contains(networkSources(item.Spec), source),
					note{item.Namespace, item.Name, s.ObservedGeneration >= item.Generation, s.FailedMessage})
			}
			return with, failed
		}}
	case *v1alpha1.IOChaos:
		list := &v1alpha1.PodIOChaosList{}
		return &rules{"PodIOChaos", list, func(source string) (with, failed []note) {
			for _, item := range list.Items {
				s := item.Status
				with, failed = triage(with, failed, slices.ContainsFunc(item.Spec.Actions, func(a v1alpha1.IOChaosAction) bool { return a.Source == source }),
					note{item.Namespace, item.Name, s.ObservedGeneration >= item.Generation, s.FailedMessage})
			}
			return with, failed
		}}
	case *v1alpha1.HTTPChaos:
		list := &v1alpha1.PodHttpChaosList{}
		return &rules{"PodHttpChaos", list, func(source string) (with, failed []note) {
			for _, item := range list.Items {
				s := item.Status
				with, failed = triage(with, failed, slices.ContainsFunc(item.Spec.Rules, func(r v1alpha1.PodHttpChaosRule) bool { return r.Source == source }),
					note{item.Namespace, item.Name, s.ObservedGeneration >= item.Generation, s.FailedMessage})
			}
			return with, failed
		}}
	default:
		return nil
	}
}

// triage puts a note among those that have a rule of the source, or, if it tells of a failure, among those that failed.
func triage(with, failed []note, has bool, n note) (nowWith, nowFailed []note) {
	switch {
	case has:
		return append(with, n), failed
	case n.failed != "":
		return with, append(failed, n)
	default:
		return with, failed
	}
}

// left names the pods that still hold a rule of the source, and those of the fault's places that tell of a failure: a rule
// that could not be taken away stays in the pod also when it is no longer noted.
func (r *rules) left(source string, places []reports.Site) []string {
	var out []string
	with, failed := r.read(source)
	for _, n := range with {
		out = append(out, n.pod())
	}
	for _, n := range failed {
		if slices.ContainsFunc(places, func(s reports.Site) bool { return s.ID == n.pod() || strings.HasPrefix(s.ID, n.pod()+"/") }) {
			out = append(out, fmt.Sprintf("%s (%s)", n.pod(), n.failed))
		}
	}
	return out
}

func (n note) pod() string { return n.namespace + "/" + n.name }

func networkSources(spec v1alpha1.PodNetworkChaosSpec) []string {
	var out []string
	for _, rule := range spec.Iptables {
		out = append(out, rule.Source)
	}
	for _, rule := range spec.TrafficControls {
		out = append(out, rule.Source)
	}
	for _, rule := range spec.IPSets {
		out = append(out, rule.Source)
	}
	return out
}

// noRules waits until no pod's note holds a rule of this fault any more, nor tells that a rule could not be taken away.
func (u *undoing) noRules(ctx context.Context) error {
	rules := u.fault.rulesOf()
	if rules == nil {
		return nil
	}
	source := client.ObjectKeyFromObject(u.object).String()
	for _, namespace := range u.fault.namespaces() {
		err := scenarios.AwaitList(ctx, u.cluster, rules.list, client.ListOptions{Namespace: namespace}, func() scenarios.State {
			left := rules.left(source, u.proof.Records)
			return scenarios.State{Done: len(left) == 0, Seen: fmt.Sprintf("rules left on the pods %v", left)}
		})
		if err != nil {
			return fmt.Errorf("rules of the fault may be left: %w", err)
		}
	}
	u.proof.By += ", no rule in " + rules.kind
	return nil
}

// replaced asks, after a finalizer was cut, that each pod in which the fault did not recover is another one now. Where Chaos
// Mesh notes its rules pod by pod, that none is left is enough.
func (u *undoing) replaced(ctx context.Context) error {
	if !u.forced || u.fault.rulesOf() != nil {
		return nil
	}
	if !u.fault.onPods() {
		return fmt.Errorf("the finalizer of a %s was cut, and nothing tells whether the fault is gone", u.fault.kind())
	}
	for _, at := range u.left {
		var pod corev1.Pod
		err := scenarios.Insist(ctx, func(ctx context.Context) error { return u.cluster.Get(ctx, at.pod, &pod) })
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("look whether pod %s was replaced: %w", at.pod, err)
		}
		if err == nil && pod.UID == at.uid {
			return fmt.Errorf("the finalizer was cut, and pod %s is still the one that the fault was injected into: delete it", at.pod)
		}
	}
	u.proof.By += ", pods replaced"
	return nil
}

// podsBack waits until all pods that the selector matches are ready and none is going. It is an independent sign: the
// kubelet's, not Chaos Mesh's. Pods that have run to their end are none to wait for.
func (u *undoing) podsBack(ctx context.Context) error {
	selector := u.fault.selector()
	if selector == nil {
		return nil
	}
	match, err := newMatcher(ctx, u.cluster, selector.Selector)
	if err != nil {
		return err
	}
	for _, namespace := range match.namespaces() {
		list := &corev1.PodList{}
		err := scenarios.AwaitList(ctx, u.cluster, list, match.options(namespace), func() scenarios.State {
			ready, not := readiness(match.filter(list.Items))
			return scenarios.State{Done: len(not) == 0 && ready > 0, Seen: fmt.Sprintf("%d pods ready, not ready: %v", ready, not)}
		})
		if err != nil {
			return fmt.Errorf("the pods are not back: %w", err)
		}
	}
	u.proof.Independent = true
	u.proof.By += ", pods ready"
	u.proof.Detail = strings.TrimPrefix(u.proof.Detail+"; all pods that the selector matches are ready", "; ")
	return nil
}

func readiness(pods []corev1.Pod) (ready int, not []string) {
	for _, pod := range pods {
		switch {
		case pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed:
		case pod.DeletionTimestamp == nil && isReady(&pod):
			ready++
		default:
			not = append(not, pod.Name)
		}
	}
	return ready, not
}

func isReady(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}
