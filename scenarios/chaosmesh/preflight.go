package chaosmesh

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/scenarios"
)

// Preflight finds out, before anything is touched, whether the kind is served, whether it would hit something, and something
// allowed, and whether the API server and Chaos Mesh's webhooks would take the object as it is.
func (f *Fault) Preflight(ctx context.Context, env scenarios.Env) error {
	cluster, err := env.Clusters.Get(f.Cluster)
	if err != nil {
		return err
	}
	if err := f.served(cluster); err != nil {
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
