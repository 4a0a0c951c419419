package github

import (
	"strings"
	"testing"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/reports/reportstest"
)

// Each line is one command, whatever was recorded.
func TestCommands(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(reportstest.Text(Write, reportstest.Hostile()), "\n"), "\n")
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
	if text := reportstest.Text(Write, reports.Evidence{}); !strings.HasPrefix(text, "::warning") {
		t.Errorf("an evidence of nothing reads %q, want a warning", text)
	}
	if text := reportstest.Text(Write, reports.Evidence{Verdict: reports.Pass}); !strings.HasPrefix(text, "::notice") {
		t.Errorf("a pass reads %q, want a notice", text)
	}
}
