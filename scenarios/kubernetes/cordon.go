package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

// Nodes says which nodes a fault takes: by name, or all that have the labels.
type Nodes struct {
	Names  []string          `json:"names,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
}

func (n Nodes) problems(key string) []string {
	if (len(n.Names) == 0) == (len(n.Labels) == 0) {
		return []string{key + ".nodes: name them with names, or select them with labels: one of the two"}
	}
	return nil
}

// String says which nodes are meant.
func (n Nodes) String() string {
	if len(n.Names) > 0 {
		return "the nodes " + strings.Join(n.Names, ", ")
	}
	return "the nodes with " + labelsOf(n.Labels).String()
}

// resolve finds the nodes, all of which must be schedulable: a node that is cordoned already would not notice.
func (n Nodes) resolve(ctx context.Context, cluster client.WithWatch) ([]corev1.Node, error) {
	var list corev1.NodeList
	if err := cluster.List(ctx, &list, &client.ListOptions{LabelSelector: labelsOf(n.Labels)}); err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	found := list.Items
	if len(n.Names) > 0 {
		found = slices.DeleteFunc(found, func(node corev1.Node) bool { return !slices.Contains(n.Names, node.Name) })
		for _, name := range n.Names {
			if !slices.ContainsFunc(found, func(node corev1.Node) bool { return node.Name == name }) {
				return nil, fmt.Errorf("%w: there is no node %q", scenarios.ErrVoid, name)
			}
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%w: %s are none", scenarios.ErrVoid, n)
	}
	for _, node := range found {
		if run := node.Labels[scenarios.LabelRun]; run != "" {
			return nil, fmt.Errorf("node %s is under a fault of drill %s: wait until it is over, or sweep what it left (gameday sweep %s)", node.Name, run, run)
		}
		if node.Spec.Unschedulable {
			return nil, fmt.Errorf("%w: node %s is cordoned already", scenarios.ErrVoid, node.Name)
		}
	}
	return found, nil
}

// Cordon marks nodes as unschedulable. The undo makes them schedulable again.
type Cordon struct {
	Cluster string `json:"cluster,omitempty"`
	Nodes   Nodes  `json:"nodes"`

	radius scenarios.BlastRadius
	times
}

var (
	_ scenarios.Fault       = (*Cordon)(nil)
	_ scenarios.Preflighter = (*Cordon)(nil)
	_ scenarios.Describer   = (*Cordon)(nil)
	_ scenarios.Problems    = (*Cordon)(nil)
	_ scenarios.Bounded     = (*Cordon)(nil)
	_ scenarios.Held        = (*Cordon)(nil)
)

// Bound keeps the scenario's blast radius. Which nodes there are is known only in the cluster.
func (c *Cordon) Bound(radius scenarios.BlastRadius) []string {
	c.radius = radius
	return nil
}

// Problems says offline what is wrong with the fault.
func (c *Cordon) Problems() []string { return c.Nodes.problems(keyCordon) }

// Describe says which nodes are cordoned.
func (c *Cordon) Describe() string { return fmt.Sprintf("cordon %s", c.Nodes) }

// Preflight finds out whether there are nodes to cordon.
func (c *Cordon) Preflight(ctx context.Context, env scenarios.Env) error {
	cluster, err := env.Clusters.Get(c.Cluster)
	if err != nil {
		return err
	}
	_, err = c.resolve(ctx, cluster)
	return err
}

func (c *Cordon) resolve(ctx context.Context, cluster client.WithWatch) ([]corev1.Node, error) {
	nodes, err := c.Nodes.resolve(ctx, cluster)
	if err != nil {
		return nil, err
	}
	return nodes, c.radius.Check(ctx, cluster, scenarios.Targets{Nodes: nodeNames(nodes)})
}

// Do cordons the nodes and returns once the node controller has tainted them.
func (c *Cordon) Do(ctx context.Context, env scenarios.Env) error {
	ctx = c.until(ctx)
	cluster, err := env.Clusters.Get(c.Cluster)
	if err != nil {
		return err
	}
	nodes, err := c.resolve(ctx, cluster)
	if err != nil {
		return err
	}
	if err := env.Fact(reports.TopicTargets, nodeTargets(c.Cluster, nodes), fmt.Sprintf("%d nodes", len(nodes))); err != nil {
		return err
	}
	for _, node := range nodes {
		if err := cordon(ctx, env, cluster, node.Name, cordoned{Fault: keyCordon}); err != nil {
			return err
		}
	}
	proof := &reports.Proof{
		By: "node tainted by its controller", Independent: true, Proven: true,
		Detail: fmt.Sprintf("%d nodes are unschedulable, and tainted as such", len(nodes)),
	}
	return env.Fact(reports.TopicInjected, proof, proof.Detail)
}

// Undo makes the nodes schedulable and returns once their taint is gone.
func (c *Cordon) Undo(ctx context.Context, env scenarios.Env) error {
	return undoNodes(ctx, env, c.Cluster)
}

// cordoned is what the undo of a cordon or drain must know.
type cordoned struct {
	Fault string  `json:"fault"`
	Pods  []group `json:"pods,omitempty"` // those that were to go, and must be back
}

// cordon makes a node unschedulable, and leaves in the same write what its undo needs: there is no moment in which one is
// without the other. It returns once the node's controller has tainted it.
func cordon(ctx context.Context, env scenarios.Env, cluster client.WithWatch, name string, state cordoned) error {
	raw, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("cordon node %s: %w", name, err)
	}
	node := &corev1.Node{}
	err = retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		if err := cluster.Get(ctx, client.ObjectKey{Name: name}, node); err != nil {
			return err
		}
		if run := node.Labels[scenarios.LabelRun]; run != "" {
			return fmt.Errorf("it is under a fault of drill %s", run)
		}
		node.Spec.Unschedulable = true
		mark(ctx, env, state.Fault, node)
		node.Annotations[AnnotationState] = string(raw)
		return cluster.Update(ctx, node)
	})
	if err != nil {
		return fmt.Errorf("cordon node %s: %w", name, err)
	}
	if err := awaitTaint(ctx, cluster, name, true); err != nil {
		return fmt.Errorf("%w: not injected: %w", scenarios.ErrVoid, err)
	}
	return nil
}

// awaitTaint waits until the node's controller has followed: the scheduler and daemons go by the taint.
func awaitTaint(ctx context.Context, cluster client.WithWatch, name string, want bool) error {
	node := &corev1.Node{}
	node.Name = name
	return scenarios.Await(ctx, cluster, node, func(found bool) scenarios.State {
		if !found {
			return scenarios.State{Err: fmt.Errorf("node %s is gone", name)}
		}
		tainted := slices.ContainsFunc(node.Spec.Taints, func(taint corev1.Taint) bool {
			return taint.Key == corev1.TaintNodeUnschedulable
		})
		return scenarios.State{
			Done: tainted == want && node.Spec.Unschedulable == want,
			Seen: fmt.Sprintf("unschedulable %v, tainted %v", node.Spec.Unschedulable, tainted),
		}
	})
}

// undoNodes undoes what a step did to nodes: all that carry its mark.
func undoNodes(ctx context.Context, env scenarios.Env, name string) error {
	cluster, err := env.Clusters.Get(name)
	if err != nil {
		return err
	}
	var list corev1.NodeList
	err = scenarios.Insist(ctx, func(ctx context.Context) error {
		return cluster.List(ctx, &list, client.MatchingLabels{scenarios.LabelRun: env.Run})
	})
	if err != nil {
		return fmt.Errorf("look for what must be undone: %w", err)
	}
	var left []carrier
	for i := range list.Items {
		if node := &list.Items[i]; node.Annotations[AnnotationStep] == env.Step {
			left = append(left, carrier{Fault: node.Labels[LabelUndo], Object: node})
		}
	}
	return undo(ctx, env, cluster, left...)
}

// uncordon undoes a cordon or drain of one node.
func uncordon(ctx context.Context, cluster client.WithWatch, left carrier) (*reports.Proof, error) {
	var was cordoned
	if err := left.state(&was); err != nil {
		return nil, err
	}
	name := left.Object.GetName()
	if err := editNode(ctx, cluster, name, func(node *corev1.Node) { node.Spec.Unschedulable = false }); err != nil {
		return nil, fmt.Errorf("make node %s schedulable: %w", name, err)
	}
	if err := awaitTaint(ctx, cluster, name, false); err != nil {
		return nil, fmt.Errorf("node %s may still be cordoned: %w", name, err)
	}
	proof := &reports.Proof{
		By: "node without taint", Independent: true, Proven: true, Detail: fmt.Sprintf("node %s is schedulable again", name),
	}
	var errs []error
	for _, pods := range was.Pods {
		errs = append(errs, pods.await(ctx, cluster))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if len(was.Pods) > 0 {
		proof.By += ", pods ready"
		proof.Detail += ", and as many pods are ready as before"
	}
	// Only now the mark goes: until here another process can do the same.
	if err := editNode(ctx, cluster, name, func(node *corev1.Node) { unmark(node) }); err != nil {
		return nil, fmt.Errorf("take the mark off node %s: %w", name, err)
	}
	return proof, nil
}

// editNode changes a node, again when somebody else did so meanwhile.
func editNode(ctx context.Context, cluster client.WithWatch, name string, change func(node *corev1.Node)) error {
	return scenarios.Insist(ctx, func(ctx context.Context) error {
		return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
			node := &corev1.Node{}
			if err := cluster.Get(ctx, client.ObjectKey{Name: name}, node); err != nil {
				return err
			}
			change(node)
			return cluster.Update(ctx, node)
		})
	})
}

func nodeTargets(cluster string, nodes []corev1.Node) []reports.Target {
	out := make([]reports.Target, 0, len(nodes))
	for i := range nodes {
		out = append(out, target(cluster, "Node", &nodes[i]))
	}
	return out
}

func nodeNames(nodes []corev1.Node) []string {
	out := make([]string, 0, len(nodes))
	for _, node := range nodes {
		out = append(out, node.Name)
	}
	return out
}
