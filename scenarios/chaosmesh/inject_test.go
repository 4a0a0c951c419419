package chaosmesh

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

func TestInjectionIsProven(t *testing.T) {
	for what, row := range map[string]struct {
		chaos, by   string
		independent bool
	}{
		"pod-kill":       {kill, "records, uid gone", true},
		"pod-failure":    {strings.Replace(kill, "pod-kill", "pod-failure", 1), "records, containers stopped", true},
		"container-kill": {strings.Replace(kill, "action: pod-kill", "action: container-kill, containerNames: [shop]", 1), "records, container ended", true},
		"partition":      {with("", cut), "records, PodNetworkChaos", false},
		"stress":         {with("", burn), "records", false},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlay(t, row.chaos)
				if err := p.do(t, time.Minute); err != nil {
					t.Fatal(err)
				}
				proof := p.proof(t, reports.TopicInjected)
				if !proof.Proven || proof.Independent != row.independent || proof.By != row.by || len(proof.Records) == 0 {
					t.Errorf("proof %+v", proof)
				}
				var targets []reports.Target
				if err := json.Unmarshal(p.of(reports.TopicTargets)[0].Data, &targets); err != nil || len(targets) != 3 || targets[0].UID != "uid-a" {
					t.Errorf("targets %v: %v", targets, err)
				}
			})
		})
	}
}

func TestAFaultThatDidNotBiteIsVoid(t *testing.T) {
	for what, row := range map[string]struct {
		chaos string
		world func(w *world)
		want  string
	}{
		"the daemon cannot":         {with("", cut), func(w *world) { w.inject = "Specified qdisc kind is unknown" }, "qdisc kind is unknown"},
		"a rule that failed":        {with("", cut), func(w *world) { w.failed = "iptables: no chain" }, "iptables: no chain"},
		"no rule":                   {with("", cut), func(w *world) { w.harmless = true }, "no PodNetworkChaos holds a rule of shop/a-test-1-break"},
		"a pod that was not killed": {kill, func(w *world) { w.harmless = true }, "pod shop/shop-a unharmed"},
		"containers that run on":    {strings.Replace(kill, "pod-kill", "pod-failure", 1), func(w *world) { w.harmless = true }, "pod shop/shop-a unharmed"},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlay(t, row.chaos)
				row.world(p.world)
				err := p.do(t, 90*time.Second)
				wants(t, err, row.want)
				if !errors.Is(err, scenarios.ErrVoid) || len(p.of(reports.TopicInjected)) != 0 {
					t.Errorf("void %v, proofs %v", errors.Is(err, scenarios.ErrVoid), p.of(reports.TopicInjected))
				}
			})
		})
	}
}

// A controller whose definitions are older than its types can write nothing on the object.
func TestAnObjectThatNobodyTouchesSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlay(t, with("", burn))
		p.idle = true
		began := time.Now()
		err := p.do(t, 10*time.Minute)
		wants(t, err, "the controller has not touched the object", "CRDs")
		if took := time.Since(began); !errors.Is(err, scenarios.ErrVoid) || took > time.Minute {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

func TestWhatHappensWhileAFaultHoldsIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlay(t, with("", burn))
		if err := p.do(t, time.Minute); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		event := &corev1.Event{
			ObjectMeta:     metav1.ObjectMeta{Namespace: "shop", Name: "e"},
			InvolvedObject: corev1.ObjectReference{Name: "a-test-1-break"}, Reason: "Applied", Message: "stressed",
		}
		object := &v1alpha1.StressChaos{}
		if err := errors.Join(
			p.Create(t.Context(), event),
			p.Delete(t.Context(), shopPod("shop-b", "uid-b")),
			p.Create(t.Context(), shopPod("shop-b", "uid-new")),
			p.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "a-test-1-break"}, object),
		); err != nil {
			t.Fatal(err)
		}
		object.Status.Experiment.Records[0].InjectedCount = 2
		if err := p.Update(t.Context(), object); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		covered := p.of(reports.TopicCoverage)
		var last reports.Coverage
		if err := json.Unmarshal(covered[len(covered)-1].Data, &last); err != nil {
			t.Fatal(err)
		}
		if last.Injected != 3 || last.Covered != 2 || len(last.Lost) != 1 || last.Lost[0] != "shop/shop-b" || len(last.Free) != 1 {
			t.Errorf("coverage %+v", last)
		}
		said := ""
		for _, fact := range p.of(reports.TopicObject) {
			said += string(fact.Data)
		}
		for _, want := range []string{`"kind":"Event"`, "stressed", `"injectedCount":2`} {
			if !strings.Contains(said, want) {
				t.Errorf("no %s in what was recorded", want)
			}
		}
		if err := p.undo(t, time.Minute); err != nil {
			t.Fatal(err)
		}
	})
}
