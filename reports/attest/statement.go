package attest

import (
	"cmp"
	"time"

	"github.com/gamedayhq/gameday/reports"
)

// Types of in-toto.
const (
	StatementType   = "https://in-toto.io/Statement/v1"
	TestResultType  = "https://in-toto.io/attestation/test-result/v0.1"
	ReviewType      = "https://in-toto.io/attestation/svr/v0.1"
	payloadType     = "application/vnd.in-toto+json"
	bundleMediaType = "application/vnd.dev.sigstore.bundle.v0.3+json"
)

// Statement says something (the predicate) about files (the subjects).
type Statement struct {
	Type          string     `json:"_type"`
	Subject       []Resource `json:"subject"`
	PredicateType string     `json:"predicateType"`
	Predicate     any        `json:"predicate"`
}

// Resource is a file by name and digest.
type Resource struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

// TestResult is the predicate test-result. It knows no inconclusive: such a drill is FAILED, and so is such a check.
type TestResult struct {
	Result        string     `json:"result"`
	Configuration []Resource `json:"configuration"`
	PassedTests   []string   `json:"passedTests"`
	WarnedTests   []string   `json:"warnedTests"`
	FailedTests   []string   `json:"failedTests"`
}

// Review is the predicate of a simple verification result: what a reviewer says was seen to hold.
type Review struct {
	Verifier struct {
		ID string `json:"id"`
	} `json:"verifier"`
	TimeCreated time.Time `json:"timeCreated"`
	Properties  []string  `json:"properties"`
}

func testResult(ev reports.Evidence) TestResult {
	r := TestResult{
		Result: "FAILED", PassedTests: []string{}, WarnedTests: []string{}, FailedTests: []string{},
		Configuration: []Resource{{Name: cmp.Or(ev.Scenario.Name, "scenario"), Digest: map[string]string{"sha256": ev.Scenario.SHA256}}},
	}
	if ev.Verdict == reports.Pass {
		r.Result = "PASSED"
	}
	for _, c := range ev.Checks {
		switch c.Verdict {
		case reports.Pass:
			r.PassedTests = append(r.PassedTests, c.Name)
		case reports.Fail:
			r.FailedTests = append(r.FailedTests, c.Name)
		default:
			r.FailedTests = append(r.FailedTests, c.Name+" (inconclusive)")
		}
	}
	return r
}
