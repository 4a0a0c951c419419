package safety

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/gamedayhq/gameday/reports"
)

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
