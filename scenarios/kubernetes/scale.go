package kubernetes

import (
	"context"
	"fmt"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

// Scale sets how many replicas a workload has: a Deployment, a StatefulSet, or whatever else has the scale subresource. The undo
// sets it back to what it was.
type Scale struct {
	Cluster    string `json:"cluster,omitempty"`
	Namespace  string `json:"namespace"`
	APIVersion string `json:"apiVersion,omitempty"` // apps/v1 unless said
	Kind       string `json:"kind,omitempty"`       // Deployment unless said
	Name       string `json:"name"`
	Replicas   int32  `json:"replicas"` // 0 unless said

	radius scenarios.BlastRadius
	times
}

var (
	_ scenarios.Fault       = (*Scale)(nil)
	_ scenarios.Preflighter = (*Scale)(nil)
	_ scenarios.Describer   = (*Scale)(nil)
	_ scenarios.Problems    = (*Scale)(nil)
	_ scenarios.Bounded     = (*Scale)(nil)
	_ scenarios.Held        = (*Scale)(nil)
)

// scaled is what the undo of a scaling must know.
type scaled struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	UID        string `json:"uid"`
	Replicas   int32  `json:"replicas"` // before
	Ready      int    `json:"ready"`    // pods before
	To         int32  `json:"to"`
	Selector   string `json:"selector"`
	// Service, if one is named, must have endpoints again for the undo to be proven.
	Service string `json:"service,omitempty"`
}

func (s *Scale) apiVersion() string {
	if s.APIVersion == "" {
		return "apps/v1"
	}
	return s.APIVersion
}

func (s *Scale) kind() string {
	if s.Kind == "" {
		return "Deployment"
	}
	return s.Kind
}

func (s *Scale) what() string { return fmt.Sprintf("%s %s/%s", s.kind(), s.Namespace, s.Name) }

// Problems says offline what is wrong with the fault.
func (s *Scale) Problems() []string {
	out := needed(keyScale, "namespace", s.Namespace, "name", s.Name)
	if s.Replicas < 0 {
		out = append(out, fmt.Sprintf("scale.replicas: is %d, want none or more", s.Replicas))
	}
	if _, err := groupVersionKind(s.apiVersion(), s.kind()); err != nil {
		out = append(out, fmt.Sprintf("scale.apiVersion: is %q, want group/version, apps/v1 say", s.APIVersion))
	}
	return out
}

// Bound keeps the scenario's blast radius and says offline in what the fault exceeds it.
func (s *Scale) Bound(radius scenarios.BlastRadius) []string {
	s.radius = radius
	return reach(keyScale, radius, s.Namespace)
}

// Describe says what is scaled to what.
func (s *Scale) Describe() string {
	return fmt.Sprintf("scale %s to %d replicas", s.what(), s.Replicas)
}

// Preflight finds out whether there is something to scale, and something that would change.
func (s *Scale) Preflight(ctx context.Context, env scenarios.Env) error {
	cluster, err := env.Clusters.Get(s.Cluster)
	if err != nil {
		return err
	}
	_, err = s.resolve(ctx, cluster)
	return err
}

// workload is a workload as it was found.
type workload struct {
	object   client.Object
	scale    *autoscalingv1.Scale
	selector labels.Selector
	pods     []corev1.Pod
}

func (s *Scale) resolve(ctx context.Context, cluster client.WithWatch) (*workload, error) {
	w, err := s.read(ctx, cluster)
	if err != nil {
		return nil, err
	}
	if w.scale.Spec.Replicas == s.Replicas {
		return nil, fmt.Errorf("%w: %s has %d replicas already", scenarios.ErrVoid, s.what(), s.Replicas)
	}
	targets := scenarios.Targets{Namespaces: []string{s.Namespace}}
	if lost := int(w.scale.Spec.Replicas - s.Replicas); lost > 0 {
		targets.Pods, targets.Hits = w.pods, lost
	}
	return w, s.radius.Check(ctx, cluster, targets)
}

// read gets a workload, its scale, and its pods.
func (s *Scale) read(ctx context.Context, cluster client.WithWatch) (*workload, error) {
	object, err := newObject(cluster, s.apiVersion(), s.kind())
	if err != nil {
		return nil, err
	}
	key := client.ObjectKey{Namespace: s.Namespace, Name: s.Name}
	if err := gone(cluster.Get(ctx, key, object), s.what()); err != nil {
		return nil, err
	}
	w := &workload{object: object, scale: &autoscalingv1.Scale{}}
	if err := cluster.SubResource("scale").Get(ctx, object, w.scale); err != nil {
		return nil, fmt.Errorf("get the scale of %s (has its kind a scale subresource?): %w", s.what(), err)
	}
	if w.selector, err = labels.Parse(w.scale.Status.Selector); err != nil || w.scale.Status.Selector == "" {
		return nil, fmt.Errorf("the scale of %s names no pods (selector %q): it cannot be seen what scaling does", s.what(), w.scale.Status.Selector)
	}
	w.pods, err = listPods(ctx, cluster, s.Namespace, w.selector)
	return w, err
}

func (s *Scale) note() *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: noteMeta(s.Namespace, keyScale, s.apiVersion(), s.kind(), s.Name)}
}

// Do writes down how many replicas there are, sets the number, and returns once as many pods are there.
func (s *Scale) Do(ctx context.Context, env scenarios.Env) error {
	ctx = s.until(ctx)
	cluster, err := env.Clusters.Get(s.Cluster)
	if err != nil {
		return err
	}
	return s.apply(ctx, env, cluster, "")
}

// apply scales. Where a service is named, it must have no endpoint then.
func (s *Scale) apply(ctx context.Context, env scenarios.Env, cluster client.WithWatch, service string) error {
	w, err := s.resolve(ctx, cluster)
	if err != nil {
		return err
	}
	targets := append([]reports.Target{target(s.Cluster, s.kind(), w.object)}, podTargets(s.Cluster, w.pods)...)
	if err := env.Fact(reports.TopicTargets, targets, fmt.Sprintf("%s and its %d pods", s.what(), len(w.pods))); err != nil {
		return err
	}
	before := scaled{
		APIVersion: s.apiVersion(), Kind: s.kind(), Name: s.Name, UID: string(w.object.GetUID()), Replicas: w.scale.Spec.Replicas,
		Ready: min(countReady(w.pods), int(w.scale.Spec.Replicas)), To: s.Replicas, Selector: w.scale.Status.Selector, Service: service,
	}
	if err := keep(ctx, env, cluster, s.note(), keyScale, before); err != nil {
		return err
	}
	if err := setReplicas(ctx, cluster, w.object, s.Replicas); err != nil {
		return err
	}
	if err := s.awaitScaled(ctx, cluster, w); err != nil {
		return fmt.Errorf("%w: not injected: %w", scenarios.ErrVoid, err)
	}
	proof := &reports.Proof{
		By: "pods gone by UID", Independent: true, Proven: true,
		Detail: fmt.Sprintf("%s was scaled from %d to %d replicas, and as many pods are there", s.what(), before.Replicas, s.Replicas),
	}
	if s.Replicas > before.Replicas {
		proof.By = "pods ready"
	}
	if service != "" {
		if err := awaitEndpoints(ctx, cluster, client.ObjectKey{Namespace: s.Namespace, Name: service}, false); err != nil {
			return fmt.Errorf("%w: not injected: %w", scenarios.ErrVoid, err)
		}
		proof.By += ", endpoints withdrawn"
	}
	return env.Fact(reports.TopicInjected, proof, proof.Detail)
}

// awaitScaled waits until the workload's controller and the kubelets have followed.
func (s *Scale) awaitScaled(ctx context.Context, cluster client.WithWatch, w *workload) error {
	if s.Replicas > w.scale.Spec.Replicas {
		return awaitReady(ctx, cluster, s.Namespace, w.selector, int(s.Replicas))
	}
	list := &corev1.PodList{}
	options := client.ListOptions{Namespace: s.Namespace, LabelSelector: w.selector}
	return scenarios.AwaitList(ctx, cluster, list, options, func() scenarios.State {
		left := alive(list.Items)
		return scenarios.State{Done: len(left) <= int(s.Replicas), Seen: fmt.Sprintf("%d pods left (%s)", len(left), describePods(left))}
	})
}

// setReplicas sets the number by the scale subresource, again when somebody else changed the workload meanwhile.
func setReplicas(ctx context.Context, cluster client.WithWatch, object client.Object, replicas int32) error {
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		scale := &autoscalingv1.Scale{}
		if err := cluster.SubResource("scale").Get(ctx, object, scale); err != nil {
			return err
		}
		scale.Spec.Replicas = replicas
		return cluster.SubResource("scale").Update(ctx, object, client.WithSubResourceBody(scale))
	})
	if err != nil {
		return fmt.Errorf("scale %s to %d: %w", client.ObjectKeyFromObject(object), replicas, err)
	}
	return nil
}

// Undo sets the number of replicas back and returns once as many pods are ready as before.
func (s *Scale) Undo(ctx context.Context, env scenarios.Env) error {
	cluster, err := env.Clusters.Get(s.Cluster)
	if err != nil {
		return err
	}
	left, err := find(ctx, env, cluster, s.note())
	if err != nil {
		return err
	}
	return undo(ctx, env, cluster, left...)
}

// rescale undoes a scaling by its note.
func rescale(ctx context.Context, cluster client.WithWatch, left carrier) (*reports.Proof, error) {
	var was scaled
	if err := left.state(&was); err != nil {
		return nil, err
	}
	object, err := newObject(cluster, was.APIVersion, was.Kind)
	if err != nil {
		return nil, err
	}
	namespace := left.Object.GetNamespace()
	what := fmt.Sprintf("%s %s/%s", was.Kind, namespace, was.Name)
	selector, err := labels.Parse(was.Selector)
	if err != nil {
		return nil, fmt.Errorf("scale %s back: %w", what, err)
	}
	err = scenarios.Insist(ctx, func(ctx context.Context) error {
		if err := cluster.Get(ctx, client.ObjectKey{Namespace: namespace, Name: was.Name}, object); err != nil {
			return err
		}
		return setReplicas(ctx, cluster, object, was.Replicas)
	})
	if err != nil {
		return nil, fmt.Errorf("scale %s back to %d replicas: %w", what, was.Replicas, err)
	}
	if err := awaitReplicas(ctx, cluster, object, was.Replicas); err != nil {
		return nil, err
	}
	if err := awaitReady(ctx, cluster, namespace, selector, was.Ready); err != nil {
		return nil, err
	}
	proof := &reports.Proof{
		By: "replicas as before, pods ready", Independent: true, Proven: true,
		Detail: fmt.Sprintf("%s has %d replicas again, and %d pods are ready, as before", what, was.Replicas, was.Ready),
	}
	if was.Service != "" {
		if err := awaitEndpoints(ctx, cluster, client.ObjectKey{Namespace: namespace, Name: was.Service}, true); err != nil {
			return nil, err
		}
		proof.By += ", endpoints there"
	}
	return proof, forget(ctx, cluster, left)
}

// awaitReplicas waits until the workload's controller has made no more pods than are asked for.
func awaitReplicas(ctx context.Context, cluster client.WithWatch, object client.Object, want int32) error {
	var last int32
	err := scenarios.Await(ctx, cluster, object, func(found bool) scenarios.State {
		if !found {
			return scenarios.State{Err: fmt.Errorf("%s is gone", object.GetName())}
		}
		scale := &autoscalingv1.Scale{}
		if err := cluster.SubResource("scale").Get(ctx, object, scale); err != nil {
			return scenarios.State{Seen: "its scale cannot be read: " + err.Error()}
		}
		last = scale.Status.Replicas
		return scenarios.State{Done: last <= want && scale.Spec.Replicas == want, Seen: fmt.Sprintf("%d replicas of %d", last, want)}
	})
	if err != nil {
		return fmt.Errorf("the replicas are not as before: %w", err)
	}
	return nil
}
