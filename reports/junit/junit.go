// Package junit writes a drill's evidence as JUnit XML, for pipelines that show tests.
//
// A check is a test case: one that failed is a failure, one that is inconclusive is an error, because a pipeline must not go
// green on what nobody saw. The form is valid by both schemas that are in use: the strict one of Ant's JUnit tasks, which
// wants all of a suite's parts in their order and knows no time zone, and that of Jenkins' xUnit plugin.
package junit

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gamedayhq/gameday/reports"
)

type suites struct {
	XMLName xml.Name `xml:"testsuites"`
	Suites  []suite  `xml:"testsuite"`
}

type suite struct {
	Name       string     `xml:"name,attr"`
	Package    string     `xml:"package,attr"`
	ID         int        `xml:"id,attr"`
	Hostname   string     `xml:"hostname,attr"`
	Timestamp  string     `xml:"timestamp,attr"`
	Tests      int        `xml:"tests,attr"`
	Failures   int        `xml:"failures,attr"`
	Errors     int        `xml:"errors,attr"`
	Skipped    int        `xml:"skipped,attr"`
	Time       string     `xml:"time,attr"`
	Properties []property `xml:"properties>property"`
	Cases      []testCase `xml:"testcase"`
	Out        string     `xml:"system-out"`
	Err        string     `xml:"system-err"`
}

type property struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type testCase struct {
	Name    string   `xml:"name,attr"`
	Class   string   `xml:"classname,attr"`
	Time    string   `xml:"time,attr"`
	Failure *problem `xml:"failure"`
	Error   *problem `xml:"error"`
}

type problem struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// Write writes one suite with a test case a check. The same evidence gives the same bytes.
func Write(w io.Writer, ev reports.Evidence) error {
	body, err := xml.MarshalIndent(suites{Suites: []suite{newSuite(ev)}}, "", "  ")
	if err != nil {
		return fmt.Errorf("write JUnit XML of drill %q: %w", ev.Run, err)
	}
	if _, err := fmt.Fprintf(w, "%s%s\n", xml.Header, body); err != nil {
		return fmt.Errorf("write JUnit XML of drill %q: %w", ev.Run, err)
	}
	return nil
}

func newSuite(ev reports.Evidence) suite {
	s := suite{
		Name: cmp.Or(ev.Drill.Name, "drill"), Package: "gameday", Hostname: cmp.Or(ev.Harness.Host, "localhost"),
		Timestamp: ev.Started.UTC().Format("2006-01-02T15:04:05"), Time: seconds(ev.Ended),
		Properties: properties(ev), Out: strings.Join(ev.Why, "\n"),
	}
	for _, check := range ev.Checks {
		s.Cases = append(s.Cases, newCase(ev, check))
	}
	// The suite must not look better than the drill, whatever its checks say.
	if worst := reports.WorstOf(ev.Checks); worst != ev.Verdict || len(ev.Checks) == 0 {
		s.Cases = append(s.Cases, newCase(ev, reports.Check{
			Name: "verdict", Kind: "verdict", Verdict: ev.Verdict, Want: "a verdict that its checks bear out",
			Got: ev.Verdict.String(), Reason: strings.Join(ev.Why, "; "),
		}))
	}
	for _, c := range s.Cases {
		s.Tests++
		if c.Failure != nil {
			s.Failures++
		}
		if c.Error != nil {
			s.Errors++
		}
	}
	return s
}

func newCase(ev reports.Evidence, check reports.Check) testCase {
	c := testCase{Name: cmp.Or(check.Name, check.Kind), Class: ev.Drill.Name + "." + check.Kind, Time: window(check)}
	p := &problem{
		Message: cmp.Or(check.Reason, check.Got), Type: check.Kind,
		Text: fmt.Sprintf("want: %s\ngot: %s\nwhy: %s", check.Want, check.Got, check.Reason),
	}
	switch check.Verdict {
	case reports.Pass:
	case reports.Fail:
		c.Failure = p
	default:
		p.Type = "inconclusive " + check.Kind
		c.Error = p
	}
	return c
}

// window is the length of the window that was judged, in seconds: what the time of a test case comes nearest to.
func window(check reports.Check) string {
	if check.From == nil || check.To == nil {
		return seconds(0)
	}
	return seconds(*check.To - *check.From)
}

// seconds has three decimals at most: some readers of JUnit XML take no more.
func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", max(d, 0).Seconds()) }

func properties(ev reports.Evidence) []property {
	return []property{
		{"run", ev.Run},
		{"verdict", ev.Verdict.String()},
		{"started", ev.Started.UTC().Format(time.RFC3339Nano)},
		{"complete", fmt.Sprint(ev.Complete)},
		{"harness", ev.Harness.Version},
		{"scenario.sha256", ev.Scenario.SHA256},
		{"journal.sha256", ev.Journal.SHA256},
	}
}
