package kubernetes

import (
	"context"
	"fmt"
	"slices"

	discoveryv1 "k8s.io/api/discovery/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/scenarios"
)

// StopDNS takes away the cluster's name service: its workload is scaled to nothing. The undo scales it back.
type StopDNS struct {
	Cluster    string `json:"cluster,omitempty"`
	Namespace  string `json:"namespace,omitempty"`  // kube-system unless said
	Deployment string `json:"deployment,omitempty"` // coredns unless said
	Service    string `json:"service,omitempty"`    // kube-dns unless said

	radius scenarios.BlastRadius
	times
}

var (
	_ scenarios.Fault       = (*StopDNS)(nil)
	_ scenarios.Preflighter = (*StopDNS)(nil)
	_ scenarios.Describer   = (*StopDNS)(nil)
	_ scenarios.Bounded     = (*StopDNS)(nil)
	_ scenarios.Held        = (*StopDNS)(nil)
)

func (d *StopDNS) scale() *Scale {
	s := &Scale{Cluster: d.Cluster, Namespace: d.Namespace, Name: d.Deployment, radius: d.radius}
	if s.Namespace == "" {
		s.Namespace = "kube-system"
	}
	if s.Name == "" {
		s.Name = "coredns"
	}
	return s
}

func (d *StopDNS) service() string {
	if d.Service == "" {
		return "kube-dns"
	}
	return d.Service
}

// Bound keeps the scenario's blast radius and says offline what of it a stopped name service needs.
func (d *StopDNS) Bound(radius scenarios.BlastRadius) []string {
	d.radius = radius
	namespace := d.scale().Namespace
	out := reach(keyStopDNS, radius, namespace)
	if slices.Contains(scenarios.ProtectedNamespaces, namespace) && !slices.Contains(radius.AllowProtected, namespace) {
		out = append(out, fmt.Sprintf("stopDNS.namespace: %q is protected: name it in spec.blastRadius.allowProtected", namespace))
	}
	if !radius.AllowLastReplica {
		out = append(out, "stopDNS: takes the last replica of the name service: say so with spec.blastRadius.allowLastReplica")
	}
	return out
}

// Describe says what is stopped.
func (d *StopDNS) Describe() string {
	return fmt.Sprintf("stop the name service: scale %s to nothing", d.scale().what())
}

// Preflight finds out whether there is a name service to stop.
func (d *StopDNS) Preflight(ctx context.Context, env scenarios.Env) error {
	cluster, err := env.Clusters.Get(d.Cluster)
	if err != nil {
		return err
	}
	if _, err := d.scale().resolve(ctx, cluster); err != nil {
		return err
	}
	var list discoveryv1.EndpointSliceList
	options := endpointsOf(client.ObjectKey{Namespace: d.scale().Namespace, Name: d.service()})
	if err := cluster.List(ctx, &list, &options); err != nil {
		return fmt.Errorf("list the endpoints of service %s/%s: %w", options.Namespace, d.service(), err)
	}
	if serving(list.Items) == 0 {
		return fmt.Errorf("%w: service %s/%s has no endpoint even now", scenarios.ErrVoid, options.Namespace, d.service())
	}
	return nil
}

// Do scales the name service to nothing and returns once its pods and the endpoints of its service are gone.
func (d *StopDNS) Do(ctx context.Context, env scenarios.Env) error {
	ctx = d.until(ctx)
	if err := d.Preflight(ctx, env); err != nil {
		return err
	}
	cluster, err := env.Clusters.Get(d.Cluster)
	if err != nil {
		return err
	}
	return d.scale().apply(ctx, env, cluster, d.service())
}

// Undo scales it back and returns once its pods are ready and its service has endpoints.
func (d *StopDNS) Undo(ctx context.Context, env scenarios.Env) error { return d.scale().Undo(ctx, env) }

func endpointsOf(service client.ObjectKey) client.ListOptions {
	return client.ListOptions{Namespace: service.Namespace, LabelSelector: labelsOf(map[string]string{discoveryv1.LabelServiceName: service.Name})}
}

// serving counts the endpoints that clients are sent to.
func serving(found []discoveryv1.EndpointSlice) int {
	n := 0
	for _, slice := range found {
		for _, endpoint := range slice.Endpoints {
			// No word on readiness counts as ready, by the API's documentation.
			if endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready {
				n++
			}
		}
	}
	return n
}

// awaitEndpoints waits until a service has an endpoint that serves, or none.
func awaitEndpoints(ctx context.Context, cluster client.WithWatch, service client.ObjectKey, want bool) error {
	list := &discoveryv1.EndpointSliceList{}
	err := scenarios.AwaitList(ctx, cluster, list, endpointsOf(service), func() scenarios.State {
		n := serving(list.Items)
		return scenarios.State{Done: (n > 0) == want, Seen: fmt.Sprintf("%d endpoints ready", n)}
	})
	if err != nil {
		return fmt.Errorf("endpoints of service %s: %w", service, err)
	}
	return nil
}
