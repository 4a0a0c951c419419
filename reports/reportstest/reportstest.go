// Package reportstest has what the tests of every renderer of evidence need.
package reportstest

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gamedayhq/gameday/reports"
)

// Hostile is an evidence whose every text tries to break out of the form that it is written in. It has a check of each verdict, one
// of none, and a measured time.
func Hostile() reports.Evidence {
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

// NotGreen are evidences that a renderer must not show as a success: nothing was judged, or the checks are better than the drill.
func NotGreen() map[string]reports.Evidence {
	return map[string]reports.Evidence{
		"no check":           {Verdict: reports.Inconclusive},
		"no verdict":         {},
		"worse than its own": {Verdict: reports.Fail, Checks: []reports.Check{{Kind: "data", Verdict: reports.Pass}}},
	}
}

// Text is what a renderer writes; it panics when that cannot be written, which a strings.Builder always can.
func Text(write func(io.Writer, reports.Evidence) error, ev reports.Evidence) string {
	var b strings.Builder
	if err := write(&b, ev); err != nil {
		panic(fmt.Sprintf("write evidence: %v", err))
	}
	return b.String()
}
