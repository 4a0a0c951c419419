package chaosmesh

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

// Undo ends the fault and returns once it is proven gone: stopped (each record recovered), deleted, nothing left of it.
//
// It needs nothing but the cluster. A fault that was never created, or whose object is gone, only has its residue looked for.
func (f *Fault) Undo(ctx context.Context, env scenarios.Env) error {
	cluster, err := env.Clusters.Get(f.Cluster)
	if err != nil {
		return err
	}
	object := f.object(env)
	proof := &reports.Proof{By: "records, object gone"}
	stopErr := f.stop(ctx, env, cluster, object, proof)
	if errors.Is(stopErr, scenarios.ErrUnreachable) {
		return stopErr
	}
	// Deleting makes the controller recover as well, so it is tried also when stopping did not work.
	if err := f.remove(ctx, env, cluster, object); err != nil {
		return errors.Join(stopErr, err)
	}
	if err := f.clean(ctx, cluster, object, proof); err != nil {
		return err
	}
	proof.Proven = true
	return env.Fact(reports.TopicRecovered, proof, proof.Detail)
}

// stop pauses a lasting fault, which is Chaos Mesh's way to recover it and to keep its account of that, and waits until every
// record says that it is recovered. A one-shot fault has nothing to stop.
func (f *Fault) stop(ctx context.Context, env scenarios.Env, cluster client.WithWatch, object v1alpha1.InnerObject, proof *reports.Proof) error {
	if object.IsOneShot() {
		proof.By = "object gone"
		return nil
	}
	ctx, cancel := half(ctx)
	defer cancel()
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:"true"}}}`, v1alpha1.PauseAnnotationKey)
	pause, _ := object.DeepCopyObject().(v1alpha1.InnerObject)
	err := scenarios.Insist(ctx, func(ctx context.Context) error {
		return cluster.Patch(ctx, pause, client.RawPatch("application/merge-patch+json", patch))
	})
	if err != nil {
		return ignoreGone(fmt.Errorf("pause %s: %w", client.ObjectKeyFromObject(object), err))
	}
	archive := &archive{env: env}
	err = scenarios.Await(ctx, cluster, object, func(here bool) scenarios.State {
		if !here {
			return scenarios.State{Done: true, Seen: "gone"}
		}
		if err := archive.keep(object); err != nil {
			return scenarios.State{Err: err}
		}
		proof.Records = sites(object)
		return scenarios.State{Done: allRecovered(proof.Records), Seen: describeSites(object, proof.Records)}
	})
	if err != nil {
		return fmt.Errorf("not recovered: %w", err)
	}
	proof.Detail = fmt.Sprintf("recovered at %d places by the controller's records, then deleted", len(proof.Records))
	return nil
}

// half leaves the other half of the time that is left to what comes after.
func half(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, time.Until(deadline)/2, errors.New("half of the undo's time is over"))
}

func ignoreGone(err error) error {
	if client.IgnoreNotFound(errors.Unwrap(err)) == nil {
		return nil
	}
	return err
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
func (f *Fault) remove(ctx context.Context, env scenarios.Env, cluster client.WithWatch, object v1alpha1.InnerObject) error {
	key := client.ObjectKeyFromObject(object)
	err := scenarios.Insist(ctx, func(ctx context.Context) error { return cluster.Delete(ctx, object) })
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete %s %s: %w", f.kind(), key, err)
	}
	object.SetNamespace(key.Namespace)
	object.SetName(key.Name)
	archive := &archive{env: env}
	err = scenarios.Await(ctx, cluster, object, func(here bool) scenarios.State {
		if !here {
			return scenarios.State{Done: true, Seen: "gone"}
		}
		return scenarios.State{Seen: "still there: " + describeSites(object, sites(object)), Err: archive.keep(object)}
	})
	if err != nil {
		return fmt.Errorf("the fault may still be in place: %w", err)
	}
	return nil
}

// clean looks for what the fault left behind, and waits until the pods that it hit are back.
func (f *Fault) clean(ctx context.Context, cluster client.WithWatch, object v1alpha1.InnerObject, proof *reports.Proof) error {
	if err := f.noRules(ctx, cluster, object, proof); err != nil {
		return err
	}
	return f.podsBack(ctx, cluster, proof)
}

// noRules waits until no PodNetworkChaos holds a rule of this fault any more.
func (f *Fault) noRules(ctx context.Context, cluster client.WithWatch, object v1alpha1.InnerObject, proof *reports.Proof) error {
	if _, ok := f.Object.(*v1alpha1.NetworkChaos); !ok {
		return nil
	}
	source := object.GetNamespace() + "/" + object.GetName()
	for _, namespace := range f.namespaces() {
		list := &v1alpha1.PodNetworkChaosList{}
		err := scenarios.AwaitList(ctx, cluster, list, client.ListOptions{Namespace: namespace}, func() scenarios.State {
			left := rulesOf(list.Items, source)
			return scenarios.State{Done: len(left) == 0, Seen: fmt.Sprintf("rules left on the pods %v", left)}
		})
		if err != nil {
			return fmt.Errorf("rules of the fault may be left: %w", err)
		}
	}
	proof.By += ", no rule in PodNetworkChaos"
	return nil
}

// rulesOf names the pods that still hold rules of a source.
func rulesOf(items []v1alpha1.PodNetworkChaos, source string) []string {
	var out []string
	for _, item := range items {
		var sources []string
		for _, rule := range item.Spec.Iptables {
			sources = append(sources, rule.Source)
		}
		for _, rule := range item.Spec.TrafficControls {
			sources = append(sources, rule.Source)
		}
		for _, rule := range item.Spec.IPSets {
			sources = append(sources, rule.Source)
		}
		for _, one := range sources {
			if strings.HasPrefix(one, source) {
				out = append(out, item.Name)
				break
			}
		}
	}
	return out
}

// podsBack waits until all pods that the selector matches are ready and none is going. It is an independent sign: the
// kubelet's, not Chaos Mesh's.
func (f *Fault) podsBack(ctx context.Context, cluster client.WithWatch, proof *reports.Proof) error {
	selector := f.selector()
	if selector == nil || len(selector.Selector.Namespaces) == 0 {
		return nil
	}
	options, err := listOptions(selector.Selector)
	if err != nil {
		return err
	}
	for _, namespace := range selector.Selector.Namespaces {
		options.Namespace = namespace
		list := &corev1.PodList{}
		err := scenarios.AwaitList(ctx, cluster, list, options, func() scenarios.State {
			ready, not := readiness(list.Items)
			return scenarios.State{Done: len(not) == 0 && ready > 0, Seen: fmt.Sprintf("%d pods ready, not ready: %v", ready, not)}
		})
		if err != nil {
			return fmt.Errorf("the pods are not back: %w", err)
		}
	}
	proof.Independent = true
	proof.By += ", pods ready"
	proof.Detail = strings.TrimPrefix(proof.Detail+"; all pods that the selector matches are ready", "; ")
	return nil
}

func readiness(pods []corev1.Pod) (ready int, not []string) {
	for _, pod := range pods {
		if pod.DeletionTimestamp == nil && isReady(&pod) {
			ready++
			continue
		}
		not = append(not, pod.Name)
	}
	return ready, not
}

func isReady(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}
