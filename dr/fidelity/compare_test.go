package fidelity

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// mapped is the shop restored into a scratch namespace.
func mapped(w world) world {
	out := restored(w)
	for _, list := range out.objects {
		for _, o := range list {
			if textAt(o, "metadata", "namespace") == "shop" {
				set(o, "scratch", "metadata", "namespace")
			}
		}
	}
	ns := out.objects["namespaces"][0]
	set(ns, "scratch", "metadata", "name")
	set(ns, "scratch", "metadata", "labels", "kubernetes.io/metadata.name")
	set(out.objects["rolebindings.rbac.authorization.k8s.io"][0], "scratch", "subjects", 0, "namespace")
	set(out.objects["persistentvolumes"][0], "scratch", "spec", "claimRef", "namespace")
	return out
}

var scratch = Options{NamespaceMapping: map[string]string{"shop": "scratch"}}

func TestMappedNamespaceIsExplained(t *testing.T) {
	backup := shop(t)
	target := mapped(backup)
	target.drop("validatingwebhookconfigurations.admissionregistration.k8s.io", "carts") // it names production, as below
	backup.drop("validatingwebhookconfigurations.admissionregistration.k8s.io", "carts")
	r := compared(t, backup, target, scratch)
	if s := r.Summary(); len(s.Fail) > 0 {
		t.Errorf("%s", text(t, r))
	}
	set(target.find(t, "rolebindings.rbac.authorization.k8s.io", "reader"), "shop", "subjects", 0, "namespace")
	if r := compared(t, backup, target, scratch); !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Reason == "production" }) {
		t.Errorf("a subject left in production: %s", text(t, r.Findings))
	}
}

func TestSandboxNamingProductionIsAFinding(t *testing.T) {
	for name, plant := range map[string]func(w world){
		"a webhook's service":   func(world) {},
		"a host in a ConfigMap": func(w world) { set(w.objects["configmaps"][0], "http://till.shop.svc:80/", "data", "url") },
		"a short host":          func(w world) { set(w.objects["configmaps"][0], "till.shop:80", "data", "url") },
		"a host in a Secret": func(w world) {
			set(w.objects["secrets"][0], "cGc6Ly9vdXRzaWRlLnNob3Auc3ZjOjU0MzIv", "data", "password")
		},
		"a variable of a Deployment": func(w world) {
			set(w.find(t, "deployments.apps", "till"), "till.shop.svc.cluster.local", in(web, "env", 0, "value")...)
		},
		"a policy's namespace": func(w world) {
			set(w.objects["networkpolicies.networking.k8s.io"][0], "shop", "spec", "ingress", 0, "from", 0, "namespaceSelector", "matchLabels", "kubernetes.io/metadata.name")
		},
	} {
		backup := shop(t)
		if name != "a webhook's service" {
			backup.drop("validatingwebhookconfigurations.admissionregistration.k8s.io", "carts")
		}
		plant(backup)
		r := compared(t, backup, mapped(backup), scratch)
		if r.Changed != 0 || r.FindingCount != 1 || r.Findings[0].Reason != "production" || len(r.Summary().Fail) != 1 {
			t.Errorf("%s: %d changed, findings %s", name, r.Changed, text(t, r.Findings))
		}
	}
}

func TestDanglingReferences(t *testing.T) {
	for resource, name := range map[string]string{
		"storageclasses.storage.k8s.io": "fast", "priorityclasses.scheduling.k8s.io": "gold", "configmaps": "settings",
		"secrets": "database", "serviceaccounts": "till", "ingressclasses.networking.k8s.io": "nginx", "roles.rbac.authorization.k8s.io": "reader",
	} {
		backup := shop(t)
		target := restored(backup)
		target.drop(resource, name)
		backup.drop(resource, name) // it was in no backup either: no loss, but nothing starts without it
		r := compared(t, backup, target, Options{})
		if r.FindingCount != 1 || r.Findings[0].Reason != "dangling" || !strings.Contains(r.Findings[0].Names, resource) {
			t.Errorf("%s %s: %s", resource, name, text(t, r.Findings))
		}
	}
}

func TestAPIMissingAtTarget(t *testing.T) {
	backup := shop(t)
	target := restored(backup)
	i := slices.IndexFunc(target.resources, func(r Resource) bool { return r.Kind == "Cart" })
	target.resources[i].Version = "v2"
	r := compared(t, backup, target, Options{})
	if r.Lost != 1 || r.LostObjects[0].Reason != "api missing" {
		t.Errorf("%s", text(t, r))
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	backup := shop(t)
	target := restored(backup)
	set(target.find(t, "secrets", "database"), "cGxhbnRlZC1vdGhlci0wODE1", "data", "password")
	set(target.find(t, "secrets", "database"), "planted-annotation", "metadata", "annotations", lastApplied)
	set(target.find(t, "deployments.apps", "till"), "planted-variable", in(web, "env", 0, "value")...)
	set(target.find(t, "configmaps", "settings"), "planted-map", "data", "url")
	set(target.find(t, "carts.shop.example.org", "ann"), "planted-field", "spec", "apiToken")
	out := text(t, compared(t, backup, target, Options{}))
	for _, bad := range []string{"planted", "cGxhbnRl"} {
		if strings.Contains(out, bad) {
			t.Errorf("the result holds %q: %s", bad, out)
		}
	}
	if !strings.Contains(out, "hmac:") || out == text(t, compared(t, backup, target, Options{Key: []byte("another-key-16-b")})) {
		t.Error("the hash does not depend on the key")
	}
}

func TestDeclaredRulesCountAsTheOperators(t *testing.T) {
	backup := shop(t)
	target := restored(backup)
	o := target.find(t, "deployments.apps", "till")
	list, _ := at(o, "spec", "template", "spec", "containers").([]any)
	set(o, append(list, map[string]any{"name": "istio-proxy"}), "spec", "template", "spec", "containers")
	target.objects["networkpolicies.networking.k8s.io"] = append(target.objects["networkpolicies.networking.k8s.io"], map[string]any{
		"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": map[string]any{"name": "drill-fence", "namespace": "shop"},
	})
	target.drop("configmaps", "settings")
	if r := compared(t, backup, target, Options{}); r.Changed != 1 || r.Lost != 1 || r.Unexpected != 1 {
		t.Fatalf("undeclared: %s", text(t, r))
	}
	r := compared(t, backup, target, Options{Declared: []Declared{
		{Name: "mesh", Why: "the mesh injects it", Kinds: []string{"Deployment.apps"}, Path: "spec.template.spec.containers[istio-proxy]"},
		{Name: "fence", Why: "the drill's own", Kinds: []string{"NetworkPolicy"}, Object: "extra", Names: []string{"drill-*"}},
		{Name: "made", Why: "made by its operator", Kinds: []string{"ConfigMap"}, Object: "absent", Names: []string{"settings"}},
	}})
	if r.Changed+r.Lost+r.Unexpected != 0 || r.UnexpectedKnown != 1 {
		t.Errorf("declared: %s", text(t, r))
	}
	for _, id := range []string{"op/mesh", "op/fence", "op/made"} {
		if !slices.ContainsFunc(r.Rules, func(u RuleUse) bool { return u.ID == id && u.By == "operator" && u.Objects == 1 }) {
			t.Errorf("%s is not counted: %s", id, text(t, r.Rules))
		}
	}
}

func TestBadOptionsAreNamedAllAtOnce(t *testing.T) {
	o := Options{NamespaceMapping: map[string]string{"a": "x", "b": "x"}, Key: []byte("short"), Declared: []Declared{
		{},
		{Name: "all", Why: "w", Kinds: []string{"Pod"}, Path: "**"},
		{Name: "all", Why: "w", Kinds: []string{"*"}, Path: "spec.**"},
		{Name: "o", Why: "w", Kinds: []string{"Pod"}, Object: "extra"},
	}}
	got := strings.Join(o.Problems(), "\n")
	for _, want := range []string{"both go to", "key: has 5", "declared[0].name", "declared[0].why", "declared[0].kinds", "declared[0].path", "declared[1].path", "declared[2].kinds", "declared[2].name", "declared[2].path", "declared[3].names"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
}

func TestSameMeaningIsExplained(t *testing.T) {
	backup := shop(t)
	target := restored(backup)
	set(target.find(t, "deployments.apps", "till"), "1", in(web, "resources", "limits", "cpu")...)
	set(target.find(t, "resourcequotas", "cap"), int64(20), "spec", "hard", "pods")
	set(target.find(t, "deployments.apps", "scaled"), int64(5), "spec", "replicas")
	set(target.find(t, "services", "till"), int64(32222), "spec", "ports", 1, "nodePort")
	ports, _ := at(target.find(t, "services", "till"), "spec", "ports").([]any)
	slices.Reverse(ports)
	r := compared(t, backup, target, Options{})
	if r.Changed != 0 {
		t.Errorf("%s", text(t, r.ChangedObjects))
	}
	for _, id := range []string{"ALL-16", "WL-1", "SVC-3", "SVC-1"} {
		if !slices.ContainsFunc(r.Rules, func(u RuleUse) bool { return u.ID == id }) {
			t.Errorf("%s is not counted", id)
		}
	}
	if r := compared(t, backup, target, Options{PreserveNodePorts: true}); r.Changed != 1 {
		t.Errorf("a node port that was to be preserved: %s", text(t, r.ChangedObjects))
	}
}

func TestListsAreBoundedAndCounted(t *testing.T) {
	backup := shop(t)
	target := restored(backup)
	target.objects["configmaps"] = nil
	target.objects["secrets"] = nil
	for i := range 5 {
		target.objects["configmaps"] = append(target.objects["configmaps"], map[string]any{"metadata": map[string]any{"name": fmt.Sprint("x", i), "namespace": "shop"}})
	}
	r := compared(t, backup, target, Options{Limits: Limits{Listed: 1}})
	if r.Lost != 2 || r.Omitted.Lost != 1 || r.Unexpected != 5 || r.Omitted.Unexpected != 4 || len(r.UnexpectedObjects) != 1 {
		t.Errorf("%s", text(t, r))
	}
}

func TestNothingComparedIsVoid(t *testing.T) {
	r := compared(t, world{}, world{}, Options{})
	if len(r.Summary().Void) != 1 {
		t.Errorf("%s", text(t, r.Summary()))
	}
}
