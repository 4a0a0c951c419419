package chaosmesh

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

var (
	_ scenarios.Needs    = (*Fault)(nil)
	_ scenarios.Targeted = (*Fault)(nil)
	_ scenarios.Lasting  = (*Fault)(nil)
)

// Targets finds what the fault's selector matches, and how many of it its mode takes at the most.
func (f *Fault) Targets(ctx context.Context, env scenarios.Env) ([]reports.Target, int, error) {
	cluster, err := env.Clusters.Get(f.Cluster)
	if err != nil {
		return nil, 0, err
	}
	if err := f.served(cluster); err != nil {
		return nil, 0, err
	}
	found, err := f.resolve(ctx, cluster)
	if found == nil {
		return nil, 0, err
	}
	return f.list(found), found.hits, err
}

// Lasts says what goes with a pod or container that is ended, and what was broken in files.
func (f *Fault) Lasts() string {
	switch chaos := f.Object.(type) {
	case *v1alpha1.PodChaos:
		if chaos.Spec.Action == v1alpha1.PodKillAction {
			return "what the pods kept to themselves: memory, emptyDir volumes, their logs on the node"
		}
		return "what the containers kept to themselves: memory, and files that are in no volume"
	case *v1alpha1.IOChaos:
		if chaos.Spec.Action == v1alpha1.IoMistake {
			return "what was written wrong to the volume stays wrong"
		}
		return ""
	default:
		return ""
	}
}

// resource is the plural of a kind of Chaos Mesh: it is not formed by the rules of Kubernetes.
func resource(kind string) string {
	if strings.HasSuffix(kind, "Chaos") {
		return strings.ToLower(kind)
	}
	return strings.ToLower(kind) + "s"
}

// Needs are all that the fault does, from its resolution to the end of its undo.
func (f *Fault) Needs() []scenarios.Need {
	need := func(namespace, group, resource string, verbs ...string) scenarios.Need {
		return scenarios.Need{Cluster: f.Cluster, Namespace: namespace, Group: group, Resource: resource, Verbs: verbs}
	}
	own := v1alpha1.SchemeGroupVersion.Group
	out := []scenarios.Need{
		need(f.Namespace, own, resource(f.kind()), "create", "get", "list", "watch", "patch", "delete"),
		need(f.Namespace, "", "events", "list", "watch"),
	}
	out = append(out, f.radius.Needs(f.Cluster, f.namespaces()...)...)
	for _, namespace := range f.namespaces() {
		if f.onPods() {
			out = append(out, need(namespace, "", "pods", scenarios.Reads()...))
			if f.Ladder.Restart {
				out = append(out, need(namespace, "", "pods", "delete"))
			}
		}
		if rules := f.rulesOf(); rules != nil {
			out = append(out, need(namespace, own, resource(rules.kind), "get", "list", "watch", "update"))
		}
		if f.kind() == "PhysicalMachineChaos" {
			out = append(out, need(namespace, own, resource("PhysicalMachine"), "list"))
		}
	}
	if s := f.selector(); s != nil && len(s.Selector.NodeSelectors) > 0 {
		out = append(out, need("", "", "nodes", "list"))
	}
	return out
}

// LeftoverNeeds are what finding leftovers in the namespaces, or without one in all, takes.
func LeftoverNeeds(namespaces ...string) []scenarios.Need {
	if len(namespaces) == 0 {
		namespaces = []string{""}
	}
	var out []scenarios.Need
	for _, kind := range slices.Sorted(maps.Keys(v1alpha1.AllKinds())) {
		for _, namespace := range namespaces {
			out = append(out, scenarios.Need{
				Namespace: namespace, Group: v1alpha1.SchemeGroupVersion.Group, Resource: resource(kind), Verbs: []string{"list"},
			})
		}
	}
	return out
}
