package kubernetes

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// group is a number of pods that were ready before a fault, and must be again for its undo to be proven. Pods come back under
// other names, so they are known by their labels.
type group struct {
	Namespace string            `json:"namespace"`
	Labels    map[string]string `json:"labels"`
	Ready     int               `json:"ready"`
}

func labelsOf(set map[string]string) labels.Selector { return labels.SelectorFromSet(set) }

// await waits until as many pods of the group are ready as before.
func (g group) await(ctx context.Context, cluster client.WithWatch) error {
	return awaitReady(ctx, cluster, g.Namespace, labelsOf(g.Labels), g.Ready)
}

// groups counts, for each set of pods that share their labels with one of pods, how many are ready now.
func groups(ctx context.Context, cluster client.WithWatch, pods []corev1.Pod) ([]group, error) {
	var out []group
	seen := map[string]bool{}
	for i := range pods {
		own := ownLabels(&pods[i])
		key := pods[i].Namespace + "/" + labelsOf(own).String()
		if len(own) == 0 || seen[key] {
			continue
		}
		seen[key] = true
		one, err := countGroup(ctx, cluster, pods[i].Namespace, own)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

func countGroup(ctx context.Context, cluster client.WithWatch, namespace string, set map[string]string) (group, error) {
	all, err := listPods(ctx, cluster, namespace, labelsOf(set))
	return group{Namespace: namespace, Labels: set, Ready: countReady(all)}, err
}
