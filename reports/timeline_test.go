package reports

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gamedayhq/gameday/probes"
)

// every is the pace of all monitors in timelines.
const every = 100 * time.Millisecond

// The answers' times in timelines.
const (
	tookGood = 10 * time.Millisecond
	tookBad  = 20 * time.Millisecond
)

// timelineOf reads a drill from text. Samples of the monitor "shop", one character a slot:
//
//   - good   - bad   . missed   _ no sample at all   ! good, but slow (80 ms)
//
// each can be followed by a count: "+30-5" is thirty good and five bad slots. Between them stand events, at the time at
// which the next slot is due, or half a slot before it after a quote ('):
//
//	B b  the baseline starts, ends
//	S D F E  the step "break", a fault, starts, is done, fails, ends;  T I R  its targets and proofs
//	U V X    its undo is asked for, is done, fails
//	s d f e  the step "copy", which is no fault;  g  fails for the system under test
//	W  the drill is void   A  aborted   M  monitors stop   Z  the drill ends
func timelineOf(t testing.TB, text string, objectives ...Objective) Record {
	t.Helper()
	events, samples := parseTimeline(t, "shop", text)
	return recordOf(events, samples, objectives...)
}

func recordOf(events []Event, samples []probes.Sample, objectives ...Objective) Record {
	return Record{
		Header: Header{
			Schema: SchemaJournal, Run: "test", Started: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC),
			Harness: Harness{Version: "v0.0.0-test", Go: "go1.26"}, Scenario: Source{Name: "test.yaml"},
			Drill: Drill{
				Name:     "test",
				Monitors: []MonitorInfo{{Name: "shop", Probe: "GET /", Every: every, Timeout: every}},
				Steps: []StepInfo{
					{Name: "break", Action: "break it", Fault: true},
					{Name: "copy", Action: "copy it"},
				},
				Objectives: objectives,
			},
		},
		Events:  events,
		Samples: slices.Values(samples),
	}
}

// watchAlert adds the monitor "alert" with its own timeline of samples.
func watchAlert(t testing.TB, record Record, text string) Record {
	t.Helper()
	_, samples := parseTimeline(t, "alert", text)
	record.Header.Drill.Monitors = append(record.Header.Drill.Monitors,
		MonitorInfo{Name: "alert", Probe: "alert ShopDown", Every: every, Timeout: every, Watches: true})
	all := slices.Concat(slices.Collect(record.Samples), samples)
	record.Samples = slices.Values(all)
	return record
}

// without removes a step that a timeline does not play.
func without(record Record, name string) Record {
	record.Header.Drill.Steps = slices.DeleteFunc(slices.Clone(record.Header.Drill.Steps), func(s StepInfo) bool { return s.Name == name })
	return record
}

func parseTimeline(t testing.TB, monitor, text string) (events []Event, samples []probes.Sample) {
	t.Helper()
	var slot int64
	half := time.Duration(0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == ' ':
		case c == '\'':
			half = every / 2
		case strings.IndexByte("+-._!", c) >= 0:
			digits := i + 1
			for digits < len(text) && text[digits] >= '0' && text[digits] <= '9' {
				digits++
			}
			n := 1
			if digits > i+1 {
				n, _ = strconv.Atoi(text[i+1 : digits])
			}
			for range n {
				if c != '_' {
					samples = append(samples, sampleOf(monitor, c, slot))
				}
				slot++
			}
			i, half = digits-1, 0
		default:
			event, known := eventOf(c)
			if !known {
				t.Fatalf("timeline %q: no event %q", text, c)
			}
			event.At = time.Duration(slot)*every - half
			events = append(events, event)
		}
	}
	return events, samples
}

func sampleOf(monitor string, c byte, slot int64) probes.Sample {
	s := probes.Sample{Monitor: monitor, Slot: slot, Due: time.Duration(slot) * every}
	switch c {
	case '+':
		s.Outcome, s.Took = probes.Good, tookGood
	case '!':
		s.Outcome, s.Took = probes.Good, 80*time.Millisecond
	case '-':
		s.Outcome, s.Took, s.Reason = probes.Bad, tookBad, probes.ReasonRefused
	case '.':
		s.Outcome, s.Reason = probes.Missed, probes.ReasonLate
	}
	return s
}

func eventOf(c byte) (Event, bool) {
	targets, _ := json.Marshal([]Target{{Kind: "Pod", Namespace: "shop", Name: "shop-0"}})
	proof, _ := json.Marshal(Proof{By: "uid gone", Independent: true, Proven: true})
	event, known := map[byte]Event{
		'B': {Kind: BaselineStarted}, 'b': {Kind: BaselineEnded},
		'S': {Kind: StepStarted, Step: "break"}, 'D': {Kind: StepDone, Step: "break"},
		'F': {Kind: StepFailed, Step: "break", Detail: "the daemon said no"}, 'E': {Kind: StepEnded, Step: "break"},
		'T': {Kind: Fact, Step: "break", Topic: TopicTargets, Data: targets},
		'I': {Kind: Fact, Step: "break", Topic: TopicInjected, Data: proof},
		'R': {Kind: Fact, Step: "break", Topic: TopicRecovered, Data: proof},
		'U': {Kind: UndoStarted, Step: "break"}, 'V': {Kind: UndoDone, Step: "break"},
		'X': {Kind: UndoFailed, Step: "break", Detail: "the finalizer stays"},
		's': {Kind: StepStarted, Step: "copy"}, 'd': {Kind: StepDone, Step: "copy"}, 'e': {Kind: StepEnded, Step: "copy"},
		'f': {Kind: StepFailed, Step: "copy", Detail: "no permission"},
		'g': {Kind: StepFailed, Step: "copy", Topic: TopicSystem, Detail: "the restore ended PartiallyFailed"},
		'W': {Kind: Fact, Topic: TopicVoid, Detail: "the baseline is not steady"},
		'A': {Kind: Aborted, Detail: "stop condition"}, 'M': {Kind: MonitorsStopped}, 'Z': {Kind: DrillEnded},
	}[c]
	return event, known
}

// kindOf returns the one check of a kind.
func kindOf(t testing.TB, checks []Check, kind string) Check {
	t.Helper()
	var found []Check
	for _, c := range checks {
		if c.Kind == kind {
			found = append(found, c)
		}
	}
	if len(found) != 1 {
		t.Fatalf("want one check of kind %s, got %d of %+v", kind, len(found), checks)
	}
	return found[0]
}

func ratio(r Ratio) *Ratio               { return &r }
func duration(d time.Duration) *Duration { v := Duration(d); return &v }
func number(n int) *int                  { return &n }
func ms(n int64) time.Duration           { return time.Duration(n) * time.Millisecond }
func limit(n int64) Duration             { return Duration(ms(n)) }
func during(step string) Window          { return Window{During: step} }
func after(step string) Window           { return Window{AfterEnd: step} }
func avail(w Window, least Ratio) Objective {
	return &Availability{Of: "shop", Window: w, AtLeast: ratio(least)}
}
