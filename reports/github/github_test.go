package github

import (
	"strings"
	"testing"
	"time"

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

// Each line is one command, whatever was recorded.
func TestCommands(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(render(t, hostile()), "\n"), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines, want 3 checks that did not pass and the drill:\n%s", len(lines), strings.Join(lines, "\n"))
	}
	for i, level := range []string{"error", "warning", "warning", "error"} {
		if !strings.HasPrefix(lines[i], "::"+level+" title=") {
			t.Errorf("line %d is %q, want level %s", i, lines[i], level)
		}
		title, _, _ := strings.Cut(strings.TrimPrefix(lines[i], "::"+level+" title="), "::")
		if strings.ContainsAny(title, ":,") {
			t.Errorf("line %d: the title ends early: %q", i, title)
		}
	}
}

func TestNothingJudgedIsNotGreen(t *testing.T) {
	if text := render(t, reports.Evidence{}); !strings.HasPrefix(text, "::warning") {
		t.Errorf("an evidence of nothing reads %q, want a warning", text)
	}
	if text := render(t, reports.Evidence{Verdict: reports.Pass}); !strings.HasPrefix(text, "::notice") {
		t.Errorf("a pass reads %q, want a notice", text)
	}
}
