// Package reports keeps what a drill recorded, judges it, and writes the evidence.
//
// Facts first, judgement later: a drill only appends to a [Journal]; [Judge] is a pure function over the [Record] read back
// from it; [Evidence] is derived from both, so that [Verify] can derive it again and name every difference. The package
// needs no Kubernetes, no clock and no network.
package reports

import (
	"encoding/json"
	"iter"
	"time"

	"github.com/gamedayhq/gameday/probes"
)

// Kind says what an event tells. Kinds are few and stable: the judge reads them.
type Kind string

// What happens in a drill, in the order in which it happens.
const (
	// Preflight tells a fact found out before anything was touched (a version, a resolved target).
	Preflight Kind = "preflight"
	// BaselineStarted opens the window "baseline", BaselineEnded closes it.
	BaselineStarted Kind = "baseline.started"
	BaselineEnded   Kind = "baseline.ended"
	// StepStarted is the intent: it is on disk before the deed, so its time is the earliest at which harm can begin.
	// It opens the window "during: STEP".
	StepStarted Kind = "step.started"
	// StepDone tells that the step's action returned and its effect is seen to hold.
	StepDone Kind = "step.done"
	// StepFailed tells that the action returned an error (Detail): whatever it should have done is not proven.
	StepFailed Kind = "step.failed"
	// UndoStarted tells that a fault's undo is asked for, UndoDone that the fault is proven gone, UndoFailed that this
	// could not be proven.
	UndoStarted Kind = "undo.started"
	UndoDone    Kind = "undo.done"
	UndoFailed  Kind = "undo.failed"
	// StepEnded closes the window "during: STEP" and opens "after: STEP", which ends with the next step or the drill.
	StepEnded Kind = "step.ended"
	// Fact tells something that an action saw: Topic says what, Data holds it.
	Fact Kind = "fact"
	// MonitorsStopped tells that the monitors are asked to stop: what was due later was not to be watched, so windows that
	// reach to the drill's end close here. Without it they close with DrillEnded.
	MonitorsStopped Kind = "monitors.stopped"
	// Aborted tells why the drill was cut short: a stop condition, a signal, a harness error, a void preflight.
	Aborted Kind = "aborted"
	// DrillEnded is the last event of a drill that ended in good order.
	DrillEnded Kind = "drill.ended"
)

// Topics of facts that the judge and the report know. Others are kept and shown as they are.
const (
	// TopicTargets: the objects that a fault is aimed at, resolved before it was created. Data: []Target.
	TopicTargets = "targets"
	// TopicInjected: proof that a fault bit. Data: Proof.
	TopicInjected = "injected"
	// TopicRecovered: proof that a fault is gone. Data: Proof.
	TopicRecovered = "recovered"
	// TopicCoverage: how many of the pods that a fault was injected into are still those, on each change. Data: Coverage.
	TopicCoverage = "coverage"
	// TopicEffect: when a fault was seen to begin and to end at its places, which is not when it was asked to. Data: Effect.
	TopicEffect = "effect"
	// TopicObject: a copy of an object of the fault or drill on each change. Data: the object as JSON.
	TopicObject = "object"
	// TopicMarker: a numbered write of a ledger, acknowledged or not. Data: Marker.
	TopicMarker = "marker"
	// TopicReadBack: what of a ledger was found. Data: ReadBack.
	TopicReadBack = "readback"
	// TopicEnvironment: versions of cluster, Chaos Mesh, Velero. Data: map[string]string, whose "cluster" names the cluster.
	TopicEnvironment = "environment"
	// TopicClock: the wall clock was set while the drill ran, which changes none of its times. Data: probes.ClockStep.
	TopicClock = "clock"
	// TopicSystem stands on a StepFailed whose cause is the system under test, not the harness: a restore that ended
	// partially failed, say. Detail says it.
	TopicSystem = "system"
	// TopicVoid: why the drill proves nothing (no target, baseline not steady). Detail says it.
	TopicVoid = "void"
)

// Event is one thing that happened. Its time is an offset from the drill's monotonic start.
type Event struct {
	At     time.Duration   `json:"at"`
	Kind   Kind            `json:"kind"`
	Step   string          `json:"step,omitempty"`
	Topic  string          `json:"topic,omitempty"`
	Detail string          `json:"detail,omitempty"` // for people; holds no secret
	Data   json.RawMessage `json:"data,omitempty"`
}

// Target is an object that a fault is aimed at.
type Target struct {
	Cluster   string `json:"cluster,omitempty"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	UID       string `json:"uid,omitempty"`
}

// Proof tells on what ground a fault is said to hold or to be gone.
type Proof struct {
	// By names the sign: "records" (the controller's own account), or an independent one ("uid gone", "connection refused").
	By string `json:"by"`
	// Independent is true when somebody else than the fault's own controller saw it.
	Independent bool   `json:"independent"`
	Proven      bool   `json:"proven"`
	Records     []Site `json:"records,omitempty"`
	Detail      string `json:"detail,omitempty"`
}

// Site is one place where a fault was to bite, as its controller accounts for it.
type Site struct {
	ID        string `json:"id"`
	Phase     string `json:"phase"`
	Injected  int    `json:"injected"`
	Recovered int    `json:"recovered"`
	Message   string `json:"message,omitempty"` // the controller's or the daemon's own words
}

// Effect tells when a fault was in effect, by what was seen of its controller's records. Times are offsets from the drill's start.
type Effect struct {
	FirstInjected  time.Duration `json:"firstInjected,omitzero"`  // at the first place
	LastInjected   time.Duration `json:"lastInjected,omitzero"`   // at the last place: from here on it was whole
	FirstRecovered time.Duration `json:"firstRecovered,omitzero"` // at the first place: until here it was whole
	LastRecovered  time.Duration `json:"lastRecovered,omitzero"`  // at the last place
}

// Coverage tells how much of what a fault was injected into is still under it.
type Coverage struct {
	Injected int      `json:"injected"`       // pods that the fault was injected into
	Covered  int      `json:"covered"`        // of them, those that are still there
	Lost     []string `json:"lost,omitempty"` // namespace/name of those that are not, or are another pod of the same name
	Free     []string `json:"free,omitempty"` // namespace/name of pods that match as well and that the fault was not injected into
}

// Marker is one numbered write of a ledger. Times are offsets from the drill's start.
type Marker struct {
	Ledger string        `json:"ledger"`
	Number int64         `json:"number"`
	Key    string        `json:"key"`
	Sent   time.Duration `json:"sent"`             // when the write was sent
	Acked  time.Duration `json:"acked,omitzero"`   // when it was acknowledged; zero: it was not
	Reason string        `json:"reason,omitempty"` // why it was not
}

// ReadBack is what of a ledger was found when it was read back, whole.
type ReadBack struct {
	Ledger string  `json:"ledger"`
	Found  []int64 `json:"found"`  // the numbers found, ascending
	Others int64   `json:"others"` // entries that are not of this ledger
}

// Header opens a journal: all that is known before the drill begins.
type Header struct {
	Schema   string    `json:"schema"` // SchemaJournal
	Run      string    `json:"run"`    // the drill's identity, also a label on all it creates
	Started  time.Time `json:"started"`
	Harness  Harness   `json:"harness"`
	Scenario Source    `json:"scenario"`
	Drill    Drill     `json:"drill"`
}

// Harness is the gameday that ran the drill.
type Harness struct {
	Version  string   `json:"version"`
	Revision string   `json:"revision,omitempty"`
	Modified bool     `json:"modified,omitempty"` // built from a changed checkout
	Go       string   `json:"go"`
	Args     []string `json:"args,omitempty"`
	Host     string   `json:"host,omitempty"`
}

// Source is the exact text that the drill was read from.
type Source struct {
	Name   string `json:"name"` // file name without folders, or where else it is from
	SHA256 string `json:"sha256"`
	Text   string `json:"text"`
	// Parameters are the values that the text's ${name} places were filled with.
	Parameters map[string]string `json:"parameters,omitempty"`
}

// Drill is what the judge must know of the scenario: the same whether it came from a file or from Go.
type Drill struct {
	Name       string            `json:"name"`
	Why        string            `json:"why,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
	Controls   []string          `json:"controls,omitempty"`
	Monitors   []MonitorInfo     `json:"monitors"`
	Steps      []StepInfo        `json:"steps"`
	Objectives Objectives        `json:"objectives"`
}

// MonitorInfo describes a monitor.
type MonitorInfo struct {
	Name    string        `json:"name"`
	Probe   string        `json:"probe"` // what is asked, in words
	Every   time.Duration `json:"every"`
	Timeout time.Duration `json:"timeout"`
	// Watches is true of a monitor that watches an alert: a bad sample is then a detection, and it takes no part in the
	// question whether the baseline is steady beyond having been asked.
	Watches bool `json:"watches,omitempty"`
	// CanFail says how the monitor is proved able to say bad before the baseline. Empty in evidence from before this was proved.
	CanFail string `json:"canFail,omitempty"`
}

// StepInfo describes a step.
type StepInfo struct {
	Name   string        `json:"name"`
	Action string        `json:"action"` // what is done, in words
	Fault  bool          `json:"fault"`  // must be proven injected and proven undone
	Hold   time.Duration `json:"hold,omitzero"`
}

// Record is what a drill left: read from a journal, or made by a test.
type Record struct {
	Header Header
	Events []Event
	// Samples yields each sample once, each monitor's in the order of its slots. It can be ranged over more than once.
	Samples iter.Seq[probes.Sample]
}
