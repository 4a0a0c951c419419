package chaosmesh

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

// selector returns how the fault selects pods; nil for the kinds that select something else.
func (f *Fault) selector() *v1alpha1.PodSelector {
	with, ok := f.Object.(v1alpha1.InnerObjectWithSelector)
	if !ok {
		return nil
	}
	switch selector := with.GetSelectorSpecs()["."].(type) {
	case *v1alpha1.PodSelector:
		return selector
	case *v1alpha1.ContainerSelector:
		return &selector.PodSelector
	default:
		return nil
	}
}

// targets is what a fault would hit.
type targets struct {
	candidates []corev1.Pod // all that the selector matches
	hits       int          // how many of them the mode takes, at the most
	peers      []corev1.Pod // the other side, of a fault between pods
}

// resolve finds what the fault would hit, by Chaos Mesh's own selector rules, before anything is created. Nothing to hit
// makes the drill void; more than the blast radius is refused.
func (f *Fault) resolve(ctx context.Context, cluster client.WithWatch) (*targets, error) {
	selector := f.selector()
	if selector == nil {
		return &targets{}, nil
	}
	candidates, err := pods(ctx, cluster, selector.Selector)
	if err != nil {
		return nil, err
	}
	found := &targets{candidates: candidates}
	if len(candidates) == 0 {
		return nil, fmt.Errorf("%w: no pod matches %s", scenarios.ErrVoid, describeSelector(selector.Selector))
	}
	if found.hits, err = hits(selector, len(candidates)); err != nil {
		return nil, err
	}
	if found.hits == 0 {
		return nil, fmt.Errorf("%w: %s %s of %d pods is none", scenarios.ErrVoid, selector.Mode, selector.Value, len(candidates))
	}
	if chaos, ok := f.Object.(*v1alpha1.NetworkChaos); ok && chaos.Spec.Target != nil {
		if found.peers, err = pods(ctx, cluster, chaos.Spec.Target.Selector); err != nil {
			return nil, err
		}
		if len(found.peers) == 0 {
			return nil, fmt.Errorf("%w: no pod matches the target %s", scenarios.ErrVoid, describeSelector(chaos.Spec.Target.Selector))
		}
	}
	return found, f.within(found)
}

// hits is how many of n candidates the mode takes at the most (selector/generic in Chaos Mesh: percentages round down).
func hits(selector *v1alpha1.PodSelector, n int) (int, error) {
	switch selector.Mode {
	case v1alpha1.OneMode:
		return min(1, n), nil
	case v1alpha1.AllMode:
		return n, nil
	}
	value, err := strconv.Atoi(selector.Value)
	if err != nil {
		return 0, fmt.Errorf("value %q of mode %s: %w", selector.Value, selector.Mode, err)
	}
	switch selector.Mode {
	case v1alpha1.FixedMode:
		return min(value, n), nil
	case v1alpha1.FixedPercentMode, v1alpha1.RandomMaxPercentMode:
		return n * value / 100, nil
	default:
		return 0, fmt.Errorf("mode %q is unknown", selector.Mode)
	}
}

// within holds what would be hit against the blast radius.
func (f *Fault) within(found *targets) error {
	if f.radius.MaxPods == nil {
		return nil
	}
	limit, err := intstr.GetScaledValueFromIntOrPercent(f.radius.MaxPods, len(found.candidates), false)
	if err != nil {
		return fmt.Errorf("blast radius: %w", err)
	}
	if found.hits > limit {
		return fmt.Errorf("blast radius: would hit %d of %d pods, maxPods %s allows %d: narrow the fault or widen spec.blastRadius",
			found.hits, len(found.candidates), f.radius.MaxPods.String(), limit)
	}
	return nil
}

// Bound keeps the scenario's blast radius and says offline in what the fault exceeds it.
func (f *Fault) Bound(radius scenarios.BlastRadius) []string {
	f.radius = radius
	if len(radius.Namespaces) == 0 {
		return nil
	}
	var out []string
	for _, namespace := range f.namespaces() {
		if !slices.Contains(radius.Namespaces, namespace) {
			out = append(out, fmt.Sprintf("chaos.spec.selector: reaches into namespace %q, which spec.blastRadius.namespaces does not allow", namespace))
		}
	}
	return out
}

// namespaces are those that the fault's selectors name.
func (f *Fault) namespaces() []string {
	var out []string
	add := func(selector v1alpha1.PodSelectorSpec) {
		out = append(out, selector.Namespaces...)
		out = append(out, slices.Sorted(maps.Keys(selector.Pods))...)
	}
	if selector := f.selector(); selector != nil {
		add(selector.Selector)
	}
	if chaos, ok := f.Object.(*v1alpha1.NetworkChaos); ok && chaos.Spec.Target != nil {
		add(chaos.Spec.Target.Selector)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// pods lists what a selector matches, by the rules of pkg/selector/pod in Chaos Mesh.
func pods(ctx context.Context, cluster client.WithWatch, s v1alpha1.PodSelectorSpec) ([]corev1.Pod, error) {
	if len(s.Pods) > 0 {
		return namedPods(ctx, cluster, s.Pods)
	}
	options, err := listOptions(s)
	if err != nil {
		return nil, err
	}
	nodes, err := nodeNames(ctx, cluster, s)
	if err != nil {
		return nil, err
	}
	var out []corev1.Pod
	for _, namespace := range s.Namespaces {
		options.Namespace = namespace
		var list corev1.PodList
		if err := cluster.List(ctx, &list, &options); err != nil {
			return nil, fmt.Errorf("list pods in %q: %w", namespace, err)
		}
		for _, pod := range list.Items {
			if matches(&pod, s, nodes) {
				out = append(out, pod)
			}
		}
	}
	return out, nil
}

func namedPods(ctx context.Context, cluster client.WithWatch, named map[string][]string) ([]corev1.Pod, error) {
	var out []corev1.Pod
	for _, namespace := range slices.Sorted(maps.Keys(named)) {
		for _, name := range named[namespace] {
			var pod corev1.Pod
			err := cluster.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &pod)
			if client.IgnoreNotFound(err) != nil {
				return nil, fmt.Errorf("get pod %s/%s: %w", namespace, name, err)
			}
			if err == nil {
				out = append(out, pod)
			}
		}
	}
	return out, nil
}

func listOptions(s v1alpha1.PodSelectorSpec) (client.ListOptions, error) {
	selector, err := metav1.LabelSelectorAsSelector(&metav1.LabelSelector{MatchLabels: s.LabelSelectors, MatchExpressions: s.ExpressionSelectors})
	if err != nil {
		return client.ListOptions{}, fmt.Errorf("label selector: %w", err)
	}
	options := client.ListOptions{LabelSelector: selector}
	if len(s.FieldSelectors) > 0 {
		options.FieldSelector = fields.SelectorFromSet(s.FieldSelectors)
	}
	return options, nil
}

// nodeNames are the nodes that the selector narrows to; nil when it does not.
func nodeNames(ctx context.Context, cluster client.WithWatch, s v1alpha1.PodSelectorSpec) ([]string, error) {
	if len(s.Nodes) == 0 && len(s.NodeSelectors) == 0 {
		return nil, nil
	}
	names := slices.Clone(s.Nodes)
	if len(s.NodeSelectors) > 0 {
		var list corev1.NodeList
		if err := cluster.List(ctx, &list, client.MatchingLabels(s.NodeSelectors)); err != nil {
			return nil, fmt.Errorf("list nodes: %w", err)
		}
		for _, node := range list.Items {
			names = append(names, node.Name)
		}
	}
	if names == nil {
		names = []string{}
	}
	return names, nil
}

func matches(pod *corev1.Pod, s v1alpha1.PodSelectorSpec, nodes []string) bool {
	if nodes != nil && !slices.Contains(nodes, pod.Spec.NodeName) {
		return false
	}
	if len(s.PodPhaseSelectors) > 0 && !slices.Contains(s.PodPhaseSelectors, string(pod.Status.Phase)) {
		return false
	}
	return labels.SelectorFromSet(s.AnnotationSelectors).Matches(labels.Set(pod.Annotations))
}

func describeSelector(s v1alpha1.PodSelectorSpec) string {
	var parts []string
	add := func(what string, set map[string]string) {
		for _, key := range slices.Sorted(maps.Keys(set)) {
			parts = append(parts, what+key+"="+set[key])
		}
	}
	add("", s.LabelSelectors)
	add("annotation ", s.AnnotationSelectors)
	add("field ", s.FieldSelectors)
	for _, e := range s.ExpressionSelectors {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Key, e.Operator, strings.Join(e.Values, "|"))))
	}
	for _, namespace := range slices.Sorted(maps.Keys(s.Pods)) {
		parts = append(parts, "named "+strings.Join(s.Pods[namespace], "|")+" in "+namespace)
	}
	if len(parts) == 0 {
		parts = append(parts, "(any)")
	}
	if len(s.Namespaces) > 0 {
		parts = append(parts, "in namespace "+strings.Join(s.Namespaces, ", "))
	}
	return strings.Join(parts, " ")
}

// list returns the evidence's form of pods.
func (f *Fault) list(found []corev1.Pod) []reports.Target {
	out := make([]reports.Target, 0, len(found))
	for _, pod := range found {
		out = append(out, reports.Target{Cluster: f.Cluster, Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: string(pod.UID)})
	}
	return out
}
