package reports

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Derive makes the evidence of a record. It is pure: the same journal gives the same evidence, byte for byte, on any machine.
func Derive(record Record, state State) Evidence {
	s := newSession(record)
	var summaries []*summary
	for _, m := range record.Header.Drill.Monitors {
		one := newSummary(s.plan, m)
		summaries = append(summaries, one)
		s.watch(one)
	}
	s.run()
	checks, _ := s.verdict()
	checks = append(checks, wholeCheck(state))
	if state.Samples != nil {
		checks = append(checks, samplesCheck(state))
	}
	h := record.Header
	schema := SchemaEvidence
	if h.Schema == schemaJournal1 {
		schema = schemaEvidence1
	}
	ev := Evidence{
		Schema: schema, Run: h.Run, Drill: h.Drill, Verdict: WorstOf(checks), Checks: checks,
		Started: h.Started, Ended: s.plan.last, Complete: state.Complete,
		Timeline: timeline(record.Events), Monitors: []MonitorSummary{},
		Environment: environment(record.Events), Harness: h.Harness, Scenario: h.Scenario, Journal: state.File,
		Samples: state.Samples, Tails: state.Tails,
	}
	ev.Why = why(ev.Verdict, checks)
	for _, one := range summaries {
		ev.Monitors = append(ev.Monitors, one.tell())
	}
	return ev
}

// wholeCheck judges whether the journal ends where the drill did.
func wholeCheck(state State) Check {
	c := Check{
		Name: "journal whole", Kind: "journal", Want: "a journal that ends with the drill's end",
		Got: fmt.Sprintf("%d lines", state.File.Lines),
	}
	switch {
	case state.Torn:
		return c.inconclusive(fmt.Sprintf("the journal is cut within a line, at byte %d", state.TornAt))
	case !state.Complete:
		return c.inconclusive("the journal does not end with the drill's end")
	default:
		return c.pass("")
	}
}

// samplesCheck judges whether the samples are those that the journal tells of, all of them.
func samplesCheck(state State) Check {
	c := Check{
		Name: "samples whole", Kind: "samples", Want: "the samples that the journal tells of, and no others",
		Got: fmt.Sprintf("%d rows in %d blocks", state.Samples.Rows, state.Samples.Blocks),
	}
	if len(state.Doubts) > 0 {
		return c.inconclusive(strings.Join(state.Doubts, "; "))
	}
	return c.pass("")
}

// why says in words which checks made the verdict.
func why(verdict Verdict, checks []Check) []string {
	if verdict == Pass {
		return []string{fmt.Sprintf("all %d checks passed", len(checks))}
	}
	out := []string{}
	for _, c := range checks {
		if c.Verdict == verdict {
			out = append(out, c.Name+": "+c.Reason)
		}
	}
	return out
}

// timeline leaves out what comes by the thousand.
func timeline(events []Event) []Event {
	out := make([]Event, 0, len(events))
	for _, e := range events {
		if e.Kind != Fact || e.Topic != TopicMarker && e.Topic != TopicObject {
			out = append(out, e)
		}
	}
	return slices.Clip(out)
}

// environment gathers what was found of each cluster; a later fact of the same cluster adds to it.
func environment(events []Event) map[string]map[string]string {
	var out map[string]map[string]string
	for _, e := range events {
		var found map[string]string
		if e.Kind != Fact && e.Kind != Preflight || e.Topic != TopicEnvironment || json.Unmarshal(e.Data, &found) != nil {
			continue
		}
		cluster := found["cluster"]
		delete(found, "cluster")
		if out == nil {
			out = map[string]map[string]string{}
		}
		if out[cluster] == nil {
			out[cluster] = map[string]string{}
		}
		for key, value := range found {
			out[cluster][key] = value
		}
	}
	return out
}
