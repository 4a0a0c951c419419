package scenarios

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/probes"
	"github.com/gamedayhq/gameday/probes/kubernetes"
)

// Need is something that a drill does in a cluster, and must be allowed to do there.
type Need struct {
	Cluster   string   `json:"cluster,omitempty"`   // as the drill names it; empty for the drill's own
	Namespace string   `json:"namespace,omitempty"` // empty: the whole cluster
	Group     string   `json:"group,omitempty"`     // empty: Kubernetes' own oldest one
	Resource  string   `json:"resource"`            // its plural, a subresource behind a slash: pods, deployments/scale
	Name      string   `json:"name,omitempty"`      // empty: any
	Verbs     []string `json:"verbs"`
}

// String says what is needed: "delete pods in namespace shop".
func (n Need) String() string {
	text := strings.Join(n.Verbs, ", ") + " " + n.Resource
	if n.Group != "" {
		text += "." + n.Group
	}
	if n.Name != "" {
		text += " " + n.Name
	}
	if n.Namespace == "" {
		text += " in the whole cluster"
	} else {
		text += " in namespace " + n.Namespace
	}
	if n.Cluster != "" {
		text += " of cluster " + n.Cluster
	}
	return text
}

// Needs is an action, or a guard, that tells offline all that it does in a cluster, from its preflight to the end of its undo. What
// a guard needs it needs in every cluster of the drill. Problems and Bound, where there are any, are asked before.
type Needs interface {
	Needs() []Need
}

// Reads are the verbs of who reads objects one by one, lists them and waits for their changes.
func Reads() []string { return []string{"get", "list", "watch"} }

// ResourceOf guesses the group and the plural of a kind by the rules that Kubernetes' own kinds follow, without a cluster.
func ResourceOf(apiVersion, kind string) (group, resource string) {
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		return "", strings.ToLower(kind) // an apiVersion that is none was told of by whoever took it
	}
	plural, _ := meta.UnsafeGuessKindToResource(gv.WithKind(kind))
	return plural.Group, plural.Resource
}

// Needs are what holding a fault's targets in the namespaces against the blast radius takes, beside the right to list the pods of
// those in which it hits pods.
func (b BlastRadius) Needs(cluster string, namespaces ...string) []Need {
	var out []Need
	for _, namespace := range namespaces {
		out = append(out, Need{Cluster: cluster, Resource: "namespaces", Name: namespace, Verbs: []string{"get"}})
	}
	if b.MaxNodes != nil || b.ceiling.MaxNodes != nil {
		out = append(out, Need{Cluster: cluster, Resource: "nodes", Verbs: []string{"list"}})
	}
	return out
}

// needs are what a question takes: the object that is asked about, and the secrets that it is asked with.
func (m Monitor) needs() []Need {
	var out []Need
	if object, ok := m.Ask.(kubernetes.Object); ok {
		group, resource := ResourceOf(object.APIVersion, object.Kind)
		out = append(out, Need{
			Cluster: object.Cluster, Namespace: object.Namespace, Group: group, Resource: resource, Name: object.Name, Verbs: []string{"get"},
		})
	}
	if m.Ask == nil {
		return out
	}
	_, err := withSecrets(m.Ask, func(ref probes.SecretRef) (string, error) {
		out = append(out, Need{Cluster: ref.Cluster, Namespace: ref.Namespace, Resource: "secrets", Name: ref.Name, Verbs: []string{"get"}})
		return "", nil
	})
	if err != nil {
		return nil // it is the finder's error alone, and this one has none
	}
	return out
}

// Needs are all that the scenario's monitors and steps do in clusters, each once.
func (s *Scenario) Needs() []Need {
	var out []Need
	for _, m := range s.Monitors {
		out = append(out, m.needs()...)
	}
	for _, step := range flat(s.Steps) {
		out = append(out, stepNeeds(step)...)
	}
	return MergeNeeds(out)
}

func stepNeeds(step Step) []Need {
	if with, ok := step.Action.(Needs); ok {
		return with.Needs()
	}
	return nil
}

// key is all but the verbs.
func (n Need) key() string {
	return strings.Join([]string{n.Cluster, n.Namespace, n.Group, n.Resource, n.Name}, "\x00")
}

// MergeNeeds returns each need once, with all its verbs, in an order of its own.
func MergeNeeds(needs []Need) []Need {
	verbs := map[string][]string{}
	var out []Need
	for _, n := range needs {
		if _, there := verbs[n.key()]; !there {
			out = append(out, n)
		}
		verbs[n.key()] = append(verbs[n.key()], n.Verbs...)
	}
	for i := range out {
		all := verbs[out[i].key()]
		slices.Sort(all)
		out[i].Verbs = slices.Compact(all)
	}
	slices.SortFunc(out, func(a, b Need) int { return cmp.Compare(a.key(), b.key()) })
	return out
}

// Missing asks the API servers for each of the needs, and returns those that the drill's user is not allowed.
func (c Clusters) Missing(ctx context.Context, needs []Need) ([]Need, error) {
	var missing []Need
	for _, n := range MergeNeeds(needs) {
		cluster, err := c.Get(n.Cluster)
		if err != nil {
			return nil, err
		}
		var refused []string
		for _, verb := range n.Verbs {
			allowed, err := n.allowed(ctx, cluster, verb)
			if err != nil {
				return nil, fmt.Errorf("ask whether one may %s %s: %w", verb, n.Resource, err)
			}
			if !allowed {
				refused = append(refused, verb)
			}
		}
		if len(refused) > 0 {
			n.Verbs = refused
			missing = append(missing, n)
		}
	}
	return missing, nil
}

func (n Need) allowed(ctx context.Context, cluster client.Client, verb string) (bool, error) {
	resource, sub, _ := strings.Cut(n.Resource, "/")
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: n.Namespace, Verb: verb, Group: n.Group, Resource: resource, Subresource: sub, Name: n.Name,
		},
	}}
	if err := cluster.Create(ctx, review); err != nil {
		return false, err
	}
	return review.Status.Allowed, nil
}

// Allowed asks for each of the needs, and returns an error that names all that are not allowed: what can be done and not undone is
// worse than what cannot be done.
func (c Clusters) Allowed(ctx context.Context, needs []Need) error {
	missing, err := c.Missing(ctx, needs)
	if err != nil || len(missing) == 0 {
		return err
	}
	return missingError(missing)
}

func missingError(missing []Need) error {
	words := make([]string, 0, len(missing))
	for _, n := range missing {
		words = append(words, n.String())
	}
	return fmt.Errorf("the kubeconfig's user may not %s: grant it these rights, without them it could not be played, proven and undone "+
		"(gameday rbac prints all that the scenario needs)", strings.Join(words, ", nor "))
}
