// Package github writes a drill's evidence as workflow commands of GitHub Actions, which show as annotations of a run.
package github

import (
	"fmt"
	"io"
	"strings"

	"github.com/gamedayhq/gameday/reports"
)

// Write writes an annotation for each check that did not pass, and one for the drill: an error for a fail, a warning for what
// is inconclusive, a notice for a pass.
func Write(w io.Writer, ev reports.Evidence) error {
	var b strings.Builder
	for _, c := range ev.Checks {
		if c.Verdict != reports.Pass {
			command(&b, c.Verdict, ev.Drill.Name+": "+c.Name, fmt.Sprintf("want %s; got %s: %s", c.Want, c.Got, c.Reason))
		}
	}
	command(&b, ev.Verdict, ev.Drill.Name, "verdict "+ev.Verdict.String()+": "+strings.Join(ev.Why, "; "))
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write annotations of drill %q: %w", ev.Run, err)
	}
	return nil
}

// command writes ::level title=T::message, with the escapes that the runner undoes.
func command(b *strings.Builder, v reports.Verdict, title, message string) {
	level := "warning"
	switch v {
	case reports.Pass:
		level = "notice"
	case reports.Fail:
		level = "error"
	default: // what is inconclusive, and what is no verdict
	}
	fmt.Fprintf(b, "::%s title=%s::%s\n", level, properties.Replace(title), data.Replace(message))
}

var (
	data       = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	properties = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)
