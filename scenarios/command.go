package scenarios

import (
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

	"github.com/gamedayhq/gameday/reports"
)

// Command is a program to run, with its arguments as they are: no shell reads them.
type Command struct {
	Argv []string `json:"argv,omitempty"`
	// Env is set beside PATH, HOME, KUBECONFIG, TMPDIR, GAMEDAY_RUN and GAMEDAY_STEP; no other variable of the harness is passed on.
	Env map[string]string `json:"env,omitempty"`
	// Pass names variables of the harness that are passed on. Their values reach no evidence.
	Pass []string `json:"pass,omitempty"`
}

// Ran is what became of a command, for the evidence.
type Ran struct {
	Argv   []string      `json:"argv"`
	Exit   int           `json:"exit"` // -1: it was not started, or a signal ended it
	Took   time.Duration `json:"took"`
	Output string        `json:"output,omitempty"` // what it wrote last, without secrets
	Cut    int           `json:"cut,omitempty"`    // bytes before that are left out
}

const (
	maxOutput = 16 << 10        // kept of what a command writes
	endWithin = 5 * time.Second // for a command that was called off, or its children, to let go of its output
)

// passed are the variables that each command gets.
var passed = []string{"PATH", "HOME", "KUBECONFIG", "TMPDIR"}

func (c Command) problems(under string) []string {
	var out []string
	if len(c.Argv) == 0 || c.Argv[0] == "" {
		out = append(out, under+".argv: is empty: name the program and its arguments, each by itself: no shell reads them")
	}
	for _, name := range append(slices.Sorted(maps.Keys(c.Env)), c.Pass...) {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			out = append(out, fmt.Sprintf("%s.env: %q is no name of a variable", under, name))
		}
	}
	return out
}

// find tells whether the program is there.
func (c Command) find() error {
	if _, err := exec.LookPath(c.Argv[0]); err != nil {
		return fmt.Errorf("find the program %q: %w", c.Argv[0], err)
	}
	return nil
}

// run runs the command to its end. Its error is that it could not be run, or ended with another status than 0; what it wrote is in
// what is returned, and the last line of it in the error.
func (c Command) run(ctx context.Context, env Env) (Ran, error) {
	began := time.Now()
	output := &tail{}
	cmd := exec.CommandContext(ctx, c.Argv[0], c.Argv[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = c.environment(env), output, output, endWithin
	err := cmd.Run()
	ran := Ran{Argv: c.redactAll(c.Argv), Exit: -1, Took: time.Since(began), Output: c.redact(output.String()), Cut: output.cut}
	if cmd.ProcessState != nil {
		ran.Exit = cmd.ProcessState.ExitCode()
	}
	if err == nil {
		return ran, nil
	}
	if ctx.Err() != nil {
		err = errors.Join(context.Cause(ctx), err)
	}
	return ran, fmt.Errorf("run %s: %w: %s", strings.Join(ran.Argv, " "), err, lastLine(ran.Output))
}

func (c Command) environment(env Env) []string {
	var out []string
	for _, name := range append(slices.Clone(passed), c.Pass...) {
		if value, ok := os.LookupEnv(name); ok {
			out = append(out, name+"="+value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		out = append(out, name+"="+c.Env[name])
	}
	return append(out, "GAMEDAY_RUN="+env.Run, "GAMEDAY_STEP="+env.Step)
}

// secretWords match what programs print of secrets: password=…, "token": "…", Authorization: Bearer ….
var secretWords = regexp.MustCompile(`(?i)((?:password|passwd|secret|token|credential|authorization|api[-_]?key)[a-z0-9_-]*["']?\s*[=:]\s*)(?:(?:bearer|basic)\s+)?("[^"]*"|'[^']*'|[^\s,;&]+)`)

// redact leaves out the values of the variables that were passed on, and whatever looks like a secret.
func (c Command) redact(text string) string {
	for _, name := range c.Pass {
		if value := os.Getenv(name); value != "" {
			text = strings.ReplaceAll(text, value, "(redacted)")
		}
	}
	return secretWords.ReplaceAllString(text, "${1}(redacted)")
}

func (c Command) redactAll(argv []string) []string {
	out := make([]string, 0, len(argv))
	for _, arg := range argv {
		out = append(out, c.redact(arg))
	}
	return out
}

// String says what is run.
func (c Command) String() string { return strings.Join(c.redactAll(c.Argv), " ") }

// record keeps what became of a command.
func (r Ran) record(env Env) error {
	return env.Fact(TopicRan, r, fmt.Sprintf("%s: exit status %d after %v", strings.Join(r.Argv, " "), r.Exit, r.Took.Round(time.Millisecond)))
}

// TopicRan is the topic of a fact that tells of a command. Data: Ran.
const TopicRan = "ran"

// tail keeps the end of what is written to it.
type tail struct {
	text []byte
	cut  int
}

// Write keeps text.
func (t *tail) Write(text []byte) (int, error) {
	t.text = append(t.text, text...)
	if over := len(t.text) - maxOutput; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
		t.cut += over
	}
	return len(text), nil
}

// String returns what was kept, as text.
func (t *tail) String() string { return strings.ToValidUTF8(string(t.text), "\uFFFD") }

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return last
	}
	return "it wrote nothing"
}

// targetsOf is the evidence's form of what a door says that it hits.
func targetsOf(kind, name string) []reports.Target { return []reports.Target{{Kind: kind, Name: name}} }
