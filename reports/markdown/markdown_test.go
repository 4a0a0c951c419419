package markdown

import (
	"strings"
	"testing"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/reports/reportstest"
)

// What was recorded must not become markup, another row, HTML, or a mention of somebody.
func TestTextStaysText(t *testing.T) {
	text := reportstest.Text(Write, reportstest.Hostile())
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
	if text := reportstest.Text(Write, reports.Evidence{}); strings.Contains(text, "✅") || !strings.Contains(text, "nothing was judged") {
		t.Errorf("an evidence of nothing reads:\n%s", text)
	}
}
