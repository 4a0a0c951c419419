package probes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Exec runs a command on the harness's machine and looks at how it ends and what it prints. The command is a list, and no shell
// reads it. It has the harness's environment and what Env adds; what it prints reaches no sample.
type Exec struct {
	Command      []string          `json:"command"`                // the program and its arguments, each as it is
	Env          map[string]Secret `json:"env,omitempty"`          // added to the harness's environment
	ExitCode     int               `json:"exitCode,omitempty"`     // that is good; 0 unless said
	OutputRegexp string            `json:"outputRegexp,omitempty"` // what the standard output must match, within its first MiB
	Comparator   *Comparator       `json:"comparator,omitempty"`   // for the standard output, without white space around it

	never bool // no end is good: see Falsifier
}

// Problems says what is wrong with the question, each as "field: what, and the mend".
func (e Exec) Problems() []string {
	var problems []string
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if len(e.Command) == 0 || e.Command[0] == "" {
		add("command: missing: give a list, the program first")
	}
	for _, argument := range e.Command {
		if strings.ContainsRune(argument, 0) {
			add("command: an argument holds a zero byte")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Env)) {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			add("env: %q is no name of a variable", name)
		}
		if e.Env[name] != (Secret{}) {
			problems = append(problems, e.Env[name].problems("env: the value of "+name)...)
		}
	}
	if e.ExitCode < 0 || e.ExitCode > 255 {
		add("exitCode: is %d, must be from 0 to 255", e.ExitCode)
	}
	if _, err := regexp.Compile(e.OutputRegexp); err != nil {
		add("outputRegexp: %v", err)
	}
	if e.Comparator != nil {
		problems = append(problems, prefixed("comparator.", e.Comparator.Problems())...)
	}
	return problems
}

// String says in words what is asked.
func (e Exec) String() string {
	text := fmt.Sprintf("run %q", e.Command)
	if len(e.Env) > 0 {
		text += " with variables " + strings.Join(slices.Sorted(maps.Keys(e.Env)), ", ")
	}
	text += fmt.Sprintf(", want exit %d", e.ExitCode)
	if e.OutputRegexp != "" {
		text += fmt.Sprintf(" and output that matches %q", e.OutputRegexp)
	}
	if e.Comparator != nil {
		text += fmt.Sprintf(" and output %s", e.Comparator)
	}
	return text
}

// New makes the probe ready to ask, or returns all that is wrong with it.
func (e Exec) New() (Probe, error) {
	if problems := e.Problems(); len(problems) > 0 {
		return nil, fmt.Errorf("exec probe: %s", strings.Join(problems, "; "))
	}
	var v vault
	p := &execProbe{config: e, env: os.Environ()}
	for _, name := range slices.Sorted(maps.Keys(e.Env)) {
		value := ""
		if e.Env[name] != (Secret{}) {
			value = v.read("env."+name, e.Env[name])
		}
		p.env = append(p.env, name+"="+value)
	}
	if e.OutputRegexp != "" {
		output, err := regexp.Compile(e.OutputRegexp)
		if err != nil {
			return nil, fmt.Errorf("exec probe: outputRegexp: %w", err)
		}
		p.output = output
	}
	if err := v.err(); err != nil {
		return nil, fmt.Errorf("exec probe: %w", err)
	}
	return v.seal(p), nil
}

// Falsified runs the command and takes no end for a good one.
func (e Exec) Falsified() (Probe, string) {
	e.never = true
	return later(e.New), "with an exit code expected that no command can give, it must be bad"
}

// execProbe is an Exec made ready.
type execProbe struct {
	config Exec
	env    []string
	output *regexp.Regexp
}

// Probe asks once. A command that cannot be started was not asked. One that does not end in time is killed, and with it all that it
// started and that did not leave its group.
func (p *execProbe) Probe(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, p.config.Command[0], p.config.Command[1:]...)
	cmd.Env = p.env
	var output boundedBuffer
	cmd.Stdout = &output
	ownGroup(cmd)
	cmd.WaitDelay = 100 * time.Millisecond // for what left the group and still holds the output
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%w: run %s: %w", ErrNotAsked, p.config.Command[0], err)
	}
	err := cmd.Wait()
	if ctx.Err() != nil {
		return answered(ctx.Err())
	}
	exit, ended := errors.AsType[*exec.ExitError](err)
	if err != nil && !ended && !errors.Is(err, exec.ErrWaitDelay) {
		return fmt.Errorf("%w: run %s: %w", ErrNotAsked, p.config.Command[0], err)
	}
	how := "exit 0"
	if ended {
		how = strings.Replace(exit.Error(), "exit status", "exit", 1)
	}
	if p.config.never || cmd.ProcessState.ExitCode() != p.config.ExitCode {
		want := fmt.Sprint(p.config.ExitCode)
		if p.config.never {
			want = "a code that there is not"
		}
		return &Failure{Reason: ReasonExit, Detail: fmt.Sprintf("%s, want %s", how, want)}
	}
	return p.judge(output.kept.Bytes())
}

// judge looks at what was printed.
func (p *execProbe) judge(output []byte) error {
	if p.output != nil && !p.output.Match(output) {
		return &Failure{Reason: ReasonBody, Detail: fmt.Sprintf("%d bytes that do not match %q", len(output), p.config.OutputRegexp)}
	}
	if c := p.config.Comparator; c != nil && !c.empty() && !c.holds(string(bytes.TrimSpace(output))) {
		return &Failure{Reason: ReasonValue, Detail: fmt.Sprintf("%d bytes, want %s", len(output), c)}
	}
	return nil
}

// boundedBuffer keeps the first MiB and lets the rest go.
type boundedBuffer struct{ kept bytes.Buffer }

// Write never fails, so that a command that prints much is not cut short.
func (b *boundedBuffer) Write(p []byte) (int, error) {
	if room := maxBody - b.kept.Len(); room > 0 {
		b.kept.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
