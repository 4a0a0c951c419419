package kubernetes

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

// CutNetwork forbids some pods to reach others, by a NetworkPolicy on those others: it lets in everybody in the cluster but the
// first. A policy can only allow, so what comes from outside the cluster is kept out as well, and another policy that allows the
// path undoes the cut. The undo deletes the policy.
//
// An API server takes a policy that no network plugin enforces. So the fault needs a sign to be proven at all.
type CutNetwork struct {
	Cluster string          `json:"cluster,omitempty"`
	From    Side            `json:"from"`
	To      Side            `json:"to"`
	Proof   *scenarios.Sign `json:"proof"`

	radius scenarios.BlastRadius
	times
}

// Side is one side of a path.
type Side struct {
	Namespace string            `json:"namespace"`
	Labels    map[string]string `json:"labels"`
}

// String says which pods are meant.
func (s Side) String() string {
	return fmt.Sprintf("%s in namespace %s", labelsOf(s.Labels), s.Namespace)
}

var (
	_ scenarios.Fault       = (*CutNetwork)(nil)
	_ scenarios.Preflighter = (*CutNetwork)(nil)
	_ scenarios.Describer   = (*CutNetwork)(nil)
	_ scenarios.Problems    = (*CutNetwork)(nil)
	_ scenarios.Bounded     = (*CutNetwork)(nil)
	_ scenarios.Held        = (*CutNetwork)(nil)
)

// Problems says offline what is wrong with the fault.
func (c *CutNetwork) Problems() []string {
	out := needed(keyCut, "from.namespace", c.From.Namespace, "to.namespace", c.To.Namespace)
	for name, side := range map[string]Side{"from": c.From, "to": c.To} {
		if len(side.Labels) == 0 {
			out = append(out, fmt.Sprintf("cutNetwork.%s.labels: is empty: select the pods of this side", name))
		}
	}
	slices.Sort(out)
	if c.Proof == nil {
		return append(out, "cutNetwork.proof: is missing: the API takes a policy that nothing enforces; name a question that is answered badly while the path is cut")
	}
	return append(out, c.Proof.Problems(keyCut+".proof")...)
}

// Bound keeps the scenario's blast radius and says offline in what the fault exceeds it.
func (c *CutNetwork) Bound(radius scenarios.BlastRadius) []string {
	c.radius = radius
	return reach(keyCut, radius, c.From.Namespace, c.To.Namespace)
}

// Describe says what is cut off from what.
func (c *CutNetwork) Describe() string {
	return fmt.Sprintf("cut the pods %s off from the pods %s, by a network policy", c.From, c.To)
}

// Preflight finds out whether there are pods on both sides.
func (c *CutNetwork) Preflight(ctx context.Context, env scenarios.Env) error {
	cluster, err := env.Clusters.Get(c.Cluster)
	if err != nil {
		return err
	}
	_, _, err = c.resolve(ctx, cluster)
	return err
}

func (c *CutNetwork) resolve(ctx context.Context, cluster client.WithWatch) (from, to []corev1.Pod, err error) {
	for _, side := range []struct {
		Side
		pods *[]corev1.Pod
	}{{c.From, &from}, {c.To, &to}} {
		if *side.pods, err = listPods(ctx, cluster, side.Namespace, labelsOf(side.Labels)); err != nil {
			return nil, nil, err
		}
		if len(*side.pods) == 0 {
			return nil, nil, fmt.Errorf("%w: no pod matches %s", scenarios.ErrVoid, side.Side)
		}
	}
	targets := scenarios.Targets{Pods: to, Namespaces: []string{c.From.Namespace}}
	return from, to, c.radius.Check(ctx, cluster, targets)
}

// policy allows the target's pods to be reached by all pods but those that are cut off.
func (c *CutNetwork) policy() *networkingv1.NetworkPolicy {
	not := func(key, value string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{
			Key: key, Operator: metav1.LabelSelectorOpNotIn, Values: []string{value},
		}}}
	}
	peers := []networkingv1.NetworkPolicyPeer{{NamespaceSelector: not(corev1.LabelMetadataName, c.From.Namespace)}}
	// To have one of the labels otherwise is to be another pod.
	for _, key := range slices.Sorted(maps.Keys(c.From.Labels)) {
		peers = append(peers, networkingv1.NetworkPolicyPeer{
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: c.From.Namespace}},
			PodSelector:       not(key, c.From.Labels[key]),
		})
	}
	return &networkingv1.NetworkPolicy{
		ObjectMeta: noteMeta(c.To.Namespace, "cut", labelsOf(c.To.Labels).String(), c.From.String()),
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: c.To.Labels},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			Ingress:     []networkingv1.NetworkPolicyIngressRule{{From: peers}},
		},
	}
}

// Do creates the policy and returns once its sign shows.
func (c *CutNetwork) Do(ctx context.Context, env scenarios.Env) error {
	ctx = c.until(ctx)
	cluster, err := env.Clusters.Get(c.Cluster)
	if err != nil {
		return err
	}
	from, to, err := c.resolve(ctx, cluster)
	if err != nil {
		return err
	}
	if err := c.Proof.Before(ctx, env); err != nil {
		return err
	}
	targets := append(podTargets(c.Cluster, from), podTargets(c.Cluster, to)...)
	if err := env.Fact(reports.TopicTargets, targets, fmt.Sprintf("%d pods that are cut off from %d", len(from), len(to))); err != nil {
		return err
	}
	policy := c.policy()
	mark(ctx, env, keyCut, policy)
	if err := cluster.Create(ctx, policy); err != nil {
		if apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("the path is cut by a drill already, NetworkPolicy %s: wait until it is over, or sweep what it left (gameday sweep)", client.ObjectKeyFromObject(policy))
		}
		return fmt.Errorf("create network policy: %w", err)
	}
	seen, err := c.Proof.Await(ctx, env, true)
	if err != nil {
		return fmt.Errorf("%w: not injected: the policy is there, but does the cluster's network plugin enforce it, and does no other policy allow the path? %w", scenarios.ErrVoid, err)
	}
	proof := &reports.Proof{By: "the sign that it named", Independent: true, Proven: true, Detail: seen}
	return env.Fact(reports.TopicInjected, proof, proof.Detail)
}

// Undo deletes the policy and returns once its sign is gone.
func (c *CutNetwork) Undo(ctx context.Context, env scenarios.Env) error {
	cluster, err := env.Clusters.Get(c.Cluster)
	if err != nil {
		return err
	}
	left, err := find(ctx, env, cluster, c.policy())
	if err != nil {
		return err
	}
	if err := undo(ctx, env, cluster, left...); err != nil || len(left) == 0 {
		return err
	}
	seen, err := c.Proof.Await(ctx, env, false)
	if err != nil {
		return fmt.Errorf("the policy is gone, but the path may still be cut: %w", err)
	}
	proof := &reports.Proof{By: "policy gone, the sign that it named is gone", Independent: true, Proven: true, Detail: seen}
	return env.Fact(reports.TopicRecovered, proof, proof.Detail)
}

// rejoin undoes a cut: the policy is the harm, and tells of it.
func rejoin(ctx context.Context, cluster client.WithWatch, left carrier) (*reports.Proof, error) {
	if err := forget(ctx, cluster, left); err != nil {
		return nil, err
	}
	policy := &networkingv1.NetworkPolicy{}
	policy.Namespace, policy.Name = left.Object.GetNamespace(), left.Object.GetName()
	err := scenarios.Await(ctx, cluster, policy, func(found bool) scenarios.State {
		return scenarios.State{Done: !found, Seen: "still there"}
	})
	if err != nil {
		return nil, fmt.Errorf("the path may still be cut: %w", err)
	}
	return &reports.Proof{By: "policy gone", Proven: true, Detail: "no policy of the fault is left"}, nil
}
