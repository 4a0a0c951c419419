package scenarios

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/gamedayhq/gameday/probes"
	"github.com/gamedayhq/gameday/reports"
)

// seen is a cluster of tests with three pods of a workload, which tells of each write that would have changed it.
type seen struct {
	client.WithWatch
	denied []string // "verb resource" that the user may not do
	writes []string
}

func newSeen(t *testing.T) *seen {
	t.Helper()
	s := &seen{}
	write := func(what string, object client.Object, dry []string) {
		if !slices.Contains(dry, metav1.DryRunAll) {
			s.writes = append(s.writes, fmt.Sprintf("%s %T %s", what, object, object.GetName()))
		}
	}
	builder := fake.NewClientBuilder().WithObjects(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}})
	for i := range 3 {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprintf("shop-%d", i), UID: "uid"}}
		pod.OwnerReferences = []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "shop", Controller: new(true)}}
		builder = builder.WithObjects(pod)
	}
	s.WithWatch = builder.WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, opts ...client.CreateOption) error {
			if review, ok := object.(*authorizationv1.SelfSubjectAccessReview); ok {
				asked := review.Spec.ResourceAttributes
				review.Status.Allowed = !slices.Contains(s.denied, asked.Verb+" "+asked.Resource)
				return nil
			}
			write("create", object, (&client.CreateOptions{}).ApplyOptions(opts).DryRun)
			return c.Create(ctx, object, opts...)
		},
		Update: func(ctx context.Context, c client.WithWatch, object client.Object, opts ...client.UpdateOption) error {
			write("update", object, (&client.UpdateOptions{}).ApplyOptions(opts).DryRun)
			return c.Update(ctx, object, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, opts ...client.PatchOption) error {
			write("patch", object, (&client.PatchOptions{}).ApplyOptions(opts).DryRun)
			return c.Patch(ctx, object, patch, opts...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, object client.Object, opts ...client.DeleteOption) error {
			write("delete", object, (&client.DeleteOptions{}).ApplyOptions(opts).DryRun)
			return c.Delete(ctx, object, opts...)
		},
	}).Build()
	return s
}

// eats is a fault of tests on the pods of a namespace, whose preflight even tries to write.
type eats struct {
	radius BlastRadius
	fail   error
	asked  int
}

func (e *eats) Do(context.Context, Env) error     { return errors.New("a preview plays nothing") }
func (e *eats) Undo(context.Context, Env) error   { return errors.New("a preview undoes nothing") }
func (e *eats) Bound(radius BlastRadius) []string { e.radius = radius; return nil }
func (e *eats) Describe() string                  { return "eat a pod" }
func (e *eats) Lasts() string                     { return "a taste" }
func (e *eats) Needs() []Need {
	return []Need{{Namespace: "shop", Resource: "pods", Verbs: []string{"delete", "list"}}}
}

func (e *eats) pods(ctx context.Context, env Env) ([]corev1.Pod, error) {
	cluster, err := env.Clusters.Get("")
	if err != nil {
		return nil, err
	}
	var list corev1.PodList
	if err := cluster.List(ctx, &list, client.InNamespace("shop")); err != nil {
		return nil, err
	}
	return list.Items, e.radius.Check(ctx, cluster, Targets{Pods: list.Items, Hits: 1})
}

func (e *eats) Targets(ctx context.Context, env Env) ([]reports.Target, int, error) {
	pods, err := e.pods(ctx, env)
	var out []reports.Target
	for _, pod := range pods {
		out = append(out, reports.Target{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: string(pod.UID)})
	}
	return out, 1, err
}

func (e *eats) Preflight(ctx context.Context, env Env) error {
	e.asked++
	pods, err := e.pods(ctx, env)
	if err != nil {
		return err
	}
	cluster, _ := env.Clusters.Get("")
	one := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "crumb"}}
	for _, err := range []error{
		cluster.Create(ctx, one), cluster.Delete(ctx, &pods[0]),
		cluster.Patch(ctx, &pods[1], client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"a":"b"}}}`))),
		cluster.Update(ctx, &pods[2]), env.Fact("looked", nil, ""), e.fail,
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// mute is a question that cannot be put so that it must be bad.
type mute struct{ question }

func (mute) Falsified() (probes.Probe, string) { return nil, "" }

// closed is a guard that would let no drill in, and must not be entered.
type closed struct{ t *testing.T }

func (c closed) Enter(context.Context, Env, func(error)) (func(context.Context) error, error) {
	c.t.Error("a preview enters no guard")
	return nil, nil
}
func (c closed) Look(context.Context, Env) error { return errors.New("closed until Monday") }

func eating(e *eats) *Scenario {
	ratio := reports.Ratio(0.5)
	return &Scenario{
		Name: "eats", Why: "To see whether anybody notices.", Settle: time.Second, Baseline: 2 * time.Second,
		Monitors: []Monitor{{Name: "buyers", Ask: question(func() error { return nil }), Every: time.Second, Timeout: 2 * time.Second}},
		Steps: []Step{{Name: "both", Group: &Group{Way: Together, Of: []Step{
			{Name: "eat", Action: e, Hold: 10 * time.Second, Timeout: 20 * time.Second},
			{Name: "wait", Action: Wait(30 * time.Second), Timeout: 40 * time.Second},
		}}}},
		Objectives: reports.Objectives{&reports.Availability{Of: "buyers", Window: reports.Window{During: "baseline"}, AtLeast: &ratio}},
	}
}

func preview(t *testing.T, cluster *seen, s *Scenario, guards ...Guard) Preview {
	t.Helper()
	p, err := Runner{Run: "a-run", Clusters: Clusters{"": cluster}, Guards: guards}.Preview(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if len(cluster.writes) > 0 {
		t.Errorf("the preview has changed the cluster: %v", cluster.writes)
	}
	return p
}

func TestAPreviewSaysWhatWouldBeHitAndChangesNothing(t *testing.T) {
	e := &eats{}
	s := eating(e)
	s.BlastRadius.MaxPods = new(intstr.FromString("34%"))
	p := preview(t, newSeen(t), s)
	if p.Outlook != WouldRun || len(p.InTheWay) != 0 || e.asked != 1 {
		t.Errorf("%s, in the way %v, asked %d times", p.Outlook, p.InTheWay, e.asked)
	}
	step := p.Steps[1]
	if step.Name != "eat" || !step.Fault || len(step.Targets) != 3 || step.Targets[0].UID != "uid" || step.AtMost != 1 || step.Lasts != "a taste" {
		t.Errorf("step %+v", step)
	}
	want := []Share{
		{What: "pods that the fault selects", Hits: 1, Of: 3, Allowed: []string{"spec.blastRadius.maxPods 34%"}},
		{What: `pods in namespace "shop"`, Hits: 1, Of: 3},
		{What: `pods of ReplicaSet shop in namespace "shop"`, Hits: 1, Of: 3},
	}
	if fmt.Sprint(step.Shares) != fmt.Sprint(want) {
		t.Errorf("shares %+v\nwant   %+v", step.Shares, want)
	}
	// Baseline, the slowest answer, and settle: 6 s. At the least the wait, at the most the longer of both with its undo.
	if p.AtLeast.D() != 36*time.Second || p.AtMost.D() != 56*time.Second {
		t.Errorf("takes %v to %v, want 36s to 56s", p.AtLeast.D(), p.AtMost.D())
	}
}

func TestAPreviewNamesAllThatIsInTheWay(t *testing.T) {
	cluster := newSeen(t)
	cluster.denied = []string{"delete pods"}
	e := &eats{}
	p := preview(t, cluster, eating(e), closed{t})
	if p.Outlook != WouldBeRefused || e.asked != 0 {
		t.Errorf("%s, asked %d times: what may not be done cannot be looked at", p.Outlook, e.asked)
	}
	if len(p.Missing) != 1 || p.Missing[0].String() != "delete pods in namespace shop" {
		t.Errorf("missing %v", p.Missing)
	}
	if len(p.InTheWay) != 2 || p.InTheWay[0].Why != "closed until Monday" ||
		p.InTheWay[1].Step != "eat" || !strings.Contains(p.InTheWay[1].Why, "may not delete pods in namespace shop: grant it") {
		t.Errorf("in the way: %+v", p.InTheWay)
	}
}

func TestAPreviewTellsAVoidDrillFromARefusedOne(t *testing.T) {
	for want, fail := range map[Outlook]error{
		WouldProveNothing: fmt.Errorf("%w: nothing to eat", ErrVoid),
		WouldBeRefused:    errors.New("webhook down"),
	} {
		p := preview(t, newSeen(t), eating(&eats{fail: fail}))
		if p.Outlook != want || len(p.InTheWay) != 1 || p.InTheWay[0].Void != (want == WouldProveNothing) {
			t.Errorf("%s, in the way %+v; want %s", p.Outlook, p.InTheWay, want)
		}
	}
	s := eating(&eats{})
	s.Monitors[0].Ask = mute{question(func() error { return nil })}
	if p := preview(t, newSeen(t), s); p.Outlook != WouldProveNothing {
		t.Errorf("%s with a monitor that cannot be proved able to say bad", p.Outlook)
	}
}

func TestADrillWithoutRightsTouchesNothing(t *testing.T) {
	cluster := newSeen(t)
	cluster.denied = []string{"delete pods"}
	e := &eats{}
	err := Runner{Run: "a-run", Dir: t.TempDir(), Clusters: Clusters{"": cluster}}.Play(t.Context(), eating(e))
	if err == nil || !strings.Contains(err.Error(), `step "eat": the kubeconfig's user may not delete pods in namespace shop`) {
		t.Errorf("got %v", err)
	}
	if e.asked != 0 || len(cluster.writes) > 0 {
		t.Errorf("asked %d times, wrote %v", e.asked, cluster.writes)
	}
}
