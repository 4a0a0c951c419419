package scenarios

import (
	"context"
	"fmt"
	"time"

	"github.com/gamedayhq/gameday/probes"
	"github.com/gamedayhq/gameday/reports"
)

// Call makes an HTTP call: to a feature flag, a load balancer, a cloud's API. It has no undo, and says why; one with an undo is a
// [CallFault].
type Call struct {
	probes.HTTP
	Timeout reports.Duration `json:"timeout,omitempty"` // of the call and of its undo; 30 s unless said
	Target  string           `json:"target,omitempty"`  // what it hits, in words; the URL's host and path unless said
	UndoBy  *CallUndo        `json:"undo,omitempty"`
	Proof   *Sign            `json:"proof,omitempty"`
}

// CallUndo is the call that undoes another, or why none is needed.
type CallUndo struct {
	probes.HTTP
	None string `json:"none,omitempty"`
}

// CallFault is a call with an undo.
type CallFault struct{ Call }

var (
	_ Action    = (*Call)(nil)
	_ Describer = (*Call)(nil)
	_ Problems  = (*Call)(nil)
	_ Fault     = (*CallFault)(nil)
)

const (
	keyCall     = "http"
	callTimeout = 30 * time.Second
)

func decodeCall(p *Payload) Action {
	var call Call
	if !p.Into(&call) {
		return nil
	}
	if call.undoable() {
		return &CallFault{call}
	}
	return &call
}

func (c *Call) undoable() bool { return c.UndoBy != nil && c.UndoBy.URL != "" }

// Problems says offline what is wrong with the call, its undo and its proof.
func (c *Call) Problems() []string {
	out := callProblems(keyCall, c.HTTP)
	none := ""
	if c.UndoBy != nil {
		none = c.UndoBy.None
	}
	if c.undoable() {
		out = append(out, callProblems(keyCall+".undo", c.UndoBy.HTTP)...)
	}
	if c.Timeout < 0 {
		out = append(out, fmt.Sprintf("http.timeout: is %v, want more than nothing", c.Timeout))
	}
	return append(out, door{key: keyCall}.problems(c.undoable(), none, c.Proof)...)
}

func callProblems(under string, call probes.HTTP) []string {
	var out []string
	for _, problem := range call.Problems() {
		out = append(out, under+"."+problem)
	}
	if call.Method == "" {
		out = append(out, under+".method: is missing: say what the call does, POST or PUT say")
	}
	return out
}

// Describe says what is called, without secrets.
func (c *Call) Describe() string { return "call " + c.HTTP.String() }

// Do makes the call; it is done when the answer is as wanted.
func (c *Call) Do(ctx context.Context, env Env) error {
	_, err := c.call(ctx, env, c.HTTP)
	return err
}

// TopicCalled is the topic of a fact that tells of a call. Data: Called.
const TopicCalled = "called"

// Called is what became of a call, for the evidence.
type Called struct {
	Call   string        `json:"call"` // without secrets
	Answer string        `json:"answer"`
	Took   time.Duration `json:"took"`
}

func (c *Call) call(ctx context.Context, env Env, what probes.HTTP) (string, error) {
	probe, err := what.New()
	if err != nil {
		return "", err
	}
	timeout := c.Timeout.D()
	if timeout == 0 {
		timeout = callTimeout
	}
	sample := probes.Once(ctx, probe, timeout)
	answer := "as wanted"
	if sample.Outcome != probes.Good {
		answer = fmt.Sprintf("%s %s", sample.Reason, sample.Detail)
	}
	if err := env.Fact(TopicCalled, Called{Call: what.String(), Answer: answer, Took: sample.Took}, what.String()+": "+answer); err != nil {
		return "", err
	}
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case sample.Outcome != probes.Good:
		return "", fmt.Errorf("call %s: %s", what, answer)
	}
	return "the answer to the call", nil
}

// Do makes the call and returns once its proof shows; without one, once the answer is as wanted.
func (c *CallFault) Do(ctx context.Context, env Env) error { return c.door().inject(ctx, env) }

// Undo makes the undo's call and returns once the proof is gone; without one, once the answer is as wanted.
func (c *CallFault) Undo(ctx context.Context, env Env) error { return c.door().recover(ctx, env) }

func (c *CallFault) door() door {
	target := c.Target
	if target == "" {
		target = c.HTTP.String()
	}
	with := func(what probes.HTTP) func(context.Context, Env) (string, error) {
		return func(ctx context.Context, env Env) (string, error) { return c.call(ctx, env, what) }
	}
	return door{key: keyCall, kind: "HTTP", target: target, do: with(c.HTTP), undo: with(c.UndoBy.HTTP), proof: c.Proof}
}
