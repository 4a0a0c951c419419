package html

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/gamedayhq/gameday/probes"
	"github.com/gamedayhq/gameday/reports"
)

var (
	update = flag.Bool("update", false, "write the golden files anew")
	folder = flag.String("reports", "", "folder into which the reports of the test drills are written, to be looked at")
)

var drills = map[string]func() *drill{"pod-kill": podKill, "partition": partition, "unsteady": unsteady, "restore": restore}

func TestLookAtReports(t *testing.T) {
	if *folder == "" {
		t.Skip("give -reports DIR to write the reports there")
	}
	for name, drill := range drills {
		if err := os.WriteFile(filepath.Join(*folder, name+".html"), []byte(render(t, drill())), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestGolden reads its evidence from a file, so that it tells of this package's changes alone.
func TestGolden(t *testing.T) {
	evidence, golden := filepath.Join("testdata", "partition.evidence.json"), filepath.Join("testdata", "partition.golden.html")
	d := partition()
	if *update {
		text, err := json.MarshalIndent(d.evidence(), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(evidence, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(evidence)
	if err != nil {
		t.Fatal(err)
	}
	var ev reports.Evidence
	if err := json.Unmarshal(text, &ev); err != nil {
		t.Fatal(err)
	}
	got := renderEvidence(t, ev, d.samples())
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range min(len(gotLines), len(wantLines)) {
		if gotLines[i] != wantLines[i] {
			t.Fatalf("line %d differs (look at it, then -update)\n got: %.300s\nwant: %.300s", i+1, gotLines[i], wantLines[i])
		}
	}
	t.Fatalf("%d lines, want %d (look at them, then -update)", len(gotLines), len(wantLines))
}

func TestSameEvidenceGivesTheSameBytes(t *testing.T) {
	for name, drill := range drills {
		first := render(t, drill())
		for range 5 {
			if render(t, drill()) != first {
				t.Errorf("%s: the report differs from one time to the next", name)
			}
		}
	}
}

func TestReportsAreWellFormedAndSelfContained(t *testing.T) {
	pages := map[string]string{"empty": renderEvidence(t, reports.Evidence{}, nil), "hostile": render(t, hostile())}
	for name, drill := range drills {
		pages[name] = render(t, drill())
	}
	for name, page := range pages {
		checkXML(t, name, page)
		checkElements(t, name, page)
		if len(page) > 150_000 {
			t.Errorf("%s: %d bytes", name, len(page))
		}
	}
}

// checkXML holds the page to the stricter syntax: each element closed, each attribute quoted, in order.
func checkXML(t *testing.T, name, page string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
	}
}

// checkElements looks at the page as a browser parses it.
func checkElements(t *testing.T, name, page string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	ids, refs := map[string]bool{}, []string{}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if slices.Contains([]string{"script", "img", "link", "iframe", "object", "base", "form"}, n.Data) {
			t.Errorf("%s: a report has no <%s>", name, n.Data)
		}
		if n.Data == "table" && first(n, "caption") == nil {
			t.Errorf("%s: a table has no caption", name)
		}
		role := ""
		for _, a := range n.Attr {
			switch a.Key {
			case "id":
				if ids[a.Val] {
					t.Errorf("%s: id %q is there twice", name, a.Val)
				}
				ids[a.Val] = true
			case "href":
				if !strings.HasPrefix(a.Val, "#") {
					t.Errorf("%s: %q leads out of the file", name, a.Val)
				}
				refs = append(refs, a.Val[1:])
			case "aria-labelledby":
				refs = append(refs, strings.Fields(a.Val)...)
			case "role":
				role = a.Val
			}
			if strings.HasPrefix(a.Key, "on") {
				t.Errorf("%s: attribute %s", name, a.Key)
			}
		}
		if n.Data == "svg" && role == "img" && first(n, "title") == nil {
			t.Errorf("%s: a picture has no title", name)
		}
		if n.Data == "th" && !slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "scope" }) {
			t.Errorf("%s: a table's head has no scope", name)
		}
	}
	for _, ref := range refs {
		if !ids[ref] {
			t.Errorf("%s: nothing has the id %q", name, ref)
		}
	}
	if urls := regexp.MustCompile(`url\([^#]|@import|src=`).FindString(page); urls != "" && name != "hostile" {
		t.Errorf("%s: loads something: %s", name, urls)
	}
}

func first(n *html.Node, name string) *html.Node {
	for c := range n.Descendants() {
		if c.Data == name {
			return c
		}
	}
	return nil
}

// text returns what a person reads of an element found by id or class.
func text(t *testing.T, page, key, value string) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for n := range root.Descendants() {
		is := slices.ContainsFunc(n.Attr, func(a html.Attribute) bool {
			return a.Key == key && (a.Val == value || slices.Contains(strings.Fields(a.Val), value))
		})
		if !is {
			continue
		}
		for c := range n.Descendants() {
			if c.Type == html.TextNode {
				out.WriteString(c.Data)
			}
		}
	}
	return strings.Join(strings.Fields(out.String()), " ")
}

func TestHeadSaysTheVerdictAndWhy(t *testing.T) {
	for name, want := range map[string][]string{
		"pod-kill":  {"pass shop-survives-a-lost-pod", "checks passed", "Every fault is proven undone."},
		"partition": {"fail shop-recovers-from-a-cut-database", "failed, ", "Not proven undone: 1 of 1 fault."},
		"unsteady":  {"inconclusive shop-survives-a-lost-pod", "The drill ended early: drill is void: the baseline is not steady"},
		"restore":   {"pass shop-comes-back-from-its-backup", "Recovery of buyers"},
	} {
		head := text(t, render(t, drills[name]()), "class", "head")
		for _, one := range want {
			if !strings.Contains(head, one) {
				t.Errorf("%s: %q is missing in the head: %s", name, one, head)
			}
		}
	}
}

func TestNoVerdictNeverReadsAsPass(t *testing.T) {
	head := text(t, renderEvidence(t, reports.Evidence{}, nil), "class", "head")
	if !strings.Contains(head, "inconclusive") || strings.Contains(head, "pass") {
		t.Errorf("head of no evidence: %s", head)
	}
}

func TestNotProvenUndoneIsLoud(t *testing.T) {
	const cut = "cut the database"
	without := func(kinds ...reports.Kind) func(*drill) {
		return func(d *drill) {
			d.events = slices.DeleteFunc(d.events, func(e reports.Event) bool { return slices.Contains(kinds, e.Kind) })
		}
	}
	proven := func(d *drill) {
		without(reports.UndoFailed)(d)
		d.at(121*time.Second, reports.UndoDone, cut, "")
		d.fact(121*time.Second, cut, reports.TopicRecovered, reports.Proof{By: "records", Proven: true})
	}
	for name, row := range map[string]struct {
		change func(*drill)
		want   string // empty: no alarm
	}{
		"the undo failed":             {func(*drill) {}, "Undoing it failed: not recovered"},
		"the record ends before":      {without(reports.UndoFailed, reports.UndoStarted, reports.DrillEnded), "The record holds no end of its undo."},
		"undone, but not proven":      {func(d *drill) { without(reports.UndoFailed)(d); d.at(121*time.Second, reports.UndoDone, cut, "") }, "not proven gone: 2 of 3 places recovered"},
		"proven gone":                 {proven, ""},
		"it never started":            {func(d *drill) { d.events = nil }, ""},
		"the drill calls it no fault": {func(d *drill) { d.header.Drill.Steps[0].Fault = false }, "Undoing it failed: not recovered"},
	} {
		d := partition()
		row.change(d)
		page := render(t, d)
		alarm := text(t, page, "class", "alarm")
		if row.want == "" && alarm != "" || !strings.Contains(alarm, row.want) {
			t.Errorf("%s: alarm %q, want %q", name, alarm, row.want)
		}
		if row.want != "" && strings.Index(page, `class="alarm"`) > strings.Index(page, "<h1") {
			t.Errorf("%s: something stands above the alarm", name)
		}
	}
}

func hostile() *drill {
	const evil = `</title></style></pre></svg><script>alert(1)</script><img src=x onerror=alert(2)>"'--><!-- ]]> & \u202e javascript:alert(3)` + "\x00\x1b[31m\xff\u202e{{.}}"
	d := partition()
	d.header.Run, d.header.Scenario.Text, d.header.Scenario.Name = evil, evil, evil
	d.header.Drill.Name, d.header.Drill.Why = evil, evil
	d.header.Drill.Labels, d.header.Drill.Controls = map[string]string{evil: evil}, []string{evil}
	d.header.Scenario.Parameters = map[string]string{evil: evil}
	d.header.Harness = reports.Harness{Version: evil, Revision: evil, Go: evil, Args: []string{evil}, Host: evil, Modified: true}
	for i := range d.header.Drill.Steps {
		d.header.Drill.Steps[i].Action = evil
	}
	d.header.Drill.Monitors[0].Probe = evil
	for i := range d.events {
		if d.events[i].Topic != reports.TopicMarker {
			d.events[i].Detail = evil
		}
	}
	d.at(3*time.Second, reports.Aborted, evil, evil)
	d.fact(4*time.Second, evil, evil, map[string]string{evil: evil})
	d.fact(5*time.Second, "cut the database", reports.TopicTargets, []reports.Target{{Cluster: evil, Kind: evil, Namespace: evil, Name: evil, UID: evil}})
	d.fact(6*time.Second, "", reports.TopicEnvironment, map[string]string{"cluster": evil, "kubernetes": evil, evil: evil})
	d.fact(7*time.Second, "cut the database", reports.TopicInjected, reports.Proof{By: evil, Detail: evil, Records: []reports.Site{{ID: evil, Phase: evil, Message: evil}}})
	d.events = append(d.events, reports.Event{At: 8 * time.Second, Kind: reports.Fact, Step: "cut the database", Topic: reports.TopicRecovered, Data: json.RawMessage(evil)})
	return d
}

func TestHostileTextIsEscaped(t *testing.T) {
	page := render(t, hostile())
	checkElements(t, "hostile", page)
	for _, bad := range []string{"<script", "<img", "\x00", "\x1b", "\u202e", "\xff"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
	if scenario := text(t, page, "aria-labelledby", "provenance"); !strings.Contains(scenario, "<script>alert(1)</script>") {
		t.Errorf("the scenario's text is not shown as it is: %s", scenario)
	}
}

// million is a monitor's day of a million slots, of which one is not good.
func million(odd int64, outcome probes.Outcome) (reports.Evidence, iter.Seq[probes.Sample]) {
	const slots, every = 1_000_000, 100 * time.Millisecond
	ev := reports.Evidence{Ended: slots * every, Drill: reports.Drill{Monitors: []reports.MonitorInfo{{Name: "buyers", Every: every}}}}
	return ev, func(yield func(probes.Sample) bool) {
		for i := range int64(slots) {
			s := probes.Sample{Monitor: "buyers", Slot: i, Due: time.Duration(i) * every, Outcome: probes.Good, Took: 5 * ms}
			if i == odd {
				s.Outcome = outcome
			}
			if !yield(s) {
				return
			}
		}
	}
}

func TestOneSampleInAMillionIsSeen(t *testing.T) {
	for _, odd := range []int64{0, 1, 345_678, 999_999} {
		for outcome, class := range map[probes.Outcome]string{probes.Bad: "bad", probes.Missed: "missed", 0: "missed"} {
			ev, samples := million(odd, outcome)
			page := renderEvidence(t, ev, samples)
			x := odd * columns / 1_000_000
			tops := map[string]string{"bad": " 0H", "missed": " 24H"}
			want := regexp.MustCompile(`<path class="` + class + `" d="M` + count(x) + tops[class])
			if !want.MatchString(page) {
				t.Errorf("%v at slot %d: no column %d in the strip", outcome, odd, x)
			}
			if !strings.Contains(page, "999,999 good") {
				t.Errorf("%v at slot %d: it is counted as good", outcome, odd)
			}
			if len(page) > 60_000 {
				t.Errorf("a million samples make %d bytes", len(page))
			}
		}
	}
}

func TestSamplesAreReadOnceAndNotKept(t *testing.T) {
	ev, samples := million(5, probes.Bad)
	passes := 0
	once := func(yield func(probes.Sample) bool) { passes++; samples(yield) }
	allocated := testing.AllocsPerRun(1, func() { renderEvidence(t, ev, once) })
	if passes != 2 { // AllocsPerRun runs it once before it counts
		t.Errorf("ranged over the samples %d times a report", passes/2)
	}
	if allocated > 20_000 {
		t.Errorf("%.0f allocations for a million samples", allocated)
	}
}

type full struct{}

var errFull = errors.New("no space left")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestAFailedWriteIsTold(t *testing.T) {
	if err := Write(full{}, reports.Evidence{Run: "r1"}, nil); !errors.Is(err, errFull) || !strings.Contains(err.Error(), "r1") {
		t.Errorf("Write: %v", err)
	}
}

func BenchmarkMillionSamples(b *testing.B) {
	ev, samples := million(5, probes.Bad)
	for b.Loop() {
		if err := Write(io.Discard, ev, samples); err != nil {
			b.Fatal(err)
		}
	}
}
