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
	"sigs.k8s.io/controller-runtime/pkg/client"

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
	case *v1alpha1.ContainerNodeVolumePathSelector:
		return &selector.PodSelector
	default:
		return nil
	}
}

// containers are the names of the containers that the fault is aimed at; none means the first of each pod, or the whole pod.
func (f *Fault) containers() []string {
	with, ok := f.Object.(v1alpha1.InnerObjectWithSelector)
	if !ok {
		return nil
	}
	switch selector := with.GetSelectorSpecs()["."].(type) {
	case *v1alpha1.ContainerSelector:
		return selector.ContainerNames
	case *v1alpha1.ContainerNodeVolumePathSelector:
		return selector.ContainerNames
	default:
		return nil
	}
}

// onPods reports whether the fault's places are pods or containers of pods.
func (f *Fault) onPods() bool { return f.selector() != nil }

// matcher selects pods by the rules of pkg/selector/pod in Chaos Mesh. Pods named one by one are taken whatever else the
// selector says, as Chaos Mesh does.
type matcher struct {
	spec   v1alpha1.PodSelectorSpec
	labels labels.Selector
	nodes  []string // nil: any
}

func newMatcher(ctx context.Context, cluster client.Reader, s v1alpha1.PodSelectorSpec) (*matcher, error) {
	selector, err := metav1.LabelSelectorAsSelector(&metav1.LabelSelector{MatchLabels: s.LabelSelectors, MatchExpressions: s.ExpressionSelectors})
	if err != nil {
		return nil, fmt.Errorf("label selector: %w", err)
	}
	m := &matcher{spec: s, labels: selector}
	if len(s.Pods) > 0 || len(s.Nodes) == 0 && len(s.NodeSelectors) == 0 {
		return m, nil
	}
	m.nodes = append([]string{}, s.Nodes...)
	if len(s.NodeSelectors) == 0 {
		return m, nil
	}
	var list metav1.PartialObjectMetadataList
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NodeList"))
	err = scenarios.Insist(ctx, func(ctx context.Context) error {
		return cluster.List(ctx, &list, client.MatchingLabels(s.NodeSelectors))
	})
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	for i := range list.Items {
		m.nodes = append(m.nodes, list.Items[i].Name)
	}
	return m, nil
}

// namespaces are those in which the selector looks.
func (m *matcher) namespaces() []string {
	if len(m.spec.Pods) > 0 {
		return slices.Sorted(maps.Keys(m.spec.Pods))
	}
	return slices.Compact(slices.Sorted(slices.Values(m.spec.Namespaces)))
}

// options narrow a list or watch in a namespace to what can match.
func (m *matcher) options(namespace string) client.ListOptions {
	options := client.ListOptions{Namespace: namespace}
	if len(m.spec.Pods) > 0 {
		return options
	}
	options.LabelSelector = m.labels
	if len(m.spec.FieldSelectors) > 0 {
		options.FieldSelector = fields.SelectorFromSet(m.spec.FieldSelectors)
	}
	return options
}

// filter keeps what matches.
func (m *matcher) filter(pods []corev1.Pod) []corev1.Pod {
	return slices.DeleteFunc(slices.Clone(pods), func(pod corev1.Pod) bool { return !m.match(&pod) })
}

func (m *matcher) match(pod *corev1.Pod) bool {
	if len(m.spec.Pods) > 0 {
		return slices.Contains(m.spec.Pods[pod.Namespace], pod.Name)
	}
	if m.nodes != nil && !slices.Contains(m.nodes, pod.Spec.NodeName) {
		return false
	}
	if len(m.spec.PodPhaseSelectors) > 0 && !slices.Contains(m.spec.PodPhaseSelectors, string(pod.Status.Phase)) {
		return false
	}
	return labels.SelectorFromSet(m.spec.AnnotationSelectors).Matches(labels.Set(pod.Annotations))
}

// pods lists what a selector matches.
func pods(ctx context.Context, cluster client.Reader, s v1alpha1.PodSelectorSpec) ([]corev1.Pod, error) {
	match, err := newMatcher(ctx, cluster, s)
	if err != nil {
		return nil, err
	}
	var out []corev1.Pod
	for _, namespace := range match.namespaces() {
		var list corev1.PodList
		options := match.options(namespace)
		if err := cluster.List(ctx, &list, &options); err != nil {
			return nil, fmt.Errorf("list pods in %q: %w", namespace, err)
		}
		out = append(out, match.filter(list.Items)...)
	}
	return out, nil
}

// hits is how many of n candidates the mode takes at the most (pkg/selector/generic/mode.go in Chaos Mesh: percentages round up).
func hits(mode v1alpha1.SelectorMode, text string, n int) (int, error) {
	switch mode {
	case v1alpha1.OneMode:
		return min(1, n), nil
	case v1alpha1.AllMode:
		return n, nil
	}
	value, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("value %q of mode %s: %w", text, mode, err)
	}
	switch mode {
	case v1alpha1.FixedMode:
		return min(value, n), nil
	case v1alpha1.FixedPercentMode, v1alpha1.RandomMaxPercentMode:
		return (n*value + 99) / 100, nil
	default:
		return 0, fmt.Errorf("mode %q is unknown", mode)
	}
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
