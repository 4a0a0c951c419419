package kubernetes

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/gamedayhq/gameday/probes"
)

func replicasOf(n int32) *int32 { return &n }

func shop(name string, ready, wanted int32, available corev1.ConditionStatus) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: map[string]string{"tier": "web"}},
		Spec:       appsv1.DeploymentSpec{Replicas: replicasOf(wanted)},
		Status: appsv1.DeploymentStatus{ReadyReplicas: ready, Conditions: []appsv1.DeploymentCondition{
			{Type: "Progressing", Status: "True"},
			{Type: appsv1.DeploymentAvailable, Status: available, Reason: "MinimumReplicas"},
		}},
	}
}

func deployment(name string, change func(*Object)) Object {
	o := Object{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: name}
	if change != nil {
		change(&o)
	}
	return o
}

func TestObjectReadsWhatTheAPISays(t *testing.T) {
	api := fake.NewClientBuilder().WithObjects(
		shop("web", 3, 3, corev1.ConditionTrue), shop("half", 2, 4, corev1.ConditionFalse), shop("none", 0, 0, corev1.ConditionTrue),
		&appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "agent"}, Status: appsv1.DaemonSetStatus{NumberReady: 1, DesiredNumberScheduled: 2}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}},
	).Build()
	ready := func(n probes.Scalar) func(*Object) { return func(o *Object) { o.ReadyReplicas = n } }
	condition := func(c Condition) func(*Object) { return func(o *Object) { o.Condition = &c } }
	value := func(path, criteria string, want probes.Scalar) func(*Object) {
		return func(o *Object) {
			o.JSONPath = &JSONPath{Path: path, Comparator: probes.Comparator{Criteria: criteria, Value: want}}
		}
	}
	for name, test := range map[string]struct {
		object Object
		want   string
	}{
		"it is there":                      {deployment("web", nil), ""},
		"it is not":                        {deployment("bank", nil), "absent: Deployment shop/bank"},
		"a thing without namespace":        {Object{APIVersion: "v1", Kind: "Namespace", Name: "shop"}, ""},
		"a thing without namespace is not": {Object{APIVersion: "v1", Kind: "Namespace", Name: "bank"}, "absent: Namespace bank"},
		"enough are ready":                 {deployment("web", ready("3")), ""},
		"too few are ready":                {deployment("web", ready("4")), "value: 3 replicas ready, want 4"},
		"all are ready":                    {deployment("web", ready("all")), ""},
		"half of them are":                 {deployment("half", ready("all")), "value: 2 replicas ready, want 4"},
		"all of none":                      {deployment("none", ready("all")), "value: it wants no replica, so none is ready"},
		"one of none":                      {deployment("none", ready("1")), "value: 0 replicas ready, want 1"},
		"a daemon everywhere":              {Object{APIVersion: "apps/v1", Kind: "DaemonSet", Namespace: "shop", Name: "agent", ReadyReplicas: "all"}, "value: 1 replicas ready, want 2"},
		"a daemon on one node":             {Object{APIVersion: "apps/v1", Kind: "DaemonSet", Namespace: "shop", Name: "agent", ReadyReplicas: "1"}, ""},
		"the condition holds":              {deployment("web", condition(Condition{Type: "Available"})), ""},
		"the condition does not":           {deployment("half", condition(Condition{Type: "Available"})), "value: condition Available is False (MinimumReplicas), want True"},
		"the condition must not hold":      {deployment("half", condition(Condition{Type: "Available", Status: "false"})), ""},
		"no such condition":                {deployment("web", condition(Condition{Type: "Ready"})), "value: no condition Ready, want it True"},
		"the value":                        {deployment("web", value("{.status.readyReplicas}", ">=", "3")), ""},
		"the value without braces":         {deployment("web", value(".metadata.labels.tier", "", "web")), ""},
		"another value":                    {deployment("web", value(".metadata.labels.tier", "", "db")), `value: got "web", want == db`},
		"each value":                       {deployment("half", value("{.status.conditions[*].status}", "", "True")), `value: got "False", want == True`},
		"a filter":                         {deployment("web", value(`{.status.conditions[?(@.type=="Available")].status}`, "", "True")), ""},
		"nothing there":                    {deployment("web", value(".status.nothing", "", "")), "value: nothing at .status.nothing, want any value"},
		"nothing on the way":               {deployment("web", value(".status.nothing[3].x", "", "")), "value: nothing at .status.nothing[3].x, want any value"},
		"a structure":                      {deployment("web", value(".metadata.labels", "contains", `"tier":"web"`)), ""},
		"one of two does not hold":         {deployment("web", func(o *Object) { ready("3")(o); value(".metadata.labels.tier", "", "db")(o) }), `value: got "web", want == db`},
	} {
		t.Run(name, func(t *testing.T) {
			if problems := test.object.Problems(); problems != nil {
				t.Fatal(problems)
			}
			probe, err := test.object.In(api).New()
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if err := probe.Probe(t.Context()); err != nil {
				got = err.Error()
			}
			if !begins(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if s := twin(t, test.object.In(api)); s.Outcome != probes.Bad {
				t.Errorf("falsified: got %+v, want bad", s)
			}
		})
	}
}

func twin(t *testing.T, q probes.Question) probes.Sample {
	t.Helper()
	f, ok := q.(probes.Falsifier)
	if !ok {
		t.Fatal("it cannot be falsified")
	}
	probe, how := f.Falsified()
	if how == "" {
		t.Error("it is not said how it is falsified")
	}
	return probes.Once(t.Context(), probe, time.Second)
}

// reader is an API that answers as the test wants.
type reader struct {
	client.Reader
	get func(ctx context.Context) error
}

func (r reader) Get(ctx context.Context, _ client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	return r.get(ctx)
}

// An API that does not answer the question says nothing of the system.
func TestAnAPIThatDoesNotAnswerIsMissed(t *testing.T) {
	resource := schema.GroupResource{Group: "apps", Resource: "deployments"}
	for name, get := range map[string]func(context.Context) error{
		"it forbids":    func(context.Context) error { return apierrors.NewForbidden(resource, "web", errors.New("no")) },
		"it has failed": func(context.Context) error { return apierrors.NewInternalError(errors.New("etcd")) },
		"it is full":    func(context.Context) error { return apierrors.NewTooManyRequests("busy", 1) },
		"it is gone":    func(context.Context) error { return errors.New("dial tcp: connection refused") },
		"it is silent":  func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			q := deployment("web", nil).In(reader{get: get})
			probe, err := q.New()
			if err != nil {
				t.Fatal(err)
			}
			if s := probes.Once(t.Context(), probe, 50*time.Millisecond); s.Outcome != probes.Missed || !strings.Contains(s.Detail, "the Kubernetes API") {
				t.Errorf("got %+v, want missed", s)
			}
			f := q.(probes.Falsifier)
			twin, _ := f.Falsified()
			if s := probes.Once(t.Context(), twin, 50*time.Millisecond); s.Outcome != probes.Missed {
				t.Errorf("falsified: got %+v, want missed", s)
			}
		})
	}
}

func TestObjectProblems(t *testing.T) {
	for want, o := range map[string]Object{
		`apiVersion: "" is none: want v1, apps/v1, …; kind: missing; name: missing`: {},

		`apiVersion: "a/b/c" is none: want v1, apps/v1, …`: {APIVersion: "a/b/c", Kind: "K", Name: "n"},

		"condition.type: missing":                                                            deployment("web", func(o *Object) { o.Condition = &Condition{} }),
		`readyReplicas: is "some", want a number above zero, or all`:                         deployment("web", func(o *Object) { o.ReadyReplicas = "some" }),
		`readyReplicas: is "0", want a number above zero, or all`:                            deployment("web", func(o *Object) { o.ReadyReplicas = "0" }),
		"jsonPath.path: missing":                                                             deployment("web", func(o *Object) { o.JSONPath = &JSONPath{} }),
		"jsonPath.path: unclosed action":                                                     deployment("web", func(o *Object) { o.JSONPath = &JSONPath{Path: "{.a"} }),
		"jsonPath: what a Secret holds must not reach the evidence: ask whether it is there": {APIVersion: "v1", Kind: "Secret", Name: "n", JSONPath: &JSONPath{Path: ".data"}},
		`jsonPath.value: "x" is no number as > needs it`: deployment("web", func(o *Object) {
			o.JSONPath = &JSONPath{Path: ".a", Comparator: probes.Comparator{Criteria: ">", Value: "x"}}
		}),
	} {
		if got := strings.Join(o.Problems(), "; "); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if _, err := deployment("web", nil).New(); err == nil || !strings.Contains(err.Error(), "no cluster was given") {
		t.Errorf("without a cluster: got %v", err)
	}
}

func TestObjectSaysWhatIsAsked(t *testing.T) {
	o := deployment("web", func(o *Object) {
		o.Cluster, o.ReadyReplicas, o.Condition = "standby", "all", &Condition{Type: "Available"}
		o.JSONPath = &JSONPath{Path: ".a", Comparator: probes.Comparator{Criteria: ">", Value: "1"}}
	})
	const want = `Deployment shop/web in cluster "standby", want condition Available True and all replicas ready and .a > 1`
	if got := o.String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// begins says whether a text is the one that is wanted, or begins with it and goes on after a colon.
func begins(got, want string) bool {
	return got == want || want != "" && strings.HasPrefix(got, want+": ")
}
