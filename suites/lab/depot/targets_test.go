package depot

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

func pod(name, app string, phase corev1.PodPhase, ip string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: map[string]string{"app": app}},
		Status:     corev1.PodStatus{Phase: phase, PodIP: ip},
	}
}

func TestTargetsAreTheRunningReplicas(t *testing.T) {
	api := fake.NewClientset(
		pod("one", "shop", corev1.PodRunning, "10.0.0.1"),
		pod("pending", "shop", corev1.PodPending, ""),
		pod("gone", "shop", corev1.PodFailed, "10.0.0.2"),
		pod("db", "db", corev1.PodRunning, "10.0.0.3"),
	)
	answer := httptest.NewRecorder()
	targets{name: "primary", api: api}.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/primary", nil))
	const want = `[{"targets":["10.0.0.1:8080"],"labels":{"cluster":"primary","pod":"one"}}]`
	if got := answer.Body.String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestTargetsOfAnUnreachableClusterAreAnError(t *testing.T) {
	api := fake.NewClientset()
	api.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, http.ErrServerClosed
	})
	answer := httptest.NewRecorder()
	targets{name: "primary", api: api}.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/primary", nil))
	if answer.Code != http.StatusBadGateway || !strings.Contains(answer.Body.String(), http.ErrServerClosed.Error()) {
		t.Errorf("got %d %s: an empty list would make Prometheus forget the replicas", answer.Code, answer.Body)
	}
}
