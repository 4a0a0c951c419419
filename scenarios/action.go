package scenarios

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/reports"
)

// Action is what a step does.
//
// Do returns once the action's effect is seen to hold. An error that is a [*SystemError] says that the system under test
// failed at what it was asked; any other says that the harness could not do or see it.
type Action interface {
	Do(ctx context.Context, env Env) error
}

// Fault is an action that must be undone.
//
// Undo works from the cluster alone: before, during or after Do, twice, or in a new process. It returns once the fault is
// proven gone.
type Fault interface {
	Action
	Undo(ctx context.Context, env Env) error
}

// Preflighter is an action that can tell, before anything is touched, whether it can do its work: that the API is there, that
// it would hit something. An error that wraps [ErrVoid] says that the drill would prove nothing.
type Preflighter interface {
	Preflight(ctx context.Context, env Env) error
}

// Targeted is an action that can tell, before anything is touched, what it would hit: the things in the cluster, and how many of
// them at the most where chance has a say; none means all of them.
type Targeted interface {
	Targets(ctx context.Context, env Env) (among []reports.Target, atMost int, err error)
}

// Lasting is an action of whose effect something stays that no undo takes back. It says what, in words; nothing when all is undone.
type Lasting interface {
	Lasts() string
}

// Timed is an action that says offline how long it goes on by itself; none when it is done as soon as it can be.
type Timed interface {
	Takes() time.Duration
}

// Describer is an action that says in words what it does, for the evidence.
type Describer interface {
	Describe() string
}

// Problems is an action that can say offline what is wrong with it: each as "field: what is wrong, and the mend".
type Problems interface {
	Problems() []string
}

// Bounded is an action that takes the scenario's blast radius, and answers offline in what it exceeds it.
type Bounded interface {
	Bound(radius BlastRadius) []string
}

// Held is an action that takes its step's hold and timeout (which bounds the action, and again its undo), and answers offline
// why its effect could not last as long. It may be asked more than once.
type Held interface {
	Holds(hold, timeout time.Duration) []string
}

// ErrVoid is wrapped by an error that makes the drill inconclusive: it would prove nothing.
var ErrVoid = errors.New("the drill would prove nothing")

// SystemError is a failure of the system under test, not of the harness: a restore that ended partially failed, say.
type SystemError struct{ Err error }

// Error returns the cause's text.
func (e *SystemError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *SystemError) Unwrap() error { return e.Err }

// Env is what an action may use.
type Env struct {
	Run      string   // the drill's identity; a label on all that the drill creates
	Step     string   // the step's name
	Clusters Clusters // the clusters that the drill is aimed at
	Journal  Recorder // where facts go
	Tasks    *Tasks   // what goes on beside the steps
}

// Recorder keeps events; [reports.Journal] is the real one.
type Recorder interface {
	// Event appends the event; a zero At is stamped with the time of the call.
	Event(event reports.Event) error
	// Start is the drill's monotonic zero.
	Start() time.Time
}

// LabelRun is the label, with the drill's identity, on all that a drill creates in a cluster.
const LabelRun = "gameday.dev/run"

// Fact records what the action saw. It fails when the record can no longer be kept.
func (e Env) Fact(topic string, data any, detail string) error {
	raw, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("record %s of step %q: %w", topic, e.Step, err)
	}
	return e.Journal.Event(reports.Event{Kind: reports.Fact, Step: e.Step, Topic: topic, Detail: detail, Data: raw})
}

// Clusters are the API clients by the names that a scenario uses. The empty name is the cluster of a step that names none.
type Clusters map[string]client.WithWatch

// Get returns the client of the named cluster, or an error that says which there are and how to name another.
func (c Clusters) Get(name string) (client.WithWatch, error) {
	if cluster, ok := c[name]; ok {
		return cluster, nil
	}
	if name == "" {
		return nil, errors.New("the drill has no cluster: name one with --context")
	}
	return nil, fmt.Errorf("the drill knows no cluster %q: name its kubeconfig context with --cluster %s=CONTEXT", name, name)
}
