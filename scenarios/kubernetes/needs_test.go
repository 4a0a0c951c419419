package kubernetes

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/gamedayhq/gameday/scenarios"
)

// authorizer lets through what the needs tell, as a cluster's RBAC would, and keeps what was used of them.
type authorizer struct {
	mu    sync.Mutex
	needs []scenarios.Need
	used  map[string]bool
}

// right is a need of one verb, in words.
func right(n scenarios.Need, verb string) string {
	n.Verbs = []string{verb}
	return n.String()
}

// call is what is asked of the API.
type call struct {
	verb, sub, namespace, name string
	of                         runtime.Object // an object or a list
}

func (a *authorizer) allow(c client.Client, asked call) error {
	gvk, err := apiutil.GVKForObject(asked.of, c.Scheme())
	if err != nil {
		return err
	}
	apiVersion, kind := gvk.ToAPIVersionAndKind()
	group, resource := scenarios.ResourceOf(apiVersion, strings.TrimSuffix(kind, "List"))
	if asked.sub != "" {
		resource += "/" + asked.sub
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	allowed := false
	for _, n := range a.needs {
		fits := n.Group == group && n.Resource == resource && (n.Namespace == "" || n.Namespace == asked.namespace) &&
			(n.Name == "" || n.Name == asked.name) && slices.Contains(n.Verbs, asked.verb)
		if fits {
			allowed, a.used[right(n, asked.verb)] = true, true
		}
	}
	if !allowed {
		return apierrors.NewForbidden(schema.GroupResource{Group: group, Resource: resource}, asked.name, errNotNeeded(asked))
	}
	return nil
}

type errNotNeeded call

func (e errNotNeeded) Error() string { return "not among the needs: " + e.verb + " in " + e.namespace }

// listed is what a list or a watch asks for.
func listed(opts []client.ListOption) (namespace, name string) {
	options := (&client.ListOptions{}).ApplyOptions(opts)
	if options.FieldSelector != nil {
		name, _ = options.FieldSelector.RequiresExactMatch("metadata.name")
	}
	return options.Namespace, name
}

// under returns the cluster for somebody who may do what the needs tell.
func (a *authorizer) under(w *world) client.WithWatch {
	one := func(c client.Client, verb string, o client.Object) error {
		return a.allow(c, call{verb, "", o.GetNamespace(), o.GetName(), o})
	}
	return interceptor.NewClient(w, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if err := a.allow(c, call{"get", "", key.Namespace, key.Name, o}); err != nil {
				return err
			}
			return c.Get(ctx, key, o, opts...)
		},
		List: func(ctx context.Context, c client.WithWatch, l client.ObjectList, opts ...client.ListOption) error {
			namespace, name := listed(opts)
			if err := a.allow(c, call{"list", "", namespace, name, l}); err != nil {
				return err
			}
			return c.List(ctx, l, opts...)
		},
		Watch: func(ctx context.Context, c client.WithWatch, l client.ObjectList, opts ...client.ListOption) (watch.Interface, error) {
			namespace, name := listed(opts)
			if err := a.allow(c, call{"watch", "", namespace, name, l}); err != nil {
				return nil, err
			}
			return c.Watch(ctx, l, opts...)
		},
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if err := a.allow(c, call{"create", "", o.GetNamespace(), "", o}); err != nil {
				return err
			}
			return c.Create(ctx, o, opts...)
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			if err := one(c, "update", o); err != nil {
				return err
			}
			return c.Update(ctx, o, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, patch client.Patch, opts ...client.PatchOption) error {
			if err := one(c, "patch", o); err != nil {
				return err
			}
			return c.Patch(ctx, o, patch, opts...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			if err := one(c, "delete", o); err != nil {
				return err
			}
			return c.Delete(ctx, o, opts...)
		},
		SubResourceGet: func(ctx context.Context, c client.Client, sub string, o, body client.Object, opts ...client.SubResourceGetOption) error {
			if err := a.allow(c, call{"get", sub, o.GetNamespace(), o.GetName(), o}); err != nil {
				return err
			}
			return c.SubResource(sub).Get(ctx, o, body, opts...)
		},
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
			if err := a.allow(c, call{"update", sub, o.GetNamespace(), o.GetName(), o}); err != nil {
				return err
			}
			return c.SubResource(sub).Update(ctx, o, opts...)
		},
		SubResourceCreate: func(ctx context.Context, c client.Client, sub string, o, body client.Object, opts ...client.SubResourceCreateOption) error {
			if err := a.allow(c, call{"create", sub, o.GetNamespace(), o.GetName(), o}); err != nil {
				return err
			}
			return c.SubResource(sub).Create(ctx, o, body, opts...)
		},
	})
}

// sometimes are the rights that a fault needs only in worlds other than this test's: pods without a controller that must be made
// again, a budget that holds a drain up, a watch of what is as it should be at the first look.
func sometimes(text string) bool { return strings.HasPrefix(text, "watch ") }

// Each fault does with the rights that it asks for, and asks for none that it does not use.
func TestEachFaultNeedsWhatItSays(t *testing.T) {
	unused := map[string][]string{
		// The pods of this world have controllers: nobody but them makes new ones.
		"delete a pod":    {"create pods in namespace shop"},
		"delete two pods": {"create pods in namespace shop"},
		// No pod of this world has read the secret while it was another.
		"rotate":          {"delete pods in namespace shop"},
		"rotate, restart": {"delete pods in namespace shop"},
		"revoke, restart": {"delete pods in namespace shop"},
	}
	for name := range each(&world{}) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := inTime(t)
			w := newWorld(t)
			env, _ := envOf(w)
			fault := each(w)[name]
			needs := scenarios.MergeNeeds(fault.(scenarios.Needs).Needs())
			gate := &authorizer{needs: needs, used: map[string]bool{}}
			env.Clusters = scenarios.Clusters{"": gate.under(w)}
			if _, _, err := fault.(scenarios.Targeted).Targets(ctx, env); err != nil {
				t.Errorf("targets: %v", err)
			}
			if err := fault.(scenarios.Preflighter).Preflight(ctx, env); err != nil {
				t.Errorf("preflight: %v", err)
			}
			if err := fault.Do(ctx, env); err != nil {
				t.Errorf("do: %v", err)
			}
			for range 2 {
				if err := fault.Undo(ctx, env); err != nil {
					t.Errorf("undo: %v", err)
				}
			}
			var idle []string
			for _, n := range needs {
				for _, verb := range n.Verbs {
					if text := right(n, verb); !gate.used[text] && !sometimes(text) {
						idle = append(idle, text)
					}
				}
			}
			if !slices.Equal(idle, unused[name]) {
				t.Errorf("rights that were not used: %q, want %q; used %q", idle, unused[name], slices.Sorted(maps.Keys(gate.used)))
			}
		})
	}
}

// What finds leftovers does with the rights that it asks for, in some namespaces and in all.
func TestFindingLeftoversNeedsWhatItSays(t *testing.T) {
	for _, namespaces := range [][]string{nil, {"shop", "kube-system"}} {
		w := newWorld(t)
		env, _ := envOf(w)
		quota := each(w)["quota"]
		if err := quota.Do(inTime(t), env); err != nil {
			t.Fatal(err)
		}
		gate := &authorizer{needs: LeftoverNeeds(namespaces...), used: map[string]bool{}}
		left, err := Leftovers(t.Context(), gate.under(w), namespaces...)
		if err != nil || len(left) != 1 {
			t.Errorf("in %v: %v (%v)", namespaces, left, err)
		}
		verbs := 0
		for _, n := range gate.needs {
			verbs += len(n.Verbs)
		}
		if len(gate.used) != verbs {
			t.Errorf("in %v: %d rights used, of %d", namespaces, len(gate.used), verbs)
		}
	}
	w := newWorld(t)
	env, _ := envOf(w)
	if err := each(w)["quota"].Do(inTime(t), env); err != nil {
		t.Fatal(err)
	}
	if left, err := Leftovers(t.Context(), w, "kube-system"); err != nil || len(left) != 0 {
		t.Errorf("left in kube-system: %v (%v)", left, err)
	}
	gate := &authorizer{used: map[string]bool{}}
	if _, err := Leftovers(t.Context(), gate.under(w), "shop"); err == nil {
		t.Error("what may not be looked at counts as nothing left")
	}
}
