package chaosmesh

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/reports"
)

const (
	burn = `{kind: StressChaos, LADDER spec: {mode: all, ` + selector + `, stressors: {cpu: {workers: 1, load: 50}}}}`
	cut  = `{kind: NetworkChaos, LADDER spec: {action: partition, mode: all, ` + selector + `}}`
	kill = `{kind: PodChaos, spec: {action: pod-kill, mode: one, ` + selector + `}}`
)

func with(ladder, chaos string) string { return strings.ReplaceAll(chaos, "LADDER", ladder) }

func TestUndoIsProven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlay(t, with("", burn))
		if err := p.do(t, time.Minute); err != nil {
			t.Fatal(err)
		}
		if err := p.undo(t, time.Minute); err != nil {
			t.Fatal(err)
		}
		proof := p.proof(t, reports.TopicRecovered)
		if !proof.Proven || !proof.Independent || len(proof.Records) != 3 || proof.Records[0].Recovered != 1 {
			t.Errorf("proof %+v", proof)
		}
		windows := p.of(reports.TopicEffect)
		var began, ended reports.Effect
		if len(windows) != 2 || json.Unmarshal(windows[0].Data, &began) != nil || json.Unmarshal(windows[1].Data, &ended) != nil {
			t.Fatalf("windows %v", windows)
		}
		if began.FirstInjected == 0 || began.LastInjected < began.FirstInjected || ended.FirstRecovered == 0 || ended.LastRecovered < ended.FirstRecovered {
			t.Errorf("in effect from %+v to %+v", began, ended)
		}
		if err := p.undo(t, time.Minute); err != nil {
			t.Errorf("undone again: %v", err)
		}
	})
}

func TestWhatIsLeftIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlay(t, with("", burn))
		p.stuck = func() bool { return true }
		if err := p.do(t, time.Minute); err != nil {
			t.Fatal(err)
		}
		err := p.undo(t, time.Minute)
		wants(t, err, "StressChaos shop/a-test-1-break is not proven undone at", "shop/shop-a (pod uid uid-a on node node-1)", "shop/shop-c (pod uid")
		if len(p.of(reports.TopicRecovered)) != 0 {
			t.Error("a recovery was recorded")
		}
		left, err := Leftovers(t.Context(), p.world)
		if err != nil || len(left) != 1 || left[0].String() != `StressChaos shop/a-test-1-break of step "break" of drill a-test-1` {
			t.Fatalf("left %v: %v", left, err)
		}
		if until := time.Until(left[0].Expires); until <= 0 || until > time.Hour {
			t.Errorf("expires in %v", until)
		}
	})
}

func TestLadder(t *testing.T) {
	for what, row := range map[string]struct {
		chaos string
		stuck func(p *play) bool
		want  []string // of the error; none: undone
		by    string
	}{
		"a restart takes the fault with the pod": {
			chaos: with("undo: {restart: true},", burn), stuck: unrestarted, by: "targets restarted",
		},
		"a restart that does not help": {
			chaos: with("undo: {restart: true},", burn), stuck: always, want: []string{"restarted the pods [shop/shop-a shop/shop-b shop/shop-c]"},
		},
		"a cut finalizer proves nothing": {
			chaos: with("undo: {force: true},", burn), stuck: always, want: []string{"pod shop/shop-a is still the one", "uid-a on node node-1"},
		},
		"a cut finalizer after a restart": {
			chaos: with("undo: {restart: true, force: true},", burn), stuck: always, by: "pods replaced",
		},
		"a cut finalizer of a cut network with rules": {
			chaos: with("undo: {force: true},", cut), stuck: always, want: []string{"rules of the fault may be left", "shop/shop-b"},
		},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlay(t, row.chaos)
				p.stuck = func() bool { return row.stuck(p) }
				p.remake = true
				if err := p.do(t, time.Minute); err != nil {
					t.Fatal(err)
				}
				err := p.undo(t, time.Minute)
				if row.want != nil {
					wants(t, err, row.want...)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if proof := p.proof(t, reports.TopicRecovered); !proof.Proven || !strings.Contains(proof.By, row.by) {
					t.Errorf("proof %+v, want by %q", proof, row.by)
				}
			})
		})
	}
}

func always(*play) bool { return true }

// unrestarted: the fault stays while one of the pods is there that it was injected into.
func unrestarted(p *play) bool {
	var list corev1.PodList
	err := p.WithWatch.List(context.Background(), &list)
	return err != nil || slices.ContainsFunc(list.Items, func(pod corev1.Pod) bool { return strings.HasPrefix(string(pod.UID), "uid-") })
}

func TestRulesLeftAreNamed(t *testing.T) {
	for what, row := range map[string]struct{ forget bool }{"a rule": {}, "a failure to take one away": {forget: true}} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlay(t, with("", cut))
				p.keepRules = true
				if err := p.do(t, time.Minute); err != nil {
					t.Fatal(err)
				}
				var list v1alpha1.PodNetworkChaosList
				if err := p.List(t.Context(), &list); err != nil {
					t.Fatal(err)
				}
				for i := range list.Items {
					note := &list.Items[i]
					note.Status.FailedMessage = "no daemon on node-1"
					if row.forget {
						note.Spec.Iptables = nil
					}
					if err := p.Update(t.Context(), note); err != nil {
						t.Fatal(err)
					}
				}
				wants(t, p.undo(t, time.Minute), "rules of the fault may be left", "shop/shop-b")
			})
		})
	}
}

func TestRulesOfOthersAreNoneOfOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := &v1alpha1.PodNetworkChaos{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "shop-b"},
			Spec: v1alpha1.PodNetworkChaosSpec{TrafficControls: []v1alpha1.RawTrafficControl{{
				Source: "shop/a-test-1-break-2",
			}}},
		}
		p := newPlay(t, with("", cut), other)
		if err := p.do(t, time.Minute); err != nil {
			t.Fatal(err)
		}
		if err := p.undo(t, time.Minute); err != nil {
			t.Error(err)
		}
	})
}

func TestRecoverNeedsTheClusterAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlay(t, with("undo: {restart: true},", burn))
		if err := p.do(t, time.Minute); err != nil {
			t.Fatal(err)
		}
		left, err := Leftovers(t.Context(), p.world)
		if err != nil || len(left) != 1 {
			t.Fatalf("left %v: %v", left, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for range 2 {
			proof, err := Recover(ctx, p.world, left[0])
			if err != nil || !proof.Proven {
				t.Fatalf("proof %+v: %v", proof, err)
			}
		}
		if left, err := Leftovers(ctx, p.world); err != nil || len(left) != 0 {
			t.Errorf("left %v: %v", left, err)
		}
	})
}

func TestRecoverUsesTheLadderOfTheObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlay(t, with("undo: {restart: true},", burn))
		p.stuck = func() bool { return unrestarted(p) }
		p.remake = true
		if err := p.do(t, time.Minute); err != nil {
			t.Fatal(err)
		}
		left, err := Leftovers(t.Context(), p.world)
		if err != nil || len(left) != 1 {
			t.Fatalf("left %v: %v", left, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		proof, err := Recover(ctx, p.world, left[0])
		if err != nil || !strings.Contains(proof.By, "targets restarted") {
			t.Errorf("proof %+v: %v", proof, err)
		}
	})
}

func TestAFaultThatEndedByItselfVoidsTheDrill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlay(t, with("", strings.Replace(burn, "spec: {", "spec: {duration: 30s, ", 1)))
		if err := p.do(t, time.Minute); err != nil {
			t.Fatal(err)
		}
		object := &v1alpha1.StressChaos{}
		key := client.ObjectKey{Namespace: "shop", Name: "a-test-1-break"}
		if err := p.Get(t.Context(), key, object); err != nil {
			t.Fatal(err)
		}
		object.CreationTimestamp = metav1.NewTime(time.Now().Add(-31 * time.Second))
		for _, record := range object.Status.Experiment.Records {
			record.Phase, record.RecoveredCount = v1alpha1.NotInjected, 1
		}
		if err := p.Update(t.Context(), object); err != nil {
			t.Fatal(err)
		}
		if err := p.undo(t, time.Minute); err != nil {
			t.Fatal(err)
		}
		void := p.of(reports.TopicVoid)
		if len(void) != 1 || !strings.Contains(void[0].Detail, "ended it before its hold was over") {
			t.Errorf("recorded %v", void)
		}
	})
}

// Chaos Mesh goes on to inject what it could not, also after the fault was stopped; without its rules it comes to an end.
func TestAnInjectionThatFailsIsWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlay(t, with("", cut))
		p.keepRules = true
		if err := p.do(t, time.Minute); err != nil {
			t.Fatal(err)
		}
		key := client.ObjectKey{Namespace: "shop", Name: "a-test-1-break"}
		object, note := &v1alpha1.NetworkChaos{}, &v1alpha1.PodNetworkChaos{}
		others := v1alpha1.RawIptables{Name: "y", Direction: v1alpha1.Input, RawRuleSource: v1alpha1.RawRuleSource{Source: "shop/another"}}
		if err := errors.Join(p.Get(t.Context(), key, object), p.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "shop-a"}, note)); err != nil {
			t.Fatal(err)
		}
		for _, record := range object.Status.Experiment.Records {
			record.Phase, record.InjectedCount = "Not Injected/Wait", 0
			record.Events = []v1alpha1.RecordEvent{{Type: v1alpha1.TypeFailed, Message: "unable to set tcs"}}
		}
		note.Spec.Iptables = append(note.Spec.Iptables, others)
		if err := errors.Join(p.Update(t.Context(), object), p.Update(t.Context(), note)); err != nil {
			t.Fatal(err)
		}
		if err := p.undo(t, time.Minute); err != nil {
			t.Fatal(err)
		}
		if proof := p.proof(t, reports.TopicRecovered); !proof.Proven || !strings.Contains(proof.Detail, "withdrawn") {
			t.Errorf("proof %+v", proof)
		}
		if err := p.Get(t.Context(), client.ObjectKeyFromObject(note), note); err != nil || len(note.Spec.Iptables) != 1 || note.Spec.Iptables[0].Source != "shop/another" {
			t.Errorf("rules %v: %v", note.Spec.Iptables, err)
		}
	})
}

func TestHitsAreCountedAsChaosMeshDoes(t *testing.T) {
	for _, row := range []struct {
		mode  v1alpha1.SelectorMode
		value string
		n     int
		want  int
	}{
		{v1alpha1.OneMode, "", 3, 1},
		{v1alpha1.AllMode, "", 3, 3},
		{v1alpha1.FixedMode, "2", 3, 2},
		{v1alpha1.FixedMode, "5", 3, 3},
		{v1alpha1.FixedPercentMode, "34", 3, 2}, // rounded up
		{v1alpha1.FixedPercentMode, "1", 3, 1},
		{v1alpha1.RandomMaxPercentMode, "50", 3, 2}, // at the most
		{v1alpha1.FixedPercentMode, "100", 3, 3},
	} {
		if got, err := hits(row.mode, row.value, row.n); err != nil || got != row.want {
			t.Errorf("%s %s of %d: %d, want %d: %v", row.mode, row.value, row.n, got, row.want, err)
		}
	}
}
