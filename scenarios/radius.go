package scenarios

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// BlastRadius bounds what the faults of a scenario may touch. Limits are a number or a share ("34%", rounded down), and are judged
// on resolved targets by [BlastRadius.Check].
type BlastRadius struct {
	Namespaces []string `json:"namespaces,omitempty"` // faults may touch no other
	// MaxPods bounds how many pods one fault may hit: a number, or a share of the pods that its selector matches.
	MaxPods *intstr.IntOrString `json:"maxPods,omitempty"`
	// MaxOfWorkload bounds how many pods of one workload (Deployment, StatefulSet, …) one fault may hit, of all that it has.
	MaxOfWorkload *intstr.IntOrString `json:"maxOfWorkload,omitempty"`
	// MaxOfNamespace bounds how many pods of one namespace one fault may hit, of all that are in it.
	MaxOfNamespace *intstr.IntOrString `json:"maxOfNamespace,omitempty"`
	// MaxNodes bounds how many nodes one fault may take away, of all that the cluster has.
	MaxNodes *intstr.IntOrString `json:"maxNodes,omitempty"`
	// AllowLastReplica lets a fault hit the last pod of a workload that is ready. Without it such a fault is refused.
	AllowLastReplica bool `json:"allowLastReplica,omitempty"`
	// AllowProtected names namespaces among [ProtectedNamespaces] that the faults may touch all the same.
	AllowProtected []string `json:"allowProtected,omitempty"`

	ceiling Ceiling              // of the harness; no scenario can say it
	told    func(shares []Share) // is told what a check has counted; nil: nobody asks
}

// Share is how much of something a fault would hit at the most.
type Share struct {
	What string `json:"what"` // what is counted, in words
	Hits int    `json:"hits"`
	Of   int    `json:"of"`
	// Allowed are the limits that were set, as the scenario and the harness write them.
	Allowed []string `json:"allowed,omitempty"`
}

// Ceiling is what a harness allows at the most, whatever a scenario says.
type Ceiling struct {
	MaxPods        *intstr.IntOrString `json:"maxPods,omitempty"`
	MaxOfWorkload  *intstr.IntOrString `json:"maxOfWorkload,omitempty"`
	MaxOfNamespace *intstr.IntOrString `json:"maxOfNamespace,omitempty"`
	MaxNodes       *intstr.IntOrString `json:"maxNodes,omitempty"`
	// NeverLastReplica refuses the last ready pod of a workload even to a scenario that allows it.
	NeverLastReplica bool `json:"neverLastReplica,omitempty"`
	// Protected are namespaces that no scenario may touch, not even one that names them in allowProtected.
	Protected []string `json:"protected,omitempty"`
}

// ProtectedNamespaces are those that faults may not touch unless the scenario names them in allowProtected: a cluster does not
// live without the first, and no drill can be undone or recovered from without the others.
var ProtectedNamespaces = []string{"kube-system", "kube-public", "kube-node-lease", "chaos-mesh", "velero", "gameday"}

const (
	// AnnotationProtected with the value "true" on a namespace forbids every fault in it, whatever a scenario says.
	AnnotationProtected = "gameday.dev/protected"
	// AnnotationOptIn with the value "required" on a namespace forbids faults in it to scenarios whose blastRadius.namespaces
	// does not name it.
	AnnotationOptIn = "gameday.dev/opt-in"
	// AnnotationExpires is when what a drill made or did should be over at the latest (RFC 3339): on each object of a drill.
	AnnotationExpires = "gameday.dev/expires"
)

// Targets are what one fault would hit, resolved in the cluster before anything is touched.
type Targets struct {
	Pods       []corev1.Pod // all that the fault's selector matches
	Hits       int          // how many of them it hits at the most; zero: all
	Nodes      []string     // nodes that it takes away
	Namespaces []string     // that it touches beyond those of the pods
}

// Under returns the blast radius below a harness's ceiling: both are then judged.
func (b BlastRadius) Under(ceiling Ceiling) BlastRadius {
	b.ceiling = ceiling
	return b
}

// Check holds resolved targets against the blast radius, the ceiling of the harness, the protection of namespaces, and the rule
// that no workload loses its last ready pod. It reads the namespaces, all their pods and, for a share of nodes, the nodes. Its
// error tells all that is too much at once; what could not be looked at is too much as well.
func (b BlastRadius) Check(ctx context.Context, cluster client.Reader, targets Targets) error {
	c := radiusCheck{BlastRadius: b, targets: targets, hits: targets.Hits}
	if c.hits == 0 || c.hits > len(targets.Pods) {
		c.hits = len(targets.Pods)
	}
	c.namespaces(ctx, cluster)
	c.limit("pods that the fault selects", "maxPods", c.hits, len(targets.Pods), b.MaxPods, b.ceiling.MaxPods)
	c.nodes(ctx, cluster)
	c.pods(ctx, cluster)
	if b.told != nil {
		b.told(c.shares)
	}
	if len(c.errs) == 0 {
		return nil
	}
	return fmt.Errorf("blast radius: %w", errors.Join(c.errs...))
}

type radiusCheck struct {
	BlastRadius
	targets Targets
	hits    int
	errs    []error
	shares  []Share
}

func (c *radiusCheck) refuse(format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf(format, args...))
}

// limit holds a number of hits among a number of things against the scenario's and the harness's limit.
func (c *radiusCheck) limit(what, field string, hits, of int, own, ceiling *intstr.IntOrString) {
	share := Share{What: what, Hits: hits, Of: of}
	defer func() { c.shares = append(c.shares, share) }()
	for _, one := range []struct {
		limit       *intstr.IntOrString
		where, mend string
	}{
		{own, "spec.blastRadius." + field, "narrow the fault or widen spec.blastRadius"},
		{ceiling, "the harness's ceiling " + field, "narrow the fault"},
	} {
		if one.limit == nil {
			continue
		}
		share.Allowed = append(share.Allowed, one.where+" "+one.limit.String())
		allowed, err := intstr.GetScaledValueFromIntOrPercent(one.limit, of, false)
		if err != nil {
			c.refuse("%s: %w", one.where, err)
			continue
		}
		if hits > allowed {
			c.refuse("would hit %d of %d %s, %s %s allows %d: %s", hits, of, what, one.where, one.limit.String(), allowed, one.mend)
		}
	}
}

// namespaces refuses what is not named, what is protected, and what has not opted in.
func (c *radiusCheck) namespaces(ctx context.Context, cluster client.Reader) {
	for _, name := range c.touched() {
		switch {
		case len(c.Namespaces) > 0 && !slices.Contains(c.Namespaces, name):
			c.refuse("reaches into namespace %q, which spec.blastRadius.namespaces does not allow", name)
			continue
		case slices.Contains(c.ceiling.Protected, name):
			c.refuse("namespace %q is protected by the harness's configuration: no scenario may touch it", name)
			continue
		case slices.Contains(ProtectedNamespaces, name) && !slices.Contains(c.AllowProtected, name):
			c.refuse("namespace %q is protected: a scenario that must touch it names it in spec.blastRadius.allowProtected", name)
			continue
		}
		var namespace corev1.Namespace
		if err := cluster.Get(ctx, client.ObjectKey{Name: name}, &namespace); err != nil {
			if client.IgnoreNotFound(err) == nil {
				continue // nothing to protect; whether there is something to hit is the fault's question
			}
			c.refuse("look whether namespace %q is protected (this needs the right to get namespaces): %w", name, err)
			continue
		}
		if namespace.Annotations[AnnotationProtected] == "true" {
			c.refuse("namespace %q is protected by its annotation %s: no scenario may touch it", name, AnnotationProtected)
		}
		if namespace.Annotations[AnnotationOptIn] == "required" && !slices.Contains(c.Namespaces, name) {
			c.refuse("namespace %q asks to be named (annotation %s): name it in spec.blastRadius.namespaces", name, AnnotationOptIn)
		}
	}
}

func (c *radiusCheck) touched() []string {
	names := slices.Clone(c.targets.Namespaces)
	for _, pod := range c.targets.Pods {
		names = append(names, pod.Namespace)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (c *radiusCheck) nodes(ctx context.Context, cluster client.Reader) {
	if len(c.targets.Nodes) == 0 || c.MaxNodes == nil && c.ceiling.MaxNodes == nil && c.told == nil {
		return
	}
	var all metav1.PartialObjectMetadataList
	all.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NodeList"))
	if err := cluster.List(ctx, &all); err != nil {
		c.refuse("count the nodes: %w", err)
		return
	}
	c.limit("nodes", "maxNodes", len(c.targets.Nodes), len(all.Items), c.MaxNodes, c.ceiling.MaxNodes)
}

// pods counts what each namespace and each workload would lose in the worst case: which of the selected pods are hit is often left
// to chance.
func (c *radiusCheck) pods(ctx context.Context, cluster client.Reader) {
	byNamespace := map[string][]corev1.Pod{}
	for _, pod := range c.targets.Pods {
		byNamespace[pod.Namespace] = append(byNamespace[pod.Namespace], pod)
	}
	for _, namespace := range slices.Sorted(maps.Keys(byNamespace)) {
		var list corev1.PodList
		if err := cluster.List(ctx, &list, client.InNamespace(namespace)); err != nil {
			c.refuse("count the pods in namespace %q: %w", namespace, err)
			continue
		}
		selected := byNamespace[namespace]
		c.limit(fmt.Sprintf("pods in namespace %q", namespace), "maxOfNamespace",
			min(c.hits, len(selected)), max(len(list.Items), len(selected)), c.MaxOfNamespace, c.ceiling.MaxOfNamespace)
		c.workloads(namespace, selected, list.Items)
	}
}

func (c *radiusCheck) workloads(namespace string, selected, all []corev1.Pod) {
	hit, has := map[string]int{}, map[string]int{}
	readyHit, ready := map[string]int{}, map[string]int{}
	for i := range selected {
		hit[workload(&selected[i])]++
		if podReady(&selected[i]) {
			readyHit[workload(&selected[i])]++
		}
	}
	for i := range all {
		has[workload(&all[i])]++
		if podReady(&all[i]) {
			ready[workload(&all[i])]++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(hit)) {
		c.limit(fmt.Sprintf("pods of %s in namespace %q", name, namespace), "maxOfWorkload",
			min(c.hits, hit[name]), max(has[name], hit[name]), c.MaxOfWorkload, c.ceiling.MaxOfWorkload)
		if worst := min(c.hits, readyHit[name]); worst == 0 || worst < ready[name] {
			continue
		}
		switch {
		case c.ceiling.NeverLastReplica:
			c.refuse("would hit the last ready pod of %s in namespace %q, which the harness's ceiling neverLastReplica forbids", name, namespace)
		case !c.AllowLastReplica:
			c.refuse("would hit the last ready pod of %s in namespace %q: a scenario that means to says so with spec.blastRadius.allowLastReplica",
				name, namespace)
		}
	}
}

// workload names what a pod is a replica of: its controller, and for one of a Deployment the Deployment, so that the pods of a
// rollout's two ReplicaSets count as one. A pod without a controller is a workload of its own.
func workload(pod *corev1.Pod) string {
	owner := metav1.GetControllerOf(pod)
	if owner == nil {
		return "Pod " + pod.Name
	}
	if hash := pod.Labels["pod-template-hash"]; owner.Kind == "ReplicaSet" && hash != "" {
		if name, ok := strings.CutSuffix(owner.Name, "-"+hash); ok {
			return "Deployment " + name
		}
	}
	return owner.Kind + " " + owner.Name
}

func podReady(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp == nil && slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// problems says offline which limits are none.
func (b BlastRadius) problems() []problem {
	var out []problem
	for field, limit := range map[string]*intstr.IntOrString{
		"maxPods": b.MaxPods, "maxOfWorkload": b.MaxOfWorkload, "maxOfNamespace": b.MaxOfNamespace, "maxNodes": b.MaxNodes,
	} {
		if text := limitProblem(limit); text != "" {
			out = append(out, problem{"spec.blastRadius." + field, text})
		}
	}
	for i, name := range b.AllowProtected {
		if !slices.Contains(ProtectedNamespaces, name) {
			out = append(out, problem{fmt.Sprintf("spec.blastRadius.allowProtected[%d]", i), fmt.Sprintf(
				"%q is not protected by itself; those that are: %s", name, strings.Join(ProtectedNamespaces, ", "))})
		}
	}
	slices.SortFunc(out, func(a, b problem) int { return cmp.Compare(a.path, b.path) })
	return out
}

// Problems says offline which limits are none, each as "field: what is wrong, and the mend".
func (c Ceiling) Problems() []string {
	var out []string
	for field, limit := range map[string]*intstr.IntOrString{
		"maxPods": c.MaxPods, "maxOfWorkload": c.MaxOfWorkload, "maxOfNamespace": c.MaxOfNamespace, "maxNodes": c.MaxNodes,
	} {
		if text := limitProblem(limit); text != "" {
			out = append(out, field+": "+text)
		}
	}
	slices.Sort(out)
	return out
}

func limitProblem(limit *intstr.IntOrString) string {
	if limit == nil {
		return ""
	}
	value, err := intstr.GetScaledValueFromIntOrPercent(limit, 100, false)
	isShare := limit.Type == intstr.String
	if err != nil || value < 0 || isShare && value > 100 {
		return fmt.Sprintf("is %q, want a number or a share such as 34%%", limit.String())
	}
	return ""
}
