package junit

import (
	"encoding/xml"
	"regexp"
	"testing"

	"github.com/gamedayhq/gameday/reports/reportstest"
)

// TestForm holds what the strict schema of Ant's JUnit tasks wants beyond names: all parts of a suite in their order, counts that
// are those of the cases, a time without a zone, decimals.
func TestForm(t *testing.T) {
	text := reportstest.Text(Write, reportstest.Hostile())
	var got suites
	if err := xml.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("is no XML: %v\n%s", err, text)
	}
	s := got.Suites[0]
	if s.Tests != 4 || s.Failures != 1 || s.Errors != 2 || len(s.Cases) != 4 {
		t.Errorf("counts: %d tests, %d failures, %d errors, %d cases; want 4, 1, 2, 4", s.Tests, s.Failures, s.Errors, len(s.Cases))
	}
	if s.Timestamp != "2026-03-01T07:00:00" {
		t.Errorf("timestamp is %q, want UTC without a zone", s.Timestamp)
	}
	if s.Cases[0].Time != "2.000" || s.Hostname != "localhost" || s.Package == "" {
		t.Errorf("case time %q, host %q, package %q", s.Cases[0].Time, s.Hostname, s.Package)
	}
	order := regexp.MustCompile(`(?s)<properties>.*</properties>.*<testcase .*<system-out>.*<system-err>`)
	if !order.MatchString(text) {
		t.Errorf("the parts of the suite are out of order:\n%s", text)
	}
	for i, want := range []string{"", "failure", "error", "error"} {
		c := s.Cases[i]
		if (c.Failure != nil) != (want == "failure") || (c.Error != nil) != (want == "error") {
			t.Errorf("case %d: failure %v, error %v, want %q", i, c.Failure, c.Error, want)
		}
	}
}

// A suite never looks better than the drill.
func TestNothingJudgedIsNotGreen(t *testing.T) {
	for name, ev := range reportstest.NotGreen() {
		if s := newSuite(ev); s.Failures+s.Errors != 1 {
			t.Errorf("%s: %d failures and %d errors, want one", name, s.Failures, s.Errors)
		}
	}
}
