package kubernetes

import (
	"maps"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// A pod that was restored is replaced by one that was not: what only the restored one is labelled with tells nothing of its kind.
func TestOwnLabels(t *testing.T) {
	pod := &corev1.Pod{}
	pod.Labels = map[string]string{
		"app": "shop", "tier": "web", "pod-template-hash": "5b7755bc96", "velero.io/backup-name": "b", "velero.io/restore-name": "r",
		"statefulset.kubernetes.io/pod-name": "db-0",
	}
	want := map[string]string{"app": "shop", "tier": "web"}
	if got := ownLabels(pod); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if len(pod.Labels) != 6 {
		t.Error("the pod's own labels were changed")
	}
}
