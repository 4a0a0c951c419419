package scenarios

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

func namespaceOf(name string, annotations map[string]string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: annotations}}
}

// podOf makes a pod; one with an owner "web-1" of the hash "1" belongs to the Deployment web.
func podOf(namespace, name, replicaSet string, ready corev1.ConditionStatus) corev1.Pod {
	pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}
	if deployment, hash, ok := strings.Cut(replicaSet, "-"); ok {
		pod.Labels = map[string]string{"pod-template-hash": hash, "app": deployment}
		pod.OwnerReferences = []metav1.OwnerReference{{Kind: "ReplicaSet", Name: replicaSet, Controller: new(true)}}
	}
	return pod
}

func limit(text string) *intstr.IntOrString {
	value := intstr.Parse(text)
	return &value
}

func TestCheckOfResolvedTargets(t *testing.T) {
	web := []corev1.Pod{
		podOf("shop", "web-a", "web-1", corev1.ConditionTrue),
		podOf("shop", "web-b", "web-1", corev1.ConditionTrue),
		podOf("shop", "web-c", "web-2", corev1.ConditionTrue), // of a rollout that is under way
	}
	sick := []corev1.Pod{podOf("shop", "api-a", "api-1", corev1.ConditionTrue), podOf("shop", "api-b", "api-1", corev1.ConditionFalse)}
	bare := []corev1.Pod{podOf("shop", "bare", "", corev1.ConditionTrue)}
	vault, quiet := podOf("vault", "v", "v-1", corev1.ConditionFalse), podOf("quiet", "q", "q-1", corev1.ConditionFalse)
	shop := BlastRadius{Namespaces: []string{"shop"}}
	for what, row := range map[string]struct {
		radius  BlastRadius
		ceiling Ceiling
		targets Targets
		want    []string // parts of the error; none: allowed
	}{
		"one of three":                         {shop, Ceiling{}, Targets{Pods: web, Hits: 1}, nil},
		"all of three":                         {shop, Ceiling{}, Targets{Pods: web}, []string{"last ready pod of Deployment web"}},
		"all of three, as the scenario says":   {BlastRadius{AllowLastReplica: true}, Ceiling{}, Targets{Pods: web}, nil},
		"all of three, but the harness":        {BlastRadius{AllowLastReplica: true}, Ceiling{NeverLastReplica: true}, Targets{Pods: web}, []string{"neverLastReplica forbids"}},
		"one, which may be the last ready one": {shop, Ceiling{}, Targets{Pods: sick, Hits: 1}, []string{"last ready pod of Deployment api"}},
		"one that is not ready":                {shop, Ceiling{}, Targets{Pods: sick[1:]}, nil},
		"a pod without a controller":           {shop, Ceiling{}, Targets{Pods: bare}, []string{"last ready pod of Pod bare"}},
		"more pods than the scenario allows":   {BlastRadius{MaxPods: limit("34%")}, Ceiling{}, Targets{Pods: web, Hits: 2}, []string{"would hit 2 of 3 pods that the fault selects, spec.blastRadius.maxPods 34% allows 1"}},
		"more pods than the harness allows":    {BlastRadius{MaxPods: limit("2")}, Ceiling{MaxPods: limit("1")}, Targets{Pods: web, Hits: 2}, []string{"the harness's ceiling maxPods 1 allows 1"}},
		"too much of a workload":               {BlastRadius{MaxOfWorkload: limit("50%")}, Ceiling{}, Targets{Pods: web, Hits: 2}, []string{"would hit 2 of 3 pods of Deployment web", "maxOfWorkload 50% allows 1"}},
		"too much of a namespace":              {BlastRadius{MaxOfNamespace: limit("20%")}, Ceiling{MaxOfNamespace: limit("1")}, Targets{Pods: web, Hits: 2}, []string{"would hit 2 of 6 pods in namespace \"shop\", spec.blastRadius.maxOfNamespace 20% allows 1", "ceiling maxOfNamespace 1"}},
		"too many nodes":                       {BlastRadius{MaxNodes: limit("50%")}, Ceiling{}, Targets{Nodes: []string{"n1", "n2"}}, []string{"would hit 2 of 3 nodes"}},
		"a node":                               {BlastRadius{MaxNodes: limit("50%")}, Ceiling{MaxNodes: limit("1")}, Targets{Nodes: []string{"n1"}}, nil},
		"a namespace that is not named":        {shop, Ceiling{}, Targets{Namespaces: []string{"bank"}}, []string{`reaches into namespace "bank"`}},
		"a protected namespace":                {BlastRadius{}, Ceiling{}, Targets{Namespaces: []string{"kube-system"}}, []string{`"kube-system" is protected`, "allowProtected"}},
		"one that the scenario owns up to":     {BlastRadius{AllowProtected: []string{"kube-system"}}, Ceiling{}, Targets{Namespaces: []string{"kube-system"}}, nil},
		"one that the harness protects":        {BlastRadius{AllowProtected: []string{"kube-system"}}, Ceiling{Protected: []string{"kube-system"}}, Targets{Namespaces: []string{"kube-system"}}, []string{"no scenario may touch it"}},
		"one that protects itself":             {BlastRadius{Namespaces: []string{"vault"}}, Ceiling{}, Targets{Pods: []corev1.Pod{vault}}, []string{"protected by its annotation"}},
		"one that did not opt in":              {BlastRadius{}, Ceiling{}, Targets{Pods: []corev1.Pod{quiet}}, []string{"asks to be named"}},
		"one that opted in":                    {BlastRadius{Namespaces: []string{"quiet"}}, Ceiling{}, Targets{Pods: []corev1.Pod{quiet}}, nil},
		"all that is too much, at once": {
			BlastRadius{MaxPods: limit("1"), Namespaces: []string{"shop"}},
			Ceiling{},
			Targets{Pods: web, Namespaces: []string{"bank"}},
			[]string{"maxPods", "last ready pod", "bank"},
		},
	} {
		t.Run(what, func(t *testing.T) {
			builder := fake.NewClientBuilder().WithObjects(
				namespaceOf("shop", nil), namespaceOf("bank", nil), namespaceOf("kube-system", nil),
				namespaceOf("vault", map[string]string{AnnotationProtected: "true"}), namespaceOf("quiet", map[string]string{AnnotationOptIn: "required"}))
			for _, pod := range append(append(append([]corev1.Pod{vault, quiet}, web...), sick...), bare...) {
				builder.WithObjects(pod.DeepCopy())
			}
			for _, name := range []string{"n1", "n2", "n3"} {
				builder.WithObjects(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}})
			}
			err := row.radius.Under(row.ceiling).Check(t.Context(), builder.Build(), row.targets)
			if (err == nil) != (row.want == nil) {
				t.Fatalf("got %v, want %q", err, row.want)
			}
			for _, want := range row.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v\nwant %q in it", err, want)
				}
			}
		})
	}
}

// What could not be looked at is not allowed.
func TestCheckRefusesWhatItCannotSee(t *testing.T) {
	blind := interceptor.NewClient(fake.NewClientBuilder().Build(), interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return errors.New("forbidden")
		},
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
			return errors.New("forbidden")
		},
	})
	targets := Targets{Pods: []corev1.Pod{podOf("shop", "a", "web-1", corev1.ConditionTrue)}, Nodes: []string{"n1"}}
	err := BlastRadius{MaxNodes: limit("1"), AllowLastReplica: true}.Check(t.Context(), blind, targets)
	for _, want := range []string{"count the nodes", "count the pods", "right to get namespaces"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}
