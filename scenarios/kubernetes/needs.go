package kubernetes

import (
	"slices"
	"strings"

	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/gamedayhq/gameday/scenarios"
)

var (
	_ scenarios.Needs = (*Delete)(nil)
	_ scenarios.Needs = (*Scale)(nil)
	_ scenarios.Needs = (*Cordon)(nil)
	_ scenarios.Needs = (*Drain)(nil)
	_ scenarios.Needs = (*Quota)(nil)
	_ scenarios.Needs = (*Rotate)(nil)
	_ scenarios.Needs = (*CutNetwork)(nil)
	_ scenarios.Needs = (*StopDNS)(nil)
)

// place is where needs are.
type place struct{ cluster, namespace string }

func (p place) need(group, resource string, verbs ...string) scenarios.Need {
	return scenarios.Need{Cluster: p.cluster, Namespace: p.namespace, Group: group, Resource: resource, Verbs: verbs}
}

// named is a need of one object. To create it is another need: no right to create can be of one name.
func (p place) named(group, resource, name string, verbs ...string) scenarios.Need {
	out := p.need(group, resource, verbs...)
	out.Name = name
	return out
}

// note is what keeping, finding and forgetting a note takes, of the named one or, since its name is the drill's, of any.
func (p place) note(resource, name string) []scenarios.Need {
	return []scenarios.Need{p.need("", resource, "create"), p.named("", resource, name, "get", "delete")}
}

// pods is what it takes to wait for pods.
func (p place) pods() scenarios.Need { return p.need("", "pods", "list", "watch") }

// Needs are those of the deletion, and of making again what nobody else does.
func (d *Delete) Needs() []scenarios.Need {
	in := place{d.Cluster, d.Namespace}
	group, resource := scenarios.ResourceOf(d.apiVersion(), d.kind())
	note := "configmaps"
	if d.kind() == "Secret" {
		note = "secrets"
	}
	out := append(d.radius.Needs(d.Cluster, d.Namespace), in.note(note, "")...)
	// To make it again is needed for a pod as well: one that no controller makes again.
	out = append(out, in.named(group, resource, d.Name, "list", "watch", "delete"), in.need(group, resource, "create"))
	if d.Name != "" {
		out = append(out, in.named(group, resource, d.Name, "get"))
	}
	// Of the kinds of the oldest group none but the pod itself has pods by which its loss and return are seen.
	if d.kind() == "Pod" || group != "" {
		out = append(out, in.pods())
	}
	return out
}

// Needs are those of the scaling and of its undo.
func (s *Scale) Needs() []scenarios.Need {
	in := place{s.Cluster, s.Namespace}
	group, resource := scenarios.ResourceOf(s.apiVersion(), s.kind())
	out := append(s.radius.Needs(s.Cluster, s.Namespace), in.note("configmaps", s.note().Name)...)
	return append(out, in.pods(),
		in.named(group, resource, s.Name, scenarios.Reads()...), in.named(group, resource+"/scale", s.Name, "get", "update"))
}

// Needs are those of the scaling, and of seeing that the service has lost its endpoints.
func (d *StopDNS) Needs() []scenarios.Need {
	s := d.scale()
	return append(s.Needs(), place{s.Cluster, s.Namespace}.need(discoveryv1.GroupName, "endpointslices", "list", "watch"))
}

// needs are those of marking nodes: all nodes are listed, those that are named are changed.
func (n Nodes) needs(cluster string) []scenarios.Need {
	all := place{cluster, ""}
	if len(n.Names) == 0 {
		return []scenarios.Need{all.need("", "nodes", "get", "list", "watch", "update")}
	}
	out := []scenarios.Need{all.need("", "nodes", "list")}
	for _, name := range n.Names {
		out = append(out, all.named("", "nodes", name, "get", "watch", "update"))
	}
	return out
}

// Needs are those of the cordon and of its undo.
func (c *Cordon) Needs() []scenarios.Need {
	return append(c.Nodes.needs(c.Cluster), c.radius.Needs(c.Cluster)...)
}

// Needs are those of the cordon, and of evicting pods and waiting until others are ready.
func (d *Drain) Needs() []scenarios.Need {
	out := append(d.Nodes.needs(d.Cluster), d.radius.Needs(d.Cluster, d.namespaces()...)...)
	for _, namespace := range d.namespaces() {
		in := place{d.Cluster, namespace}
		out = append(out, in.pods())
		if d.Budgets == budgetsIgnore {
			out = append(out, in.need("", "pods", "delete"))
		} else {
			out = append(out, in.need("", "pods/eviction", "create"))
		}
	}
	return out
}

// Needs are those of the quota, and of asking, without creating it, whether a pod would be admitted.
func (q *Quota) Needs() []scenarios.Need {
	in := place{q.Cluster, q.Namespace}
	out := append(q.radius.Needs(q.Cluster, q.Namespace), in.note("resourcequotas", q.object().Name)...)
	return append(out, in.need("", "pods", "create"))
}

// Needs are those of the Secret, of the other one that keeps what it held, of the restarts, and of replacing pods that have read what
// stood there in between.
func (r *Rotate) Needs() []scenarios.Need {
	in := place{r.Cluster, r.Namespace}
	out := append(r.radius.Needs(r.Cluster, r.Namespace), in.note("secrets", r.note().Name)...)
	out = append(out, in.named("", "secrets", r.Secret, "get", "update"), in.pods(), in.need("", "pods", "delete"))
	for _, one := range r.Restart {
		out = append(out, in.named("apps", strings.ToLower(one.kind())+"s", one.Name, "get", "patch"))
	}
	return out
}

// Needs are those of the policy.
func (c *CutNetwork) Needs() []scenarios.Need {
	in := place{c.Cluster, c.To.Namespace}
	name := c.policy().Name
	return append(c.radius.Needs(c.Cluster, slices.Compact([]string{c.From.Namespace, c.To.Namespace})...),
		in.need("", "pods", "list"), place{c.Cluster, c.From.Namespace}.need("", "pods", "list"),
		in.need(networkingv1.GroupName, "networkpolicies", "create"),
		in.named(networkingv1.GroupName, "networkpolicies", name, "get", "list", "watch", "delete"))
}

// LeftoverNeeds are what finding leftovers in the namespaces, or without one in all, takes. To list secrets is one of them: some
// undos keep there what they must know.
func LeftoverNeeds(namespaces ...string) []scenarios.Need {
	out := []scenarios.Need{place{}.need("", "nodes", "list")}
	if len(namespaces) == 0 {
		namespaces = []string{""}
	}
	for _, namespace := range namespaces {
		in := place{"", namespace}
		for _, resource := range []string{"configmaps", "secrets", "resourcequotas"} {
			out = append(out, in.need("", resource, "list"))
		}
		out = append(out, in.need(networkingv1.GroupName, "networkpolicies", "list"))
	}
	return out
}
