package ctrf

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/gamedayhq/gameday/reports/reportstest"
)

// TestForm holds what CTRF's schema wants: its closed set of statuses, counts that add up, UUIDs, whole milliseconds.
func TestForm(t *testing.T) {
	var got report
	decoder := json.NewDecoder(strings.NewReader(reportstest.Text(Write, reportstest.Hostile())))
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
	for name, ev := range reportstest.NotGreen() {
		if s := newReport(ev).Results.Summary; s.Failed+s.Other != 1 || s.Tests != s.Passed+s.Failed+s.Other {
			t.Errorf("%s: %+v, want one that did not pass", name, s)
		}
	}
}

func TestSameEvidenceSameBytes(t *testing.T) {
	one, two := reportstest.Text(Write, reportstest.Hostile()), reportstest.Text(Write, reportstest.Hostile())
	if one != two {
		t.Error("two reports of one evidence differ")
	}
}
