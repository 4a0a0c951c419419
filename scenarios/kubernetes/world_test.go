package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

// world is a cluster of tests: a fake API, and controllers that follow each write before it returns.
type world struct {
	client.WithWatch
	url     string       // answers badly while a path is cut
	lazy    bool         // the controllers do not follow
	budget  bool         // a budget forbids every eviction
	failing func() error // asked before each write
}

var errCrash = errors.New("the drill's process died")

func ready() corev1.PodStatus {
	return corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{}
	byName := func(object client.Object) []string { return []string{object.GetName()} }
	builder := fake.NewClientBuilder().WithInterceptorFuncs(w.controllers())
	for _, kind := range []client.Object{
		&appsv1.Deployment{}, &corev1.Node{}, &corev1.Pod{}, &corev1.Secret{}, &corev1.ConfigMap{}, &corev1.Service{},
		&appsv1.StatefulSet{}, &networkingv1.NetworkPolicy{},
	} {
		builder = builder.WithIndex(kind, "metadata.name", byName)
	}
	w.WithWatch = builder.Build()
	server := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		var policies networkingv1.NetworkPolicyList
		if err := w.List(request.Context(), &policies); err != nil || len(policies.Items) > 0 && !w.lazy {
			answer.WriteHeader(http.StatusBadGateway)
		}
	}))
	t.Cleanup(server.Close)
	w.url = server.URL
	ctx := t.Context()
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kube-system"}},
		&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-1", Labels: map[string]string{"zone": "a"}}},
		deployment("shop", "shop", 3), deployment("kube-system", "coredns", 1),
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db", Annotations: map[string]string{"kept": "yes"}},
			Data:       map[string][]byte{"password": []byte("hunter2"), "username": []byte("shop")},
		},
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "shop"}, Spec: corev1.ServiceSpec{ClusterIP: "10.0.0.7"}},
		&discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "kube-dns-x", Labels: map[string]string{discoveryv1.LabelServiceName: "kube-dns"}},
		},
	} {
		if err := w.Create(ctx, object); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func deployment(namespace, name string, replicas int32) *appsv1.Deployment {
	set := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: set},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: set},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: set}},
		},
	}
}

// controllers follow each write, before it returns: the fake does not tell a watch what happened since its list.
func (w *world) controllers() interceptor.Funcs {
	write := func(ctx context.Context, object client.Object, do func() error) error {
		if w.failing != nil {
			if err := w.failing(); err != nil {
				return err
			}
		}
		if err := do(); err != nil {
			return err
		}
		if w.lazy {
			return nil
		}
		return w.follow(context.WithoutCancel(ctx), object)
	}
	return interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, opts ...client.CreateOption) error {
			if pod, ok := object.(*corev1.Pod); ok && slices.Contains(opts, client.CreateOption(client.DryRunAll)) {
				return w.admit(ctx, pod)
			}
			if object.GetUID() == "" {
				object.SetUID(uuid.NewUUID())
			}
			return write(ctx, object, func() error { return c.Create(ctx, object, opts...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, object client.Object, opts ...client.UpdateOption) error {
			return write(ctx, object, func() error { return c.Update(ctx, object, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, opts ...client.PatchOption) error {
			return write(ctx, object, func() error { return c.Patch(ctx, object, patch, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, object client.Object, opts ...client.DeleteOption) error {
			return write(ctx, object, func() error { return c.Delete(ctx, object, opts...) })
		},
		SubResourceGet: func(ctx context.Context, c client.Client, sub string, object, body client.Object, opts ...client.SubResourceGetOption) error {
			err := c.SubResource(sub).Get(ctx, object, body, opts...)
			if scale, ok := body.(*autoscalingv1.Scale); ok { // the fake writes a Go value where the API writes a selector
				scale.Status.Selector = "app=" + object.GetName()
			}
			return err
		},
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, object client.Object, opts ...client.SubResourceUpdateOption) error {
			return write(ctx, object, func() error { return c.SubResource(sub).Update(ctx, object, opts...) })
		},
		SubResourceCreate: func(ctx context.Context, c client.Client, sub string, object, body client.Object, opts ...client.SubResourceCreateOption) error {
			if _, ok := body.(*policyv1.Eviction); ok && w.budget {
				refusal := apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 1)
				refusal.ErrStatus.Details.Causes = []metav1.StatusCause{{Message: "The disruption budget shop needs 2 healthy pods"}}
				return refusal
			}
			return write(ctx, object, func() error { return c.SubResource(sub).Create(ctx, object, body, opts...) })
		},
	}
}

// admit refuses a pod that a quota does not allow, with the API's words.
func (w *world) admit(ctx context.Context, pod *corev1.Pod) error {
	var quotas corev1.ResourceQuotaList
	if err := w.List(ctx, &quotas, client.InNamespace(pod.Namespace)); err != nil {
		return err
	}
	for _, quota := range quotas.Items {
		if hard := quota.Spec.Hard[corev1.ResourcePods]; hard.Value() < 4 && !w.lazy {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", fmt.Errorf("exceeded quota: %s, requested: pods=1", quota.Name))
		}
	}
	return nil
}

// follow does what the controllers of a cluster do.
func (w *world) follow(ctx context.Context, changed client.Object) error {
	if node, ok := changed.(*corev1.Node); ok {
		return w.taint(ctx, node.Name)
	}
	var all appsv1.DeploymentList
	if err := w.List(ctx, &all); err != nil {
		return err
	}
	known := map[types.UID]bool{}
	for i := range all.Items {
		known[all.Items[i].UID] = true
		if err := w.makePods(ctx, &all.Items[i]); err != nil {
			return err
		}
	}
	var pods corev1.PodList
	if err := w.List(ctx, &pods); err != nil {
		return err
	}
	for i := range pods.Items {
		if owner := metav1.GetControllerOf(&pods.Items[i]); owner != nil && !known[owner.UID] {
			if err := w.quietly().Delete(ctx, &pods.Items[i]); err != nil {
				return err
			}
		}
	}
	return w.publish(ctx)
}

// quietly writes without the controllers.
func (w *world) quietly() *quiet { return &quiet{w} }

type quiet struct{ *world }

func (q *quiet) do(act func() error) error {
	lazy, failing := q.lazy, q.failing
	q.lazy, q.failing = true, nil
	defer func() { q.lazy, q.failing = lazy, failing }()
	return act()
}

func (q *quiet) Create(ctx context.Context, object client.Object) error {
	return q.do(func() error { return q.world.Create(ctx, object) })
}

func (q *quiet) Update(ctx context.Context, object client.Object) error {
	return q.do(func() error { return q.world.Update(ctx, object) })
}

func (q *quiet) Delete(ctx context.Context, object client.Object) error {
	return q.do(func() error { return q.world.Delete(ctx, object) })
}

func (w *world) taint(ctx context.Context, name string) error {
	node := &corev1.Node{}
	if err := w.Get(ctx, client.ObjectKey{Name: name}, node); err != nil {
		return err
	}
	node.Spec.Taints = nil
	if node.Spec.Unschedulable {
		node.Spec.Taints = []corev1.Taint{{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}}
	}
	return w.quietly().Update(ctx, node)
}

func (w *world) makePods(ctx context.Context, d *appsv1.Deployment) error {
	pods, err := listPods(ctx, w, d.Namespace, labelsOf(d.Spec.Selector.MatchLabels))
	if err != nil {
		return err
	}
	for i := len(pods) - 1; i >= 0; i-- {
		if owner := metav1.GetControllerOf(&pods[i]); owner == nil || owner.UID != d.UID {
			pods = slices.Delete(pods, i, i+1)
		}
	}
	if pods, err = w.rollOut(ctx, d, pods); err != nil {
		return err
	}
	for len(pods) > int(*d.Spec.Replicas) {
		if err := w.quietly().Delete(ctx, &pods[0]); err != nil {
			return err
		}
		pods = pods[1:]
	}
	for n := len(pods); n < int(*d.Spec.Replicas); n++ {
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: d.Namespace, Name: d.Name + "-" + string(uuid.NewUUID())[:8], UID: uuid.NewUUID(),
				Labels:          maps.Clone(d.Spec.Template.Labels),
				OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: d.Name, UID: d.UID, Controller: new(true)}},
			},
			Spec: corev1.PodSpec{NodeName: "node-1"}, Status: ready(),
		}
		pod.Labels["pod-template-hash"] = "abc"
		if err := w.quietly().Create(ctx, pod); err != nil {
			return err
		}
	}
	d.Status.Replicas, d.Status.ReadyReplicas, d.Status.UpdatedReplicas = *d.Spec.Replicas, *d.Spec.Replicas, *d.Spec.Replicas
	d.Status.AvailableReplicas, d.Status.ObservedGeneration = *d.Spec.Replicas, d.Generation
	return w.quietly().Update(ctx, d)
}

// rollOut starts one pod of a changed template, which does not become ready, and takes it away when the template is as it was. It
// returns the others.
func (w *world) rollOut(ctx context.Context, d *appsv1.Deployment, pods []corev1.Pod) ([]corev1.Pod, error) {
	fresh := started(pods, "")
	others := slices.DeleteFunc(pods, func(pod corev1.Pod) bool { return pod.Annotations[annotationRestarted] != "" })
	value, changed := d.Spec.Template.Annotations[annotationRestarted]
	switch {
	case changed && len(fresh) == 0:
		pod := others[0].DeepCopy()
		pod.ObjectMeta = metav1.ObjectMeta{
			Namespace: pod.Namespace, Name: d.Name + "-new", UID: uuid.NewUUID(), Labels: pod.Labels, OwnerReferences: pod.OwnerReferences,
			Annotations: map[string]string{annotationRestarted: value},
		}
		pod.Status = corev1.PodStatus{Phase: corev1.PodRunning}
		return others, w.quietly().Create(ctx, pod)
	case !changed && len(fresh) > 0:
		return others, w.quietly().Delete(ctx, &fresh[0])
	}
	return others, nil
}

// publish tells which pods of the name service are there.
func (w *world) publish(ctx context.Context) error {
	var slicesOf discoveryv1.EndpointSliceList
	if err := w.List(ctx, &slicesOf); err != nil {
		return err
	}
	pods, err := listPods(ctx, w, "kube-system", labelsOf(map[string]string{"app": "coredns"}))
	if err != nil {
		return err
	}
	for i := range slicesOf.Items {
		one := &slicesOf.Items[i]
		one.Endpoints = nil
		for range pods {
			one.Endpoints = append(one.Endpoints, discoveryv1.Endpoint{Addresses: []string{"10.0.0.1"}})
		}
		if err := w.quietly().Update(ctx, one); err != nil {
			return err
		}
	}
	return nil
}

// digest tells all of a world that a drill must leave as it found it: not pods' names, but how many are ready.
func (w *world) digest(t *testing.T) string {
	t.Helper()
	var out []string
	lists := []client.ObjectList{
		&corev1.NodeList{}, &appsv1.DeploymentList{}, &corev1.SecretList{}, &corev1.ConfigMapList{}, &corev1.ServiceList{},
		&corev1.ResourceQuotaList{}, &networkingv1.NetworkPolicyList{},
	}
	for _, list := range lists {
		if err := w.List(t.Context(), list); err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		var items struct{ Items []map[string]any }
		if err := json.Unmarshal(raw, &items); err != nil {
			t.Fatal(err)
		}
		for _, item := range items.Items {
			meta, _ := item["metadata"].(map[string]any)
			for _, key := range []string{"uid", "resourceVersion", "creationTimestamp", "generation"} {
				delete(meta, key)
			}
			for _, key := range []string{"labels", "annotations"} { // empty and absent are one
				if set, ok := meta[key].(map[string]any); ok && len(set) == 0 {
					delete(meta, key)
				}
			}
			delete(item, "status")
			line, _ := json.Marshal(item)
			out = append(out, fmt.Sprintf("%T %s", list, line))
		}
	}
	var pods corev1.PodList
	if err := w.List(t.Context(), &pods); err != nil {
		t.Fatal(err)
	}
	out = append(out, fmt.Sprintf("%d pods ready of %d", countReady(pods.Items), len(pods.Items)))
	return strings.Join(out, "\n")
}

// journal keeps what a fault recorded.
type journal struct {
	began time.Time
	facts []reports.Event
}

func (j *journal) Event(event reports.Event) error { j.facts = append(j.facts, event); return nil }
func (j *journal) Start() time.Time                { return j.began }

func (j *journal) proof(t *testing.T, topic string) reports.Proof {
	t.Helper()
	var last reports.Proof
	for _, event := range j.facts {
		if event.Topic == topic {
			if err := json.Unmarshal(event.Data, &last); err != nil {
				t.Fatal(err)
			}
		}
	}
	return last
}

func (j *journal) targets(t *testing.T) []reports.Target {
	t.Helper()
	var out []reports.Target
	for _, event := range j.facts {
		if event.Topic == reports.TopicTargets {
			if err := json.Unmarshal(event.Data, &out); err != nil {
				t.Fatal(err)
			}
		}
	}
	return out
}

func envOf(w *world) (scenarios.Env, *journal) {
	j := &journal{began: time.Now()}
	return scenarios.Env{Run: "a-run", Step: "Break: it!", Clusters: scenarios.Clusters{"": w}, Journal: j}, j
}
