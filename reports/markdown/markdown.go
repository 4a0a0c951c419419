// Package markdown writes a drill's evidence as a summary in Markdown, for pull requests and job summaries.
package markdown

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/gamedayhq/gameday/reports"
)

var signs = map[reports.Verdict]string{reports.Pass: "✅ pass", reports.Fail: "❌ fail", reports.Inconclusive: "❔ inconclusive"}

// Write writes the summary: the verdict and why, the checks, and what a reader needs to judge it again.
func Write(w io.Writer, ev reports.Evidence) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s: %s\n\n", sign(ev.Verdict), text(ev.Drill.Name))
	if ev.Drill.Why != "" {
		fmt.Fprintf(&b, "%s\n\n", text(ev.Drill.Why))
	}
	for _, why := range ev.Why {
		fmt.Fprintf(&b, "- %s\n", text(why))
	}
	if !ev.Complete {
		b.WriteString("- the journal does not end with the drill's end\n")
	}
	b.WriteString("\n| verdict | check | want | got |\n|---|---|---|---|\n")
	for _, c := range ev.Checks {
		got := c.Got
		if c.Reason != "" && c.Reason != c.Got {
			got += ": " + c.Reason
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", sign(c.Verdict), text(c.Name), text(c.Want), text(got))
	}
	if len(ev.Checks) == 0 {
		b.WriteString("| ❔ inconclusive | nothing was judged | | |\n")
	}
	fmt.Fprintf(&b, "\nRun `%s`, started %s, %s long; gameday %s; journal sha256 `%s`. Judge it again: `gameday verify DIR`.\n",
		code(ev.Run), ev.Started.UTC().Format(time.RFC3339), ev.Ended.Round(time.Millisecond), text(ev.Harness.Version), code(ev.Journal.SHA256))
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write Markdown of drill %q: %w", ev.Run, err)
	}
	return nil
}

func sign(v reports.Verdict) string {
	if s, ok := signs[v]; ok {
		return s
	}
	return signs[reports.Inconclusive]
}

// escapes keep what was recorded from being taken for markup, links, mentions or HTML.
var escapes = strings.NewReplacer("\\", "\\\\", "`", "\\`", "*", "\\*", "_", "\\_", "[", "\\[", "]", "\\]", "<", "&lt;", ">", "&gt;",
	"&", "&amp;", "|", "\\|", "~", "\\~", "#", "\\#", "@", "&#64;", "!", "\\!", "\r", " ", "\n", " ")

func text(s string) string {
	return escapes.Replace(strings.Map(visible, strings.ToValidUTF8(s, "\ufffd")))
}

// visible makes control characters seen, which a terminal would obey.
func visible(r rune) rune {
	if unicode.IsControl(r) && r != '\n' && r != '\r' {
		return unicode.ReplacementChar
	}
	return r
}

// code is the text of a span of code, which knows no escapes.
func code(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '`' || r == '\n' || r == '\r' || r == '|' {
			return '\''
		}
		return r
	}, s)
}
