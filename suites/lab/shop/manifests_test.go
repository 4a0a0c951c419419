package shop

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

func object[T client.Object](t *testing.T, name string) T {
	t.Helper()
	for _, o := range Manifests(Images{Shop: "shop-image", Postgres: "postgres-image"}, testPassword) {
		if found, ok := o.(T); ok && o.GetName() == name {
			return found
		}
	}
	t.Fatalf("no such object: %q", name)
	panic("unreachable")
}

func TestManifestsAreWholeAndHideThePassword(t *testing.T) {
	for _, o := range Manifests(Images{Shop: "shop-image", Postgres: "postgres-image"}, testPassword) {
		kind := o.GetObjectKind().GroupVersionKind()
		if kind.Kind == "" || kind.Version == "" || o.GetName() == "" {
			t.Errorf("%T %q has no kind, version or name", o, o.GetName())
		}
		if ns := o.GetNamespace(); (kind.Kind == "Namespace") != (ns == "") || ns != "" && ns != Namespace {
			t.Errorf("%s %q is in namespace %q", kind.Kind, o.GetName(), ns)
		}
		text, err := yaml.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), testPassword) {
			t.Errorf("%s %q shows the password", kind.Kind, o.GetName())
		}
	}
	if got := string(object[*corev1.Secret](t, secretName).Data["password"]); got != testPassword {
		t.Errorf("the secret's password is %q", got)
	}
}

func TestManifestsFitTogether(t *testing.T) {
	secret, settings := object[*corev1.Secret](t, secretName), object[*corev1.ConfigMap](t, settingsName)
	shop, db := object[*appsv1.Deployment](t, "shop"), object[*appsv1.StatefulSet](t, "db")
	for service, pod := range map[*corev1.Service]corev1.PodTemplateSpec{
		object[*corev1.Service](t, "shop"): shop.Spec.Template,
		object[*corev1.Service](t, "db"):   db.Spec.Template,
	} {
		for key, value := range service.Spec.Selector {
			if pod.Labels[key] != value {
				t.Errorf("service %q selects %s=%s, its pods have %v", service.Name, key, value, pod.Labels)
			}
		}
		container := pod.Spec.Containers[0]
		if container.Ports[0].Name != service.Spec.Ports[0].TargetPort.StrVal || container.Ports[0].ContainerPort != service.Spec.Ports[0].Port {
			t.Errorf("service %q leads to %+v, its pods have %+v", service.Name, service.Spec.Ports, container.Ports)
		}
		for _, env := range container.Env {
			ref := env.ValueFrom.SecretKeyRef
			if _, ok := secret.Data[ref.Key]; ref.Name != secret.Name || !ok {
				t.Errorf("%s of %q is of no key of the secret: %+v", env.Name, container.Name, ref)
			}
		}
	}
	if db.Spec.ServiceName != settings.Data["PGHOST"] {
		t.Errorf("the shop asks %q, the database is %q", settings.Data["PGHOST"], db.Spec.ServiceName)
	}
	if got := shop.Spec.Template.Spec.Containers[0].Image + db.Spec.Template.Spec.Containers[0].Image; got != "shop-imagepostgres-image" {
		t.Errorf("the images are %q", got)
	}
	for variable, value := range settings.Data { // the pool reads PG* of the process
		t.Setenv(variable, value)
	}
	cfg, err := ConfigFromEnv(func(key string) string { return settings.Data[key] })
	if err != nil || cfg.Listen != ":8080" {
		t.Fatalf("the settings give %+v, %v", cfg, err)
	}
	pool, err := openPool(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if host := pool.Config().ConnConfig.Host; host != "db" {
		t.Errorf("the settings lead to %q; want db", host)
	}
	grace := time.Duration(*shop.Spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second
	if need := cfg.Drain + stopBudget + pingTimeout + closeBudget; grace < need {
		t.Errorf("a pod is killed after %s, and needs up to %s to stop", grace, need)
	}
}

// TestTheCheckpointHookRuns runs the hook's own command against a real server.
func TestTheCheckpointHookRuns(t *testing.T) {
	var command []string
	hook := object[*appsv1.StatefulSet](t, "db").Spec.Template.Annotations["pre.hook.backup.velero.io/command"]
	if err := json.Unmarshal([]byte(hook), &command); err != nil {
		t.Fatalf("the hook is no JSON list: %v\n%s", err, hook)
	}
	pg := startPostgres(t)
	before := pg.query(t, "select checkpoint_lsn from pg_control_checkpoint()")
	pg.exec(t, "create table written (n int)")
	cmd := exec.Command(command[0], command[1:]...)
	port := strings.TrimPrefix(pg.address(), "127.0.0.1:")
	cmd.Env = []string{"PATH=" + pg.bin + ":/usr/bin:/bin", "PGPORT=" + port, "POSTGRES_USER=shop", "POSTGRES_DB=postgres", "POSTGRES_PASSWORD=" + testPassword}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "CHECKPOINT") {
		t.Fatalf("the hook: %v\n%s", err, out)
	}
	if after := pg.query(t, "select checkpoint_lsn from pg_control_checkpoint()"); after == before {
		t.Errorf("no checkpoint was made: it is still at %s", after)
	}
}

func TestSourceKey(t *testing.T) {
	if key := SourceKey(); len(key) != 12 || key != SourceKey() {
		t.Errorf("the source key is %q; want the same 12 digits each time", key)
	}
}
