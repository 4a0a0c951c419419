package addons

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func TestCoreDNSIsFilledIn(t *testing.T) {
	addon, err := CoreDNS("v1", "gameday.local/coredns:1", netip.MustParseAddr("10.98.128.10"))
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, object := range addon.Objects {
		kinds = append(kinds, object.GetKind())
	}
	want := []string{"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "ConfigMap", "Deployment", "Service", "ClusterRole", "ClusterRoleBinding"}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Error(diff)
	}
	address, _, _ := unstructured.NestedString(addon.Objects[5].Object, "spec", "clusterIP")
	if address != "10.98.128.10" {
		t.Errorf("its address is %q", address)
	}
}

func TestDecodeTakesListsApart(t *testing.T) {
	objects, err := decode([]byte(`{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Secret","metadata":{"name":"one"}}]}
---
# only a remark
---
apiVersion: v1
kind: Secret
metadata: {name: two}
`))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, object := range objects {
		names = append(names, object.GetName())
	}
	if diff := cmp.Diff([]string{"one", "two"}, names); diff != "" {
		t.Error(diff)
	}
	if _, err := decode([]byte("apiVersion: v1\nkind: [")); err == nil {
		t.Error("what is no YAML was read")
	}
}

func TestFromObjectsLeavesStatusOut(t *testing.T) {
	addon, err := FromObjects("test", "v1", []client.Object{&corev1.Service{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Service"}, ObjectMeta: metav1.ObjectMeta{Name: "one"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": "one"}, "spec": map[string]any{}}
	if diff := cmp.Diff(want, addon.Objects[0].Object); diff != "" {
		t.Error(diff)
	}
}

func object(kind string, content map[string]any) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "test/v1", "kind": kind}}
	u.SetName(strings.ToLower(kind))
	for key, value := range content {
		u.Object[key] = value
	}
	return u
}

func TestStages(t *testing.T) {
	definition := object("CustomResourceDefinition", map[string]any{"spec": map[string]any{"names": map[string]any{"kind": "Backup"}}})
	addon := Addon{Objects: []*unstructured.Unstructured{
		object("Backup", nil), object("Deployment", nil), object("Secret", nil), definition, object("Namespace", nil),
	}}
	var got [][]string
	for _, stage := range addon.stages() {
		var kinds []string
		for _, o := range stage {
			kinds = append(kinds, o.GetKind())
		}
		got = append(got, kinds)
	}
	want := [][]string{{"CustomResourceDefinition", "Namespace"}, {"Secret"}, {"Deployment"}, {"Backup"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestPartitionBehaviorIsAddedWhereItBelongs(t *testing.T) {
	text := map[string]any{"type": "string"}
	chaos := func() map[string]any {
		return map[string]any{"action": text, "direction": text, "externalTargets": text}
	}
	rule := map[string]any{"direction": text, "ipsets": text, "name": text}
	known := map[string]any{"action": text, "direction": text, "externalTargets": text, "partitionBehavior": "as it was"}
	other := map[string]any{"direction": text, "latency": text}
	inWorkflow := chaos()
	alone := chaos()
	addPartitionBehavior(map[string]any{"versions": []any{
		map[string]any{"properties": alone},
		map[string]any{"properties": map[string]any{"templates": map[string]any{"items": map[string]any{"properties": map[string]any{
			"networkChaos": map[string]any{"properties": inWorkflow},
		}}}}},
		map[string]any{"properties": rule},
		map[string]any{"properties": known},
		map[string]any{"properties": other},
	}})
	withDefault := map[string]any{"type": "string", "enum": []any{"drop", "reject"}, "default": "drop"}
	without := map[string]any{"type": "string", "enum": []any{"drop", "reject"}}
	for _, row := range []struct {
		name       string
		properties map[string]any
		want       any
	}{
		{"a NetworkChaos", alone, withDefault},
		{"a NetworkChaos inside a workflow", inWorkflow, withDefault},
		{"a rule of a PodNetworkChaos", rule, without},
		{"a schema that knows the field", known, "as it was"},
		{"something else with a direction", other, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			if diff := cmp.Diff(row.want, row.properties["partitionBehavior"]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDropModules(t *testing.T) {
	named := func(names ...string) (all []any) {
		for _, name := range names {
			all = append(all, map[string]any{"name": name})
		}
		return all
	}
	daemon := object("DaemonSet", map[string]any{"spec": map[string]any{
		"containers": []any{map[string]any{"name": "daemon", "volumeMounts": named("sys", "lib-modules")}},
		"volumes":    named("lib-modules", "sys"),
	}})
	dropModules([]*unstructured.Unstructured{daemon})
	want := map[string]any{
		"containers": []any{map[string]any{"name": "daemon", "volumeMounts": named("sys")}},
		"volumes":    named("sys"),
	}
	if diff := cmp.Diff(want, daemon.Object["spec"]); diff != "" {
		t.Error(diff)
	}
}

func TestJudge(t *testing.T) {
	for _, row := range []struct {
		name   string
		object *unstructured.Unstructured
		ready  bool
		seen   string
	}{
		{"a deployment that is there", object("Deployment", map[string]any{
			"spec": map[string]any{"replicas": int64(2)}, "status": map[string]any{"replicas": int64(2), "updatedReplicas": int64(2), "availableReplicas": int64(2)},
		}), true, "2 of 2 replicas available, 2 up to date"},
		{"a deployment whose controller has not looked yet", object("Deployment", map[string]any{
			"metadata": map[string]any{"generation": int64(2)},
			"spec":     map[string]any{"replicas": int64(1)}, "status": map[string]any{"observedGeneration": int64(1), "replicas": int64(1), "updatedReplicas": int64(1), "availableReplicas": int64(1)},
		}), false, "1 of 1 replicas available, 1 up to date"},
		{"a deployment in the middle of a roll", object("Deployment", map[string]any{
			"spec": map[string]any{"replicas": int64(1)}, "status": map[string]any{"replicas": int64(2), "updatedReplicas": int64(1), "availableReplicas": int64(1)},
		}), false, "1 of 1 replicas available, 1 up to date"},
		{"a daemon that no node wants", object("DaemonSet", nil), false, "0 of 0 pods available, 0 up to date"},
		{"a set with one pod missing", object("StatefulSet", map[string]any{
			"spec": map[string]any{"replicas": int64(1)},
		}), false, "0 of 1 replicas ready, 0 up to date"},
		{"a location that is not there", object("BackupStorageLocation", map[string]any{
			"status": map[string]any{"phase": "Unavailable", "message": "no bucket"},
		}), false, "Unavailable: no bucket"},
		{"a location nobody looked at", object("BackupStorageLocation", nil), false, "not validated yet"},
		{"a definition that is served", object("CustomResourceDefinition", map[string]any{
			"status": map[string]any{"conditions": []any{map[string]any{"type": "Established", "status": "True"}}},
		}), true, "Established=True"},
		{"a definition that is not yet served", object("CustomResourceDefinition", nil), false, "not Established"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if ready, seen := judge(row.object); ready != row.ready || seen != row.seen {
				t.Errorf("got %v, %q; want %v, %q", ready, seen, row.ready, row.seen)
			}
		})
	}
}

func TestUnsettledPod(t *testing.T) {
	boot := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	pod := func(at time.Time, ready bool) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db-0"},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "db"}}},
			Status: corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{
				Ready: ready, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(at)}},
			}}},
		}
	}
	waiting := pod(boot, false)
	waiting.Status.ContainerStatuses[0].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
	pending := pod(boot, false)
	pending.Status = corev1.PodStatus{Phase: corev1.PodPending}
	finished := pod(boot, false)
	finished.Status.Phase = corev1.PodSucceeded
	for _, row := range []struct {
		name string
		pod  *corev1.Pod
		want string
	}{
		{"runs since the node is up", pod(boot, true), ""},
		{"says what was true before the node went down", pod(boot.Add(-time.Second), true), "shop/db-0 has not been started again"},
		{"runs and is not ready", pod(boot, false), "shop/db-0 is not ready"},
		{"waits", waiting, "shop/db-0 waits: CrashLoopBackOff"},
		{"was not begun", pending, "shop/db-0 is pending"},
		{"is done", finished, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := unsettledPod(row.pod, boot); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

func TestSplit(t *testing.T) {
	registry, repository, tag, err := split("gameday.local/chaos-daemon:12")
	if got := []string{registry, repository, tag}; err != nil || !slices.Equal(got, []string{"gameday.local", "chaos-daemon", "12"}) {
		t.Errorf("got %q, %v", got, err)
	}
	for _, image := range []string{"chaos-daemon:1", "gameday.local/chaos-daemon"} {
		if _, _, _, err := split(image); err == nil {
			t.Errorf("%s was taken", image)
		}
	}
}
