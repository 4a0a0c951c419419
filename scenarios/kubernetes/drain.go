package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

// Drain cordons nodes and evicts the pods on them, those of daemon sets and of the node itself aside, as kubectl drain does. The
// undo makes the nodes schedulable and waits until as many pods are ready as before.
type Drain struct {
	Cluster    string   `json:"cluster,omitempty"`
	Nodes      Nodes    `json:"nodes"`
	Namespaces []string `json:"namespaces,omitempty"` // whose pods are evicted; those of the blast radius unless said
	// Budgets says what counts more: honour (the standard) goes by the eviction API, which refuses what a PodDisruptionBudget
	// forbids; ignore deletes, as a node that dies does.
	Budgets string            `json:"budgets,omitempty"`
	Grace   *reports.Duration `json:"grace,omitempty"`  // of each pod, instead of its own
	Within  reports.Duration  `json:"within,omitempty"` // how long budgets are waited for; 1 m unless said

	radius scenarios.BlastRadius
	times
}

var (
	_ scenarios.Fault       = (*Drain)(nil)
	_ scenarios.Preflighter = (*Drain)(nil)
	_ scenarios.Describer   = (*Drain)(nil)
	_ scenarios.Problems    = (*Drain)(nil)
	_ scenarios.Bounded     = (*Drain)(nil)
	_ scenarios.Held        = (*Drain)(nil)
)

const (
	budgetsHonour = "honour"
	budgetsIgnore = "ignore"
)

// Problems says offline what is wrong with the fault.
func (d *Drain) Problems() []string {
	out := d.Nodes.problems(keyDrain)
	if !slices.Contains([]string{"", budgetsHonour, budgetsIgnore}, d.Budgets) {
		out = append(out, fmt.Sprintf("drain.budgets: is %q, want honour or ignore", d.Budgets))
	}
	if d.Within < 0 || d.Grace != nil && *d.Grace < 0 {
		out = append(out, "drain: has a negative time, want none or more")
	}
	return out
}

// Bound keeps the scenario's blast radius and says offline in what the fault exceeds it.
func (d *Drain) Bound(radius scenarios.BlastRadius) []string {
	d.radius = radius
	if len(d.namespaces()) == 0 {
		return []string{"drain.namespaces: is empty, and so is spec.blastRadius.namespaces: name the namespaces whose pods may be evicted"}
	}
	return reach(keyDrain, radius, d.Namespaces...)
}

func (d *Drain) namespaces() []string {
	if len(d.Namespaces) > 0 {
		return d.Namespaces
	}
	return d.radius.Namespaces
}

// Describe says which nodes are drained of what.
func (d *Drain) Describe() string {
	text := fmt.Sprintf("drain %s of the pods of %s", d.Nodes, strings.Join(d.namespaces(), ", "))
	if d.Budgets == budgetsIgnore {
		return text + ", against their disruption budgets"
	}
	return text
}

// Preflight finds out whether there is something to drain, and whether all of it would come back.
func (d *Drain) Preflight(ctx context.Context, env scenarios.Env) error {
	cluster, err := env.Clusters.Get(d.Cluster)
	if err != nil {
		return err
	}
	_, _, err = d.resolve(ctx, cluster)
	return err
}

func (d *Drain) resolve(ctx context.Context, cluster client.WithWatch) (nodes []corev1.Node, pods []corev1.Pod, err error) {
	if nodes, err = d.Nodes.resolve(ctx, cluster); err != nil {
		return nil, nil, err
	}
	for _, namespace := range d.namespaces() {
		found, err := listPods(ctx, cluster, namespace, labels.Everything())
		if err != nil {
			return nil, nil, err
		}
		for i := range found {
			if onOne(nodes, &found[i]) && evictable(&found[i]) {
				pods = append(pods, found[i])
			}
		}
	}
	if len(pods) == 0 {
		return nil, nil, fmt.Errorf("%w: no pod of %s is on %s", scenarios.ErrVoid, strings.Join(d.namespaces(), ", "), d.Nodes)
	}
	for i := range pods {
		if !hasController(&pods[i]) {
			return nil, nil, fmt.Errorf("nothing would bring pod %s/%s back: it has no controller; leave its namespace out of the drain", pods[i].Namespace, pods[i].Name)
		}
	}
	return nodes, pods, d.radius.Check(ctx, cluster, scenarios.Targets{Pods: pods, Nodes: nodeNames(nodes)})
}

func onOne(nodes []corev1.Node, pod *corev1.Pod) bool {
	return slices.ContainsFunc(nodes, func(node corev1.Node) bool { return node.Name == pod.Spec.NodeName })
}

// evictable leaves out what a drain cannot move: pods of daemon sets, and mirrors of the node's own files.
func evictable(pod *corev1.Pod) bool {
	if _, mirror := pod.Annotations[corev1.MirrorPodAnnotationKey]; mirror {
		return false
	}
	owner := metav1.GetControllerOf(pod)
	return owner == nil || owner.Kind != "DaemonSet"
}

// Do cordons the nodes, evicts the pods, and returns once they are gone. What a budget did not let go makes the drill void, and is
// said in the API's words.
func (d *Drain) Do(ctx context.Context, env scenarios.Env) error {
	ctx = d.until(ctx)
	cluster, err := env.Clusters.Get(d.Cluster)
	if err != nil {
		return err
	}
	nodes, pods, err := d.resolve(ctx, cluster)
	if err != nil {
		return err
	}
	targets := append(nodeTargets(d.Cluster, nodes), podTargets(d.Cluster, pods)...)
	if err := env.Fact(reports.TopicTargets, targets, fmt.Sprintf("%d nodes and %d pods on them", len(nodes), len(pods))); err != nil {
		return err
	}
	for _, node := range nodes {
		on := slices.DeleteFunc(slices.Clone(pods), func(pod corev1.Pod) bool { return pod.Spec.NodeName != node.Name })
		back, err := groups(ctx, cluster, on)
		if err != nil {
			return err
		}
		if err := cordon(ctx, env, cluster, node.Name, cordoned{Fault: keyDrain, Pods: back}); err != nil {
			return err
		}
	}
	proof := &reports.Proof{By: "node tainted, pods gone by UID", Independent: true}
	evictErr := d.evictAll(ctx, cluster, pods, proof)
	proof.Proven = evictErr == nil
	if evictErr == nil {
		proof.Detail = fmt.Sprintf("%d pods are gone from %d nodes", len(pods), len(nodes))
	} else {
		proof.Detail = evictErr.Error()
	}
	return errors.Join(evictErr, env.Fact(reports.TopicInjected, proof, proof.Detail))
}

// evictAll evicts the pods, again and again while a budget forbids it, and waits until they are gone.
func (d *Drain) evictAll(ctx context.Context, cluster client.WithWatch, pods []corev1.Pod, proof *reports.Proof) error {
	limited, cancel := context.WithTimeoutCause(ctx, d.within(), fmt.Errorf("not drained within %v", d.within()))
	defer cancel()
	left := slices.Clone(pods)
	words := map[string]string{}
	for {
		var refused []corev1.Pod
		for i := range left {
			id := left[i].Namespace + "/" + left[i].Name
			words[id] = ""
			if err := d.evict(limited, cluster, &left[i]); apierrors.IsTooManyRequests(err) {
				words[id] = inWords(err)
				refused = append(refused, left[i])
			} else if err != nil {
				return fmt.Errorf("evict pod %s: %w", id, err)
			}
		}
		if left = refused; len(left) == 0 {
			break
		}
		if err := scenarios.Sleep(limited, time.Second); err != nil {
			proof.Records = sitesOf(pods, words)
			return fmt.Errorf("%w: %w: disruption budgets forbid to evict %d of %d pods: %s", scenarios.ErrVoid, err, len(left), len(pods), describeRefused(left, words))
		}
	}
	proof.Records = sitesOf(pods, words)
	if err := awaitGone(ctx, cluster, pods); err != nil {
		return fmt.Errorf("%w: not injected: %w", scenarios.ErrVoid, err)
	}
	return nil
}

func (d *Drain) within() time.Duration {
	if d.Within == 0 {
		return time.Minute
	}
	return d.Within.D()
}

// evict asks for a pod to go. One that is gone, or another under its name, needs no asking.
func (d *Drain) evict(ctx context.Context, cluster client.WithWatch, pod *corev1.Pod) error {
	options := &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &pod.UID}}
	if d.Grace != nil {
		options.GracePeriodSeconds = new(int64(d.Grace.D() / time.Second))
	}
	var err error
	if d.Budgets == budgetsIgnore {
		err = cluster.Delete(ctx, pod, &client.DeleteOptions{Raw: options})
	} else {
		eviction := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name}, DeleteOptions: options}
		err = cluster.SubResource("eviction").Create(ctx, pod, eviction)
	}
	if apierrors.IsConflict(err) {
		return nil // another pod under the same name: the one that was meant is gone
	}
	return client.IgnoreNotFound(err)
}

// inWords returns the API's refusal with its causes, which name the budget.
func inWords(err error) string {
	text := err.Error()
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Details != nil {
		for _, cause := range status.Status().Details.Causes {
			text += " " + cause.Message
		}
	}
	return text
}

func sitesOf(pods []corev1.Pod, words map[string]string) []reports.Site {
	var out []reports.Site
	for i := range pods {
		id := pods[i].Namespace + "/" + pods[i].Name
		site := reports.Site{ID: id, Phase: "evicted", Injected: 1}
		if words[id] != "" {
			site = reports.Site{ID: id, Phase: "refused", Message: words[id]}
		}
		out = append(out, site)
	}
	return out
}

func describeRefused(pods []corev1.Pod, words map[string]string) string {
	var out []string
	for i := range pods {
		id := pods[i].Namespace + "/" + pods[i].Name
		out = append(out, id+": "+words[id])
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

// Undo makes the nodes schedulable and returns once as many pods are ready as before.
func (d *Drain) Undo(ctx context.Context, env scenarios.Env) error {
	return undoNodes(ctx, env, d.Cluster)
}
