//go:build lab

package chaosmesh

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
	"github.com/gamedayhq/gameday/suites/lab"
)

// primary connects to the lab.
func primary(t *testing.T) client.WithWatch {
	t.Helper()
	up, err := lab.Open(lab.Options{})
	if err != nil {
		t.Fatalf("start the lab with: gameday lab up: %v", err)
	}
	config, err := up.Config(lab.Primary)
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := scenarios.Connect(config, AddToScheme)
	if err != nil {
		t.Fatal(err)
	}
	return cluster
}

// playground is a namespace of this test with two ready pods, a and b, whose image is that of the lab's database: it has a shell.
func playground(t *testing.T, cluster client.WithWatch) string {
	t.Helper()
	ctx := t.Context()
	var db corev1.Pod
	if err := cluster.Get(ctx, client.ObjectKey{Namespace: "shop", Name: "db-0"}, &db); err != nil {
		t.Fatal(err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "chaos-test-"}}
	if err := cluster.Create(ctx, namespace); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Delete(context.WithoutCancel(ctx), namespace); client.IgnoreNotFound(err) != nil {
			t.Error(err)
		}
	})
	for _, name := range []string{"a", "b"} {
		set := map[string]string{"app": name}
		deployment := &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: name},
			Spec: appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: set}, Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: set},
				Spec: corev1.PodSpec{TerminationGracePeriodSeconds: new(int64(1)), Containers: []corev1.Container{{
					Name: "main", Image: db.Spec.Containers[0].Image, Command: []string{"/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1; done"},
				}}},
			}},
		}
		if err := cluster.Create(ctx, deployment); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	list := &corev1.PodList{}
	err := scenarios.AwaitList(ctx, cluster, list, client.ListOptions{Namespace: namespace.Name}, func() scenarios.State {
		ready, not := readiness(list.Items)
		return scenarios.State{Done: ready == 2 && len(not) == 0, Seen: fmt.Sprintf("%d ready, not ready %v", ready, not)}
	})
	if err != nil {
		t.Fatal(err)
	}
	return namespace.Name
}

// on plays a chaos in the namespace: preflight, do, a while, undo.
func on(t *testing.T, cluster client.WithWatch, namespace, chaos string) (*notes, error) {
	t.Helper()
	s, err := scenarios.Parser{Kinds: scenarios.Kinds{"chaos": Decode}}.Parse("a.yaml", open(strings.ReplaceAll(chaos, "NS", namespace)))
	if err != nil {
		t.Fatal(err)
	}
	fault, _ := s.Steps[0].Action.(*Fault)
	fault.radius.AllowLastReplica = true
	kept := &notes{}
	env := scenarios.Env{
		Run: scenarios.NewRun("lab", time.Now()), Step: "break", Journal: kept, Tasks: scenarios.NewTasks(t.Context()),
		Clusters: scenarios.Clusters{"": cluster},
	}
	ctx, cancel := context.WithTimeout(t.Context(), 45*time.Second)
	defer cancel()
	if err := fault.Preflight(ctx, env); err != nil {
		return kept, err
	}
	err = fault.Do(ctx, env)
	lasting, stop := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer stop()
	return kept, errors.Join(err, fault.Undo(lasting, env))
}

// one selects the pod of the playground's deployment a.
const one = `mode: all, selector: {namespaces: [NS], labelSelectors: {app: a}}`

func TestFaultsOnTheLab(t *testing.T) {
	cluster := primary(t)
	namespace := playground(t, cluster)
	for _, row := range []struct {
		name, chaos, by string
		independent     bool
	}{
		{"pod-kill", `{kind: PodChaos, spec: {action: pod-kill, ` + one + `}}`, "uid gone", true},
		{"pod-failure", `{kind: PodChaos, spec: {action: pod-failure, ` + one + `}}`, "containers stopped", true},
		{"container-kill", `{kind: PodChaos, spec: {action: container-kill, containerNames: [main], ` + one + `}}`, "container ended", true},
		{"partition", `{kind: NetworkChaos, spec: {action: partition, direction: both, ` + one +
			`, target: {mode: all, selector: {namespaces: [NS], labelSelectors: {app: b}}}}}`, "PodNetworkChaos", false},
		{"bandwidth", `{kind: NetworkChaos, spec: {action: bandwidth, bandwidth: {rate: 1mbps, limit: 20971520, buffer: 10000}, ` + one + `}}`, "PodNetworkChaos", false},
		{"stress", `{kind: StressChaos, spec: {stressors: {cpu: {workers: 1, load: 20}}, ` + one + `}}`, "records", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			kept, err := on(t, cluster, namespace, row.chaos)
			if err != nil {
				t.Fatal(err)
			}
			injected, recovered := kept.proof(t, reports.TopicInjected), kept.proof(t, reports.TopicRecovered)
			if !injected.Proven || injected.Independent != row.independent || !strings.Contains(injected.By, row.by) {
				t.Errorf("injected: %+v", injected)
			}
			if !recovered.Proven || !recovered.Independent {
				t.Errorf("recovered: %+v", recovered)
			}
			t.Logf("injected by %s: %s; recovered by %s", injected.By, injected.Detail, recovered.By)
			events := 0
			for _, fact := range kept.of(reports.TopicObject) {
				if strings.Contains(string(fact.Data), `"kind":"Event"`) {
					events++
				}
			}
			if events == 0 {
				t.Error("no event of the object was kept")
			}
		})
	}
	if left, err := Leftovers(t.Context(), cluster); err != nil {
		t.Error(err)
	} else {
		for _, l := range left {
			if l.Namespace == namespace {
				t.Errorf("left: %s", l)
			}
		}
	}
}

// The development machines' kernels lack netem: the daemon's own words must come back, and never a pass.
func TestADelayThatTheKernelCannotDo(t *testing.T) {
	cluster := primary(t)
	namespace := playground(t, cluster)
	kept, err := on(t, cluster, namespace, `{kind: NetworkChaos, spec: {action: delay, delay: {latency: 100ms}, `+one+`}}`)
	if err == nil {
		t.Skipf("this kernel has netem: %+v", kept.proof(t, reports.TopicInjected))
	}
	wants(t, err, "not injected", "unable to set tcs for pod a-")
	if !errors.Is(err, scenarios.ErrVoid) || len(kept.of(reports.TopicInjected)) != 0 {
		t.Errorf("void %v, proofs %v", errors.Is(err, scenarios.ErrVoid), kept.of(reports.TopicInjected))
	}
	if proof := kept.proof(t, reports.TopicRecovered); !proof.Proven {
		t.Errorf("recovered: %+v", proof)
	}
	t.Log(err)
}
