//go:build lab && linux

package lab_test

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/gamedayhq/gameday/suites/lab/depot"
)

func (b bench) api(name string) kubernetes.Interface {
	b.t.Helper()
	config, err := b.open().Config(name)
	if err != nil {
		b.t.Fatal(err)
	}
	api, err := kubernetes.NewForConfig(config)
	if err != nil {
		b.t.Fatal(err)
	}
	return api
}

func podList(t *testing.T, api kubernetes.Interface) (all []string) {
	t.Helper()
	pods, err := api.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, pod := range pods.Items {
		restarts := int32(0)
		for _, container := range pod.Status.ContainerStatuses {
			restarts += container.RestartCount
		}
		all = append(all, fmt.Sprintf("%s/%s %s %d", pod.Namespace, pod.Name, pod.UID, restarts))
	}
	return all
}

func testBucket(b bench) {
	store, err := b.open().Depot().Store()
	if err != nil {
		b.t.Fatal(err)
	}
	ctx := b.t.Context()
	versions, err := store.GetBucketVersioning(ctx, depot.Bucket)
	if err != nil || !versions.Enabled() {
		b.t.Errorf("versions: %+v, %v", versions, err)
	}
	if lock, _, _, _, err := store.GetObjectLockConfig(ctx, depot.Bucket); err != nil || lock != "Enabled" {
		b.t.Errorf("object lock: %q, %v", lock, err)
	}
	if there, err := store.BucketExists(ctx, depot.Bucket); err != nil || !there {
		b.t.Errorf("bucket exists: %v, %v", there, err)
	}
}
