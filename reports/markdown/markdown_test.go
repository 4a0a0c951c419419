package markdown

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

// What was recorded must not become markup, another row, HTML, or a mention of somebody.
func TestTextStaysText(t *testing.T) {
	text := render(t, hostile())
	rows := 0
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "| ") {
			continue
		}
		rows++
		if cells := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|"); cells != 5 {
			t.Errorf("a row has %d bars, want 5: %s", cells, line)
		}
	}
	if rows != 5 {
		t.Errorf("%d rows, want a head and 4 checks", rows)
	}
	for _, bad := range []string{"<c>", "@all", " `e`", "\x1b"} {
		if strings.Contains(text, bad) {
			t.Errorf("holds %q as it was recorded:\n%s", bad, text)
		}
	}
	for _, want := range []string{"❌ fail", "❔ inconclusive | unseen", "❔ inconclusive | no verdict at all"} {
		if !strings.Contains(text, want) {
			t.Errorf("does not say %q:\n%s", want, text)
		}
	}
}

func TestNothingJudgedIsNotGreen(t *testing.T) {
	if text := render(t, reports.Evidence{}); strings.Contains(text, "✅") || !strings.Contains(text, "nothing was judged") {
		t.Errorf("an evidence of nothing reads:\n%s", text)
	}
}
