package chaosmesh

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/scenarios"
)

// Preflight finds out, before anything is touched, whether the kind is served, whether all that the fault needs is allowed,
// whether it would hit something, and something allowed, and whether the API server and Chaos Mesh's webhooks would take the
// object as it is.
func (f *Fault) Preflight(ctx context.Context, env scenarios.Env) error {
	cluster, err := env.Clusters.Get(f.Cluster)
	if err != nil {
		return err
	}
	if err := f.served(cluster); err != nil {
		return err
	}
	if err := f.allowed(ctx, cluster); err != nil {
		return err
	}
	if _, err := f.resolve(ctx, cluster); err != nil {
		return err
	}
	return f.rehearse(ctx, env, cluster)
}

// served tells a cluster without Chaos Mesh from one that cannot be asked.
func (f *Fault) served(cluster client.Client) error {
	gvk := f.Object.GetObjectKind().GroupVersionKind()
	_, err := cluster.RESTMapper().RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return fmt.Errorf("%s is not served by the cluster: install Chaos Mesh there (https://chaos-mesh.org), or one that knows the kind: %w", gvk.Kind, err)
	}
	return nil
}

// right is something that a fault does in the cluster.
type right struct{ verb, group, resource, namespace string }

func (r right) String() string {
	text := r.verb + " " + r.resource
	if r.group != "" {
		text += "." + r.group
	}
	if r.namespace == "" {
		return text + " in the whole cluster"
	}
	return text + " in namespace " + r.namespace
}

// rights are all that the fault does, from its resolution to the end of its undo.
func (f *Fault) rights(resource string) []right {
	var out []right
	for _, verb := range []string{"create", "get", "list", "watch", "patch", "delete"} {
		out = append(out, right{verb, v1alpha1.SchemeGroupVersion.Group, resource, f.Namespace})
	}
	for _, namespace := range f.namespaces() {
		if f.onPods() {
			out = append(out, right{"get", "", "pods", namespace}, right{"list", "", "pods", namespace}, right{"watch", "", "pods", namespace})
			if f.Ladder.Restart {
				out = append(out, right{"delete", "", "pods", namespace})
			}
		}
		if rules := f.rulesOf(); rules != nil {
			plural := strings.ToLower(rules.kind)
			for _, verb := range []string{"get", "list", "watch", "update"} {
				out = append(out, right{verb, v1alpha1.SchemeGroupVersion.Group, plural, namespace})
			}
		}
	}
	if s := f.selector(); s != nil && len(s.Selector.NodeSelectors) > 0 {
		out = append(out, right{"list", "", "nodes", ""})
	}
	return out
}

// allowed asks the API server for each right, and names all that are missing: a fault that can be created and not undone is
// worse than none.
func (f *Fault) allowed(ctx context.Context, cluster client.Client) error {
	gvk := f.Object.GetObjectKind().GroupVersionKind()
	mapping, err := cluster.RESTMapper().RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return fmt.Errorf("%s: %w", gvk.Kind, err)
	}
	var missing []string
	for _, r := range f.rights(mapping.Resource.Resource) {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: r.namespace, Verb: r.verb, Group: r.group, Resource: r.resource},
		}}
		if err := cluster.Create(ctx, review); err != nil {
			return fmt.Errorf("ask whether one may %s: %w", r, err)
		}
		if !review.Status.Allowed {
			missing = append(missing, r.String())
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the kubeconfig's user may not %s: grant it these rights, without them the fault could not be played, proven and undone",
			strings.Join(slices.Compact(missing), ", nor "))
	}
	return nil
}

// rehearse lets the API server and Chaos Mesh's webhooks judge the object without keeping it.
func (f *Fault) rehearse(ctx context.Context, env scenarios.Env, cluster client.Client) error {
	object := f.object(env)
	err := cluster.Create(ctx, object, client.DryRunAll, client.FieldValidation("Strict"))
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("the cluster would refuse the %s: %w", f.kind(), refused(err))
	}
	return nil
}

// refused adds the mend to the ways in which a cluster refuses a chaos object.
func refused(err error) error {
	text := err.Error()
	switch {
	case apierrors.IsInternalError(err) && strings.Contains(text, "webhook"):
		return fmt.Errorf("%w: Chaos Mesh's webhook does not answer: see that chaos-controller-manager runs", err)
	case apierrors.IsBadRequest(err) && strings.Contains(text, "unknown field"):
		return fmt.Errorf("%w: Chaos Mesh's definitions (CRDs) in the cluster are older than the types of this gameday: update them, "+
			"or leave the field out", err)
	case apierrors.IsForbidden(err):
		return errors.Join(err, errors.New("grant the kubeconfig's user that right"))
	default:
		return err
	}
}
