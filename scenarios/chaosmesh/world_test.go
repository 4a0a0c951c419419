package chaosmesh

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

// world is a cluster of tests: a fake API, and a stand-in for Chaos Mesh's controller that follows each write before it returns.
type world struct {
	client.WithWatch
	refuse    func(object client.Object) error // asked before a create
	inject    string                           // what the daemon says instead of injecting
	stuck     func() bool                      // the fault does not recover while it says so
	denied    map[string]bool                  // "verb resource" that the person may not do
	idle      bool                             // the controller does nothing
	remake    bool                             // a pod of another UID takes the place of each that is deleted, as in a StatefulSet
	harmless  bool                             // the controller says injected, and nothing happens
	failed    string                           // what the note of a pod's rules says of them
	keepRules bool                             // rules stay when the fault is recovered
	created   []client.Object
}

// RESTMapper knows the kinds of Chaos Mesh, which the fake's does not.
func (w *world) RESTMapper() meta.RESTMapper {
	mapper := meta.NewDefaultRESTMapper(nil)
	for kind := range v1alpha1.AllKinds() {
		resource := v1alpha1.SchemeGroupVersion.WithResource(strings.ToLower(kind))
		mapper.AddSpecific(v1alpha1.SchemeGroupVersion.WithKind(kind), resource, resource, meta.RESTScopeNamespace)
	}
	return mapper
}

const finalizer = "chaos-mesh/records"

func newWorld(t *testing.T, objects ...client.Object) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{AddToScheme, clientgoscheme.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	w := &world{stuck: func() bool { return false }, denied: map[string]bool{}}
	builder := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithInterceptorFuncs(w.controllers())
	for _, kind := range v1alpha1.AllKinds() {
		builder = builder.WithIndex(kind.SpawnObject(), "metadata.name", func(o client.Object) []string { return []string{o.GetName()} })
	}
	builder = builder.WithIndex(&corev1.Event{}, "involvedObject.name", func(o client.Object) []string {
		event, _ := o.(*corev1.Event)
		return []string{event.InvolvedObject.Name}
	})
	w.WithWatch = builder.Build()
	return w
}

// controllers follow each write: the fake does not tell a watch what happened since its list.
func (w *world) controllers() interceptor.Funcs {
	return interceptor.Funcs{
		Update: func(ctx context.Context, c client.WithWatch, object client.Object, opts ...client.UpdateOption) error {
			if err := c.Update(ctx, object, opts...); err != nil {
				return err
			}
			return w.settle(ctx, c)
		},
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, opts ...client.CreateOption) error {
			if w.refuse != nil {
				if err := w.refuse(object); err != nil {
					return err
				}
			}
			if review, ok := object.(*authorizationv1.SelfSubjectAccessReview); ok {
				review.Status.Allowed = !w.denied[review.Spec.ResourceAttributes.Verb+" "+review.Spec.ResourceAttributes.Resource]
				return nil
			}
			dry := slices.Contains(opts, client.CreateOption(client.DryRunAll))
			if dry {
				return c.Create(ctx, object, opts...)
			}
			w.created = append(w.created, object)
			chaos, ok := object.(v1alpha1.InnerObject)
			if !ok {
				return c.Create(ctx, object, opts...)
			}
			object.SetFinalizers([]string{finalizer})
			if err := c.Create(ctx, object, opts...); err != nil {
				return err
			}
			return w.injected(ctx, c, chaos)
		},
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, opts ...client.PatchOption) error {
			if err := c.Patch(ctx, object, patch, opts...); err != nil {
				return err
			}
			return w.settle(ctx, c)
		},
		Delete: func(ctx context.Context, c client.WithWatch, object client.Object, opts ...client.DeleteOption) error {
			if err := c.Delete(ctx, object, opts...); err != nil {
				return err
			}
			if _, ok := object.(*corev1.Pod); ok && w.remake {
				if err := c.Create(ctx, shopPod(object.GetName(), "new-"+object.GetUID())); err != nil {
					return err
				}
			}
			return w.settle(ctx, c)
		},
	}
}

// injected writes the controller's account of the injection.
func (w *world) injected(ctx context.Context, c client.WithWatch, chaos v1alpha1.InnerObject) error {
	if w.idle {
		return nil
	}
	selector := (&Fault{Object: chaos}).selector()
	found, err := pods(ctx, c, selector.Selector)
	if err != nil {
		return err
	}
	status := chaos.GetStatus()
	for i, pod := range found {
		if selector.Mode == v1alpha1.OneMode && i > 0 {
			break
		}
		record := &v1alpha1.Record{Id: pod.Namespace + "/" + pod.Name, SelectorKey: ".", Phase: v1alpha1.Injected, InjectedCount: 1}
		if w.inject != "" {
			record.Phase, record.InjectedCount = v1alpha1.NotInjected, 0
			record.Events = []v1alpha1.RecordEvent{{Type: v1alpha1.TypeFailed, Operation: v1alpha1.Apply, Message: w.inject}}
		}
		status.Experiment.Records = append(status.Experiment.Records, record)
		if err := w.harm(ctx, c, chaos, &pod); err != nil {
			return err
		}
	}
	return c.Update(ctx, chaos)
}

// harm does to a pod what the daemon would.
func (w *world) harm(ctx context.Context, c client.WithWatch, chaos v1alpha1.InnerObject, pod *corev1.Pod) error {
	if w.inject != "" || w.harmless {
		return nil
	}
	switch chaos := chaos.(type) {
	case *v1alpha1.PodChaos:
		if chaos.Spec.Action == v1alpha1.PodKillAction {
			return c.Delete(ctx, pod)
		}
		pod.Status.ContainerStatuses[0].RestartCount++
		return c.Status().Update(ctx, pod)
	case *v1alpha1.NetworkChaos:
		source := client.ObjectKeyFromObject(chaos).String()
		note := &v1alpha1.PodNetworkChaos{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name}}
		note.Spec.Iptables = []v1alpha1.RawIptables{{Name: "x", Direction: v1alpha1.Input, RawRuleSource: v1alpha1.RawRuleSource{Source: source}}}
		note.Status.FailedMessage = w.failed
		return client.IgnoreAlreadyExists(c.Create(ctx, note))
	default:
		return nil
	}
}

// settle recovers what is paused or being deleted, and lets go what is recovered or forced.
func (w *world) settle(ctx context.Context, c client.WithWatch) error {
	for _, kind := range v1alpha1.AllKinds() {
		list := kind.SpawnList()
		if err := c.List(ctx, list); err != nil {
			return err
		}
		for _, item := range list.GetItems() {
			chaos, ok := item.(v1alpha1.InnerObject)
			if !ok {
				continue
			}
			if err := w.settleOne(ctx, c, chaos); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *world) settleOne(ctx context.Context, c client.WithWatch, chaos v1alpha1.InnerObject) error {
	if chaos.GetAnnotations()["chaos-mesh.chaos-mesh.org/cleanFinalizer"] == "forced" {
		chaos.SetFinalizers(nil)
		return c.Update(ctx, chaos)
	}
	if !chaos.IsPaused() && !chaos.IsDeleted() || w.stuck() {
		return nil
	}
	for _, record := range chaos.GetStatus().Experiment.Records {
		if record.Phase != v1alpha1.NotInjected && !w.waits(ctx, c, chaos, record.Id) {
			record.Phase, record.RecoveredCount = v1alpha1.NotInjected, record.InjectedCount
		}
	}
	if _, ok := chaos.(*v1alpha1.NetworkChaos); ok && !w.keepRules {
		for _, record := range chaos.GetStatus().Experiment.Records {
			namespace, name, _ := strings.Cut(record.Id, "/")
			note := &v1alpha1.PodNetworkChaos{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
			if err := c.Delete(ctx, note); client.IgnoreNotFound(err) != nil {
				return err
			}
		}
	}
	if chaos.IsDeleted() {
		chaos.SetFinalizers(nil)
	}
	return c.Update(ctx, chaos)
}

// waits reports whether the controller goes on to inject at a place, as it does while a rule stands that was not put in place.
func (w *world) waits(ctx context.Context, c client.WithWatch, chaos v1alpha1.InnerObject, id string) bool {
	if !slices.ContainsFunc(sites(chaos), func(s reports.Site) bool { return s.ID == id && strings.HasPrefix(s.Phase, "Not Injected/") }) {
		return false
	}
	namespace, name, _ := strings.Cut(id, "/")
	note := &v1alpha1.PodNetworkChaos{}
	err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, note)
	return err == nil && slices.Contains(networkSources(note.Spec), client.ObjectKeyFromObject(chaos).String())
}

// shopPod is a ready pod.
func shopPod(name string, uid types.UID) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: uid, Labels: map[string]string{"app": "shop"}},
		Spec:       corev1.PodSpec{NodeName: "node-1", Containers: []corev1.Container{{Name: "shop", Image: "shop:1"}}},
		Status: corev1.PodStatus{
			Phase:             corev1.PodRunning,
			ContainerStatuses: []corev1.ContainerStatus{{Name: "shop", ContainerID: "c1"}},
			Conditions:        []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		},
	}
}

// shop is a namespace with three pods.
func shop() []client.Object {
	return []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}},
		shopPod("shop-a", "uid-a"), shopPod("shop-b", "uid-b"), shopPod("shop-c", "uid-c"),
	}
}

// notes is a journal of tests.
type notes struct {
	mu     sync.Mutex
	events []reports.Event
}

func (n *notes) Event(event reports.Event) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.events = append(n.events, event)
	return nil
}

func (n *notes) Start() time.Time { return time.Time{} }

// of returns the facts of a topic.
func (n *notes) of(topic string) []reports.Event {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(n.events), func(e reports.Event) bool { return e.Topic != topic })
}

// proof returns the last proof of a topic.
func (n *notes) proof(t *testing.T, topic string) reports.Proof {
	t.Helper()
	events := n.of(topic)
	if len(events) == 0 {
		t.Fatalf("no %s was recorded", topic)
	}
	var proof reports.Proof
	if err := json.Unmarshal(events[len(events)-1].Data, &proof); err != nil {
		t.Fatal(err)
	}
	return proof
}

// play is one fault on one world.
type play struct {
	*world
	*notes
	fault *Fault
	env   scenarios.Env
}

func newPlay(t *testing.T, chaos string, objects ...client.Object) *play {
	t.Helper()
	s, err := parse(chaos)
	if err != nil {
		t.Fatal(err)
	}
	fault, _ := s.Steps[0].Action.(*Fault)
	fault.radius = scenarios.BlastRadius{AllowLastReplica: true}
	p := &play{world: newWorld(t, append(shop(), objects...)...), notes: &notes{}, fault: fault}
	p.env = scenarios.Env{
		Run: "a-test-1", Step: "break", Journal: p.notes, Tasks: scenarios.NewTasks(t.Context()), Clusters: scenarios.Clusters{"": p.world},
	}
	return p
}

func (p *play) do(t *testing.T, within time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), within, fmt.Errorf("not done within %v", within))
	defer cancel()
	return p.fault.Do(ctx, p.env)
}

func (p *play) undo(t *testing.T, within time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), within, fmt.Errorf("not undone within %v", within))
	defer cancel()
	return p.fault.Undo(ctx, p.env)
}

// wants fails the test unless the error holds all words.
func wants(t *testing.T, err error, words ...string) {
	t.Helper()
	for _, word := range words {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("got %v\nwant %q in it", err, word)
		}
	}
}
