package chaosmesh

import (
	"context"
	"fmt"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/scenarios"
)

// Preflight finds out whether the kind is served and whether the fault would hit something, and something allowed.
func (f *Fault) Preflight(ctx context.Context, env scenarios.Env) error {
	cluster, err := env.Clusters.Get(f.Cluster)
	if err != nil {
		return err
	}
	if err := f.served(ctx, cluster); err != nil {
		return err
	}
	_, err = f.resolve(ctx, cluster)
	return err
}

// served tells a cluster without Chaos Mesh from one that cannot be asked.
func (f *Fault) served(ctx context.Context, cluster client.WithWatch) error {
	gvk := f.Object.GetObjectKind().GroupVersionKind()
	if _, err := cluster.RESTMapper().RESTMapping(gvk.GroupKind(), gvk.Version); err != nil {
		return fmt.Errorf("%s is not served by the cluster: install Chaos Mesh there (https://chaos-mesh.org): %w", gvk.Kind, err)
	}
	list := v1alpha1.AllKinds()[gvk.Kind].SpawnList()
	if err := cluster.List(ctx, list, client.InNamespace(f.Namespace), client.Limit(1)); err != nil {
		return fmt.Errorf("list %s in %q: %w", gvk.Kind, f.Namespace, err)
	}
	return nil
}
