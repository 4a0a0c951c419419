package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gamedayhq/gameday/probes"
)

var update = flag.Bool("update", false, "write the stored evidence anew")

// aDrill is one that passes: a step breaks something, an alert sees it, a ledger is read back.
func aDrill(t testing.TB) Record {
	t.Helper()
	record := watchAlert(t, without(timelineOf(t, "B+40b 'STID-4+36URVE+40MZ",
		avail(during("break"), 0.9),
		&Recovery{Of: "shop", After: "break", Within: limit(1000)},
		&Detection{By: "alert", After: "break", Within: limit(1000)},
		&Outage{Of: "shop", Window: during("whole"), Longest: duration(time.Second), Count: number(1)},
		&Latency{Of: "shop", Window: after("break"), Quantile: 0.99, AtMost: limit(50)},
		&Data{Of: "orders"}), "copy"), "+40 +4-10+66")
	record.Header.Drill.Why = "Losing one of three pods must not be noticed for longer than a second."
	return withFacts(t, record,
		fact(ms(10), TopicEnvironment, map[string]string{"cluster": "primary", "kubernetes": "v1.34.4"}),
		fact(ms(1000), TopicMarker, Marker{Ledger: "orders", Number: 1, Key: "o-1", Sent: ms(990), Acked: ms(995)}),
		fact(ms(2000), TopicMarker, Marker{Ledger: "orders", Number: 2, Key: "o-2", Sent: ms(1990), Acked: ms(1995)}),
		fact(ms(11_000), TopicReadBack, ReadBack{Ledger: "orders", Found: []int64{1, 2}}))
}

type data struct {
	Event
	of any
}

func fact(at time.Duration, topic string, of any) data {
	return data{Event{At: at, Kind: Fact, Topic: topic}, of}
}

func withFacts(t testing.TB, record Record, facts ...data) Record {
	t.Helper()
	for _, f := range facts {
		raw, err := json.Marshal(f.of)
		if err != nil {
			t.Fatal(err)
		}
		f.Data = raw
		record.Events = append(record.Events, f.Event)
	}
	slices.SortStableFunc(record.Events, func(a, b Event) int { return int(a.At - b.At) })
	return record
}

// stored are the drills whose evidence lies in testdata, with the verdicts that they must have for ever.
func stored(t *testing.T) map[string]struct {
	want   Verdict
	record Record
} {
	fails := without(timelineOf(t, "B+40b STID-40URVE-20+40MZ",
		avail(during("break"), 0.9), &Recovery{Of: "shop", After: "break", From: FromEnd, Within: limit(1000)}), "copy")
	noTarget := without(timelineOf(t, "B+40b SD+40URVE+40MZ", avail(during("break"), 0.9)), "copy")
	aborted := without(timelineOf(t, "B+40b STID+10-20URVE+5AMZ", avail(during("break"), 0.9)), "copy")
	killed := without(timelineOf(t, "B+40b STID+10-20", avail(during("break"), 0.9)), "copy")
	return map[string]struct {
		want   Verdict
		record Record
	}{
		"pass":         {Pass, aDrill(t)},
		"fail":         {Fail, fails},
		"inconclusive": {Inconclusive, noTarget},
		"aborted":      {Fail, aborted},
		"killed":       {Inconclusive, killed},
	}
}

// versions are the folders of stored evidence by its format: each is judged for ever, and only the newest is ever written.
var versions = map[string]func(testing.TB, string, Record) Evidence{
	"": nil,
	"-v1alpha2": func(t testing.TB, dir string, record Record) Evidence {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		return evidenceIn(t, dir, record, 2)
	},
}

func TestStoredEvidenceIsJudgedAgain(t *testing.T) {
	for name, c := range stored(t) {
		for version, write := range versions {
			t.Run(name+version, func(t *testing.T) {
				dir := filepath.Join("testdata", "evidence", name+version)
				if *update && write != nil {
					write(t, dir, c.record)
				}
				v, err := Verify(dir)
				if err != nil {
					t.Fatal(err)
				}
				if len(v.Differences) > 0 {
					t.Errorf("differences:\n%s", strings.Join(v.Differences, "\n"))
				}
				if v.Verdict != c.want {
					t.Errorf("verdict %v, want %v", v.Verdict, c.want)
				}
				ev, err := Load(dir)
				if err != nil {
					t.Fatal(err)
				}
				if ev.Verdict != c.want || ev.Complete != (name != "killed") {
					t.Errorf("stored verdict %v, complete %v", ev.Verdict, ev.Complete)
				}
			})
		}
	}
	entries, err := os.ReadDir(filepath.Join("testdata", "evidence"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name, version, versioned := strings.Cut(entry.Name(), "-")
		if versioned {
			version = "-" + version
		}
		_, known := stored(t)[name]
		if _, written := versions[version]; !known || !written {
			t.Errorf("nobody judges testdata/evidence/%s", entry.Name())
		}
	}
}

func TestEvidenceTellsTheDrill(t *testing.T) {
	ev := evidenceOf(t, t.TempDir(), aDrill(t))
	if ev.Verdict != Pass || !slices.Equal(ev.Why, []string{"all 13 checks passed"}) {
		t.Fatalf("verdict %v: %q\n%+v", ev.Verdict, ev.Why, ev.Checks)
	}
	if len(ev.Monitors) != 2 || ev.Monitors[0].Slots.Due != 120 || ev.Monitors[0].Slots.Bad != 4 || ev.Monitors[0].Slots.Missed != 0 {
		t.Errorf("monitors %+v", ev.Monitors)
	}
	if want := []Outspan{{From: ms(4000), To: ms(4410), Bad: 4}}; !slices.Equal(ev.Monitors[0].Outages, want) {
		t.Errorf("outages %+v, want %+v", ev.Monitors[0].Outages, want)
	}
	if got := ev.Monitors[0].Latency; got["max"] != tookGood || got["p50"] != tookGood {
		t.Errorf("latency %v", got)
	}
	if slices.ContainsFunc(ev.Timeline, func(e Event) bool { return e.Topic == TopicMarker }) {
		t.Error("markers stand in the timeline")
	}
	if ev.Environment["primary"]["kubernetes"] != "v1.34.4" || len(ev.Environment["primary"]) != 1 {
		t.Errorf("environment %v", ev.Environment)
	}
	if ev.Ended != ms(12_000) {
		t.Errorf("ended %v", ev.Ended)
	}
}

func TestEvidenceSaysWhy(t *testing.T) {
	record := without(timelineOf(t, "B+40b STID-40UXE+40AMZ", avail(during("break"), 0.9)), "copy")
	ev := Derive(record, State{Complete: true})
	want := []string{
		"availability of shop during break: 0% good: 0 good, 40 bad of 40 slots",
		"undone: break: NOT PROVEN UNDONE: the finalizer stays",
	}
	if ev.Verdict != Fail || !slices.Equal(ev.Why, want) {
		t.Errorf("%v: %q", ev.Verdict, ev.Why)
	}
}

func TestSummaryBoundsItsOutages(t *testing.T) {
	ev := Derive(without(timelineOf(t, "B"+strings.Repeat("-1+1", 150)+"-1MZ"), "break"), State{})
	m := ev.Monitors[0]
	if m.OutageCount != 151 || len(m.Outages) != MaxOutages {
		t.Errorf("%d outages, %d listed", m.OutageCount, len(m.Outages))
	}
	open := Derive(timelineOf(t, "B+1-3MZ"), State{}).Monitors[0].Outages
	if want := []Outspan{{From: every, Open: true, Bad: 3}}; !slices.Equal(open, want) {
		t.Errorf("outages %+v", open)
	}
	if never := Derive(timelineOf(t, "+1-3"), State{}).Monitors[0]; never.Slots.Bad != 3 {
		t.Errorf("without a baseline %+v", never)
	}
}

func TestEvidenceIsTheSameEveryTime(t *testing.T) {
	record := aDrill(t)
	first, err := encode(Derive(record, State{Complete: true}))
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		again, err := encode(Derive(record, State{Complete: true}))
		if err != nil || !bytes.Equal(first, again) {
			t.Fatalf("differs: %v", err)
		}
	}
}

func TestWriteReplacesInOneStep(t *testing.T) {
	dir := t.TempDir()
	ev := evidenceOf(t, dir, aDrill(t))
	ev.Run = "another"
	if err := Write(dir, ev); err != nil {
		t.Fatal(err)
	}
	got, err := Load(dir)
	if err != nil || got.Run != "another" {
		t.Errorf("%q, %v", got.Run, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 {
		t.Errorf("%v, %v", entries, err)
	}
	if info, err := os.Stat(filepath.Join(dir, EvidenceFile)); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := Write(filepath.Join(dir, "nowhere"), ev); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "taken", EvidenceFile, "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Write(filepath.Join(dir, "taken"), ev); err == nil {
		t.Error("a folder was replaced")
	}
	if left, err := os.ReadDir(filepath.Join(dir, "taken")); err != nil || len(left) != 1 {
		t.Errorf("a failed write left %v, %v", left, err)
	}
	ev.Checks[0].Verdict = 0
	if err := Write(dir, ev); err == nil {
		t.Error("a check without a verdict was written")
	}
}

func TestLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	for content, want := range map[string]string{
		`{"schema":"gameday.dev/evidence/v1alpha2","odd":1}`: "unknown field",
		`{"schema":"other"}`: `schema is "other"`,
		`{`:                  "unexpected EOF",
		`{} {}`:              "something follows",
	} {
		if err := os.WriteFile(filepath.Join(dir, EvidenceFile), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", content, err, want)
		}
	}
	if _, err := Load(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestSteadyJudgesAJournalThatGrows(t *testing.T) {
	steady := Steady(timelineOf(t, "B+40b+2"))
	if steady.Verdict != Pass || steady.Kind != "steady" {
		t.Errorf("%+v", steady)
	}
	if shaky := Steady(timelineOf(t, "B+39-1b+2")); shaky.Verdict != Inconclusive || !strings.Contains(shaky.Reason, "was bad") {
		t.Errorf("%+v", shaky)
	}
	none := timelineOf(t, "Bb")
	none.Samples = nil
	if c := Steady(none); c.Verdict != Inconclusive {
		t.Errorf("%+v", c)
	}
}

// TestOddSamplesAreHeldAgainstTheRecord: what no drill writes makes a drill that would pass inconclusive.
func TestOddSamplesAreHeldAgainstTheRecord(t *testing.T) {
	for name, r := range map[string]struct {
		odd  probes.Sample
		want string
	}{
		"another monitor":     {sampleOf("cart", '+', 500), "no monitor of the drill"},
		"a slot twice":        {sampleOf("shop", '+', 3), "out of order or twice"},
		"the last slot again": {sampleOf("shop", '+', 119), "out of order or twice"},
		"a slot a bit late":   {probes.Sample{Monitor: "shop", Slot: 500, Due: 500*every + 1, Outcome: probes.Good}, "not its time"},
		"another slot's time": {probes.Sample{Monitor: "shop", Slot: 500, Due: 501 * every, Outcome: probes.Good}, "not its time"},
		"a negative lateness": {probes.Sample{Monitor: "shop", Slot: 500, Due: 500 * every, Outcome: probes.Good, Late: -1}, "negative time"},
		"a slot at odd times": {probes.Sample{Monitor: "shop", Slot: 500, Due: 1, Outcome: probes.Good}, "not its time"},
		"no outcome":          {probes.Sample{Monitor: "shop", Slot: 500, Due: 500 * every}, "no outcome"},
		"a negative time":     {probes.Sample{Monitor: "shop", Slot: 500, Due: 500 * every, Outcome: probes.Good, Took: -1}, "negative time"},
	} {
		t.Run(name, func(t *testing.T) {
			record := aDrill(t)
			if _, verdict := Judge(record); verdict != Pass {
				t.Fatal("the drill does not pass to begin with")
			}
			record.Samples = slices.Values(append(slices.Collect(record.Samples), r.odd))
			checks, verdict := Judge(record)
			if c := kindOf(t, checks, "record"); verdict != Inconclusive || !strings.Contains(c.Reason, r.want) {
				t.Errorf("%v: %q", verdict, c.Reason)
			}
		})
	}
}

func TestOddHeadersAreHeldAgainstTheRecord(t *testing.T) {
	for want, change := range map[string]func(d *Drill){
		`two monitors are named "shop"`:             func(d *Drill) { d.Monitors = append(d.Monitors, d.Monitors[0]) },
		`two steps are named "break"`:               func(d *Drill) { d.Steps = append(d.Steps, d.Steps[0]) },
		`monitor "shop" has no pace`:                func(d *Drill) { d.Monitors[0].Every = 0 },
		`step.started of "break", which is no step`: func(d *Drill) { d.Steps = nil },
	} {
		record := aDrill(t)
		change(&record.Header.Drill)
		checks, verdict := Judge(record)
		if c := kindOf(t, checks, "record"); verdict == Pass || !strings.Contains(c.Reason, want) {
			t.Errorf("%s: %v: %q", want, verdict, c.Reason)
		}
	}
	record := aDrill(t)
	record.Events = append(record.Events, Event{At: ms(12_000), Kind: "drill.resumed"})
	checks, _ := Judge(record)
	if c := kindOf(t, checks, "record"); !strings.Contains(c.Reason, `unknown kind "drill.resumed"`) {
		t.Errorf("%q", c.Reason)
	}
}

// TestADrillThatWasVoidBeforeItDidAnythingJudgesNoObjective: what such a drill saw is no outcome of what it is about.
func TestADrillThatWasVoidBeforeItDidAnythingJudgesNoObjective(t *testing.T) {
	const baseline = "B-40b "
	for _, r := range []struct {
		name, rest string
		want       Verdict
	}{
		{"void before any step", "WAMZ", Inconclusive},
		{"void once a step had started", "STIDURVEWAMZ", Fail},
		{"not void", "AMZ", Fail},
	} {
		t.Run(r.name, func(t *testing.T) {
			checks, verdict := Judge(without(timelineOf(t, baseline+r.rest, avail(during("baseline"), 0.9)), "copy"))
			c := kindOf(t, checks, "availability")
			if c.Verdict != r.want || verdict != r.want {
				t.Errorf("check %v, verdict %v, want %v: %q", c.Verdict, verdict, r.want, c.Reason)
			}
			if !strings.Contains(c.Reason, "0% good") {
				t.Errorf("what was seen is not kept: %q", c.Reason)
			}
		})
	}
}

func TestMissedSamplesAreSound(t *testing.T) {
	checks, _ := Judge(timelineOf(t, "B+20.1+19bMZ", avail(during("baseline"), 0.9)))
	if c := kindOf(t, checks, "record"); c.Verdict != Pass || !strings.Contains(c.Got, "40 samples") {
		t.Errorf("%v: %q, %q", c.Verdict, c.Got, c.Reason)
	}
}

// TestABaselineTooShortForAnAlertIsNotSteady: a monitor that was never due was never asked.
func TestABaselineTooShortForAnAlertIsNotSteady(t *testing.T) {
	record := watchAlert(t, timelineOf(t, "+1B+9bMZ"), "")
	record.Header.Drill.Monitors[1].Every = time.Minute
	if c := Steady(record); c.Verdict != Inconclusive || !strings.Contains(c.Reason, `monitor "alert": the window holds no slot`) {
		t.Errorf("%v: %q", c.Verdict, c.Reason)
	}
}

func TestSlotsBefore(t *testing.T) {
	for at, want := range map[time.Duration]int64{-1: 0, 0: 0, 1: 1, every: 1, every + 1: 2, 10 * every: 10} {
		if got := slotsBefore(at, every); got != want {
			t.Errorf("%d slots are due before %v, want %d", got, at, want)
		}
	}
}
