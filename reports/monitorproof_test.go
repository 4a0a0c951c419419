package reports

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// proofEvent is what the runner records of a monitor's proof.
func proofEvent(t *testing.T, at time.Duration, proof MonitorProof) Event {
	t.Helper()
	raw, err := json.Marshal(proof)
	if err != nil {
		t.Fatal(err)
	}
	return Event{At: at, Kind: Fact, Topic: TopicMonitorProof, Data: raw}
}

func TestAMonitorMustHaveBeenSeenToSayBad(t *testing.T) {
	yes := MonitorProof{Monitor: "shop", Proven: true, How: "asked at a closed port", Got: "bad: refused"}
	no := MonitorProof{Monitor: "shop", How: "asked at a closed port", Got: "good"}
	other := yes
	other.Monitor = "cart"
	for name, test := range map[string]struct {
		canFail       string
		before, after []MonitorProof
		garbled       bool
		want          Verdict // none: no such check
		reason        string
	}{
		"it was":                               {canFail: "c", before: []MonitorProof{yes}, want: Pass},
		"it was not":                           {canFail: "c", before: []MonitorProof{no}, want: Inconclusive, reason: "was not seen to say bad when it had to: good"},
		"it was once, and once not":            {canFail: "c", before: []MonitorProof{yes, no}, want: Inconclusive, reason: "when it had to: good"},
		"it was not, and then it was":          {canFail: "c", before: []MonitorProof{no, yes}, want: Inconclusive, reason: "when it had to: good"},
		"another was":                          {canFail: "c", before: []MonitorProof{other}, want: Inconclusive, reason: "nothing tells"},
		"nothing tells":                        {canFail: "c", want: Inconclusive, reason: "nothing tells"},
		"after the baseline had begun":         {canFail: "c", after: []MonitorProof{yes}, want: Inconclusive, reason: "nothing tells"},
		"the proof is not readable":            {canFail: "c", garbled: true, want: Inconclusive, reason: "not readable"},
		"evidence from before it was proved":   {want: 0},
		"the same, whatever else is in it":     {before: []MonitorProof{no}, want: 0},
		"one proof, another is not readable":   {canFail: "c", before: []MonitorProof{yes}, garbled: true, want: Inconclusive, reason: "not readable"},
		"not proved before, proved afterwards": {canFail: "c", before: []MonitorProof{no}, after: []MonitorProof{yes}, want: Inconclusive, reason: "when it had to"},
	} {
		t.Run(name, func(t *testing.T) {
			record := timelineOf(t, "B+40b STID+40URVE+40MZ", avail(during("break"), 0.5))
			record = without(record, "copy")
			record.Header.Drill.Monitors[0].CanFail = test.canFail
			var events []Event
			for _, proof := range test.before {
				events = append(events, proofEvent(t, 0, proof))
			}
			if test.garbled {
				events = append(events, Event{Kind: Fact, Topic: TopicMonitorProof, Data: json.RawMessage(`[]`)})
			}
			for _, event := range record.Events {
				events = append(events, event)
				if event.Kind == BaselineStarted {
					for _, proof := range test.after {
						events = append(events, proofEvent(t, event.At, proof))
					}
				}
			}
			record.Events = events
			checks, verdict := Judge(record)
			var got Check
			for _, check := range checks {
				if check.Kind == "canSayBad" {
					got = check
				}
			}
			if got.Verdict != test.want || !strings.Contains(got.Reason, test.reason) {
				t.Errorf("check %+v, want %v with %q", got, test.want, test.reason)
			}
			if want := max(test.want, Pass); verdict != want && test.want != 0 {
				t.Errorf("verdict %v, want %v", verdict, want)
			}
		})
	}
}
