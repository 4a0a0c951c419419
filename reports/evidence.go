package reports

import (
	"time"
)

// SchemaJournal and SchemaEvidence name the formats and their versions.
const (
	SchemaJournal  = "gameday.dev/journal/v1alpha2"
	SchemaEvidence = "gameday.dev/evidence/v1alpha2"
)

// The first version kept samples in the journal. It is read and judged for ever, and derived as it was.
const (
	schemaJournal1  = "gameday.dev/journal/v1alpha1"
	schemaEvidence1 = "gameday.dev/evidence/v1alpha1"
)

// Evidence is what a drill leaves. It is a pure function of the journal and the samples beside it, so that anybody can derive it
// again.
type Evidence struct {
	Schema      string                       `json:"schema"`
	Run         string                       `json:"run"`
	Drill       Drill                        `json:"drill"`
	Verdict     Verdict                      `json:"verdict"`
	Why         []string                     `json:"why"` // in words, the checks that made the verdict
	Checks      []Check                      `json:"checks"`
	Started     time.Time                    `json:"started"`
	Ended       time.Duration                `json:"ended"`    // offset of the last thing recorded
	Complete    bool                         `json:"complete"` // the journal ends in good order
	Timeline    []Event                      `json:"timeline"` // all but markers and object copies
	Monitors    []MonitorSummary             `json:"monitors"`
	Environment map[string]map[string]string `json:"environment,omitempty"` // by cluster
	Harness     Harness                      `json:"harness"`
	Scenario    Source                       `json:"scenario"`
	Journal     FileDigest                   `json:"journal"`
	Samples     *SamplesDigest               `json:"samples,omitempty"` // none in the first version
	Tails       []FileDigest                 `json:"tails,omitempty"`   // what was not compressed yet when the record ended
}

// Check is an objective, judged.
type Check struct {
	Name     string         `json:"name"` // in words: what, of what, where
	Kind     string         `json:"kind"`
	Step     string         `json:"step,omitempty"`
	Monitor  string         `json:"monitor,omitempty"`
	Verdict  Verdict        `json:"verdict"`
	Want     string         `json:"want"`
	Got      string         `json:"got"`
	Reason   string         `json:"reason,omitempty"`   // why it did not pass, or what to know of it
	Interval *Interval      `json:"interval,omitempty"` // of a measured time
	From     *time.Duration `json:"from,omitempty"`     // the window, offsets
	To       *time.Duration `json:"to,omitempty"`
	Slots    *Slots         `json:"slots,omitempty"`
}

// Interval bounds a measured time: the truth lies between Lo and Hi. A limit is judged on Hi.
type Interval struct {
	Lo time.Duration `json:"lo"`
	Hi time.Duration `json:"hi"`
}

// Slots counts what became of the slots of a window.
type Slots struct {
	Due     int64            `json:"due"` // slots that the window holds, asked or not
	Good    int64            `json:"good"`
	Bad     int64            `json:"bad"`
	Missed  int64            `json:"missed"`
	Reasons map[string]int64 `json:"reasons,omitempty"` // of bad and missed ones
}

// MonitorSummary tells of a monitor over the whole drill.
type MonitorSummary struct {
	Name        string                   `json:"name"`
	Slots       Slots                    `json:"slots"`
	Outages     []Outspan                `json:"outages,omitempty"` // the first MaxOutages
	OutageCount int64                    `json:"outageCount"`
	Latency     map[string]time.Duration `json:"latency,omitempty"` // p50, p90, p99, max of good slots
}

// Outspan is one stretch in which a monitor was bad: from the first bad slot's due time to the answer of the first good one.
type Outspan struct {
	From time.Duration `json:"from"`
	To   time.Duration `json:"to"` // zero and Open: not over when the record ended
	Open bool          `json:"open,omitempty"`
	Bad  int64         `json:"bad"` // slots
}

// FileDigest names a file of the evidence and its content.
type FileDigest struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
	Lines  int64  `json:"lines"`
}

// SamplesDigest names the file of compressed samples and its content.
type SamplesDigest struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
	Blocks int64  `json:"blocks"` // that the journal tells of
	Rows   int64  `json:"rows"`   // in them
}
