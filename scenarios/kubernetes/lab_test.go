//go:build lab

package kubernetes

import (
	"context"
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
	cluster, err := scenarios.Connect(config)
	if err != nil {
		t.Fatal(err)
	}
	return cluster
}

// playground is a namespace of this test with a Secret, and two ready pods that are only ready with the right password.
func playground(t *testing.T, cluster client.WithWatch) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var db corev1.Pod
	if err := cluster.Get(ctx, client.ObjectKey{Namespace: "shop", Name: "db-0"}, &db); err != nil {
		t.Fatal(err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "faults-test-"}}
	if err := cluster.Create(ctx, namespace); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Delete(context.WithoutCancel(t.Context()), namespace); client.IgnoreNotFound(err) != nil {
			t.Error(err)
		}
	})
	set := map[string]string{"app": "web"}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: "login"}, Data: map[string][]byte{"password": []byte("hunter2")},
	}
	web := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(2)), Selector: &metav1.LabelSelector{MatchLabels: set},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: set}, Spec: corev1.PodSpec{
				TerminationGracePeriodSeconds: new(int64(1)),
				Containers: []corev1.Container{{
					Name: "main", Image: db.Spec.Containers[0].Image, Command: []string{"/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1; done"},
					Env: []corev1.EnvVar{{Name: "PASSWORD", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
						LocalObjectReference: corev1.LocalObjectReference{Name: "login"}, Key: "password",
					}}}},
					ReadinessProbe: &corev1.Probe{PeriodSeconds: 1, ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{
						Command: []string{"/bin/sh", "-c", `[ "$PASSWORD" = hunter2 ]`},
					}}},
				}},
			}},
		},
	}
	for _, object := range []client.Object{secret, web} {
		if err := cluster.Create(ctx, object); err != nil {
			t.Fatal(err)
		}
	}
	if err := awaitReady(ctx, cluster, namespace.Name, labelsOf(set), 2); err != nil {
		t.Fatal(err)
	}
	return namespace.Name
}

// inPlayground are the faults that need no more than a namespace.
func inPlayground(namespace string) map[string]scenarios.Fault {
	all := map[string]scenarios.Fault{
		"scale":             &Scale{Namespace: namespace, Name: "web"},
		"quota":             &Quota{Namespace: namespace},
		"delete":            &Delete{Namespace: namespace, Labels: map[string]string{"app": "web"}},
		"lose a deployment": &Delete{Namespace: namespace, APIVersion: "apps/v1", Kind: "Deployment", Name: "web"},
		"rotate":            &Rotate{Namespace: namespace, Secret: "login", Keys: []string{"password"}, Restart: []Workload{{Name: "web"}}},
		"revoke":            &Rotate{Namespace: namespace, Secret: "login", Keys: []string{"password"}, Revoke: true, Restart: []Workload{{Name: "web"}}},
	}
	for _, fault := range all {
		fault.(scenarios.Bounded).Bound(scenarios.BlastRadius{Namespaces: []string{namespace}, AllowLastReplica: true})
		fault.(scenarios.Held).Holds(time.Minute, time.Minute)
	}
	return all
}

func leftOf(t *testing.T, ctx context.Context, cluster client.WithWatch, run string) []Leftover {
	t.Helper()
	all, err := Leftovers(ctx, cluster)
	if err != nil {
		t.Fatal(err)
	}
	var out []Leftover
	for _, one := range all {
		if one.Run == run {
			out = append(out, one)
		}
	}
	return out
}

// On a real cluster each fault bites, by somebody else's word, and is undone by a process that knows the cluster only.
func TestLabEachFaultIsProvenAndRecovered(t *testing.T) {
	cluster := primary(t)
	for name := range inPlayground("") {
		t.Run(name, func(t *testing.T) {
			namespace := playground(t, cluster)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			journal := &journal{began: time.Now()}
			env := scenarios.Env{Run: "lab-" + namespace, Step: name, Clusters: scenarios.Clusters{"": cluster}, Journal: journal}
			fault := inPlayground(namespace)[name]
			if err := fault.(scenarios.Preflighter).Preflight(ctx, env); err != nil {
				t.Fatal(err)
			}
			if err := fault.Do(ctx, env); err != nil {
				t.Fatal(err)
			}
			if proof := journal.proof(t, reports.TopicInjected); !proof.Proven || !proof.Independent {
				t.Errorf("injected: %+v, want an independent proof", proof)
			}
			left := leftOf(t, ctx, cluster, env.Run)
			if len(left) != 1 {
				t.Fatalf("leftovers %v, want one", left)
			}
			proof, err := Recover(ctx, cluster, left[0])
			if err != nil || !proof.Proven || !proof.Independent {
				t.Errorf("recovered: %+v (%v), want an independent proof", proof, err)
			}
			if left := leftOf(t, ctx, cluster, env.Run); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
			if err := inPlayground(namespace)[name].Undo(ctx, env); err != nil {
				t.Errorf("undo after that: %v", err)
			}
			if strings.Contains(fmt.Sprint(journal.facts), "hunter2") {
				t.Error("a secret is in the journal")
			}
		})
	}
}

// Pods that start while a wrong credential stands keep it; so the faults that overlap a rotation are recovered after it, and the
// pods that have read it are replaced.
func TestLabOverlappingFaultsAreRecovered(t *testing.T) {
	cluster := primary(t)
	namespace := playground(t, cluster)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	run := "lab-" + namespace
	rotate := inPlayground(namespace)["rotate"].(*Rotate)
	rotate.Restart = nil
	for i, fault := range []scenarios.Fault{
		rotate, inPlayground(namespace)["delete"], inPlayground(namespace)["scale"], inPlayground(namespace)["quota"],
	} {
		env := scenarios.Env{Run: run, Step: fmt.Sprint(i), Clusters: scenarios.Clusters{"": cluster}, Journal: &journal{began: time.Now()}}
		if err := fault.Do(ctx, env); err != nil {
			t.Fatal(err)
		}
	}
	left := leftOf(t, ctx, cluster, run)
	if len(left) != 4 {
		t.Fatalf("leftovers %v, want four", left)
	}
	for _, one := range left {
		if proof, err := Recover(ctx, cluster, one); err != nil || !proof.Proven {
			t.Fatalf("recover %s: %+v, %v", one, proof, err)
		}
	}
	if err := awaitReady(ctx, cluster, namespace, labelsOf(map[string]string{"app": "web"}), 2); err != nil {
		t.Error(err)
	}
	if left := leftOf(t, ctx, cluster, run); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
