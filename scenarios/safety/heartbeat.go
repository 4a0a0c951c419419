package safety

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

// beat renews the leases until ctx ends. A drill that could not renew for two thirds of the lease stops: soon others would take it
// for dead. It goes on renewing while the drill undoes.
func (h *heldLeases) beat(ctx context.Context) {
	every := h.Duration / 6
	last := time.Now()
	for scenarios.Sleep(ctx, every) == nil {
		call, cancel := context.WithTimeout(ctx, every)
		err := h.renew(call)
		cancel()
		var lost *lostError
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			last = time.Now()
		case errors.As(err, &lost):
			h.stop(err)
			return
		case time.Since(last) > h.Duration*2/3:
			h.stop(fmt.Errorf("the drill's heartbeat failed for %v, soon it would be taken for dead: %w", time.Since(last).Round(time.Second), err))
		}
	}
}

// lostError says that somebody else holds a lease of the drill.
type lostError struct{ text string }

// Error says who.
func (e *lostError) Error() string { return e.text }

// renew renews each lease, and reads anew one that somebody touched.
func (h *heldLeases) renew(ctx context.Context) error {
	var errs []error
	for i := range h.all {
		errs = append(errs, h.renewOne(ctx, &h.all[i]))
	}
	return errors.Join(errs...)
}

func (h *heldLeases) renewOne(ctx context.Context, one *held) error {
	next := one.lease.DeepCopy()
	next.Spec.RenewTime = now()
	next.Annotations[scenarios.AnnotationExpires] = time.Now().Add(h.Duration).UTC().Format(time.RFC3339)
	err := one.cluster.Update(ctx, next)
	if err == nil {
		one.lease = next
		return nil
	}
	if !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
		return fmt.Errorf("renew the lease %s: %w", one.lease.Name, err)
	}
	if apierrors.IsNotFound(err) {
		return &lostError{fmt.Sprintf("the drill's lease %s was deleted: another drill could begin on its targets", one.lease.Name)}
	}
	there := one.lease.DeepCopy()
	if err := one.cluster.Get(ctx, client.ObjectKeyFromObject(there), there); err != nil {
		return fmt.Errorf("read the lease %s: %w", one.lease.Name, err)
	}
	if runOf(there) != h.run || there.Annotations[annotationHolder] != h.Holder {
		return &lostError{fmt.Sprintf("the drill's lease %s was taken by %s for %s", one.lease.Name, there.Annotations[annotationHolder], runOf(there))}
	}
	one.lease = there // touched by someone who left it to us: the next beat renews it
	return nil
}

// release deletes the leases that are held, each only as long as it is ours.
func (h *heldLeases) release(ctx context.Context) error {
	var errs []error
	for _, one := range h.all {
		lease := one.lease.DeepCopy()
		version := lease.ResourceVersion
		err := scenarios.Insist(ctx, func(ctx context.Context) error {
			return one.cluster.Delete(ctx, lease, client.Preconditions{ResourceVersion: &version})
		})
		if client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) {
			errs = append(errs, fmt.Errorf("release the lease %s (it expires by itself within %v): %w", lease.Name, h.Duration, err))
		}
	}
	h.all = nil
	return errors.Join(errs...)
}

// errLeft tells that faults of the drill are in the cluster still.
var errLeft = errors.New("faults of the drill are left")

func ignoreLeft(err error) error {
	if errors.Is(err, errLeft) {
		return nil // it is recorded, and a verdict
	}
	return err
}

// recordLeft looks, as the drill ends, whether anything of it is in its clusters still. Each fault that is left is recorded as an
// undo that failed: a verdict of the drill, whatever its steps said.
func (h *heldLeases) recordLeft(ctx context.Context, env scenarios.Env) error {
	found, err := FindWithin(ctx, LookWithin, env.Clusters, h.Find)
	if err != nil {
		return fmt.Errorf("look whether the drill left anything: %w", err)
	}
	found = of(found, h.run)
	if len(found) == 0 {
		return nil
	}
	if err := env.Fact(TopicLeft, found, "sweep it with: gameday sweep "+h.run); err != nil {
		return err
	}
	for _, one := range found {
		err := env.Journal.Event(reports.Event{
			Kind: reports.UndoFailed, Step: one.Step, Detail: fmt.Sprintf("left as the drill ends: %s: sweep it with: gameday sweep %s", one, h.run),
		})
		if err != nil {
			return err
		}
	}
	return errLeft
}
