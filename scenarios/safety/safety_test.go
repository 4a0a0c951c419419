package safety

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
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

func TestOneDrillAtATimeOnATarget(t *testing.T) {
	for what, row := range map[string]struct {
		first, second []string
		refused       string
	}{
		"the same namespace":            {[]string{"shop"}, []string{"bank", "shop"}, `namespace "shop"`},
		"other namespaces":              {[]string{"shop"}, []string{"bank"}, ""},
		"the whole cluster, then one":   {nil, []string{"shop"}, "the whole cluster"},
		"one, then the whole cluster":   {[]string{"shop"}, nil, `namespace "shop"`},
		"the whole cluster, both times": {nil, nil, "the whole cluster"},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := kube(t)
				first, _ := envOf("first", cluster)
				leave, err := Leases{Targets: row.first, Holder: "ann@laptop"}.Enter(t.Context(), first, noStop(t))
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Minute) // the heartbeat keeps the first alive
				before := leasesOf(t, cluster)
				second, _ := envOf("second", cluster)
				leave2, err := Leases{Targets: row.second, Holder: "bob@desk"}.Enter(t.Context(), second, noStop(t))
				if row.refused == "" {
					if err != nil {
						t.Fatal(err)
					}
					if err := leave2(t.Context()); err != nil {
						t.Error(err)
					}
				} else {
					for _, want := range []string{row.refused, "ann@laptop", "the drill first"} {
						if err == nil || !strings.Contains(err.Error(), want) {
							t.Errorf("got %v, want %q in it", err, want)
						}
					}
				}
				if after := leasesOf(t, cluster); fmt.Sprint(after) != fmt.Sprint(before) {
					t.Errorf("leases %v, before the second drill %v", after, before)
				}
				if err := leave(t.Context()); err != nil || len(leasesOf(t, cluster)) > 0 {
					t.Errorf("left with %v, leases left: %v", err, leasesOf(t, cluster))
				}
			})
		})
	}
}

// dieAt enters a drill whose heart stops at once, as a killed process's does.
func dieAt(t *testing.T, run string, cluster client.WithWatch) {
	t.Helper()
	l := Leases{Targets: []string{"shop"}}
	l.defaults()
	held := &heldLeases{Leases: l, run: run}
	if err := held.takeAll(t.Context(), "", cluster); err != nil {
		t.Fatal(err)
	}
}

func TestALeaseOfTheDeadIsTakenOverOnlyWhenNothingIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, world := kube(t), &faults{}
		dieAt(t, "dead", cluster)
		env, _ := envOf("second", cluster)
		guard := Leases{Targets: []string{"shop"}, Find: []Find{world.find}}
		if _, err := guard.Enter(t.Context(), env, noStop(t)); err == nil || !strings.Contains(err.Error(), "the drill dead is on") {
			t.Errorf("while the first counts as alive: %v", err)
		}
		time.Sleep(DefaultLease)
		world.left = []Leftover{{Run: "dead", Step: "break", Fault: "partition", Kind: "NetworkChaos", Namespace: "elsewhere", Name: "x"}}
		if _, err := guard.Enter(t.Context(), env, noStop(t)); err == nil || !strings.Contains(err.Error(), "gameday sweep dead") {
			t.Errorf("while a fault is left: %v", err)
		}
		world.left = nil
		leave, err := guard.Enter(t.Context(), env, noStop(t))
		if err != nil {
			t.Fatalf("once nothing is left: %v", err)
		}
		if err := leave(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestALeaseIsNotTakenFromADrillWhoseClockGoesWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := kube(t)
		dieAt(t, "slow-clock", cluster)
		time.Sleep(DefaultLease)
		go func() { // its heart beats while the second drill looks
			time.Sleep(time.Second)
			leases, err := listLeases(t.Context(), cluster, DefaultNamespace)
			if err != nil || len(leases) != 1 {
				t.Errorf("%v, %v", leases, err)
				return
			}
			if err := cluster.Update(t.Context(), &leases[0]); err != nil {
				t.Error(err)
			}
		}()
		env, _ := envOf("second", cluster)
		if _, err := (Leases{Targets: []string{"shop"}}).Enter(t.Context(), env, noStop(t)); err == nil || !strings.Contains(err.Error(), "slow-clock is on") {
			t.Errorf("got %v, want the lease to be left to its holder", err)
		}
	})
}

func TestFaultsOfEarlierDrillsKeepADrillOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for namespace, refused := range map[string]bool{"shop": true, "": true, "bank": false} {
			cluster, world := kube(t), &faults{}
			world.left = []Leftover{{Run: "old", Fault: "cordon", Kind: "Node", Namespace: namespace, Name: "x"}}
			env, _ := envOf("second", cluster)
			leave, err := Leases{Targets: []string{"shop"}, Find: []Find{world.find}}.Enter(t.Context(), env, noStop(t))
			if refused != (err != nil) {
				t.Errorf("a fault in %q: %v, want refused %v", namespace, err, refused)
			}
			if leave != nil {
				if err := leave(t.Context()); err != nil {
					t.Error(err)
				}
			}
			if left := leasesOf(t, cluster); len(left) > 0 {
				t.Errorf("leases left: %v", left)
			}
		}
	})
}

func TestADrillThatLosesItsLeaseStops(t *testing.T) {
	for what, spoil := range map[string]func(t *testing.T, cluster client.WithWatch, lease *coordinationv1.Lease){
		"deleted": func(t *testing.T, cluster client.WithWatch, lease *coordinationv1.Lease) {
			if err := cluster.Delete(t.Context(), lease); err != nil {
				t.Fatal(err)
			}
		},
		"taken": func(t *testing.T, cluster client.WithWatch, lease *coordinationv1.Lease) {
			lease.Spec.HolderIdentity = new("another")
			if err := cluster.Update(t.Context(), lease); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := kube(t)
				env, _ := envOf("first", cluster)
				stopped := make(chan error, 1)
				leave, err := Leases{Targets: []string{"shop"}}.Enter(t.Context(), env, func(cause error) { stopped <- cause })
				if err != nil {
					t.Fatal(err)
				}
				leases, err := listLeases(t.Context(), cluster, DefaultNamespace)
				if err != nil {
					t.Fatal(err)
				}
				spoil(t, cluster, &leases[0])
				time.Sleep(DefaultLease / 5)
				select {
				case cause := <-stopped:
					if !strings.Contains(cause.Error(), what) {
						t.Errorf("stopped with %v", cause)
					}
				default:
					t.Error("the drill goes on")
				}
				if err := leave(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestADrillStopsBeforeOthersTakeItForDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		cluster := interceptor.NewClient(kube(t), interceptor.Funcs{
			Update: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.UpdateOption) error {
				if down.Load() {
					return errors.New("no route to host")
				}
				return c.Update(ctx, object, options...)
			},
		})
		env, _ := envOf("first", cluster)
		stopped := make(chan error, 1)
		leave, err := Leases{Targets: []string{"shop"}}.Enter(t.Context(), env, func(cause error) {
			select {
			case stopped <- cause:
			default:
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		down.Store(true)
		began := time.Now()
		select {
		case cause := <-stopped:
			if !strings.Contains(cause.Error(), "no route to host") {
				t.Errorf("stopped with %v", cause)
			}
		case <-time.After(time.Hour):
			t.Fatal("the drill goes on")
		}
		if took := time.Since(began); took >= DefaultLease {
			t.Errorf("stopped after %v, others take it for dead after %v", took, DefaultLease)
		}
		down.Store(false)
		time.Sleep(DefaultLease) // it goes on beating while the drill undoes
		leases, err := listLeases(t.Context(), cluster, DefaultNamespace)
		if err != nil || len(leases) != 1 || !alive(&leases[0]) {
			t.Errorf("while the drill undoes: %v, %v", leases, err)
		}
		if err := leave(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestWhatIsLeftFailsTheDrillAndKeepsItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, world := kube(t), &faults{}
		env, record := envOf("first", cluster)
		leave, err := Leases{Targets: []string{"shop"}, Find: []Find{world.find}}.Enter(t.Context(), env, noStop(t))
		if err != nil {
			t.Fatal(err)
		}
		world.left = []Leftover{{Run: "first", Step: "break", Fault: "partition", Kind: "NetworkChaos", Namespace: "shop", Name: "x"}}
		if err := leave(t.Context()); err != nil {
			t.Error(err)
		}
		if !record.has(reports.UndoFailed, "", "gameday sweep first") || !record.has(reports.Fact, TopicLeft, "gameday sweep first") {
			t.Errorf("recorded %v", record.events)
		}
		if left := leasesOf(t, cluster); len(left) != 1 {
			t.Errorf("leases %v, want it kept until the fault is swept", left)
		}
	})
}

func TestTheLever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := kube(t)
		env, record := envOf("first", cluster)
		stopped := make(chan error, 1)
		leave, err := Lever{}.Enter(t.Context(), env, func(cause error) { stopped <- cause })
		if err != nil {
			t.Fatalf("without a lever: %v", err)
		}
		if err := (Lever{}).Engage(t.Context(), cluster, "sale today"); err != nil {
			t.Fatal(err)
		}
		var cause error
		select {
		case cause = <-stopped:
		case <-time.After(time.Minute):
		}
		if !errors.Is(cause, scenarios.ErrInterrupted) || !strings.Contains(cause.Error(), "sale today") || !record.has(reports.Fact, TopicLever, "sale today") {
			t.Errorf("stopped with %v, recorded %v", cause, record.events)
		}
		if err := leave(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := (Lever{}).Enter(t.Context(), env, noStop(t)); err == nil || !strings.Contains(err.Error(), "sale today") {
			t.Errorf("engaged, a drill enters: %v", err)
		}
		if err := (Lever{}).Disengage(t.Context(), cluster); err != nil {
			t.Fatal(err)
		}
		leave, err = Lever{}.Enter(t.Context(), env, noStop(t))
		if err != nil {
			t.Fatalf("disengaged, a drill is refused: %v", err)
		}
		if err := leave(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Only a lever that says "false" is disengaged, and only one that is not there.
func TestALeverThatSaysNothingIsEngaged(t *testing.T) {
	for data, want := range map[string]bool{"false": false, "true": true, "": true, "False": true, "no": true} {
		if got := stateOf(&corev1.ConfigMap{Data: map[string]string{leverEngaged: data}}); got.Engaged != want {
			t.Errorf("%q: %v", data, got)
		}
	}
	blind := interceptor.NewClient(fake.NewClientBuilder().Build(), interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, LeverName, nil)
		},
	})
	env, _ := envOf("first", blind)
	if _, err := (Lever{}).Enter(t.Context(), env, noStop(t)); err == nil || !strings.Contains(err.Error(), "needs the rights") {
		t.Errorf("a lever that cannot be read: %v", err)
	}
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
