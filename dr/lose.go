package dr

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

// Lose deletes a namespace with all that is in it, volumes with reclaim policy Delete among it, and returns once it is gone.
//
// Nothing brings it back but a later restore: a scenario names that step with "undoes", so that it is played also when the
// drill is cut short.
type Lose struct {
	Cluster   string `json:"cluster,omitempty"`
	Namespace string `json:"namespace"`
}

var (
	_ scenarios.Action      = (*Lose)(nil)
	_ scenarios.Preflighter = (*Lose)(nil)
	_ scenarios.Problems    = (*Lose)(nil)
	_ scenarios.Bounded     = (*Lose)(nil)
	_ scenarios.Describer   = (*Lose)(nil)
)

// protected namespaces are never lost: a cluster does not live without them, or the restore would have no tool.
var protected = []string{"default", "kube-system", "kube-public", "kube-node-lease", "velero", "chaos-mesh"}

// Problems says offline what is wrong with the action.
func (l *Lose) Problems() []string {
	switch {
	case l.Namespace == "":
		return []string{"lose.namespace: is empty: name the namespace to lose"}
	case slices.Contains(protected, l.Namespace) || strings.HasPrefix(l.Namespace, "kube-"):
		return []string{fmt.Sprintf("lose.namespace: %q is protected: lose the namespace of an application", l.Namespace)}
	}
	return nil
}

// Bound says offline in what the action exceeds the blast radius. A namespace is only lost when it is named there.
func (l *Lose) Bound(radius scenarios.BlastRadius) []string {
	if slices.Contains(radius.Namespaces, l.Namespace) {
		return nil
	}
	return []string{fmt.Sprintf("lose.namespace: %q is not among spec.blastRadius.namespaces: name it there to allow its loss", l.Namespace)}
}

// Describe says what is lost.
func (l *Lose) Describe() string {
	return "delete the namespace " + l.Namespace + " with all that is in it"
}

// Preflight finds out whether there is something to lose.
func (l *Lose) Preflight(ctx context.Context, env scenarios.Env) error {
	_, _, err := l.find(ctx, env)
	return err
}

func (l *Lose) find(ctx context.Context, env scenarios.Env) (client.WithWatch, *corev1.Namespace, error) {
	cluster, err := env.Clusters.Get(l.Cluster)
	if err != nil {
		return nil, nil, err
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: l.Namespace}}
	if err := cluster.Get(ctx, client.ObjectKeyFromObject(namespace), namespace); err != nil {
		if client.IgnoreNotFound(err) == nil {
			return nil, nil, fmt.Errorf("%w: there is no namespace %q to lose", scenarios.ErrVoid, l.Namespace)
		}
		return nil, nil, fmt.Errorf("get namespace %q: %w", l.Namespace, err)
	}
	return cluster, namespace, nil
}

// Do records what is about to be lost, deletes it and waits until it is gone.
func (l *Lose) Do(ctx context.Context, env scenarios.Env) error {
	cluster, namespace, err := l.find(ctx, env)
	if err != nil {
		return err
	}
	lost, err := l.inventory(ctx, cluster, namespace)
	if err != nil {
		return err
	}
	if err := env.Fact(reports.TopicTargets, lost, fmt.Sprintf("the namespace, and %d pods and volume claims in it", len(lost)-1)); err != nil {
		return err
	}
	if err := cluster.Delete(ctx, namespace, client.Preconditions{UID: &namespace.UID}); err != nil {
		return fmt.Errorf("delete namespace %q: %w", l.Namespace, err)
	}
	uid := namespace.UID
	err = scenarios.Await(ctx, cluster, namespace, func(here bool) scenarios.State {
		if !here || namespace.UID != uid {
			return scenarios.State{Done: true, Seen: "gone"}
		}
		return scenarios.State{Seen: describeNamespace(namespace)}
	})
	if err != nil {
		return err
	}
	return env.Fact("lost", lost[:1], "the namespace is gone")
}

// inventory lists the namespace, its pods and its claims with their UIDs.
func (l *Lose) inventory(ctx context.Context, cluster client.WithWatch, namespace *corev1.Namespace) ([]reports.Target, error) {
	out := []reports.Target{{Cluster: l.Cluster, Kind: "Namespace", Name: namespace.Name, UID: string(namespace.UID)}}
	var pods corev1.PodList
	var claims corev1.PersistentVolumeClaimList
	for _, list := range []client.ObjectList{&pods, &claims} {
		if err := cluster.List(ctx, list, client.InNamespace(l.Namespace)); err != nil {
			return nil, fmt.Errorf("list what is in namespace %q: %w", l.Namespace, err)
		}
	}
	for _, pod := range pods.Items {
		out = append(out, l.target("Pod", pod.ObjectMeta))
	}
	for _, claim := range claims.Items {
		out = append(out, l.target("PersistentVolumeClaim", claim.ObjectMeta))
	}
	return out, nil
}

func (l *Lose) target(kind string, meta metav1.ObjectMeta) reports.Target {
	return reports.Target{Cluster: l.Cluster, Kind: kind, Namespace: meta.Namespace, Name: meta.Name, UID: string(meta.UID)}
}

func describeNamespace(namespace *corev1.Namespace) string {
	seen := "phase " + string(namespace.Status.Phase)
	for _, condition := range namespace.Status.Conditions {
		if condition.Status == corev1.ConditionTrue {
			seen += "; " + condition.Message
		}
	}
	return seen
}
