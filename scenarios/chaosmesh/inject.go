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
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

// Do resolves and records the targets, creates the chaos object, and returns once the fault is proven to hold. A fault that
// did not bite makes the drill void.
func (f *Fault) Do(ctx context.Context, env scenarios.Env) error {
	cluster, err := env.Clusters.Get(f.Cluster)
	if err != nil {
		return err
	}
	found, err := f.resolve(ctx, cluster)
	if err != nil {
		return err
	}
	detail := fmt.Sprintf("%d of %d", found.hits, found.count())
	if err := env.Fact(reports.TopicTargets, f.list(found), detail); err != nil {
		return err
	}
	object, err := f.create(ctx, env, cluster)
	if err != nil {
		return err
	}
	proof, err := f.awaitInjected(ctx, env, cluster, object)
	if err != nil {
		return err
	}
	if err := f.confirm(ctx, cluster, client.ObjectKeyFromObject(object).String(), found, proof); err != nil {
		return err
	}
	return errors.Join(
		env.Fact(reports.TopicInjected, proof, proof.Detail),
		f.watchHeld(env, cluster, object, newCoverage(env, found, proof.Records)),
	)
}

// watchHeld watches the object and the pods while the fault holds. A one-shot fault holds nothing.
func (f *Fault) watchHeld(env scenarios.Env, cluster client.WithWatch, object v1alpha1.InnerObject, covered *coverage) error {
	held, _ := object.DeepCopyObject().(v1alpha1.InnerObject)
	err := f.watch(env, taskObject, func(ctx context.Context) error { return keepObject(ctx, env, cluster, held) })
	selector := f.selector()
	if err != nil || selector == nil || f.Object.IsOneShot() {
		return err
	}
	return f.watch(env, taskCoverage, func(ctx context.Context) error { return covered.follow(ctx, cluster, selector.Selector) })
}

// create creates the chaos object and begins to keep its events.
func (f *Fault) create(ctx context.Context, env scenarios.Env, cluster client.WithWatch) (v1alpha1.InnerObject, error) {
	object := f.object(env)
	expires, err := f.expires()
	if err != nil {
		return nil, err
	}
	object.GetAnnotations()[scenarios.AnnotationExpires] = expires
	err = f.watch(env, taskEvents, func(ctx context.Context) error { return keepEvents(ctx, env, cluster, f.object(env)) })
	if err != nil {
		return nil, err
	}
	if err := cluster.Create(ctx, object); err != nil {
		return nil, fmt.Errorf("create %s %s: %w", f.kind(), client.ObjectKeyFromObject(object), refused(err))
	}
	return object, nil
}

// silentFor is how long a controller may leave a new object untouched: it selects targets and writes conditions within seconds.
// One that cannot, since its definitions in the cluster are older than its types, never will.
const silentFor = 30 * time.Second

// touched reports whether the controller has written anything on the object.
func touched(object v1alpha1.InnerObject) bool {
	status := object.GetStatus()
	return len(status.Conditions) > 0 || len(status.Experiment.Records) > 0
}

// awaitInjected waits until every record of the object says that it was injected, and there is one.
func (f *Fault) awaitInjected(ctx context.Context, env scenarios.Env, cluster client.WithWatch, object v1alpha1.InnerObject) (*reports.Proof, error) {
	archive := &archive{env: env}
	proof := &reports.Proof{By: "records"}
	var effect reports.Effect
	deadline := f.shortest(ctx)
	silence, stopSilence := context.WithCancelCause(ctx)
	timer := time.AfterFunc(silentFor, func() {
		stopSilence(fmt.Errorf("%w: nothing happened to the object for %v", scenarios.ErrVoid, silentFor))
	})
	defer stopSilence(nil)
	defer timer.Stop()
	ctx, cancel := context.WithDeadlineCause(silence, deadline, fmt.Errorf("%w: the fault was not injected in its time", scenarios.ErrVoid))
	defer cancel()
	err := scenarios.Await(ctx, cluster, object, func(here bool) scenarios.State {
		if !here {
			return scenarios.State{Err: fmt.Errorf("%w: the chaos object is gone before the fault was injected", scenarios.ErrVoid)}
		}
		if err := archive.keep(object); err != nil {
			return scenarios.State{Err: err}
		}
		proof.Records = sites(object)
		if touched(object) {
			timer.Stop()
		}
		if effect.FirstInjected == 0 && slices.ContainsFunc(proof.Records, func(s reports.Site) bool { return s.Injected > 0 }) {
			effect.FirstInjected = since(env)
		}
		return scenarios.State{Done: allInjected(proof.Records), Seen: describeSites(object, proof.Records)}
	})
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) && !errors.Is(err, scenarios.ErrVoid) {
		return nil, fmt.Errorf("%w: not injected: %w", scenarios.ErrVoid, err)
	}
	if err != nil {
		return nil, fmt.Errorf("not injected: %w", err)
	}
	proof.Proven = true
	proof.Detail = fmt.Sprintf("injected at %d places, by the controller's records", len(proof.Records))
	effect.LastInjected = since(env)
	return proof, env.Fact(reports.TopicEffect, effect, "")
}

// since is the offset from the drill's start.
func since(env scenarios.Env) time.Duration { return time.Since(env.Journal.Start()) }

// shortest is when waiting for the injection makes no sense any more: the caller's deadline, or when the fault's own duration
// (which counts from creation) is over.
func (f *Fault) shortest(ctx context.Context) time.Time {
	deadline, ok := ctx.Deadline()
	duration, err := f.duration()
	if err != nil || duration <= 0 {
		duration = time.Minute // a one-shot fault
	}
	if over := time.Now().Add(duration); !ok || over.Before(deadline) {
		return over
	}
	return deadline
}

// sites returns the records in the evidence's form, with the last failure's message in the controller's or daemon's words.
func sites(object v1alpha1.InnerObject) []reports.Site {
	records := object.GetStatus().Experiment.Records
	out := make([]reports.Site, 0, len(records))
	for _, record := range records {
		site := reports.Site{ID: record.Id, Phase: string(record.Phase), Injected: record.InjectedCount, Recovered: record.RecoveredCount}
		for _, event := range record.Events {
			if event.Type == v1alpha1.TypeFailed {
				site.Message = event.Message
			}
		}
		out = append(out, site)
	}
	return out
}

func allInjected(sites []reports.Site) bool {
	for _, site := range sites {
		if site.Injected < 1 {
			return false
		}
	}
	return len(sites) > 0
}

func describeSites(object v1alpha1.InnerObject, sites []reports.Site) string {
	if len(sites) == 0 {
		if !touched(object) {
			return "the controller has not touched the object (is chaos-controller-manager running, are its CRDs as new as its types?)"
		}
		return "no record: the controller selected no target"
	}
	var out []string
	for _, site := range sites {
		text := fmt.Sprintf("%s %s, injected %d, recovered %d", site.ID, site.Phase, site.Injected, site.Recovered)
		if site.Message != "" {
			text += " (" + site.Message + ")"
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

// podOf returns the pod that a record's id names: namespace/name, with the container behind for some kinds.
func podOf(pods []corev1.Pod, id string) *corev1.Pod {
	parts := strings.SplitN(id, "/", 3)
	if len(parts) < 2 {
		return nil
	}
	for i := range pods {
		if pods[i].Namespace == parts[0] && pods[i].Name == parts[1] {
			return &pods[i]
		}
	}
	return nil
}

// archive keeps a copy of each state of the chaos object: Chaos Mesh deletes its account of a fault with the object.
type archive struct {
	env  scenarios.Env
	last string
}

func (a *archive) keep(object v1alpha1.InnerObject) error {
	if object.GetResourceVersion() == a.last {
		return nil
	}
	a.last = object.GetResourceVersion()
	return a.env.Fact(reports.TopicObject, object, "")
}
