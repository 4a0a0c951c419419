package chaosmesh

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/scenarios"
)

// Ladder is what an undo may do beyond stopping and deleting the chaos object, when the fault does not recover by that in half
// the undo's time. Both rungs do harm of their own, so a scenario must allow them.
type Ladder struct {
	// Restart deletes the pods in which the fault did not recover: with a pod goes what was done to it.
	Restart bool `json:"restart,omitempty"`
	// Force cuts the finalizer of the chaos object, which ends Chaos Mesh's own attempts and its account of the fault. The fault
	// then counts as gone only if nothing of it is found: the pods were replaced, or no rule of it is left in them.
	Force bool `json:"force,omitempty"`
}

// annotationLadder keeps on the chaos object which rungs its undo may use, for a process that has nothing but the cluster.
const annotationLadder = "gameday.dev/undo-ladder"

func (l Ladder) any() bool { return l.Restart || l.Force }

// String writes the rungs as they stand in the annotation.
func (l Ladder) String() string {
	var rungs []string
	if l.Restart {
		rungs = append(rungs, "restart")
	}
	if l.Force {
		rungs = append(rungs, "force")
	}
	return strings.Join(rungs, ",")
}

func ladderOf(text string) Ladder {
	rungs := strings.Split(text, ",")
	return Ladder{Restart: slices.Contains(rungs, "restart"), Force: slices.Contains(rungs, "force")}
}

// site is a place where the fault was not recovered.
type site struct {
	id  string
	pod client.ObjectKey
	uid types.UID // of the pod, when it was looked at; empty if it was not
}

// unrecovered are the places whose record is not back at "Not Injected".
func unrecovered(object v1alpha1.InnerObject) []site {
	var out []site
	for _, record := range object.GetStatus().Experiment.Records {
		if record.Phase == v1alpha1.NotInjected || object.IsOneShot() {
			continue
		}
		one := site{id: record.Id}
		if parts := strings.SplitN(record.Id, "/", 3); len(parts) > 1 {
			one.pod = client.ObjectKey{Namespace: parts[0], Name: parts[1]}
		}
		out = append(out, one)
	}
	return out
}

// climb uses the rungs that the scenario allows, one after another, until the object is gone.
func (u *undoing) climb(ctx context.Context) error {
	var errs []error
	if u.ladder.Restart {
		err := u.restart(ctx)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	if u.ladder.Force {
		err := u.force(ctx)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// restart deletes the pods that did not recover, by UID, and gives the controller time to see it.
func (u *undoing) restart(ctx context.Context) error {
	if u.ladder.Force {
		var cancel context.CancelFunc
		ctx, cancel = half(ctx)
		defer cancel()
	}
	var names []string
	for i := range u.left {
		at := &u.left[i]
		if !u.fault.onPods() || at.pod.Name == "" {
			continue
		}
		var pod corev1.Pod
		err := scenarios.Insist(ctx, func(ctx context.Context) error { return u.cluster.Get(ctx, at.pod, &pod) })
		if err == nil {
			at.uid = pod.UID
			err = scenarios.Insist(ctx, func(ctx context.Context) error {
				return u.cluster.Delete(ctx, &pod, client.Preconditions{UID: &at.uid})
			})
		}
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("restart pod %s, which did not recover: %w", at.pod, err)
		}
		names = append(names, at.pod.String())
	}
	left := slices.Clone(u.left)
	u.proof.By += ", targets restarted"
	if err := u.gone(ctx); err != nil {
		u.left = left // with the UIDs of the pods that were deleted
		return fmt.Errorf("restarted the pods %v, and the fault may still be in place: %w", names, err)
	}
	u.proof.Detail = fmt.Sprintf("did not recover by itself: the pods %v were restarted", names)
	return nil
}

// force cuts the finalizer: the last rung.
func (u *undoing) force(ctx context.Context) error {
	left := slices.Clone(u.left)
	for i := range left {
		if left[i].uid != "" || !u.fault.onPods() {
			continue
		}
		var pod corev1.Pod
		err := scenarios.Insist(ctx, func(ctx context.Context) error { return u.cluster.Get(ctx, left[i].pod, &pod) })
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("look at pod %s before the finalizer is cut: %w", left[i].pod, err)
		}
		left[i].uid = pod.UID
	}
	err := u.annotate(ctx, "chaos-mesh.chaos-mesh.org/cleanFinalizer", "forced")
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("cut the finalizer of %s: %w", client.ObjectKeyFromObject(u.object), err)
	}
	err = u.gone(ctx)
	u.left, u.forced = left, true
	if err != nil {
		return fmt.Errorf("cut the finalizer, and the object is still there: %w", err)
	}
	u.proof.By = "finalizer cut, object gone"
	u.proof.Detail = "did not recover: the finalizer of the chaos object was cut"
	return nil
}

// lookWithin bounds how long it is looked where what is left is.
const lookWithin = 10 * time.Second

// notRecovered names what could not be proven undone, and where: it must be found by someone who has only this line.
func (u *undoing) notRecovered(ctx context.Context, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookWithin)
	defer cancel()
	var places []string
	for _, at := range u.left {
		where := at.id
		var pod corev1.Pod
		if u.fault.onPods() && u.cluster.Get(ctx, at.pod, &pod) == nil {
			where = fmt.Sprintf("%s (pod uid %s on node %s)", at.id, pod.UID, pod.Spec.NodeName)
			if at.uid != "" && at.uid != pod.UID {
				continue // replaced since
			}
		}
		places = append(places, where)
	}
	what := fmt.Sprintf("%s %s", u.fault.kind(), client.ObjectKeyFromObject(u.object))
	if len(places) == 0 {
		return fmt.Errorf("%s is not proven undone: %w", what, cause)
	}
	return fmt.Errorf("%s is not proven undone at %s: %w", what, strings.Join(places, ", "), cause)
}
