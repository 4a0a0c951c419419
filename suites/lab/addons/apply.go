package addons

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// owner is who the API server is told sets the fields.
const owner = "gameday-lab"

// inFlight bounds the calls at a time: the API server has two cores.
const inFlight = 6

// Apply brings the objects into the cluster, in the order in which they need each
// other, and returns when the API knows them all. It can be repeated.
func (a Addon) Apply(ctx context.Context, c client.WithWatch) error {
	for _, stage := range a.stages() {
		group, within := errgroup.WithContext(ctx)
		group.SetLimit(inFlight)
		for _, object := range stage {
			group.Go(func() error {
				err := c.Apply(within, client.ApplyConfigurationFromUnstructured(object.DeepCopy()), client.FieldOwner(owner), client.ForceOwnership)
				if err != nil {
					return fmt.Errorf("apply %s %s: %w", object.GetKind(), name(object), err)
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return fmt.Errorf("install %s: %w", a.Name, err)
		}
		if err := await(ctx, c, only(stage, isDefinition)); err != nil {
			return fmt.Errorf("install %s: %w", a.Name, err)
		}
	}
	return nil
}

// stages orders the objects: first what others are in or of, then what pods read,
// then what makes pods, then objects of kinds that came with the add-on.
func (a Addon) stages() [][]*unstructured.Unstructured {
	kinds := map[string]bool{}
	for _, object := range only(a.Objects, isDefinition) {
		kind, _, _ := unstructured.NestedString(object.Object, "spec", "names", "kind")
		kinds[kind] = true
	}
	stages := make([][]*unstructured.Unstructured, 4)
	for _, object := range a.Objects {
		stage := 1
		switch {
		case isDefinition(object), object.GetKind() == "Namespace":
			stage = 0
		case kinds[object.GetKind()]:
			stage = 3
		case isWorkload(object):
			stage = 2
		}
		stages[stage] = append(stages[stage], object)
	}
	return stages
}

func only(objects []*unstructured.Unstructured, meant func(*unstructured.Unstructured) bool) []*unstructured.Unstructured {
	var some []*unstructured.Unstructured
	for _, object := range objects {
		if meant(object) {
			some = append(some, object)
		}
	}
	return some
}

func isDefinition(object *unstructured.Unstructured) bool {
	return object.GetKind() == "CustomResourceDefinition"
}

func isWorkload(object *unstructured.Unstructured) bool {
	switch object.GetKind() {
	case "Deployment", "DaemonSet", "StatefulSet":
		return true
	}
	return false
}

func name(object *unstructured.Unstructured) string {
	if object.GetNamespace() == "" {
		return object.GetName()
	}
	return object.GetNamespace() + "/" + object.GetName()
}
