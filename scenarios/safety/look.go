package safety

import (
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/scenarios"
)

var (
	_ scenarios.Looker = Lever{}
	_ scenarios.Looker = Leases{}
	_ scenarios.Looker = Environment{}
	_ scenarios.Needs  = Lever{}
	_ scenarios.Needs  = Leases{}
	_ scenarios.Needs  = Environment{}
)

// Look refuses while a lever is engaged.
func (l Lever) Look(ctx context.Context, env scenarios.Env) error {
	return each(env.Clusters, func(_ string, cluster client.WithWatch) error {
		state, err := l.Show(ctx, cluster)
		if err == nil && state.Engaged {
			err = fmt.Errorf("the safety lever is %s: no drill may start until: gameday lever disengage", state)
		}
		return err
	})
}

// Needs are those of minding the lever.
func (l Lever) Needs() []scenarios.Need {
	object := l.object()
	return []scenarios.Need{{Namespace: object.Namespace, Resource: "configmaps", Name: object.Name, Verbs: scenarios.Reads()}}
}

// Look holds the approval against the scenario where a cluster is production: that changes nothing.
func (e Environment) Look(ctx context.Context, env scenarios.Env) error {
	_, err := e.Enter(ctx, env, nil)
	return err
}

// Needs are those of seeing what a cluster is for.
func (e Environment) Needs() []scenarios.Need {
	return []scenarios.Need{{Resource: "namespaces", Name: "kube-system", Verbs: []string{"get"}}}
}

// Look refuses while another drill is alive on one of the targets, or has left faults there. It takes no lease: another drill may
// take one in the meantime.
func (l Leases) Look(ctx context.Context, env scenarios.Env) error {
	l.defaults()
	h := &heldLeases{Leases: l, run: env.Run}
	return each(env.Clusters, func(name string, cluster client.WithWatch) error {
		leases, err := listLeases(ctx, cluster, l.Namespace)
		if err != nil {
			return err
		}
		whole := slices.Equal(l.Targets, []string{""})
		for i := range leases {
			target := leases[i].Annotations[annotationTarget]
			if alive(&leases[i]) && (whole || target == "" || slices.Contains(l.Targets, target)) {
				return inTheWay(&leases[i])
			}
		}
		return h.noLeftovers(ctx, name, cluster, "")
	})
}

// Needs are those of the leases. The namespace must be there: a drill that has to make it needs the right to create namespaces, too.
func (l Leases) Needs() []scenarios.Need {
	l.defaults()
	return []scenarios.Need{{
		Namespace: l.Namespace, Group: "coordination.k8s.io", Resource: "leases",
		Verbs: []string{"create", "get", "list", "update", "delete"},
	}}
}
