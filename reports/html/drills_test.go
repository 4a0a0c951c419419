package html

import (
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gamedayhq/gameday/probes"
	"github.com/gamedayhq/gameday/reports"
)

const ms = time.Millisecond

// drill is a made-up drill from which real evidence is derived.
type drill struct {
	header   reports.Header
	events   []reports.Event
	answers  map[string]func(due time.Duration) probes.Sample // by monitor
	until    time.Duration
	complete bool
}

func newDrill(name, why string) *drill {
	text := "apiVersion: gameday.dev/v1alpha1\nkind: Scenario\nmetadata: {name: " + name + "}\nspec:\n  why: " + why + "\n"
	return &drill{
		complete: true,
		answers:  map[string]func(time.Duration) probes.Sample{},
		header: reports.Header{
			Schema: reports.SchemaJournal, Run: "r-20261124-0635-k3fq", Started: time.Date(2026, 11, 24, 6, 35, 13, 250e6, time.UTC),
			Harness: reports.Harness{
				Version: "v0.1.0", Revision: "4be1f2a9c0d3", Go: "go1.26.8", Host: "rehearsal-1",
				Args: []string{"gameday", "run", name + ".yaml", "--context", "primary"},
			},
			Scenario: reports.Source{Name: name + ".yaml", SHA256: strings.Repeat("5f0a93bd", 8), Text: text, Parameters: map[string]string{"namespace": "shop"}},
			Drill: reports.Drill{
				Name: name, Why: why, Labels: map[string]string{"tier": "critical", "system": "shop"},
				Controls: []string{"nist-800-53/cp-4", "soc2/a1.3"},
			},
		},
	}
}

func (d *drill) monitor(name, probe string, every time.Duration, answer func(time.Duration) probes.Sample) {
	d.header.Drill.Monitors = append(d.header.Drill.Monitors, reports.MonitorInfo{Name: name, Probe: probe, Every: every, Timeout: every})
	d.answers[name] = answer
}

func (d *drill) step(name, action string, fault bool) {
	d.header.Drill.Steps = append(d.header.Drill.Steps, reports.StepInfo{Name: name, Action: action, Fault: fault})
}

func (d *drill) want(objectives ...reports.Objective) {
	d.header.Drill.Objectives = append(d.header.Drill.Objectives, objectives...)
}

func (d *drill) at(at time.Duration, kind reports.Kind, step, detail string) {
	d.events = append(d.events, reports.Event{At: at, Kind: kind, Step: step, Detail: detail})
	d.until = max(d.until, at)
}

func (d *drill) fact(at time.Duration, step, topic string, data any) {
	raw, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	d.events = append(d.events, reports.Event{At: at, Kind: reports.Fact, Step: step, Topic: topic, Data: raw})
}

func (d *drill) samples() iter.Seq[probes.Sample] {
	return func(yield func(probes.Sample) bool) {
		for _, m := range d.header.Drill.Monitors {
			for slot := int64(0); time.Duration(slot)*m.Every < d.until; slot++ {
				s := d.answers[m.Name](time.Duration(slot) * m.Every)
				s.Monitor, s.Slot, s.Due = m.Name, slot, time.Duration(slot)*m.Every
				if !yield(s) {
					return
				}
			}
		}
	}
}

func (d *drill) evidence() reports.Evidence {
	record := reports.Record{Header: d.header, Events: d.events, Samples: d.samples()}
	return reports.Derive(record, reports.State{Complete: d.complete, File: reports.FileDigest{
		Path: reports.JournalFile, SHA256: strings.Repeat("c07e41d2", 8), Size: 1_482_113, Lines: 7_204,
	}})
}

// environment records what two clusters run.
func (d *drill) environment(clusters ...string) {
	for _, name := range clusters {
		d.fact(20*ms, "", reports.TopicEnvironment, map[string]string{
			"cluster": name, "kubernetes": "v1.37.2", "chaos-mesh": "v2.8.0", "velero": "v1.18.3", "velero-plugin-for-aws": "v1.13.0",
			"nodes": "1", "container runtime": "containerd://2.2.1", "kube-system uid": "3d1f6a0e-77c4-4f3e-9f6b-0c8a1f2b6d55",
		})
	}
}

// steadyAnswers answers good, in a time that wanders as that of a real service does, but where bad says otherwise.
func steadyAnswers(seed uint64, usual time.Duration, bad func(time.Duration) (probes.Sample, bool)) func(time.Duration) probes.Sample {
	return func(due time.Duration) probes.Sample {
		if s, is := bad(due); is {
			return s
		}
		r := rand.New(rand.NewPCG(seed, uint64(due)))
		took := usual + time.Duration(r.ExpFloat64()*float64(usual)/3)
		if r.IntN(150) == 0 {
			took *= 6
		}
		return probes.Sample{Outcome: probes.Good, Took: took}
	}
}

func within(due, from, to time.Duration) bool { return due >= from && due < to }

func ratio(v float64) *reports.Ratio { r := reports.Ratio(v); return &r }

func long(d time.Duration) *reports.Duration { v := reports.Duration(d); return &v }

func pods(names ...string) []reports.Target {
	var out []reports.Target
	for i, name := range names {
		out = append(out, reports.Target{
			Cluster: "primary", Kind: "Pod", Namespace: "shop", Name: name,
			UID: fmt.Sprintf("0b6f6c1e-52a%d-4c4f-8a53-9d1f6f1c2a7%d", i, i),
		})
	}
	return out
}

// podKill passes: a pod is lost, and one buyer notices.
func podKill() *drill {
	const s, lost = time.Second, "lose a pod"
	d := newDrill("shop-survives-a-lost-pod", "Losing one of three shop pods must not be noticed by a buyer.")
	d.monitor("buyers", "GET http://10.77.0.10/orders, status 200", 100*ms, steadyAnswers(1, 4*ms, func(due time.Duration) (probes.Sample, bool) {
		if within(due, 10600*ms, 10900*ms) {
			return probes.Sample{Outcome: probes.Bad, Took: 2 * ms, Reason: probes.ReasonRefused, Detail: "connection refused"}, true
		}
		return probes.Sample{}, false
	}))
	d.step(lost, "PodChaos pod-kill on one of the pods app=shop in shop", true)
	d.want(
		&reports.Availability{Of: "buyers", Window: reports.Window{During: lost}, AtLeast: ratio(0.98)},
		&reports.Recovery{Of: "buyers", After: lost, Within: reports.Duration(5 * s)},
		&reports.Latency{Of: "buyers", Window: reports.Window{During: lost}, Quantile: 0.99, AtMost: reports.Duration(80 * ms)},
	)
	d.environment("primary")
	d.at(0, reports.Preflight, "", "preflight")
	d.at(100*ms, reports.BaselineStarted, "", "")
	d.at(10100*ms, reports.BaselineEnded, "", "")
	d.at(10200*ms, reports.StepStarted, lost, "PodChaos pod-kill on one of the pods app=shop in shop")
	d.fact(10230*ms, lost, reports.TopicTargets, pods("shop-7d9c5b6f4-2xkqp", "shop-7d9c5b6f4-8hjwl", "shop-7d9c5b6f4-zz9tm"))
	d.fact(10700*ms, lost, reports.TopicInjected, reports.Proof{
		By: "records, uid gone", Independent: true, Proven: true, Detail: "1 pods killed: by the records, and their UIDs are gone or going",
		Records: []reports.Site{{ID: "shop/shop-7d9c5b6f4-8hjwl", Phase: "Injected", Injected: 1}},
	})
	d.at(10710*ms, reports.StepDone, lost, "")
	d.at(40720*ms, reports.UndoStarted, lost, "")
	d.fact(41300*ms, lost, reports.TopicRecovered, reports.Proof{
		By: "object gone, pods ready", Independent: true, Proven: true, Detail: "all pods that the selector matches are ready",
	})
	d.at(41310*ms, reports.UndoDone, lost, "")
	d.at(41320*ms, reports.StepEnded, lost, "")
	d.at(46400*ms, reports.MonitorsStopped, "", "")
	d.at(46500*ms, reports.DrillEnded, "", "")
	return d
}

// partition fails: the outage is too long, the harness misses slots, an order is lost, and the cut is not proven undone.
func partition() *drill {
	const s, cut = time.Second, "cut the database"
	d := newDrill("shop-recovers-from-a-cut-database", "A cut between shop and database costs sales for its duration, and no acknowledged order.")
	failing := func(due time.Duration) (probes.Sample, bool) {
		switch {
		case within(due, 30500*ms, 98*s):
			return probes.Sample{Outcome: probes.Bad, Took: 1 * s, Reason: probes.ReasonTimeout, Detail: "no answer within 1s"}, true
		case within(due, 98*s, 99*s):
			return probes.Sample{Outcome: probes.Bad, Took: 6 * ms, Reason: probes.ReasonStatus, Detail: "503"}, true
		case within(due, 130*s, 131*s):
			return probes.Sample{Outcome: probes.Missed, Reason: probes.ReasonLate}, true
		case due == 150*s:
			return probes.Sample{Outcome: probes.Bad, Took: 30 * ms, Reason: probes.ReasonReset}, true
		}
		return probes.Sample{}, false
	}
	d.monitor("buyers", "POST http://10.77.0.10/orders, status 201", 100*ms, steadyAnswers(2, 7*ms, failing))
	d.monitor("catalogue", "GET http://10.77.0.10/healthz, status 200", 500*ms, steadyAnswers(3, 2*ms, func(time.Duration) (probes.Sample, bool) { return probes.Sample{}, false }))
	d.monitor("alert ShopDown", "alert ShopDown at http://10.77.0.1:9093", 1*s, steadyAnswers(4, 3*ms, func(due time.Duration) (probes.Sample, bool) {
		return probes.Sample{Outcome: probes.Bad, Took: 3 * ms, Reason: probes.ReasonFiring}, within(due, 47*s, 112*s)
	}))
	d.header.Drill.Monitors[2].Watches = true
	d.step(cut, "NetworkChaos partition on all of the pods app=shop in shop, towards app=postgres", true)
	d.step("audit the orders", "read the ledger orders back", false)
	d.want(
		&reports.Availability{Of: "buyers", Window: reports.Window{During: cut}, AtMost: ratio(0.2)},
		&reports.Recovery{Of: "buyers", After: cut, From: reports.FromEnd, Within: reports.Duration(15 * s)},
		&reports.Recovery{Of: "buyers", After: cut, Within: reports.Duration(60 * s)},
		&reports.Detection{By: "alert ShopDown", After: cut, Within: reports.Duration(30 * s)},
		&reports.Outage{Of: "buyers", Window: reports.Window{During: "whole"}, Longest: long(75 * s)},
		&reports.Availability{Of: "catalogue", Window: reports.Window{During: "whole"}, AtLeast: ratio(0.999)},
		&reports.Data{Of: "orders"},
	)
	d.environment("primary", "standby")
	d.partitionEvents(cut)
	return d
}

func (d *drill) partitionEvents(cut string) {
	const s = time.Second
	sites := func(phase string, recovered int, message string) []reports.Site {
		return []reports.Site{
			{ID: "shop/shop-7d9c5b6f4-2xkqp", Phase: phase, Injected: 1, Recovered: recovered},
			{ID: "shop/shop-7d9c5b6f4-8hjwl", Phase: phase, Injected: 1, Recovered: recovered},
			{ID: "shop/shop-7d9c5b6f4-zz9tm", Phase: "Injected", Injected: 1, Message: message},
		}
	}
	d.at(0, reports.Preflight, "", "preflight")
	d.at(1*s, reports.BaselineStarted, "", "")
	for i := range int64(150) {
		sent := 2*s + time.Duration(i)*s
		m := reports.Marker{Ledger: "orders", Number: i + 1, Key: fmt.Sprintf("order-%03d", i+1), Sent: sent}
		if i < 28 || i > 97 {
			m.Acked = sent + 8*ms
		}
		d.fact(sent, "", reports.TopicMarker, m)
	}
	d.at(30*s, reports.BaselineEnded, "", "")
	d.at(30200*ms, reports.StepStarted, cut, "NetworkChaos partition on all of the pods app=shop in shop, towards app=postgres")
	d.fact(30220*ms, cut, reports.TopicTargets, pods("shop-7d9c5b6f4-2xkqp", "shop-7d9c5b6f4-8hjwl", "shop-7d9c5b6f4-zz9tm"))
	d.fact(31*s, cut, reports.TopicInjected, reports.Proof{
		By: "records", Proven: true, Detail: "injected at 3 places, by the controller's records", Records: sites("Injected", 0, ""),
	})
	d.at(31100*ms, reports.StepDone, cut, "")
	d.at(91*s, reports.UndoStarted, cut, "")
	d.fact(120*s, cut, reports.TopicRecovered, reports.Proof{
		By: "records", Detail: "2 of 3 places recovered", Records: sites("Not Injected", 1, "rpc error: code = Unavailable desc = connection error"),
	})
	d.at(121*s, reports.UndoFailed, cut, "not recovered: not undone within 30s; last seen: shop/shop-7d9c5b6f4-zz9tm Injected, injected 1, recovered 0 (rpc error: code = Unavailable)")
	d.at(121100*ms, reports.StepEnded, cut, "")
	d.at(155*s, reports.StepStarted, "audit the orders", "read the ledger orders back")
	found := []int64{}
	for i := int64(1); i <= 150; i++ {
		if i <= 28 && i != 17 || i > 98 {
			found = append(found, i)
		}
	}
	d.fact(156*s, "audit the orders", reports.TopicReadBack, reports.ReadBack{Ledger: "orders", Found: found})
	d.at(156100*ms, reports.StepDone, "audit the orders", "")
	d.at(156200*ms, reports.StepEnded, "audit the orders", "")
	d.at(160*s, reports.MonitorsStopped, "", "")
	d.at(161*s, reports.DrillEnded, "", "")
	slices.SortStableFunc(d.events, func(a, b reports.Event) int { return int((a.At - b.At) / ms) })
}

// unsteady is inconclusive: the baseline was not steady, so nothing was broken.
func unsteady() *drill {
	const lost = "lose a pod"
	d := newDrill("shop-survives-a-lost-pod", "Losing one of three shop pods must not be noticed by a buyer.")
	d.monitor("buyers", "GET http://10.77.0.10/orders, status 200", 100*ms, steadyAnswers(5, 4*ms, func(due time.Duration) (probes.Sample, bool) {
		return probes.Sample{Outcome: probes.Bad, Took: 8 * ms, Reason: probes.ReasonStatus, Detail: "502"}, due/ms%1700 < 200
	}))
	d.step(lost, "PodChaos pod-kill on one of the pods app=shop in shop", true)
	d.want(&reports.Recovery{Of: "buyers", After: lost, Within: reports.Duration(5 * time.Second)})
	d.at(0, reports.Preflight, "", "preflight")
	d.at(100*ms, reports.BaselineStarted, "", "")
	d.at(10100*ms, reports.BaselineEnded, "", "")
	why := `drill is void: the baseline is not steady: monitor "buyers": was bad before anything was touched`
	d.events = append(d.events, reports.Event{At: 10300 * ms, Kind: reports.Fact, Topic: reports.TopicVoid, Detail: why})
	d.at(10310*ms, reports.Aborted, "", why)
	d.at(10400*ms, reports.DrillEnded, "", "")
	return d
}

// restore passes: a namespace is lost and comes back from its backup.
func restore() *drill {
	const s = time.Second
	d := newDrill("shop-comes-back-from-its-backup", "The shop is back within five minutes of losing its namespace, with every order acknowledged before the backup and none after it.")
	d.monitor("buyers", "GET http://10.77.0.10/orders, status 200", 200*ms, steadyAnswers(6, 5*ms, func(due time.Duration) (probes.Sample, bool) {
		if within(due, 62*s, 171*s) {
			return probes.Sample{Outcome: probes.Bad, Took: 3 * ms, Reason: probes.ReasonStatus, Detail: "503"}, true
		}
		return probes.Sample{}, false
	}))
	for _, step := range [][2]string{
		{"back up the shop", "Velero backup of namespace shop"},
		{"write more orders", "write 20 orders"},
		{"lose the namespace", "delete namespace shop"},
		{"restore the shop", "Velero restore of namespace shop"},
		{"audit the orders", "read the ledger orders back"},
	} {
		d.step(step[0], step[1], false)
	}
	d.want(
		&reports.Recovery{Of: "buyers", After: "lose the namespace", Within: reports.Duration(300 * s)},
		&reports.Data{Of: "orders", Backup: "back up the shop"},
	)
	d.environment("primary")
	d.at(0, reports.Preflight, "", "preflight")
	d.at(200*ms, reports.BaselineStarted, "", "")
	d.at(10200*ms, reports.BaselineEnded, "", "")
	times := []time.Duration{15 * s, 40 * s, 45 * s, 55 * s, 60 * s, 80 * s, 90 * s, 160 * s, 190 * s, 192 * s}
	for i, info := range d.header.Drill.Steps {
		d.at(times[2*i], reports.StepStarted, info.Name, info.Action)
		if info.Name == "audit the orders" {
			d.fact(191*s, info.Name, reports.TopicReadBack, reports.ReadBack{Ledger: "orders", Found: []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}})
		}
		d.at(times[2*i+1], reports.StepDone, info.Name, "")
		d.at(times[2*i+1]+20*ms, reports.StepEnded, info.Name, "")
	}
	for i := range int64(30) {
		sent := time.Duration(i+1) * 300 * ms
		if i >= 10 {
			sent = 45*s + time.Duration(i)*200*ms
		}
		d.fact(sent, "", reports.TopicMarker, reports.Marker{Ledger: "orders", Number: i + 1, Key: fmt.Sprint("order-", i+1), Sent: sent, Acked: sent + 9*ms})
	}
	d.at(199*s, reports.MonitorsStopped, "", "")
	d.at(200*s, reports.DrillEnded, "", "")
	slices.SortStableFunc(d.events, func(a, b reports.Event) int { return int((a.At - b.At) / ms) })
	return d
}

func render(t testing.TB, d *drill) string {
	t.Helper()
	return renderEvidence(t, d.evidence(), d.samples())
}

func renderEvidence(t testing.TB, ev reports.Evidence, samples iter.Seq[probes.Sample]) string {
	t.Helper()
	var out strings.Builder
	if err := Write(&out, ev, samples); err != nil {
		t.Fatalf("Write: %v", err)
	}
	return out.String()
}
