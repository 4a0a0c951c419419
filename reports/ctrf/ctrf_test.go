package ctrf

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/gamedayhq/gameday/reports"
)

// hostile is an evidence whose every text tries to break out of the form.
func hostile() reports.Evidence {
	const evil = "a \"b\" <c> & 'd' | `e`\n::error::f %% \x00\x1b[31m ]]> @all"
	from, to := time.Second, 3*time.Second
	return reports.Evidence{
		Run: "run-1", Drill: reports.Drill{Name: evil, Why: evil}, Verdict: reports.Fail, Why: []string{evil},
		Started: time.Date(2026, 3, 1, 9, 0, 0, 0, time.FixedZone("", 7200)), Ended: 5 * time.Second,
		Checks: []reports.Check{
			{Name: evil, Kind: "availability", Verdict: reports.Pass, Want: evil, Got: evil, From: &from, To: &to},
			{Name: evil, Kind: "recovery", Verdict: reports.Fail, Want: evil, Got: evil, Reason: evil, Interval: &reports.Interval{Lo: from, Hi: to}},
			{Name: "unseen", Kind: "latency", Verdict: reports.Inconclusive, Want: evil, Got: evil, Reason: "nobody looked"},
			{Name: "no verdict at all", Kind: "outage"},
		},
		Monitors: []reports.MonitorSummary{{Name: evil, Slots: reports.Slots{Due: 3, Good: 1, Bad: 1, Missed: 1}}},
	}
}

func render(t *testing.T, ev reports.Evidence) string {
	t.Helper()
	var b strings.Builder
	if err := Write(&b, ev); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestForm holds what CTRF's schema wants: its closed set of statuses, counts that add up, UUIDs, whole milliseconds.
func TestForm(t *testing.T) {
	var got report
	decoder := json.NewDecoder(strings.NewReader(render(t, hostile())))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&got); err != nil {
		t.Fatal(err)
	}
	s := got.Results.Summary
	if s.Tests != 4 || s.Passed != 1 || s.Failed != 1 || s.Other != 2 || len(got.Results.Tests) != 4 {
		t.Errorf("summary %+v, want 4 tests: 1 passed, 1 failed, 2 other", s)
	}
	if s.Stop-s.Start != 5000 || s.Duration != 5000 {
		t.Errorf("from %d to %d, duration %d, want 5000 ms", s.Start, s.Stop, s.Duration)
	}
	seen := map[string]bool{}
	for i, want := range []string{"passed", "failed", "other", "other"} {
		one := got.Results.Tests[i]
		if one.Status != want || one.Name == "" {
			t.Errorf("test %d is %q, want %q", i, one.Status, want)
		}
		if id, err := uuid.Parse(one.ID); err != nil || id.Version() != 5 || seen[one.ID] {
			t.Errorf("test %d has the id %q: %v, want a name-based UUID of its own", i, one.ID, err)
		}
		seen[one.ID] = true
	}
	if got.Results.Tests[2].RawStatus != "inconclusive" {
		t.Errorf("raw status %q, want inconclusive", got.Results.Tests[2].RawStatus)
	}
}

// A report never looks better than the drill.
func TestNothingJudgedIsNotGreen(t *testing.T) {
	for name, ev := range map[string]reports.Evidence{
		"no check":           {Verdict: reports.Inconclusive},
		"no verdict":         {},
		"worse than its own": {Verdict: reports.Fail, Checks: []reports.Check{{Kind: "data", Verdict: reports.Pass}}},
	} {
		if s := newReport(ev).Results.Summary; s.Failed+s.Other != 1 || s.Tests != s.Passed+s.Failed+s.Other {
			t.Errorf("%s: %+v, want one that did not pass", name, s)
		}
	}
}

func TestSameEvidenceSameBytes(t *testing.T) {
	one, two := render(t, hostile()), render(t, hostile())
	if one != two {
		t.Error("two reports of one evidence differ")
	}
}
