package reports

import "time"

// Availability asks for a share of good slots in a window.
type Availability struct {
	Of      string `json:"of"` // monitor
	Window         // where it must hold
	AtLeast *Ratio `json:"atLeast,omitempty"` // share of good slots among those that were asked
	AtMost  *Ratio `json:"atMost,omitempty"`  // to prove that something did break: availability must fall to this or lower
	// Confidence, when it is given (95%), asks that the limit lies outside the one-sided Wilson bound of the share: few slots
	// then need more margin than many.
	Confidence Ratio `json:"confidence,omitempty"`
	Rigor
}

// Rigor says how much must have been seen before an objective is judged at all.
type Rigor struct {
	Coverage Ratio `json:"coverage,omitempty"` // share of the window's slots that must have been asked; 95% unless said
	MinSlots int64 `json:"minSlots,omitempty"` // slots that the window must hold; 30 unless said
}

// ErrorBudget bounds what a drill costs of the error budget of a service-level objective: the time in which the system may be
// bad over a period. A bad slot stands for one pace of its monitor, and so does a missed one, for it may have been bad.
//
// The burn rate over a stretch is the share of bad time in it, divided by the share that the SLO allows; the highest one of the
// window is judged. What lies before the window counts as good, so that it is the drill's own burn. Source: Google, The Site
// Reliability Workbook, chapter 5.
type ErrorBudget struct {
	Of string `json:"of"`
	Window
	SLO        Ratio    `json:"slo"`                  // the share of good time that is promised, such as 99.9%
	Period     Duration `json:"period,omitempty"`     // over which it is promised; 720h (30 days) unless said
	Burned     *Ratio   `json:"burned,omitempty"`     // at most this share of the period's budget
	BurnRate5m *float64 `json:"burnRate5m,omitempty"` // at most this burn rate over any five minutes
	BurnRate1h *float64 `json:"burnRate1h,omitempty"` // at most this burn rate over any hour
	Rigor
}

// Value bounds a number that the drill recorded by name (see TopicValue): the answer to a query, a count of rows.
type Value struct {
	Of string `json:"of"` // name of the recorded number
	Window
	Take    Take     `json:"take,omitempty"` // which of the numbers in the window; the last unless said
	AtLeast *float64 `json:"atLeast,omitempty"`
	AtMost  *float64 `json:"atMost,omitempty"`
}

// Take says which of several recorded numbers is judged.
type Take string

// What can be taken of several numbers.
const (
	TakeLast Take = "last"
	TakeMin  Take = "min"
	TakeMax  Take = "max"
	TakeMean Take = "mean"
)

// Latency asks that a quantile of the time from due to a good answer stays under a bound.
type Latency struct {
	Of string `json:"of"`
	Window
	Quantile Ratio    `json:"quantile"` // 99% is p99
	AtMost   Duration `json:"atMost"`
	Rigor
}

// Outage bounds the time in which the system was down. An outage lasts from the first bad slot to the first good one after it.
type Outage struct {
	Of string `json:"of"`
	Window
	Longest *Duration `json:"longest,omitempty"`
	Total   *Duration `json:"total,omitempty"`
	Count   *int      `json:"count,omitempty"`
}

// Recovery asks that the system is back in time: achieved is the time from the anchor to the first of Good good slots in a row
// after the last bad one before the next step (the recovery time actual, RTA): a system that relapses was not back.
type Recovery struct {
	Of     string   `json:"of"`
	After  string   `json:"after"`          // step
	From   Anchor   `json:"from,omitempty"` // where the clock starts; start unless said
	Within Duration `json:"within"`         // the recovery time objective, RTO
	Good   int      `json:"good,omitempty"` // 10 unless said
}

// Detection asks that a monitor turns bad in time after a step's start (the time to detect).
type Detection struct {
	By     string   `json:"by"` // monitor; one that watches an alert, or any other
	After  string   `json:"after"`
	Within Duration `json:"within"`
}

// Data asks that what was acknowledged is still there.
type Data struct {
	Of string `json:"of"` // ledger
	// Backup names the backup step that the data came back from: what was acknowledged before it began must be there,
	// what was sent after it was done must not. Without it all that was acknowledged must be there.
	Backup string `json:"backup,omitempty"`
	Lost   int64  `json:"lost"` // how many acknowledged markers may be lost
}

// Anchor says at which end of a step a clock starts.
type Anchor string

// The anchors.
const (
	FromStart Anchor = "start" // when the step's intent was written, before any harm
	FromEnd   Anchor = "end"   // when its undo was asked for
)

// Window names a stretch of the drill: exactly one of the fields is set.
type Window struct {
	During   string `json:"during,omitempty"` // step, or "baseline", or "whole"
	AfterEnd string `json:"after,omitempty"`  // step: from its end to the next step or the drill's end
}

// Duration is a time.Duration that reads and writes as "5s" in JSON and YAML.
type Duration time.Duration

// Ratio is a share between 0 and 1 that reads "99.9%" or 0.999 and writes as a percentage.
type Ratio float64
