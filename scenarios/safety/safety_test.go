package safety

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

// journal keeps events for tests.
type journal struct {
	mu     sync.Mutex
	events []reports.Event
}

func (j *journal) Event(event reports.Event) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, event)
	return nil
}
func (j *journal) Start() time.Time { return time.Time{} }

func (j *journal) has(kind reports.Kind, topic, text string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, event := range j.events {
		if event.Kind == kind && event.Topic == topic && strings.Contains(event.Detail, text) {
			return true
		}
	}
	return false
}

// faults are those of tests, in a cluster of tests.
type faults struct {
	mu   sync.Mutex
	left []Leftover
	fail error
}

func (f *faults) find(context.Context, client.WithWatch) ([]Leftover, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []Leftover
	for _, one := range f.left {
		one.Recover = func(context.Context) (string, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.fail != nil {
				return "", f.fail
			}
			for i := range f.left {
				if f.left[i].Name == one.Name {
					f.left = append(f.left[:i:i], f.left[i+1:]...)
					break
				}
			}
			return "seen to be gone", nil
		}
		out = append(out, one)
	}
	return out, nil
}

func (f *faults) names() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, one := range f.left {
		out = append(out, one.Run+"/"+one.Name)
	}
	return strings.Join(out, " ")
}

// kube is a cluster that, as a real one does, has no namespace until somebody makes it.
func kube(t *testing.T) client.WithWatch {
	t.Helper()
	store := fake.NewClientBuilder().WithIndex(&corev1.ConfigMap{}, "metadata.name", func(object client.Object) []string {
		return []string{object.GetName()}
	}).Build()
	return interceptor.NewClient(store, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			if namespace := object.GetNamespace(); namespace != "" {
				if err := c.Get(ctx, client.ObjectKey{Name: namespace}, &corev1.Namespace{}); err != nil {
					return apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, namespace)
				}
			}
			return c.Create(ctx, object, options...)
		},
	})
}

func envOf(run string, cluster client.WithWatch) (scenarios.Env, *journal) {
	j := &journal{}
	return scenarios.Env{Run: run, Clusters: scenarios.Clusters{"": cluster, "same": cluster}, Journal: j}, j
}

func leasesOf(t *testing.T, cluster client.Client) (out []string) {
	t.Helper()
	leases, err := listLeases(t.Context(), cluster, DefaultNamespace)
	if err != nil {
		t.Fatal(err)
	}
	for i := range leases {
		out = append(out, leases[i].Name+"="+runOf(&leases[i]))
	}
	return out
}

func noStop(t *testing.T) func(error) {
	return func(cause error) { t.Errorf("the drill is stopped: %v", cause) }
}

func TestSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, world := kube(t), &faults{}
		dieAt(t, "dead", cluster)
		time.Sleep(DefaultLease)
		env, _ := envOf("alive", cluster)
		leave, err := Leases{Targets: []string{"bank"}}.Enter(t.Context(), env, noStop(t))
		if err != nil {
			t.Fatal(err)
		}
		world.left = []Leftover{{Run: "dead", Name: "a"}, {Run: "alive", Name: "b"}, {Run: "without-lease", Name: "c"}}
		var notes []string
		sweep := Sweep{Clusters: scenarios.Clusters{"": cluster}, Find: []Find{world.find}, Note: func(entry Entry) error {
			line, err := json.Marshal(entry)
			notes = append(notes, string(line))
			return err
		}}
		world.fail = errors.New("the daemon is away")
		if err := sweep.Do(t.Context()); err == nil || !strings.Contains(err.Error(), "the daemon is away") {
			t.Errorf("a fault that cannot be undone: %v", err)
		}
		if got := leasesOf(t, cluster); len(got) != 2 {
			t.Errorf("leases %v: that of a drill whose fault is left must stay", got)
		}
		world.fail = nil
		if err := sweep.Do(t.Context()); err != nil {
			t.Error(err)
		}
		if got := world.names(); got != "alive/b" {
			t.Errorf("left %q, want that of the drill that is alive, %v", got, notes)
		}
		if got := fmt.Sprint(leasesOf(t, cluster)); got != "[drill.bank=alive]" {
			t.Errorf("leases %v", got)
		}
		sweep.Run, sweep.Force = "alive", true
		if err := sweep.Do(t.Context()); err != nil || world.names() != "" {
			t.Errorf("by force: %v, left %q", err, world.names())
		}
		if err := leave(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestNoRightToMakeTheNamespaceIsSaid(t *testing.T) {
	forbidding := interceptor.NewClient(fake.NewClientBuilder().Build(), interceptor.Funcs{
		Create: func(_ context.Context, _ client.WithWatch, object client.Object, _ ...client.CreateOption) error {
			if _, ok := object.(*corev1.Namespace); ok {
				return apierrors.NewForbidden(schema.GroupResource{Resource: "namespaces"}, object.GetName(), nil)
			}
			return apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, object.GetNamespace())
		},
	})
	env, _ := envOf("first", forbidding)
	_, err := Leases{Targets: []string{"shop"}}.Enter(t.Context(), env, noStop(t))
	if err == nil || !strings.Contains(err.Error(), "kubectl create namespace gameday") {
		t.Errorf("got %v", err)
	}
}
