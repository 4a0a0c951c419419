// Package live shows a cluster to dr/fidelity: what its API serves, and its objects, a page at a time.
//
// It needs the rights to list all that is compared, Secrets included; what may not be listed is an error, never an empty list.
package live

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/gamedayhq/gameday/dr/fidelity"
)

// Cluster is a fidelity.Live of a real cluster.
type Cluster struct {
	Discovery discovery.DiscoveryInterface
	Dynamic   dynamic.Interface
	Page      int64 // objects asked for at once; 500 unless given
}

var _ fidelity.Live = Cluster{}

// Connect makes a Cluster of a configuration. It does not call the cluster yet.
func Connect(config *rest.Config) (Cluster, error) {
	d, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return Cluster{}, fmt.Errorf("connect to %s: %w", config.Host, err)
	}
	c, err := dynamic.NewForConfig(config)
	if err != nil {
		return Cluster{}, fmt.Errorf("connect to %s: %w", config.Host, err)
	}
	return Cluster{Discovery: d, Dynamic: c}, nil
}

// Resources lists what can be listed, in all versions. An API group that does not answer is an error: its objects would count as
// lost, or its extra objects as not there, for want of looking.
func (c Cluster) Resources(ctx context.Context) ([]fidelity.Resource, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	_, lists, err := c.Discovery.ServerGroupsAndResources()
	if err != nil {
		return nil, fmt.Errorf("discover the API: %w", err)
	}
	var out []fidelity.Resource
	for _, list := range lists {
		of, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, fmt.Errorf("discover the API: %w", err)
		}
		for _, r := range list.APIResources {
			if strings.Contains(r.Name, "/") || !slices.Contains(r.Verbs, "list") {
				continue
			}
			out = append(out, fidelity.Resource{Group: of.Group, Version: of.Version, Name: r.Name, Kind: r.Kind, Namespaced: r.Namespaced})
		}
	}
	return out, nil
}

// List yields the objects of a resource, page by page.
func (c Cluster) List(ctx context.Context, of fidelity.Resource, namespaces []string, yield func(map[string]any) error) error {
	resource := c.Dynamic.Resource(schema.GroupVersionResource{Group: of.Group, Version: of.Version, Resource: of.Name})
	if len(namespaces) == 0 {
		return c.pages(ctx, resource, yield)
	}
	for _, ns := range namespaces {
		if err := c.pages(ctx, resource.Namespace(ns), yield); err != nil {
			return fmt.Errorf("in namespace %s: %w", ns, err)
		}
	}
	return nil
}

func (c Cluster) pages(ctx context.Context, from dynamic.ResourceInterface, yield func(map[string]any) error) error {
	options := metav1.ListOptions{Limit: c.Page}
	if options.Limit <= 0 {
		options.Limit = 500
	}
	for {
		page, err := from.List(ctx, options)
		if err != nil {
			return err
		}
		for i := range page.Items {
			if err := yield(page.Items[i].Object); err != nil {
				return err
			}
		}
		if options.Continue = page.GetContinue(); options.Continue == "" {
			return nil
		}
	}
}
