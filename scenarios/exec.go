package scenarios

import (
	"context"
)

// Exec runs a command on the harness's machine: the door to what no action of gameday does. It has no undo, and says why; one
// with an undo is an [ExecFault].
type Exec struct {
	Command
	Target string    `json:"target,omitempty"` // what it hits, in words; the program unless said
	UndoBy *ExecUndo `json:"undo,omitempty"`
	Proof  *Sign     `json:"proof,omitempty"`
}

// ExecUndo is the command that undoes another, or why none is needed.
type ExecUndo struct {
	Command
	None string `json:"none,omitempty"`
}

// ExecFault is a command with an undo.
type ExecFault struct{ Exec }

var (
	_ Action      = (*Exec)(nil)
	_ Preflighter = (*Exec)(nil)
	_ Describer   = (*Exec)(nil)
	_ Problems    = (*Exec)(nil)
	_ Fault       = (*ExecFault)(nil)
)

const keyExec = "exec"

func decodeExec(p *Payload) Action {
	var exec Exec
	if !p.Into(&exec) {
		return nil
	}
	if exec.undoable() {
		return &ExecFault{exec}
	}
	return &exec
}

func (e *Exec) undoable() bool { return e.UndoBy != nil && len(e.UndoBy.Argv) > 0 }

// Problems says offline what is wrong with the command, its undo and its proof.
func (e *Exec) Problems() []string {
	out := e.Command.problems(keyExec)
	none := ""
	if e.UndoBy != nil {
		none = e.UndoBy.None
	}
	if e.undoable() {
		out = append(out, e.UndoBy.problems(keyExec+".undo")...)
	}
	return append(out, door{key: keyExec}.problems(e.undoable(), none, e.Proof)...)
}

// Describe says what is run.
func (e *Exec) Describe() string { return "run " + e.Command.String() }

// Preflight finds out whether the programs are there.
func (e *Exec) Preflight(context.Context, Env) error {
	commands := []Command{e.Command}
	if e.undoable() {
		commands = append(commands, e.UndoBy.Command)
	}
	if e.Proof != nil && len(e.Proof.Argv) > 0 {
		commands = append(commands, e.Proof.Command)
	}
	for _, command := range commands {
		if err := command.find(); err != nil {
			return err
		}
	}
	return nil
}

// Do runs the command; it is done when the command ends with status 0.
func (e *Exec) Do(ctx context.Context, env Env) error {
	_, err := e.ran(ctx, env)
	return err
}

// Do runs the command and returns once its proof shows; without one, once it has ended with status 0.
func (e *ExecFault) Do(ctx context.Context, env Env) error { return e.door().inject(ctx, env) }

// Undo runs the undo and returns once the proof is gone; without one, once it has ended with status 0.
func (e *ExecFault) Undo(ctx context.Context, env Env) error { return e.door().recover(ctx, env) }

func (e *ExecFault) door() door {
	target := e.Target
	if target == "" {
		target = e.Argv[0]
	}
	return door{key: keyExec, kind: "Command", target: target, do: e.ran, undo: e.UndoBy.ran, proof: e.Proof}
}
