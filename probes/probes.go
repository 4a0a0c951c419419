// Package probes asks a system the same question at a steady pace and turns the answers into samples.
//
// A [Probe] asks once. A [Monitor] asks it open loop: one [Sample] a slot, each slot counted from when it was due, whatever
// became of the slot before. The package knows nothing of Kubernetes, of scenarios or of verdicts.
package probes

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Probe asks one question, once.
//
// A nil error is a good answer. A [*Failure] is a bad answer of the system with the class of its reason. An error that wraps
// [ErrNotAsked] says that the harness could not ask, which is neither good nor bad. Any other error is a bad answer with the
// reason "error". A Probe heeds its context's deadline.
type Probe interface {
	Probe(ctx context.Context) error
}

// Question is a probe's configuration, as data.
type Question interface {
	// Problems says offline what is wrong with it, each as "field: what, and the mend".
	Problems() []string
	// New makes the probe, or returns all that is wrong. It reads secrets, but asks nobody.
	New() (Probe, error)
}

// Func makes a Probe of a function.
type Func func(ctx context.Context) error

// Probe calls f.
func (f Func) Probe(ctx context.Context) error { return f(ctx) }

var _ Probe = Func(nil)

// Outcome says what became of a slot. The zero value is no outcome at all and is never written.
type Outcome uint8

// The outcomes of a slot.
const (
	// Good: the system answered as expected.
	Good Outcome = iota + 1
	// Bad: the system did not answer, or not as expected.
	Bad
	// Missed: the harness could not ask. Our fault: it never counts as good, and never as bad.
	Missed
)

var outcomeNames = map[Outcome]string{Good: "good", Bad: "bad", Missed: "missed"}

// String returns the outcome's name in evidence.
func (o Outcome) String() string {
	if name, ok := outcomeNames[o]; ok {
		return name
	}
	return fmt.Sprintf("Outcome(%d)", uint8(o))
}

// MarshalText writes the outcome's name; an outcome that is none is an error.
func (o Outcome) MarshalText() ([]byte, error) {
	if _, ok := outcomeNames[o]; !ok {
		return nil, fmt.Errorf("%v is no outcome", o)
	}
	return []byte(o.String()), nil
}

// UnmarshalText reads an outcome's name; an unknown name is an error.
func (o *Outcome) UnmarshalText(text []byte) error {
	for value, name := range outcomeNames {
		if name == string(text) {
			*o = value
			return nil
		}
	}
	return fmt.Errorf("%q is no outcome (want good, bad or missed)", text)
}

// Reason is the class of why a slot was bad or missed. Classes are few and stable, so that they can be counted.
type Reason string

// Reasons of bad slots.
const (
	ReasonRefused     Reason = "refused"     // connection refused
	ReasonTimeout     Reason = "timeout"     // no answer within the timeout
	ReasonReset       Reason = "reset"       // connection reset or closed before the answer was whole
	ReasonUnreachable Reason = "unreachable" // no route to host or network
	ReasonDNS         Reason = "dns"         // name not resolved
	ReasonTLS         Reason = "tls"         // handshake or certificate
	ReasonStatus      Reason = "status"      // answered with another status than expected
	ReasonBody        Reason = "body"        // answered with another content than expected
	ReasonFiring      Reason = "firing"      // the alert that is watched fires
	ReasonValue       Reason = "value"       // answered with another value than expected
	ReasonExpiry      Reason = "expiry"      // a certificate has run out, or will too soon
	ReasonExit        Reason = "exit"        // the command ended otherwise than expected
	ReasonQuery       Reason = "query"       // the database answered with an error
	ReasonAbsent      Reason = "absent"      // the object that is asked about is not there
	ReasonError       Reason = "error"       // anything else
)

// Reasons of missed slots.
const (
	ReasonLate     Reason = "late"      // the harness woke too long after the slot was due (see Run)
	ReasonInFlight Reason = "in flight" // too many asks were still unanswered
	ReasonNotAsked Reason = "not asked" // the probe said that it could not ask (see ErrNotAsked)
)

// ErrNotAsked is wrapped by a probe's error when the question could not be put, for a cause that is not the system's.
var ErrNotAsked = errors.New("not asked")

// Failure is a bad answer.
type Failure struct {
	Reason Reason
	Detail string // for people; holds no secret
}

// Error returns the reason and the detail.
func (f *Failure) Error() string {
	if f.Detail == "" {
		return string(f.Reason)
	}
	return string(f.Reason) + ": " + f.Detail
}

// Sample is what became of one slot of a monitor. Times are offsets from the drill's one monotonic start.
type Sample struct {
	Monitor string        `json:"monitor"`
	Slot    int64         `json:"slot"`             // 0, 1, 2, …: no number is left out
	Due     time.Duration `json:"due"`              // when the slot was due, nanoseconds
	Late    time.Duration `json:"late,omitzero"`    // how long after Due the question was put, nanoseconds
	Took    time.Duration `json:"took,omitzero"`    // from Due to the answer, nanoseconds
	Outcome Outcome       `json:"outcome"`          // good, bad or missed
	Reason  Reason        `json:"reason,omitempty"` // why it was not good
	Detail  string        `json:"detail,omitempty"` // for people
}
