//go:build lab

package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/scenarios"
	"github.com/gamedayhq/gameday/suites/lab"
)

const drillOfRights = `
apiVersion: gameday.dev/v1alpha1
kind: Scenario
metadata: {name: rights}
spec:
  why: A drill does with the rights that rbac prints all that it does with every right.
  blastRadius: {namespaces: [NAMESPACE], maxPods: 67%}
  baseline: 2s
  settle: 1s
  monitors:
  - {name: web, every: 500ms, timeout: 2s, kubernetes: {apiVersion: apps/v1, kind: Deployment, namespace: NAMESPACE, name: web, readyReplicas: 1}}
  steps:
  - {name: delete a pod, hold: 1s, delete: {namespace: NAMESPACE, labels: {app: web}, grace: 0s}}
  - {name: delete an object, hold: 1s, delete: {namespace: NAMESPACE, kind: Secret, name: other}}
  - {name: fewer, hold: 1s, scale: {namespace: NAMESPACE, name: web, replicas: 2}}
  - {name: a full quota, hold: 1s, quota: {namespace: NAMESPACE}}
  - {name: another password, hold: 1s, rotate: {namespace: NAMESPACE, secret: cred, keys: [password], restart: [{name: web}]}}
  - {name: kill a pod, hold: 1s, chaos: {kind: PodChaos, spec: {action: pod-kill, mode: one, gracePeriod: 0, selector: {namespaces: [NAMESPACE], labelSelectors: {app: web}}}}}
  - {name: fail a pod, hold: 2s, chaos: {kind: PodChaos, spec: {action: pod-failure, mode: one, selector: {namespaces: [NAMESPACE], labelSelectors: {app: web}}}}}
  - {name: cut off, hold: 2s, chaos: {kind: NetworkChaos, spec: {action: partition, mode: one, direction: to, selector: {namespaces: [NAMESPACE], labelSelectors: {app: web}}, target: {mode: all, selector: {namespaces: [NAMESPACE], labelSelectors: {app: web}}}}}}
  - {name: burn, hold: 2s, chaos: {kind: StressChaos, spec: {mode: one, selector: {namespaces: [NAMESPACE], labelSelectors: {app: web}}, stressors: {cpu: {workers: 1, load: 10}}}}}
  objectives:
  - {availability: {of: web, during: whole, atLeast: 50%}}
`

// stage is a namespace of a test, with a workload to drill on and an account that may nothing.
type stage struct {
	cluster   client.WithWatch
	config    *rest.Config
	namespace string
	file      string // the scenario
}

func newStage(t *testing.T) stage {
	t.Helper()
	there, err := lab.Open(lab.Options{})
	if err != nil {
		t.Fatalf("start the lab with: gameday lab up: %v", err)
	}
	s := stage{}
	if s.config, err = there.Config(lab.Primary); err != nil {
		t.Fatal(err)
	}
	if s.cluster, err = scenarios.Connect(s.config); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	own := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "rights-"}}
	s.create(t, own)
	s.namespace = own.Name
	t.Cleanup(func() {
		for _, object := range []client.Object{
			own, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "gameday-rights"}},
			&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "gameday-rights"}},
			&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: "gameday", Name: "gameday-rights"}},
			&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "gameday", Name: "gameday-rights"}},
		} {
			if err := s.cluster.Delete(context.WithoutCancel(ctx), object); client.IgnoreNotFound(err) != nil {
				t.Error(err)
			}
		}
	})
	var db corev1.Pod
	if err := s.cluster.Get(ctx, client.ObjectKey{Namespace: "shop", Name: "db-0"}, &db); err != nil {
		t.Fatal(err)
	}
	set := map[string]string{"app": "web"}
	web := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "web"}}
	web.Spec.Replicas, web.Spec.Selector, web.Spec.Template.Labels = new(int32(3)), &metav1.LabelSelector{MatchLabels: set}, set
	web.Spec.Template.Spec.TerminationGracePeriodSeconds = new(int64(1))
	web.Spec.Template.Spec.Containers = []corev1.Container{{
		Name: "web", Image: db.Spec.Containers[0].Image, ImagePullPolicy: corev1.PullNever, Command: []string{"sh", "-c", "exec sleep 100000"},
	}}
	s.create(t, web)
	for _, name := range []string{"cred", "other"} {
		s.create(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name}, StringData: map[string]string{"password": "x"}})
	}
	s.create(t, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "runner"}})
	wait, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	err = scenarios.Await(wait, s.cluster, web, func(bool) scenarios.State {
		return scenarios.State{Done: web.Status.ReadyReplicas == 3, Seen: fmt.Sprint(web.Status)}
	})
	if err != nil {
		t.Fatal(err)
	}
	s.file = filepath.Join(t.TempDir(), "rights.yaml")
	if err := os.WriteFile(s.file, []byte(strings.ReplaceAll(drillOfRights, "NAMESPACE", s.namespace)), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s stage) create(t *testing.T, object client.Object) {
	t.Helper()
	if err := s.cluster.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}

// kubeconfig is that of the account.
func (s stage) kubeconfig(t *testing.T) string {
	t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "runner"}}
	token := &authenticationv1.TokenRequest{}
	if err := s.cluster.SubResource("token").Create(t.Context(), account, token); err != nil {
		t.Fatal(err)
	}
	ca := s.config.CAData
	if len(ca) == 0 {
		text, err := os.ReadFile(s.config.CAFile)
		if err != nil {
			t.Fatal(err)
		}
		ca = text
	}
	text := fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],
clusters: [{name: c, cluster: {server: %q, certificate-authority-data: %q}}], users: [{name: u, user: {token: %q}}]}`,
		s.config.Host, base64.StdEncoding.EncodeToString(ca), token.Status.Token)
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// apply applies what rbac prints, and nothing else.
func (s stage) apply(t *testing.T, text string) {
	t.Helper()
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader([]byte(text)), 4096)
	for {
		var object unstructured.Unstructured
		if err := decoder.Decode(&object.Object); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		if len(object.Object) == 0 {
			continue
		}
		err := s.cluster.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(&object), client.FieldOwner("rights-test"), client.ForceOwnership)
		if err != nil {
			t.Fatalf("apply %s %s: %v", object.GetKind(), object.GetName(), err)
		}
	}
}

func TestADrillNeedsTheRightsThatRBACPrintsAndNoOthers(t *testing.T) {
	s := newStage(t)
	kubeconfig := s.kubeconfig(t)

	// Without rights: one clear refusal, before anything is touched.
	code, out, errs := gameday(t, "plan", s.file, "--kubeconfig", kubeconfig)
	if code != exitHarness || !strings.Contains(out, "may not get, list, watch configmaps safety-lever in namespace gameday") {
		t.Errorf("plan without rights: exit %d: %s%s", code, out, errs)
	}
	code, _, errs = gameday(t, "run", s.file, "--kubeconfig", kubeconfig, "--out", t.TempDir())
	if code != exitHarness || !strings.Contains(errs, "read the safety lever") || !strings.Contains(errs, "gameday needs the rights") {
		t.Errorf("run without rights: exit %d: %s", code, errs)
	}

	code, roles, errs := gameday(t, "rbac", s.file, "--service-account", s.namespace+"/runner")
	if code != exitPass {
		t.Fatalf("exit %d: %s", code, errs)
	}
	s.apply(t, roles)
	if code, out, errs := gameday(t, "plan", s.file, "--kubeconfig", kubeconfig); code != exitPass {
		t.Fatalf("plan with the rights: exit %d: %s%s", code, out, errs)
	}
	evidence := t.TempDir()
	code, out, errs = gameday(t, "run", s.file, "--kubeconfig", kubeconfig, "--out", evidence)
	if code != exitPass {
		t.Fatalf("run with the rights: exit %d: %s%s", code, out, errs)
	}
	s.forbiddenNowhere(t, evidence)

	// One right less, and the drill refuses to begin.
	var role rbacv1.Role
	if err := s.cluster.Get(t.Context(), client.ObjectKey{Namespace: s.namespace, Name: "gameday-rights"}, &role); err != nil {
		t.Fatal(err)
	}
	for i := range role.Rules {
		if slices.Contains(role.Rules[i].Resources, "podchaos") && slices.Contains(role.Rules[i].Verbs, "delete") {
			role.Rules[i].Verbs = slices.DeleteFunc(role.Rules[i].Verbs, func(verb string) bool { return verb == "delete" })
		}
	}
	if err := s.cluster.Update(t.Context(), &role); err != nil {
		t.Fatal(err)
	}
	code, _, errs = gameday(t, "run", s.file, "--kubeconfig", kubeconfig, "--out", t.TempDir())
	want := `step "kill a pod": the kubeconfig's user may not delete podchaos.chaos-mesh.org in namespace ` + s.namespace + `: grant it`
	if code != exitHarness || !strings.Contains(errs, want) {
		t.Errorf("without one right: exit %d: %s", code, errs)
	}
}

// forbiddenNowhere looks whether anything in the evidence was kept from the drill by a missing right.
func (s stage) forbiddenNowhere(t *testing.T, dir string) {
	t.Helper()
	journals, err := filepath.Glob(filepath.Join(dir, "*", "journal.ndjson"))
	if err != nil || len(journals) != 1 {
		t.Fatalf("journals %v: %v", journals, err)
	}
	text, err := os.ReadFile(journals[0])
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "is forbidden: User") && !strings.Contains(line, `"environment"`) {
			t.Errorf("a right was missing: %s", line)
		}
	}
}
