// Package ctrf writes a drill's evidence in the Common Test Report Format (https://ctrf.io), for tools that gather tests of
// many kinds.
//
// A check is a test. CTRF knows no inconclusive: such a check is "other", and its rawStatus says what it was.
package ctrf

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/gamedayhq/gameday/reports"
)

// specVersion is the version of the format that is written.
const specVersion = "0.0.0"

type report struct {
	ReportFormat string  `json:"reportFormat"`
	SpecVersion  string  `json:"specVersion"`
	ReportID     string  `json:"reportId"`
	Timestamp    string  `json:"timestamp"`
	GeneratedBy  string  `json:"generatedBy"`
	Results      results `json:"results"`
}

type results struct {
	Tool    tool           `json:"tool"`
	Summary summary        `json:"summary"`
	Tests   []test         `json:"tests"`
	Extra   map[string]any `json:"extra"`
}

type tool struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

// summary counts; times are milliseconds, start and stop since the Unix epoch.
type summary struct {
	Tests    int   `json:"tests"`
	Passed   int   `json:"passed"`
	Failed   int   `json:"failed"`
	Skipped  int   `json:"skipped"`
	Pending  int   `json:"pending"`
	Other    int   `json:"other"`
	Start    int64 `json:"start"`
	Stop     int64 `json:"stop"`
	Duration int64 `json:"duration"`
}

type test struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	Status    string            `json:"status"`
	RawStatus string            `json:"rawStatus"`
	Duration  int64             `json:"duration"`
	Suite     []string          `json:"suite"`
	Message   string            `json:"message,omitempty"`
	Trace     string            `json:"trace,omitempty"`
	Type      string            `json:"type"`
	Labels    map[string]string `json:"labels,omitempty"`
}

// Write writes the report of one drill. The same evidence gives the same bytes.
func Write(w io.Writer, ev reports.Evidence) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(newReport(ev)); err != nil {
		return fmt.Errorf("write CTRF of drill %q: %w", ev.Run, err)
	}
	return nil
}

func newReport(ev reports.Evidence) report {
	stop := ev.Started.Add(ev.Ended)
	r := report{
		ReportFormat: "CTRF", SpecVersion: specVersion, ReportID: id(ev, ""), GeneratedBy: "gameday",
		Timestamp: stop.UTC().Format(time.RFC3339),
		Results: results{
			Tool:    tool{Name: "gameday", Version: ev.Harness.Version},
			Summary: summary{Start: ev.Started.UnixMilli(), Stop: stop.UnixMilli(), Duration: ev.Ended.Milliseconds()},
			Tests:   []test{},
			Extra: map[string]any{
				"run": ev.Run, "verdict": ev.Verdict.String(), "why": ev.Why, "complete": ev.Complete,
				"journalSha256": ev.Journal.SHA256, "scenarioSha256": ev.Scenario.SHA256,
			},
		},
	}
	for i, check := range ev.Checks {
		r.add(newTest(ev, check, fmt.Sprint(i)))
	}
	// The counts must not look better than the drill, whatever its checks say.
	if worst := reports.WorstOf(ev.Checks); worst != ev.Verdict || len(ev.Checks) == 0 {
		r.add(newTest(ev, reports.Check{
			Name: "verdict", Kind: "verdict", Verdict: ev.Verdict, Want: "a verdict that its checks bear out",
			Got: ev.Verdict.String(), Reason: strings.Join(ev.Why, "; "),
		}, "verdict"))
	}
	return r
}

func (r *report) add(t test) {
	r.Results.Tests = append(r.Results.Tests, t)
	s := &r.Results.Summary
	s.Tests++
	switch t.Status {
	case "passed":
		s.Passed++
	case "failed":
		s.Failed++
	default:
		s.Other++
	}
}

func newTest(ev reports.Evidence, check reports.Check, place string) test {
	t := test{
		ID: id(ev, place), Name: check.Name, Status: status(check.Verdict), RawStatus: check.Verdict.String(),
		Suite: []string{ev.Drill.Name}, Type: check.Kind, Labels: map[string]string{"want": check.Want, "got": check.Got},
	}
	if t.Name == "" {
		t.Name = check.Kind
	}
	if check.From != nil && check.To != nil {
		t.Duration = max(*check.To-*check.From, 0).Milliseconds()
	}
	if check.Verdict != reports.Pass {
		t.Message = check.Reason
		t.Trace = fmt.Sprintf("want: %s\ngot: %s", check.Want, check.Got)
	}
	return t
}

func status(v reports.Verdict) string {
	switch v {
	case reports.Pass:
		return "passed"
	case reports.Fail:
		return "failed"
	default:
		return "other"
	}
}

// id is a name-based UUID (version 5 of RFC 9562), so that a report written again has the same.
func id(ev reports.Evidence, place string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://gameday.dev/run/"+ev.Run+"#"+ev.Journal.SHA256+"/"+place)).String()
}
