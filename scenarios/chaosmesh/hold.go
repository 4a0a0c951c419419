package chaosmesh

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

// What is watched beside the steps of a drill: the fault's events from its creation to the end of its undo, the rest from the
// injection to the beginning of the undo.
const (
	taskEvents   = "events of the chaos object"
	taskObject   = "the chaos object"
	taskCoverage = "pods under the fault"
)

var tasksWhileHeld = []string{taskObject, taskCoverage}

// watch starts a task of this fault. A fault that is played without a drill watches nothing beside.
func (f *Fault) watch(env scenarios.Env, what string, run func(ctx context.Context) error) error {
	if env.Tasks == nil {
		return nil
	}
	return env.Tasks.Go(taskName(env, what), func(ctx context.Context) error {
		err := run(ctx)
		if ctx.Err() == nil || err == nil {
			return err
		}
		// The end of a watch that was stopped tells what it saw last; a last error means that it has not seen all.
		if lost := lastError(err); lost != nil {
			return env.Fact(reports.TopicObject, nil, fmt.Sprintf("%s could not be watched to the end: %v", what, lost))
		}
		return nil
	})
}

func taskName(env scenarios.Env, what string) string { return what + " of step " + env.Step }

// stopWatching stops tasks of this fault, those that run.
func (f *Fault) stopWatching(env scenarios.Env, what ...string) error {
	if env.Tasks == nil {
		return nil
	}
	var errs []error
	for _, one := range what {
		if err := env.Tasks.Stop(taskName(env, one)); err != nil {
			errs = append(errs, fmt.Errorf("watch %s: %w", one, err))
		}
	}
	return errors.Join(errs...)
}

// lastError returns the error if the API had answered with one to a wait that was then ended.
func lastError(err error) error {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return err
	}
	return nil
}

// keepEvents records each event of the chaos object: Chaos Mesh says there what its status does not, and the API server
// forgets them.
func keepEvents(ctx context.Context, env scenarios.Env, cluster client.WithWatch, object v1alpha1.InnerObject) error {
	list := &corev1.EventList{}
	options := client.ListOptions{
		Namespace:     object.GetNamespace(),
		FieldSelector: fields.OneTermEqualSelector("involvedObject.name", object.GetName()),
	}
	kept := map[types.UID]string{}
	return scenarios.AwaitList(ctx, cluster, list, options, func() scenarios.State {
		for i := range list.Items {
			event := &list.Items[i]
			if kept[event.UID] == event.ResourceVersion {
				continue
			}
			kept[event.UID] = event.ResourceVersion
			event.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Event"))
			if err := env.Fact(reports.TopicObject, event, event.Reason+": "+event.Message); err != nil {
				return scenarios.State{Err: err}
			}
		}
		return scenarios.State{}
	})
}

// keepObject records each state of the chaos object while the fault holds.
func keepObject(ctx context.Context, env scenarios.Env, cluster client.WithWatch, object v1alpha1.InnerObject) error {
	archive := &archive{env: env, last: object.GetResourceVersion()}
	return scenarios.Await(ctx, cluster, object, func(here bool) scenarios.State {
		if !here {
			return scenarios.State{Done: true}
		}
		return scenarios.State{Err: archive.keep(object)}
	})
}

// coverage tells how many of the pods that the fault was injected into are still those: Chaos Mesh selects once, and a pod
// that takes the place of another is free of the fault.
type coverage struct {
	mu       sync.Mutex
	env      scenarios.Env
	injected map[client.ObjectKey]types.UID
	now      map[string]map[client.ObjectKey]types.UID // what matches, by namespace
	last     *reports.Coverage
}

// newCoverage remembers which pods were hit, by the records and what was resolved before.
func newCoverage(env scenarios.Env, found *targets, records []reports.Site) *coverage {
	c := &coverage{env: env, injected: map[client.ObjectKey]types.UID{}, now: map[string]map[client.ObjectKey]types.UID{}}
	for _, record := range records {
		if pod := podOf(slices.Concat(found.candidates, found.peers), record.ID); pod != nil {
			c.injected[client.ObjectKeyFromObject(pod)] = pod.UID
			c.now[pod.Namespace] = map[client.ObjectKey]types.UID{}
		}
	}
	for key, uid := range c.injected {
		c.now[key.Namespace][key] = uid
	}
	return c
}

// follow watches the pods in all namespaces of the targets.
func (c *coverage) follow(ctx context.Context, cluster client.WithWatch, selector v1alpha1.PodSelectorSpec) error {
	match, err := newMatcher(ctx, cluster, selector)
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	errs := make([]error, len(match.namespaces()))
	for i, namespace := range match.namespaces() {
		group.Go(func() {
			list := &corev1.PodList{}
			errs[i] = scenarios.AwaitList(ctx, cluster, list, match.options(namespace), func() scenarios.State {
				return scenarios.State{Err: c.see(namespace, match.filter(list.Items))}
			})
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// see takes what matches in a namespace now, and records the coverage if it is another than before.
func (c *coverage) see(namespace string, pods []corev1.Pod) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := map[client.ObjectKey]types.UID{}
	for i := range pods {
		if pods[i].DeletionTimestamp == nil {
			now[client.ObjectKeyFromObject(&pods[i])] = pods[i].UID
		}
	}
	c.now[namespace] = now
	state := c.count()
	if c.last != nil && slices.Equal(c.last.Lost, state.Lost) && slices.Equal(c.last.Free, state.Free) {
		return nil
	}
	c.last = &state
	return c.env.Fact(reports.TopicCoverage, state, fmt.Sprintf("%d of %d injected pods are still there, %d others match the selector",
		state.Covered, state.Injected, len(state.Free)))
}

func (c *coverage) count() reports.Coverage {
	out := reports.Coverage{Injected: len(c.injected)}
	for key, uid := range c.injected {
		if c.now[key.Namespace][key] == uid {
			out.Covered++
			continue
		}
		out.Lost = append(out.Lost, key.String())
	}
	for _, now := range c.now {
		for key, uid := range now {
			if c.injected[key] != uid {
				out.Free = append(out.Free, key.String())
			}
		}
	}
	slices.Sort(out.Lost)
	slices.Sort(out.Free)
	return out
}
