package kubernetes

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// replaceReaders deletes, one after another, the pods that were made while the other data stood in a Secret and that have read it
// into their environment, where it stays whatever the Secret says: pods that were lost, moved or scaled up meanwhile. Their
// controllers make them again. It returns once as many are ready as before.
func replaceReaders(ctx context.Context, cluster client.WithWatch, left carrier, secret string) error {
	namespace, since := left.Object.GetNamespace(), left.Object.GetCreationTimestamp()
	pods, err := listPods(ctx, cluster, namespace, labels.Everything())
	if err != nil {
		return err
	}
	for i := range pods {
		pod := &pods[i]
		// Times have no more than seconds here: a pod of the same second counts as made since.
		if pod.CreationTimestamp.Time.Before(since.Time) || !readsByEnvironment(pod, secret) || !hasController(pod) || pod.DeletionTimestamp != nil {
			continue
		}
		before, err := countGroup(ctx, cluster, namespace, ownLabels(pod))
		if err != nil {
			return err
		}
		if err := cluster.Delete(ctx, pod, client.Preconditions{UID: &pod.UID}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("replace pod %s, which has read the other data of Secret %s: %w", pod.Name, secret, err)
		}
		if err := awaitGone(ctx, cluster, []corev1.Pod{*pod}); err != nil {
			return err
		}
		if err := before.await(ctx, cluster); err != nil {
			return err
		}
	}
	return nil
}

// readsByEnvironment tells a pod whose containers have values of a Secret in their environment. A volume follows the Secret.
func readsByEnvironment(pod *corev1.Pod, secret string) bool {
	return slices.ContainsFunc(slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers), func(container corev1.Container) bool {
		return slices.ContainsFunc(container.Env, func(variable corev1.EnvVar) bool {
			return variable.ValueFrom != nil && variable.ValueFrom.SecretKeyRef != nil && variable.ValueFrom.SecretKeyRef.Name == secret
		}) || slices.ContainsFunc(container.EnvFrom, func(source corev1.EnvFromSource) bool {
			return source.SecretRef != nil && source.SecretRef.Name == secret
		})
	})
}
