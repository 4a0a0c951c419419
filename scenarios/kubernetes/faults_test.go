package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/probes"
	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

// each makes one of every fault anew, as another process would.
func each(w *world) map[string]scenarios.Fault {
	all := map[string]scenarios.Fault{
		"scale down":          &Scale{Namespace: "shop", Name: "shop"},
		"scale up":            &Scale{Namespace: "shop", Name: "shop", Replicas: 5},
		"cordon":              &Cordon{Nodes: Nodes{Labels: map[string]string{"zone": "a"}}},
		"drain":               &Drain{Nodes: Nodes{Names: []string{"node-1"}}, Within: reports.Duration(time.Second)},
		"quota":               &Quota{Namespace: "shop"},
		"delete a pod":        &Delete{Namespace: "shop", Labels: map[string]string{"app": "shop"}},
		"delete two pods":     &Delete{Namespace: "shop", Labels: map[string]string{"app": "shop"}, Count: new(intstr.FromInt32(2))},
		"delete a secret":     &Delete{Namespace: "shop", Kind: "Secret", Name: "db"},
		"delete a service":    &Delete{Namespace: "shop", Kind: "Service", Name: "shop"},
		"delete a deployment": &Delete{Namespace: "shop", APIVersion: "apps/v1", Kind: "Deployment", Name: "shop"},
		"stop the names":      &StopDNS{},
		"rotate":              &Rotate{Namespace: "shop", Secret: "db", Keys: []string{"password"}},
		"rotate, restart":     &Rotate{Namespace: "shop", Secret: "db", Keys: []string{"password"}, Restart: []Workload{{Name: "shop"}}},
		"revoke, restart":     &Rotate{Namespace: "shop", Secret: "db", Keys: []string{"password"}, Revoke: true, Restart: []Workload{{Name: "shop"}}},
		"cut": &CutNetwork{
			From:  Side{Namespace: "shop", Labels: map[string]string{"app": "shop"}},
			To:    Side{Namespace: "kube-system", Labels: map[string]string{"app": "coredns"}},
			Proof: &scenarios.Sign{HTTP: &probes.HTTP{URL: w.url}, Within: reports.Duration(2 * time.Second)},
		},
	}
	for _, fault := range all {
		fault.(scenarios.Bounded).Bound(scenarios.BlastRadius{
			Namespaces: []string{"shop", "kube-system"}, AllowLastReplica: true, AllowProtected: []string{"kube-system"},
		})
		fault.(scenarios.Held).Holds(2*time.Hour, time.Minute)
		if drain, ok := fault.(*Drain); ok {
			drain.Namespaces = []string{"shop"}
		}
	}
	return all
}

func inTime(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestEachFaultIsProvenAndUndone(t *testing.T) {
	for name := range each(&world{}) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := inTime(t)
			w := newWorld(t)
			before := w.digest(t)
			env, journal := envOf(w)
			fault := each(w)[name]
			if err := fault.(scenarios.Preflighter).Preflight(ctx, env); err != nil {
				t.Fatal(err)
			}
			if w.digest(t) != before {
				t.Error("the preflight changed something")
			}
			if err := fault.Do(ctx, env); err != nil {
				t.Fatal(err)
			}
			if proof := journal.proof(t, reports.TopicInjected); !proof.Proven || proof.Independent != (name != "rotate") {
				t.Errorf("injected: %+v, want an independent proof", proof)
			}
			targets := journal.targets(t)
			if len(targets) == 0 || targets[0].UID == "" {
				t.Errorf("targets %+v, want some, with their UIDs", targets)
			}
			left, err := Leftovers(ctx, w)
			if err != nil || len(left) != 1 || left[0].Run != env.Run || left[0].Step != env.Step || !left[0].Expires.After(time.Now().Add(2*time.Hour)) {
				t.Errorf("leftovers %+v (%v), want the one of this step", left, err)
			}
			for _, round := range []string{"first", "second"} {
				if err := each(w)[name].Undo(ctx, env); err != nil {
					t.Fatalf("%s undo: %v", round, err)
				}
				if proof := journal.proof(t, reports.TopicRecovered); !proof.Proven {
					t.Errorf("%s undo: %+v, want a proof", round, proof)
				}
				if diff := w.digest(t); diff != before {
					t.Errorf("after the %s undo\n%s\nwant\n%s", round, diff, before)
				}
			}
			if left, err := Leftovers(ctx, w); err != nil || len(left) > 0 {
				t.Errorf("left: %v (%v)", left, err)
			}
			if text := fmt.Sprint(journal.facts); strings.Contains(text, "hunter2") || strings.Contains(text, "aHVudGVyMg") {
				t.Error("a secret is in the journal")
			}
		})
	}
}

func TestUndoBeforeDoIsProven(t *testing.T) {
	for name := range each(&world{}) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			env, journal := envOf(w)
			if err := each(w)[name].Undo(inTime(t), env); err != nil || !journal.proof(t, reports.TopicRecovered).Proven {
				t.Errorf("got %v, want a proof", err)
			}
		})
	}
}

// Wherever the drill's process dies, another one that knows nothing but the cluster leaves it as it was.
func TestWhereverADrillDiesAnotherUndoes(t *testing.T) {
	for name := range each(&world{}) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for writes := 0; ; writes++ {
				ctx := inTime(t)
				w := newWorld(t)
				before := w.digest(t)
				env, _ := envOf(w)
				left := writes
				w.failing = func() error {
					if left--; left < 0 {
						return errCrash
					}
					return nil
				}
				err := each(w)[name].Do(ctx, env)
				if err == nil {
					err = each(w)[name].Undo(ctx, env)
				}
				w.failing = nil
				if err == nil { // died never
					if writes < 2 {
						t.Errorf("a fault of %d writes: the test cuts nothing", writes)
					}
					return
				}
				if !errors.Is(err, errCrash) {
					t.Fatalf("after %d writes: %v", writes, err)
				}
				sweep(t, ctx, w)
				if diff := w.digest(t); diff != before {
					t.Fatalf("died after %d writes, left\n%s\nwant\n%s", writes, diff, before)
				}
			}
		})
	}
}

func sweep(t *testing.T, ctx context.Context, w *world) {
	t.Helper()
	left, err := Leftovers(ctx, w)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range left {
		for range 2 { // two at once may try
			if proof, err := Recover(ctx, w, one); err != nil || !proof.Proven {
				t.Fatalf("recover %s: %+v, %v", one, proof, err)
			}
		}
	}
	if left, err = Leftovers(ctx, w); err != nil || len(left) > 0 {
		t.Fatalf("still left: %v (%v)", left, err)
	}
}

// When nobody acts on what a fault wrote, it is not injected, whatever the API said to the write.
func TestAFaultThatDidNotBiteIsVoid(t *testing.T) {
	for name := range each(&world{}) {
		if strings.HasPrefix(name, "delete") || name == "rotate" {
			continue // what the API does at once needs nobody else
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			fault := each(w)[name]
			w.lazy, w.budget = true, true
			env, journal := envOf(w)
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
			defer cancel()
			if err := fault.Do(ctx, env); !errors.Is(err, scenarios.ErrVoid) {
				t.Errorf("got %v, want a void drill", err)
			}
			if journal.proof(t, reports.TopicInjected).Proven {
				t.Error("it counts as injected")
			}
		})
	}
}

func TestABudgetThatForbidsIsNamed(t *testing.T) {
	w := newWorld(t)
	w.budget = true
	before := w.digest(t)
	env, journal := envOf(w)
	drain := each(w)["drain"]
	err := drain.Do(inTime(t), env)
	if !errors.Is(err, scenarios.ErrVoid) || !strings.Contains(err.Error(), "The disruption budget shop needs 2 healthy pods") {
		t.Errorf("got %v, want a void drill that names the budget", err)
	}
	if records := journal.proof(t, reports.TopicInjected).Records; len(records) != 3 || records[0].Injected != 0 || records[0].Message == "" {
		t.Errorf("records %+v, want three refusals in the API's words", records)
	}
	if err := drain.Undo(inTime(t), env); err != nil || w.digest(t) != before {
		t.Errorf("undo: %v, left\n%s", err, w.digest(t))
	}
}

// Two faults on one target could not be undone, so the second is refused before it touches anything.
func TestASecondFaultOnATargetIsRefused(t *testing.T) {
	for _, name := range []string{"scale down", "cordon", "drain", "quota", "rotate", "cut", "stop the names"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := inTime(t)
			w := newWorld(t)
			env, _ := envOf(w)
			if err := each(w)[name].Do(ctx, env); err != nil {
				t.Fatal(err)
			}
			during := w.digest(t)
			env.Run = "another-run"
			fault := each(w)[name]
			if scale, ok := fault.(*Scale); ok {
				scale.Replicas = 1
			}
			if err := fault.Do(ctx, env); err == nil {
				t.Error("the second fault was let through")
			}
			if err := fault.Undo(ctx, env); err != nil {
				t.Error(err)
			}
			if w.digest(t) != during {
				t.Error("the second fault, or its undo, changed something")
			}
		})
	}
}

// Each fault holds what it would hit against the blast radius before anything is touched.
func TestTheBlastRadiusIsHeld(t *testing.T) {
	few := intstr.FromInt32(0)
	for name := range each(&world{}) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			fault := each(w)[name]
			before := w.digest(t)
			env, _ := envOf(w)
			radius := scenarios.BlastRadius{Namespaces: []string{"bank"}, MaxPods: &few, MaxNodes: &few, AllowLastReplica: true}
			problems := fault.(scenarios.Bounded).Bound(radius)
			if name != "cordon" && name != "drain" && len(problems) == 0 {
				t.Error("offline it says nothing of a namespace that is not allowed")
			}
			if drain, ok := fault.(*Drain); ok {
				drain.Namespaces = []string{"shop"}
			}
			for _, err := range []error{fault.(scenarios.Preflighter).Preflight(inTime(t), env), fault.Do(inTime(t), env)} {
				if err == nil || !strings.Contains(err.Error(), "blast radius") {
					t.Errorf("got %v, want it refused", err)
				}
			}
			if w.digest(t) != before {
				t.Error("something changed")
			}
		})
	}
}

// What somebody else has put into the Secret since is worth more than what was there before the drill.
func TestAnUndoDoesNotWriteOverAnothersChange(t *testing.T) {
	ctx := inTime(t)
	w := newWorld(t)
	env, _ := envOf(w)
	if err := each(w)["rotate"].Do(ctx, env); err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{}
	if err := w.Get(ctx, client.ObjectKey{Namespace: "shop", Name: "db"}, secret); err != nil {
		t.Fatal(err)
	}
	if string(secret.Data["password"]) == "hunter2" || string(secret.Data["username"]) != "shop" {
		t.Errorf("the Secret holds %v, want another password and the same user", secret.Data)
	}
	secret.Data["password"] = []byte("swordfish")
	if err := w.Update(ctx, secret); err != nil {
		t.Fatal(err)
	}
	err := each(w)["rotate"].Undo(ctx, env)
	if err == nil || !strings.Contains(err.Error(), "somebody else") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v, want a word on the other's change", err)
	}
	if err := w.Get(ctx, client.ObjectKeyFromObject(secret), secret); err != nil || string(secret.Data["password"]) != "swordfish" {
		t.Errorf("the other's change is written over (%v)", err)
	}
	if left, err := Leftovers(ctx, w); err != nil || len(left) != 1 {
		t.Errorf("left %v (%v), want the note, which holds the old data", left, err)
	}
}
