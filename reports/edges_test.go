package reports

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gamedayhq/gameday/probes"
)

// The rows of this file stand on the very edge of a comparison: each was written because a change of that comparison (see
// make mutate) was noticed by no other test.
func TestEdgesOfWindows(t *testing.T) {
	latency := func(q Ratio) Objective {
		return &Latency{Of: "shop", Window: during("break"), Quantile: q, AtMost: limit(20)}
	}
	runTable(t, []row{
		{name: "of nothing asked no share is told", drill: "B+40b STID.40URVE+40MZ", objective: avail(during("break"), 0), want: Inconclusive, got: "nothing"},
		{name: "of nothing asked no quantile is told", drill: "B+40b STID.40URVE+40MZ", objective: latency(0.5), want: Inconclusive, got: "nothing"},
		{name: "exactly as many slots as are needed are enough to be hopeless", drill: "B+40b STID+10-16.4URVE+40MZ", objective: avail(during("break"), 0.9), want: Fail, reason: "in its favour"},
		{name: "exactly as many slots as are needed are enough to be hopelessly slow", drill: "B+40b STID+10-16.4URVE+40MZ", objective: latency(0.9), want: Fail, reason: "had every missed slot been fast"},
		{name: "a quantile that missed slots could just reach is open", drill: "B+40b STID+10-20.10URVE+40MZ", objective: latency(0.5), want: Inconclusive, reason: "75% of the slots"},
		{name: "a quantile that they could not reach is a fail", drill: "B+40b STID+9-21.10URVE+40MZ", objective: latency(0.5), want: Fail},
		{name: "a budget has 30 days unless said", drill: "B+400b STID-300URVE+400MZ", objective: &ErrorBudget{Of: "shop", Window: during("whole"), SLO: 0.99, Burned: ratio(1)}, want: Pass, got: "of the budget of 7h12m0s"},
	})
}

// What was seen while a fault was not proven to hold is no outcome of the fault, good or bad.
func TestNoProofNoVerdict(t *testing.T) {
	most := func(r Ratio) Objective { return &Availability{Of: "shop", Window: during("break"), AtMost: ratio(r)} }
	const why = `the fault "break" was not proven to hold`
	runTable(t, []row{
		{name: "good during a fault that was not proven", drill: "B+40b STD+40URVE+40MZ", objective: avail(during("break"), 0.9), want: Inconclusive, reason: why, got: "100% good"},
		{name: "bad during a fault that was not proven", drill: "B+40b STD-40URVE+40MZ", objective: avail(during("break"), 0.9), want: Inconclusive, reason: why, got: "0% good"},
		{name: "no harm of a fault that had no target", drill: "B+40b SD+40URVE+40MZ", objective: most(0.5), want: Inconclusive, reason: why},
		{name: "after a fault that failed", drill: "B+40b STIF+40URVE+40MZ", objective: avail(after("break"), 0.9), want: Inconclusive, reason: why},
		{name: "a recovery from a fault that was not proven", drill: "B+40b STD-5URVE+40MZ", objective: &Recovery{Of: "shop", After: "break", Within: limit(9000)}, want: Inconclusive, reason: why},
		{name: "a window that is not the fault's is judged", drill: "B+40b STD-40URVE+40MZ", objective: avail(during("whole"), 0.9), want: Fail},
	})
}

func TestEdgesOfDetection(t *testing.T) {
	byAlert := func(within int64) Objective {
		return &Detection{By: "alert", After: "break", Within: limit(within)}
	}
	runTable(t, []row{
		{name: "a detection exactly at the limit is in time", drill: "B+10b STID+20URVE+20MZ", alert: "+12-8+30", objective: byAlert(220), want: Pass},
		{name: "one nanosecond of limit less is a fail", drill: "B+10b STID+20URVE+20MZ", alert: "+12-8+30", objective: &Detection{By: "alert", After: "break", Within: Duration(ms(220) - 1)}, want: Fail},
		{name: "one that fired before is none, also when the last slot before was missed", drill: "B+10b STID+20URVE+20MZ", alert: "+8-1.1-10+30", objective: byAlert(2000), want: Inconclusive, reason: "firing before"},
		{name: "missed slots may have been in time exactly at the limit", drill: "B+10b STID+20URVE+20MZ", alert: "+11.5-4+30", objective: byAlert(100), want: Inconclusive, reason: "slots were missed"},
		{name: "and not when the first of them was due too late", drill: "B+10b STID+20URVE+20MZ", alert: "+12.5-4+30", objective: byAlert(100), want: Fail},
	})
	// A slot whose bad answer came exactly when the step started was answered before it.
	record := timelineOf(t, "B+10b +1STID+20URVE+20MZ", &Detection{By: "shop", After: "break", Within: limit(1000)})
	samples := slices.Collect(record.Samples)
	samples[10].Outcome, samples[10].Reason, samples[10].Took = probes.Bad, probes.ReasonRefused, every
	record.Samples = slices.Values(samples)
	checks, _ := Judge(record)
	if c := kindOf(t, checks, "detection"); c.Verdict != Inconclusive || !strings.Contains(c.Reason, "firing before") {
		t.Errorf("an answer at the step's start: %v, %s", c.Verdict, c.Reason)
	}
}

// What a ledger tells counts to the very moment.
func TestEdgesOfData(t *testing.T) {
	marker := func(number int64, sent, acked int64) data {
		return fact(ms(sent), TopicMarker, Marker{Ledger: "orders", Number: number, Sent: ms(sent), Acked: ms(acked)})
	}
	read := func(at int64, found ...int64) data {
		return fact(ms(at), TopicReadBack, ReadBack{Ledger: "orders", Found: found})
	}
	for _, r := range []struct {
		name  string
		facts []data
		drill string // the step "copy", the backup, plays from 4 s to 5 s
		of    Objective
		want  Verdict
		got   string
	}{
		{"acknowledged exactly at the read-back must be there", []data{marker(1, 1000, 2000), read(2000)}, "", &Data{Of: "orders"}, Fail, "0 of 1 found"},
		{"the first acknowledgement counts, whichever is told last", []data{marker(1, 1000, 9000), marker(1, 1100, 1200), read(2000)}, "", &Data{Of: "orders"}, Fail, "0 of 1 found"},
		{"the same the other way round", []data{marker(1, 1000, 1200), marker(1, 1100, 9000), read(2000)}, "", &Data{Of: "orders"}, Fail, "0 of 1 found"},
		{"acknowledged exactly when the backup began is open", []data{marker(1, 1000, 1100), marker(2, 3900, 4000), read(6000, 1)}, "negative", &Data{Of: "orders", Backup: "copy"}, Pass, "1 of 1 found"},
		{"sent exactly when the backup was done may be there", []data{marker(1, 1000, 1100), marker(2, 5000, 5100), read(6000, 1, 2)}, "negative", &Data{Of: "orders", Backup: "copy"}, Pass, ""},
		{"sent after it must not", []data{marker(1, 1000, 1100), marker(2, 5001, 5100), read(6000, 1, 2)}, "backup", &Data{Of: "orders", Backup: "copy"}, Fail, ""},
		{"sent before it and again after it may be there", []data{marker(1, 1000, 1100), marker(2, 4500, 0), marker(2, 5100, 5200), read(6000, 1, 2)}, "negative", &Data{Of: "orders", Backup: "copy"}, Pass, ""},
		{"the same, told the other way round", []data{marker(1, 1000, 1100), marker(2, 5100, 5200), marker(2, 4500, 0), read(6000, 1, 2)}, "negative", &Data{Of: "orders", Backup: "copy"}, Pass, ""},
		{"read back exactly when the backup was done counts", []data{marker(1, 1000, 1100), read(5000, 1)}, "negative", &Data{Of: "orders", Backup: "copy"}, Pass, ""},
	} {
		if r.drill == "negative" { // a later marker that is not there tells the restored from the live
			r.facts = append(r.facts, marker(9, 5500, 5600))
		}
		record := timelineOf(t, "B+40bs+10de+60MZ", r.of)
		record = withFacts(t, without(record, "break"), r.facts...)
		checks, _ := Judge(record)
		c := kindOf(t, checks, "data")
		if c.Verdict != r.want || !strings.Contains(c.Got, r.got) {
			t.Errorf("%s: %v, got %q, reason %q; want %v and %q", r.name, c.Verdict, c.Got, c.Reason, r.want, r.got)
		}
	}
}

func TestPartsOfASiteCount(t *testing.T) {
	proof := Proof{By: "records", Proven: true, Records: []Site{{ID: "a", Injected: 1}, {ID: "b", Injected: 2}, {ID: "c"}}}
	record := withFacts(t, without(timelineOf(t, "B+40b STD+40URVE+40MZ", avail(during("break"), 0)), "copy"),
		data{Event{At: 4 * time.Second, Kind: Fact, Step: "break", Topic: TopicInjected}, proof})
	checks, _ := Judge(record)
	if c := kindOf(t, checks, "injected"); c.Verdict != Inconclusive || !strings.Contains(c.Reason, "2 of 3 sites") {
		t.Errorf("%v, %q", c.Verdict, c.Reason)
	}
}

// The share that is needed, by whole numbers: the least rank whose share of all reaches the quantile.
func TestRankOfEachPercent(t *testing.T) {
	for all := int64(1); all <= 200; all++ {
		for percent := int64(1); percent <= 100; percent++ {
			want := max(1, (percent*all+99)/100)
			if got := rankOf(Ratio(float64(percent)/100), all); got != want {
				t.Fatalf("p%d of %d: rank %d, want %d", percent, all, got, want)
			}
		}
	}
}

// A void drill takes the objectives' verdicts back, and no other.
func TestVoidLeavesTheGroundAsItIs(t *testing.T) {
	checks, verdict := Judge(without(without(timelineOf(t, "B+40bWAZ", avail(during("baseline"), 0)), "copy"), "break"))
	if got := kindOf(t, checks, "availability"); got.Verdict != Inconclusive {
		t.Errorf("the objective of a void drill is %v", got.Verdict)
	}
	if got := kindOf(t, checks, "steady"); got.Verdict != Pass || verdict != Inconclusive {
		t.Errorf("its baseline is %v, want pass; the whole %v", got.Verdict, verdict)
	}
}

func TestNoObjectiveIsSaidForEachKind(t *testing.T) {
	for _, none := range []Objective{
		nil, (*Availability)(nil), (*Latency)(nil), (*Outage)(nil), (*Recovery)(nil), (*Detection)(nil), (*Data)(nil),
		(*ErrorBudget)(nil), (*Value)(nil),
	} {
		checks, _ := Judge(timelineOf(t, "B+40bMZ", none))
		if c := kindOf(t, checks, "objective"); c.Verdict != Inconclusive {
			t.Errorf("%T: %v", none, c.Verdict)
		}
		if _, err := json.Marshal(Objectives{none}); err == nil {
			t.Errorf("%T is written", none)
		}
	}
}

func TestReferences(t *testing.T) {
	for _, r := range []struct {
		of   Objective
		want References
	}{
		{&Data{Of: "orders"}, References{Ledgers: []string{"orders"}}},
		{&Data{Of: "orders", Backup: "copy"}, References{Ledgers: []string{"orders"}, Steps: []string{"copy"}}},
		{&Availability{Of: "shop"}, References{Monitors: []string{"shop"}}},
		{&Availability{Of: "shop", Window: during("whole")}, References{Monitors: []string{"shop"}}},
		{&Availability{Of: "shop", Window: during("break")}, References{Monitors: []string{"shop"}, Steps: []string{"break"}}},
		{&Availability{Of: "shop", Window: after("break")}, References{Monitors: []string{"shop"}, Steps: []string{"break"}}},
		{&ErrorBudget{Of: "shop", Window: during("break")}, References{Monitors: []string{"shop"}, Steps: []string{"break"}}},
		{&Value{Of: "orders", Window: during("break")}, References{Steps: []string{"break"}}},
		{&Value{Of: "orders", Window: during("baseline")}, References{}},
		{&Recovery{Of: "shop", After: "break"}, References{Monitors: []string{"shop"}, Steps: []string{"break"}}},
		{&Detection{By: "shop", After: "break"}, References{Monitors: []string{"shop"}, Steps: []string{"break"}}},
	} {
		if got := Refs(r.of); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", r.want) {
			t.Errorf("%+v: %q, want %q", r.of, got, r.want)
		}
	}
}

// What comes by the thousand stays in the journal; an environment can be told at preflight too.
func TestTimelineAndEnvironment(t *testing.T) {
	record := without(timelineOf(t, "B+40bs+3de+40MZ", avail(during("whole"), 0)), "break")
	record = withFacts(t, record,
		fact(ms(100), TopicMarker, Marker{}), fact(ms(100), TopicObject, "x"), fact(ms(100), TopicValue, Measured{Name: "orders", Value: 1}),
		fact(ms(100), TopicEnvironment, map[string]string{"cluster": "one", "a": "1"}),
		data{Event{At: ms(200), Kind: Preflight, Topic: TopicEnvironment}, map[string]string{"cluster": "one", "b": "2"}},
		data{Event{At: ms(300), Kind: StepDone, Step: "copy", Topic: TopicEnvironment}, map[string]string{"cluster": "two"}})
	ev := Derive(record, State{})
	topics := map[string]int{}
	for _, e := range ev.Timeline {
		topics[e.Topic]++
	}
	if topics[TopicMarker] != 0 || topics[TopicObject] != 0 || topics[TopicValue] != 1 {
		t.Errorf("the timeline holds %v", topics)
	}
	if fmt.Sprint(ev.Environment) != "map[one:map[a:1 b:2]]" {
		t.Errorf("the environment is %v", ev.Environment)
	}
}

func TestEdgesOfRecovery(t *testing.T) {
	back := func(within int64, good int) Objective {
		return &Recovery{Of: "shop", After: "break", Within: limit(within), Good: good}
	}
	runTable(t, []row{
		{name: "a system that was down before the anchor is down, also when the last slot before was missed", drill: "B+40b +5-1.1STID+30URVE+40MZ", objective: back(9000, 3), want: Pass, got: "recovered after"},
		{name: "exactly as many good slots as are needed are a recovery", drill: "B+40b STID-5URVE+3MZ", objective: back(9000, 3), want: Pass},
		{name: "one less is none", drill: "B+40b STID-5URVE+2MZ", objective: back(9000, 3), want: Inconclusive},
		{name: "never down, and exactly as many good slots as are needed", drill: "B+40bSTIDURVE+10MZ", objective: back(9000, 10), want: Pass},
		{name: "never down, and one good slot less", drill: "B+40bSTIDURVE+9MZ", objective: back(9000, 10), want: Inconclusive, reason: "only 9 good ones"},
		{name: "a first good answer exactly at the limit is in time", drill: "B+40b STID+30URVE+40MZ", objective: back(10, 3), want: Pass},
		{name: "one that could have been back exactly at the limit is open", drill: "B+40b STID-5URVE+2MZ", objective: back(500, 3), want: Inconclusive, reason: "within the limit"},
		{name: "one that could not is a fail", drill: "B+40b STID-5URVE+2MZ", objective: back(499, 3), want: Fail},
	})
	for _, r := range [][3]string{{"", "", ""}, {"a", "", "a"}, {"", "b", "b"}, {"a", "b", "a; b"}} {
		if got := joinNotes(r[0], r[1]); got != r[2] {
			t.Errorf("%q and %q are %q, want %q", r[0], r[1], got, r[2])
		}
	}
}

func TestEdgesOfOutagesAndBounds(t *testing.T) {
	lower, _ := wilson(40, 40, 0.95)
	_, upper := wilson(0, 40, 0.95)
	runTable(t, []row{
		{name: "an outage that missed slots may have made as long as the limit is open", drill: "B+40b STID+5-1.1+33URVE+40MZ", objective: &Outage{Of: "shop", Window: during("break"), Longest: duration(ms(200))}, want: Inconclusive},
		{name: "one that was longer whatever they were is a fail", drill: "B+40b STID+5-1.1+33URVE+40MZ", objective: &Outage{Of: "shop", Window: during("break"), Longest: duration(ms(199))}, want: Fail},
		{name: "a limit that is the bound itself is reached", drill: "B+40b STID+40URVE+40MZ", objective: &Availability{Of: "shop", Window: during("break"), AtLeast: ratio(Ratio(lower)), Confidence: 0.95}, want: Pass},
		{name: "from above as well", drill: "B+40b STID-40URVE+40MZ", objective: &Availability{Of: "shop", Window: during("break"), AtMost: ratio(Ratio(upper)), Confidence: 0.95}, want: Pass},
	})
	record := withFacts(t, without(timelineOf(t, "B+40b STID+40URVE+40MZ", &Value{Of: "orders", Window: during("break"), AtLeast: new(1.0)}), "copy"),
		fact(4*time.Second, TopicValue, Measured{Name: "orders", Value: 1}))
	checks, _ := Judge(record)
	if c := kindOf(t, checks, "value"); c.Verdict != Pass {
		t.Errorf("a number at the very start of its window: %v, %s", c.Verdict, c.Reason)
	}
	if NewSliding(StopWhen{}).Add(probes.Sample{Outcome: probes.Bad}) {
		t.Error("a stop condition of no kind is breached")
	}
}
