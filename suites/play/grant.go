package play

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/scenarios"
	"github.com/gamedayhq/gameday/scenarios/safety"
)

// Grant is what lets somebody play a scenario on one of its clusters.
type Grant struct {
	Name     string   // of the roles
	Clusters []string // all that the scenario acts on, by the names that it uses; the drill's own is empty
	Needs    []scenarios.Need

	// Namespace and Account name a service account to whom the roles are bound; none when they are empty.
	Namespace, Account string

	own string // gameday's namespace
}

// Grant tells what playing the scenario takes on one of its clusters. No cluster is asked.
func (g Game) Grant(s *scenarios.Scenario, cluster string) Grant {
	out := Grant{Name: "gameday-" + s.Name, own: g.Safety.Config.Namespace}
	if out.own == "" {
		out.own = safety.DefaultNamespace
	}
	for _, need := range g.Needs(s, cluster) {
		out.Clusters = append(out.Clusters, need.Cluster)
		if need.Cluster == cluster {
			out.Needs = append(out.Needs, need)
		}
	}
	slices.Sort(out.Clusters)
	out.Clusters = slices.Compact(out.Clusters)
	return out
}

// Objects are what to apply: gameday's namespace, which the drill has no right to make, the account, the roles and their bindings.
func (g Grant) Objects() []client.Object {
	bare := func(kind, namespace, name string) client.Object {
		return &metav1.PartialObjectMetadata{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: kind},
			ObjectMeta: metav1.ObjectMeta{
				Namespace: namespace, Name: name, Labels: map[string]string{"app.kubernetes.io/managed-by": "gameday"},
			},
		}
	}
	out := []client.Object{bare("Namespace", "", g.own)}
	var subjects []rbacv1.Subject
	if g.Account != "" {
		out = append(out, bare("ServiceAccount", g.Namespace, g.Account))
		subjects = append(subjects, rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: g.Namespace, Name: g.Account})
	}
	return append(out, scenarios.Roles(g.Name, g.Needs, subjects...)...)
}
