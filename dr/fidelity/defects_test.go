package fidelity

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func shop(t testing.TB) world {
	t.Helper()
	content, err := os.ReadFile("testdata/shop.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return parseWorld(t, strings.TrimSuffix(string(content), "\n"))
}

// set changes one field: the path is dotted, numbers are places in lists; nil removes it.
func set(o map[string]any, value any, path ...any) {
	var v any = o
	for _, step := range path[:len(path)-1] {
		switch s := step.(type) {
		case string:
			m := v.(map[string]any)
			if m[s] == nil {
				m[s] = map[string]any{}
			}
			v = m[s]
		case int:
			v = v.([]any)[s]
		}
	}
	switch s := path[len(path)-1].(type) {
	case string:
		if value == nil {
			delete(v.(map[string]any), s)
			return
		}
		v.(map[string]any)[s] = value
	case int:
		v.([]any)[s] = value
	}
}

type defect struct {
	name           string
	resource, what string
	value          any
	path           []any
	want           string // the path that is reported
}

var web = []any{"spec", "template", "spec", "containers", 0}

func in(base []any, more ...any) []any { return append(slices.Clone(base), more...) }

var defects = []defect{
	{"one byte in a Secret", "secrets", "database", "cGxhbnRlZC1zZWNyZXQtNDcxMg==", []any{"data", "password"}, "data.password"},
	{"a key of a Secret gone", "secrets", "database", nil, []any{"data", "password"}, "data.password"},
	{"a Secret's type", "secrets", "database", "other", []any{"type"}, "type"},
	{"an annotation of a Secret", "secrets", "database", "never", []any{"metadata", "annotations", "rotate"}, "metadata.annotations.rotate"},
	{"a ConfigMap's value", "configmaps", "settings", "USD", []any{"data", "currency"}, "data.currency"},
	{"a further key in a ConfigMap", "configmaps", "settings", "x", []any{"data", "more"}, "data.more"},
	{"a label of the namespace", "namespaces", "shop", "privileged", []any{"metadata", "labels", "pod-security.kubernetes.io/enforce"}, `metadata.labels["pod-security.kubernetes.io/enforce"]`},
	{"a label of the namespace gone", "namespaces", "shop", nil, []any{"metadata", "labels", "pod-security.kubernetes.io/enforce"}, `metadata.labels["pod-security.kubernetes.io/enforce"]`},
	{"an annotation of the namespace gone", "namespaces", "shop", nil, []any{"metadata", "annotations"}, "metadata.annotations.team"},
	{"an explicit node port", "services", "till", int64(31000), []any{"spec", "ports", 0, "nodePort"}, "spec.ports[80/TCP].nodePort"},
	{"a Service's selector", "services", "till", "tell", []any{"spec", "selector", "app"}, "spec.selector.app"},
	{"a target port", "services", "till", int64(8081), []any{"spec", "ports", 0, "targetPort"}, "spec.ports[80/TCP].targetPort"},
	{"headless no more", "services", "peers", "10.0.0.9", []any{"spec", "clusterIP"}, "spec.clusterIP"},
	{"a Service's type", "services", "till", "ClusterIP", []any{"spec", "type"}, "spec.type"},
	{"manual endpoints", "endpoints", "outside", "192.0.2.2", []any{"subsets", 0, "addresses", 0, "ip"}, "subsets[0].addresses[0].ip"},
	{"a workload's identity", "serviceaccounts", "till", "stale", []any{"metadata", "annotations", "eks.amazonaws.com/role-arn"}, `metadata.annotations["eks.amazonaws.com/role-arn"]`},
	{"a pull secret gone", "serviceaccounts", "till", nil, []any{"imagePullSecrets"}, "imagePullSecrets[database]"},
	{"replicas", "deployments.apps", "till", int64(2), []any{"spec", "replicas"}, "spec.replicas"},
	{"an image", "deployments.apps", "till", "shop/web:6", in(web, "image"), "spec.template.spec.containers[web].image"},
	{"a variable", "deployments.apps", "till", "debug", in(web, "env", 0, "value"), "spec.template.spec.containers[web].env[LEVEL].value"},
	{"a memory limit", "deployments.apps", "till", "2Gi", in(web, "resources", "limits", "memory"), "spec.template.spec.containers[web].resources.limits.memory"},
	{"a probe gone", "deployments.apps", "till", nil, in(web, "livenessProbe"), "spec.template.spec.containers[web].livenessProbe"},
	{"an argument", "deployments.apps", "till", "--slow", in(web, "args", 0), "spec.template.spec.containers[web].args[0]"},
	{"the security context gone", "deployments.apps", "till", nil, in(web, "securityContext"), "spec.template.spec.containers[web].securityContext"},
	{"a mount gone", "deployments.apps", "till", nil, in(web, "volumeMounts"), "spec.template.spec.containers[web].volumeMounts[/etc/shop]"},
	{"an empty volume of no kind", "deployments.apps", "till", nil, []any{"spec", "template", "spec", "volumes", 1, "emptyDir"}, "spec.template.spec.volumes[scratch].emptyDir"},
	{"a sidecar", "deployments.apps", "till", map[string]any{"name": "istio-proxy", "image": "x"}, []any{"spec", "template", "spec", "containers", -1}, "spec.template.spec.containers[istio-proxy]"},
	{"a container twice", "deployments.apps", "till", map[string]any{"name": "web", "image": "shop/web:7"}, []any{"spec", "template", "spec", "containers", -1}, "spec.template.spec.containers[web#2]"},
	{"a finalizer gone", "deployments.apps", "till", nil, []any{"metadata", "finalizers"}, "metadata.finalizers[example.org/guard]"},
	{"the restart's mark", "deployments.apps", "till", nil, []any{"spec", "template", "metadata", "annotations"}, `spec.template.metadata.annotations["kubectl.kubernetes.io/restartedAt"]`},
	{"a toleration gone", "deployments.apps", "till", nil, []any{"spec", "template", "spec", "tolerations"}, "spec.template.spec.tolerations[\"key\":shop,\"operator\":Exists,]"},
	{"the node selector", "deployments.apps", "till", nil, []any{"spec", "template", "spec", "nodeSelector"}, "spec.template.spec.nodeSelector"},
	{"a rolling update's surge", "deployments.apps", "till", "50%", []any{"spec", "strategy", "rollingUpdate", "maxSurge"}, "spec.strategy.rollingUpdate.maxSurge"},
	{"a scaler's bound", "horizontalpodautoscalers.autoscaling", "scaled", int64(9), []any{"spec", "maxReplicas"}, "spec.maxReplicas"},
	{"a scaler's metric gone", "horizontalpodautoscalers.autoscaling", "scaled", nil, []any{"spec", "metrics"}, "spec.metrics"},
	{"a claim template's class", "statefulsets.apps", "db", "slow", []any{"spec", "volumeClaimTemplates", 0, "spec", "storageClassName"}, "spec.volumeClaimTemplates[data].spec.storageClassName"},
	{"a claim's access mode", "persistentvolumeclaims", "data-db-0", "ReadOnlyMany", []any{"spec", "accessModes", 0}, "spec.accessModes[ReadWriteOnce]"},
	{"a claim that shrank", "persistentvolumeclaims", "data-db-0", "512Mi", []any{"spec", "resources", "requests", "storage"}, "spec.resources.requests.storage"},
	{"a claim's class", "persistentvolumeclaims", "data-db-0", "slow", []any{"spec", "storageClassName"}, "spec.storageClassName"},
	{"a claim pending", "persistentvolumeclaims", "data-db-0", "Pending", []any{"status", "phase"}, "status.phase"},
	{"a volume's reclaim policy", "persistentvolumes", "pv-1", "Delete", []any{"spec", "persistentVolumeReclaimPolicy"}, "spec.persistentVolumeReclaimPolicy"},
	{"a volume's label", "persistentvolumes", "pv-1", nil, []any{"metadata", "labels", "zone"}, "metadata.labels.zone"},
	{"a schedule resumed", "cronjobs.batch", "report", false, []any{"spec", "suspend"}, "spec.suspend"},
	{"a job's image", "jobs.batch", "pending", "shop/j:2", []any{"spec", "template", "spec", "containers", 0, "image"}, "spec.template.spec.containers[j].image"},
	{"a bare pod's image", "pods", "bare", "shop/b:2", []any{"spec", "containers", 0, "image"}, "spec.containers[b].image"},
	{"a verb gone", "roles.rbac.authorization.k8s.io", "reader", []any{"get"}, []any{"rules", 0, "verbs"}, "rules[0].verbs[list]"},
	{"a subject gone", "rolebindings.rbac.authorization.k8s.io", "reader", []any{map[string]any{"kind": "ServiceAccount", "name": "till", "namespace": "shop"}}, []any{"subjects"}, "subjects[User,ann]"},
	{"a role reference", "rolebindings.rbac.authorization.k8s.io", "reader", "ClusterRole", []any{"roleRef", "kind"}, "roleRef.kind"},
	{"a policy that lets all in", "networkpolicies.networking.k8s.io", "fence", nil, []any{"spec", "ingress", 0, "from"}, "spec.ingress[0].from"},
	{"a policy without egress", "networkpolicies.networking.k8s.io", "fence", []any{"Ingress"}, []any{"spec", "policyTypes"}, "spec.policyTypes[Egress]"},
	{"a host", "ingresses.networking.k8s.io", "front", "x.example.org", []any{"spec", "rules", 0, "host"}, "spec.rules[0].host"},
	{"a budget", "poddisruptionbudgets.policy", "till", int64(1), []any{"spec", "minAvailable"}, "spec.minAvailable"},
	{"a quota", "resourcequotas", "cap", "9Gi", []any{"spec", "hard", "memory"}, "spec.hard.memory"},
	{"a default limit", "limitranges", "sizes", "1", []any{"spec", "limits", 0, "default", "cpu"}, "spec.limits[0].default.cpu"},
	{"a version no longer served", "customresourcedefinitions.apiextensions.k8s.io", "carts.shop.example.org", false, []any{"spec", "versions", 1, "served"}, "spec.versions[v1beta1].served"},
	{"a custom resource's list", "carts.shop.example.org", "ann", "plum", []any{"spec", "items", 1}, "spec.items[1]"},
	{"a custom resource's empty map", "carts.shop.example.org", "ann", nil, []any{"spec", "notes"}, "spec.notes"},
	{"a webhook's policy", "validatingwebhookconfigurations.admissionregistration.k8s.io", "carts", "Ignore", []any{"webhooks", 0, "failurePolicy"}, "webhooks[a.shop.example.org].failurePolicy"},
	{"a class's provisioner", "storageclasses.storage.k8s.io", "fast", "y.csi", []any{"provisioner"}, "provisioner"},
	{"a priority", "priorityclasses.scheduling.k8s.io", "gold", int64(1), []any{"value"}, "value"},
	{"an object about to go", "configmaps", "settings", "2026-02-02T03:04:06Z", []any{"metadata", "deletionTimestamp"}, "metadata.deletionTimestamp"},
	{"an object that was there before", "configmaps", "settings", nil, []any{"metadata", "labels", "velero.io/restore-name"}, `metadata.labels["velero.io/restore-name"]`},
}

func TestHealthyRestoreRaisesNothing(t *testing.T) {
	backup := shop(t)
	for range 20 {
		r := compared(t, backup, restored(backup), Options{Restore: "drill"})
		if s := r.Summary(); len(s.Fail)+len(s.Void) > 0 || r.Unexpected+r.FindingCount+r.Lost+r.Changed > 0 {
			t.Fatalf("a healthy restore: %s", text(t, r))
		}
	}
}

func TestEachDefectIsReportedAtItsField(t *testing.T) {
	backup := shop(t)
	for _, d := range defects {
		t.Run(d.name, func(t *testing.T) {
			target := restored(backup)
			o := target.find(t, d.resource, d.what)
			if d.path[len(d.path)-1] == -1 {
				path := d.path[:len(d.path)-1]
				list, _ := at(o, "spec", "template", "spec", "containers").([]any)
				set(o, append(list, d.value), path...)
			} else {
				set(o, d.value, d.path...)
			}
			r := compared(t, backup, target, Options{Restore: "drill"})
			if r.Changed != 1 || r.Lost != 0 || !slices.ContainsFunc(r.ChangedObjects[0].Fields, func(f Field) bool { return f.Path == d.want }) {
				t.Errorf("want one change at %s, got %s", d.want, text(t, r.ChangedObjects))
			}
			if len(r.Summary().Fail) == 0 {
				t.Error("the summary says nothing")
			}
		})
	}
}

func TestEachLostObjectIsReported(t *testing.T) {
	backup := shop(t)
	allowed := map[string]bool{"endpoints till": true} // made by a controller
	for resource, list := range backup.objects {
		for _, o := range list {
			name := textAt(o, "metadata", "name")
			target := restored(backup)
			target.drop(resource, name)
			r := compared(t, backup, target, Options{})
			if allowed[resource+" "+name] || resource == "persistentvolumes" {
				if r.Lost != 0 || r.Explained == 0 {
					t.Errorf("%s %s: %s", resource, name, text(t, r.LostObjects))
				}
				continue
			}
			if r.Lost != 1 || r.LostObjects[0].Name != name || r.LostObjects[0].Reason != "absent" {
				t.Errorf("%s %s: lost %s", resource, name, text(t, r.LostObjects))
			}
		}
	}
}
