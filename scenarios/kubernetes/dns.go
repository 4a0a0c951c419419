package kubernetes

import (
	"context"
	"fmt"

	discoveryv1 "k8s.io/api/discovery/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/scenarios"
)

// awaitEndpoints waits until a service has an endpoint that serves, or none: what clients are sent to.
func awaitEndpoints(ctx context.Context, cluster client.WithWatch, service client.ObjectKey, want bool) error {
	list := &discoveryv1.EndpointSliceList{}
	options := client.ListOptions{Namespace: service.Namespace, LabelSelector: labelsOf(map[string]string{discoveryv1.LabelServiceName: service.Name})}
	err := scenarios.AwaitList(ctx, cluster, list, options, func() scenarios.State {
		serving := 0
		for _, slice := range list.Items {
			for _, endpoint := range slice.Endpoints {
				// No word on readiness counts as ready, by the API's documentation.
				if endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready {
					serving++
				}
			}
		}
		return scenarios.State{Done: (serving > 0) == want, Seen: fmt.Sprintf("%d endpoints ready", serving)}
	})
	if err != nil {
		return fmt.Errorf("endpoints of service %s: %w", service, err)
	}
	return nil
}
