package reports

import "time"

// Availability asks for a share of good slots in a window.
type Availability struct {
	Of      string `json:"of"` // monitor
	Window         // where it must hold
	AtLeast *Ratio `json:"atLeast,omitempty"` // share of good slots among those that were asked
	AtMost  *Ratio `json:"atMost,omitempty"`  // to prove that something did break: availability must fall to this or lower
}

// Latency asks that a quantile of the time from due to a good answer stays under a bound.
type Latency struct {
	Of string `json:"of"`
	Window
	Quantile Ratio    `json:"quantile"` // 99% is p99
	AtMost   Duration `json:"atMost"`
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
