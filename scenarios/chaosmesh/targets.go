package chaosmesh

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

// targets is what a fault would hit.
type targets struct {
	candidates []corev1.Pod     // all that the selector matches
	others     []reports.Target // what is hit that is no pod: machines and volumes
	hits       int              // how many of them the mode takes, at the most
	peers      []corev1.Pod     // the other side, of a fault between pods
}

func (t *targets) count() int { return len(t.candidates) + len(t.others) }

// resolve finds what the fault would hit, by Chaos Mesh's own selector rules, before anything is created. Nothing to hit
// makes the drill void; more than the blast radius is refused.
func (f *Fault) resolve(ctx context.Context, cluster client.WithWatch) (*targets, error) {
	selector := f.selector()
	if selector == nil {
		return f.resolveOthers(ctx, cluster)
	}
	candidates, err := pods(ctx, cluster, selector.Selector)
	if err != nil {
		return nil, err
	}
	found := &targets{candidates: f.withContainers(candidates)}
	if len(candidates) == 0 {
		return nil, fmt.Errorf("%w: no pod matches %s", scenarios.ErrVoid, describeSelector(selector.Selector))
	}
	if len(found.candidates) == 0 {
		return nil, fmt.Errorf("%w: none of the %d pods that match has a container named %s",
			scenarios.ErrVoid, len(candidates), strings.Join(f.containers(), " or "))
	}
	if found.hits, err = hits(selector.Mode, selector.Value, len(candidates)); err != nil {
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
	return found, f.radius.Check(ctx, cluster, scenarios.Targets{Pods: found.candidates, Hits: found.hits, Namespaces: f.namespaces()})
}

// withContainers keeps the pods that have one of the containers that the fault names.
func (f *Fault) withContainers(pods []corev1.Pod) []corev1.Pod {
	names := f.containers()
	if len(names) == 0 {
		return pods
	}
	return slices.DeleteFunc(slices.Clone(pods), func(pod corev1.Pod) bool {
		return !slices.ContainsFunc(pod.Spec.Containers, func(c corev1.Container) bool { return slices.Contains(names, c.Name) })
	})
}

// resolveOthers finds the targets of the kinds that select no pods: those of clouds name theirs in the spec.
func (f *Fault) resolveOthers(ctx context.Context, cluster client.WithWatch) (*targets, error) {
	name := func(kind string, parts ...string) (*targets, error) {
		one := reports.Target{Cluster: f.Cluster, Kind: kind, Name: strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), "/")}
		return &targets{others: []reports.Target{one}, hits: 1}, nil
	}
	switch chaos := f.Object.(type) {
	case *v1alpha1.AWSChaos:
		return name("AWS instance", chaos.Spec.AWSRegion, chaos.Spec.Ec2Instance, value(chaos.Spec.EbsVolume))
	case *v1alpha1.GCPChaos:
		return name("GCP instance", append([]string{chaos.Spec.Project, chaos.Spec.Zone, chaos.Spec.Instance}, chaos.Spec.DeviceNames...)...)
	case *v1alpha1.AzureChaos:
		return name("Azure machine", chaos.Spec.SubscriptionID, chaos.Spec.ResourceGroupName, chaos.Spec.VMName, value(chaos.Spec.DiskName))
	case *v1alpha1.PhysicalMachineChaos:
		return f.machines(ctx, cluster, chaos.Spec.PhysicalMachineSelector)
	default:
		return nil, fmt.Errorf("%w: it is not known what a %s hits", scenarios.ErrVoid, f.kind())
	}
}

func value(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// machines resolves physical machines: addresses as they are, others by their objects.
func (f *Fault) machines(ctx context.Context, cluster client.Reader, s v1alpha1.PhysicalMachineSelector) (*targets, error) {
	found := &targets{}
	for _, address := range s.Address {
		found.others = append(found.others, reports.Target{Cluster: f.Cluster, Kind: "machine", Name: address})
	}
	found.hits = len(found.others)
	if found.hits > 0 {
		return found, nil
	}
	machines, err := physicalMachines(ctx, cluster, s.Selector)
	if err != nil {
		return nil, err
	}
	for _, m := range machines {
		found.others = append(found.others, reports.Target{
			Cluster: f.Cluster, Kind: "PhysicalMachine", Namespace: m.Namespace, Name: m.Name, UID: string(m.UID),
		})
	}
	if len(machines) == 0 {
		return nil, fmt.Errorf("%w: no PhysicalMachine matches the selector", scenarios.ErrVoid)
	}
	if found.hits, err = hits(s.Mode, s.Value, len(machines)); err != nil {
		return nil, err
	}
	if found.hits == 0 {
		return nil, fmt.Errorf("%w: %s %s of %d machines is none", scenarios.ErrVoid, s.Mode, s.Value, len(machines))
	}
	return found, f.radius.Check(ctx, cluster, scenarios.Targets{Namespaces: f.namespaces()})
}

// physicalMachines selects by the rules that pods are selected by.
func physicalMachines(ctx context.Context, cluster client.Reader, s v1alpha1.PhysicalMachineSelectorSpec) ([]v1alpha1.PhysicalMachine, error) {
	match, err := newMatcher(ctx, cluster, v1alpha1.PodSelectorSpec{GenericSelectorSpec: s.GenericSelectorSpec, Pods: s.PhysicalMachines})
	if err != nil {
		return nil, err
	}
	var out []v1alpha1.PhysicalMachine
	var errs []error
	for _, namespace := range match.namespaces() {
		var list v1alpha1.PhysicalMachineList
		options := match.options(namespace)
		if err := cluster.List(ctx, &list, &options); err != nil {
			errs = append(errs, fmt.Errorf("list PhysicalMachine in %q: %w", namespace, err))
		}
		for _, m := range list.Items {
			if match.match(&corev1.Pod{ObjectMeta: m.ObjectMeta}) {
				out = append(out, m)
			}
		}
	}
	return out, errors.Join(errs...)
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
	add := func(s v1alpha1.PodSelectorSpec) { out = append(out, (&matcher{spec: s}).namespaces()...) }
	if selector := f.selector(); selector != nil {
		add(selector.Selector)
	}
	switch chaos := f.Object.(type) {
	case *v1alpha1.NetworkChaos:
		if chaos.Spec.Target != nil {
			add(chaos.Spec.Target.Selector)
		}
	case *v1alpha1.PhysicalMachineChaos:
		s := chaos.Spec.PhysicalMachineSelector.Selector
		add(v1alpha1.PodSelectorSpec{GenericSelectorSpec: s.GenericSelectorSpec, Pods: s.PhysicalMachines})
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// list returns the evidence's form of the targets.
func (f *Fault) list(found *targets) []reports.Target {
	out := make([]reports.Target, 0, found.count())
	for _, pod := range found.candidates {
		out = append(out, reports.Target{Cluster: f.Cluster, Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: string(pod.UID)})
	}
	return append(out, found.others...)
}
