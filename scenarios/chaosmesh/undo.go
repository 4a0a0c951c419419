package chaosmesh

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

// Undo ends the fault and returns once it is proven gone: stopped (each record recovered), deleted, nothing left of it.
//
// It needs nothing but the cluster. A fault that was never created, or whose object is gone, only has its residue looked for.
// What does not recover in time is helped along by the rungs of [Ladder] that the scenario allows; what could not be proven
// undone is named in the error, place by place.
func (f *Fault) Undo(ctx context.Context, env scenarios.Env) error {
	cluster, err := env.Clusters.Get(f.Cluster)
	if err != nil {
		return err
	}
	u := &undoing{fault: f, env: env, cluster: cluster, object: f.object(env), ladder: f.Ladder}
	stopErr := f.stopWatching(env, tasksWhileHeld...)
	proof, err := u.run(ctx)
	if err := errors.Join(err, stopErr, f.stopWatching(env, taskEvents)); err != nil {
		return err
	}
	return env.Fact(reports.TopicRecovered, proof, proof.Detail)
}

// undoing is one undo of a fault.
type undoing struct {
	fault   *Fault
	env     scenarios.Env // where what is seen is recorded
	cluster client.WithWatch
	object  v1alpha1.InnerObject // filled with what is seen
	ladder  Ladder
	proof   reports.Proof
	effect  reports.Effect
	left    []site // the places that were not recovered when the object was last seen
	forced  bool   // the finalizer was cut: the controller's account ended before the fault did
}

// run climbs the ladder until the object is gone, and then looks for what is left.
func (u *undoing) run(ctx context.Context) (*reports.Proof, error) {
	u.proof = reports.Proof{By: "records, object gone"}
	err := u.stop(ctx)
	if errors.Is(err, scenarios.ErrUnreachable) {
		return nil, err
	}
	// Deleting makes the controller recover as well, so it is tried also when stopping did not work.
	if removeErr := u.remove(ctx, u.ladder.any()); removeErr != nil {
		err = errors.Join(err, removeErr)
		if errors.Is(removeErr, scenarios.ErrUnreachable) || !u.ladder.any() {
			return nil, u.notRecovered(ctx, err)
		}
		if err := u.climb(ctx); err != nil {
			return nil, u.notRecovered(ctx, errors.Join(removeErr, err))
		}
	}
	if err := u.clean(ctx); err != nil {
		return nil, u.notRecovered(ctx, err)
	}
	u.proof.Proven = true
	return &u.proof, nil
}

// stop pauses a lasting fault, which is Chaos Mesh's way to recover it and to keep its account of that, and waits until every
// record says that it is recovered. A one-shot fault has nothing to stop.
func (u *undoing) stop(ctx context.Context) error {
	if u.object.IsOneShot() {
		u.proof.By = "object gone"
		return nil
	}
	ctx, cancel := half(ctx)
	defer cancel()
	if err := u.early(ctx); err != nil {
		return err
	}
	err := u.annotate(ctx, v1alpha1.PauseAnnotationKey, "true")
	if err != nil {
		return client.IgnoreNotFound(fmt.Errorf("pause %s: %w", client.ObjectKeyFromObject(u.object), err))
	}
	err = u.recovered(ctx, u.fault.rulesOf() != nil)
	if errors.Is(err, errStuck) {
		if err := u.withdraw(ctx); err != nil {
			return fmt.Errorf("not recovered: %w", err)
		}
		err = u.recovered(ctx, false)
	}
	if err != nil {
		return fmt.Errorf("not recovered: %w", err)
	}
	u.effect.LastRecovered = since(u.env)
	if err := u.env.Fact(reports.TopicEffect, u.effect, ""); err != nil {
		return err
	}
	if u.proof.Detail == "" {
		u.proof.Detail = fmt.Sprintf("recovered at %d places by the controller's records, then deleted", len(u.proof.Records))
	}
	return nil
}

// recovered waits until every record says that it is, or until it is seen that this cannot come by itself.
func (u *undoing) recovered(ctx context.Context, mendable bool) error {
	return u.await(ctx, func(here bool) scenarios.State {
		if !here {
			return scenarios.State{Done: true, Seen: "gone"}
		}
		state := scenarios.State{Done: allRecovered(u.proof.Records), Seen: describeSites(u.object, u.proof.Records)}
		if mendable && u.object.IsPaused() && stuck(u.proof.Records) {
			state.Err = errStuck
		}
		return state
	})
}

// early finds out whether the fault had ended by itself before it was stopped: its duration counts from creation. What was
// watched after that was watched without the fault, so it makes the drill void.
func (u *undoing) early(ctx context.Context) error {
	err := scenarios.Insist(ctx, func(ctx context.Context) error {
		return u.cluster.Get(ctx, client.ObjectKeyFromObject(u.object), u.object)
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at %s %s: %w", u.fault.kind(), client.ObjectKeyFromObject(u.object), err)
	}
	seen := sites(u.object)
	over, _, err := u.object.DurationExceeded(time.Now())
	if err != nil {
		return fmt.Errorf("read the duration of %s: %w", client.ObjectKeyFromObject(u.object), err)
	}
	if !over || !allInjected(seen) || u.object.IsPaused() || !recoveredOnce(seen) {
		return nil
	}
	return u.env.Fact(reports.TopicVoid, nil,
		"the fault's own duration ended it before its hold was over: what was watched after that was watched without it: "+describeSites(u.object, seen))
}

func recoveredOnce(sites []reports.Site) bool {
	for _, site := range sites {
		if site.Recovered > 0 {
			return true
		}
	}
	return false
}

// annotate patches one annotation: Chaos Mesh's controllers update the whole object, so ours may touch nothing else of it.
func (u *undoing) annotate(ctx context.Context, key, value string) error {
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, key, value)
	object, _ := u.object.DeepCopyObject().(v1alpha1.InnerObject)
	return scenarios.Insist(ctx, func(ctx context.Context) error {
		return u.cluster.Patch(ctx, object, client.RawPatch("application/merge-patch+json", patch))
	})
}

// await watches the object, keeps each state of it in the record, and remembers which places are not recovered.
func (u *undoing) await(ctx context.Context, see func(here bool) scenarios.State) error {
	archive := &archive{env: u.env}
	return scenarios.Await(ctx, u.cluster, u.object, func(here bool) scenarios.State {
		if here {
			if err := archive.keep(u.object); err != nil {
				return scenarios.State{Err: err}
			}
			u.proof.Records = sites(u.object)
			u.left = unrecovered(u.object)
			if u.effect.FirstRecovered == 0 && recoveredOnce(u.proof.Records) {
				u.effect.FirstRecovered = since(u.env)
			}
		}
		return see(here)
	})
}

// half leaves the other half of the time that is left to what comes after.
func half(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, time.Until(deadline)/2, errors.New("its share of the undo's time is over"))
}

func allRecovered(sites []reports.Site) bool {
	for _, site := range sites {
		if site.Phase != string(v1alpha1.NotInjected) || site.Recovered < site.Injected {
			return false
		}
	}
	return true
}

// remove deletes the object and waits until it is gone, which Chaos Mesh allows once all is recovered.
func (u *undoing) remove(ctx context.Context, more bool) error {
	if more {
		var cancel context.CancelFunc
		ctx, cancel = half(ctx)
		defer cancel()
	}
	key := client.ObjectKeyFromObject(u.object)
	err := scenarios.Insist(ctx, func(ctx context.Context) error { return u.cluster.Delete(ctx, u.object) })
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete %s %s: %w", u.fault.kind(), key, err)
	}
	u.object.SetNamespace(key.Namespace)
	u.object.SetName(key.Name)
	if err := u.gone(ctx); err != nil {
		return fmt.Errorf("the fault may still be in place: %w", err)
	}
	return nil
}

// gone waits until the object is gone.
func (u *undoing) gone(ctx context.Context) error {
	return u.await(ctx, func(here bool) scenarios.State {
		if !here {
			return scenarios.State{Done: true, Seen: "gone"}
		}
		return scenarios.State{Seen: "still there: " + describeSites(u.object, u.proof.Records)}
	})
}
