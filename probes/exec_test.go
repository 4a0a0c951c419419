//go:build unix

package probes

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestExecLooksAtHowACommandEnds(t *testing.T) {
	sh := func(script string) Exec { return Exec{Command: []string{"/bin/sh", "-c", script}} }
	with := func(e Exec, change func(*Exec)) Exec { change(&e); return e }
	for name, test := range map[string]struct {
		config Exec
		want   string
	}{
		"it ends well":                     {sh("true"), ""},
		"it does not":                      {sh("exit 3"), "exit: exit 3, want 0"},
		"it ends as it should":             {with(sh("exit 3"), func(e *Exec) { e.ExitCode = 3 }), ""},
		"it ends well and should not":      {with(sh("true"), func(e *Exec) { e.ExitCode = 3 }), "exit: exit 0, want 3"},
		"it is killed":                     {sh("kill -9 $$"), "exit: signal: killed, want 0"},
		"no shell reads the arguments":     {with(Exec{Command: []string{"/bin/echo", "$HOME; false"}}, func(e *Exec) { e.OutputRegexp = `^\$HOME; false\n$` }), ""},
		"the output matches":               {with(sh("echo ready"), func(e *Exec) { e.OutputRegexp = "^ready" }), ""},
		"the output does not":              {with(sh("echo ready"), func(e *Exec) { e.OutputRegexp = "^steady" }), `body: 6 bytes that do not match "^steady"`},
		"errors are no output":             {with(sh("echo ready >&2"), func(e *Exec) { e.OutputRegexp = "ready" }), `body: 0 bytes that do not match "ready"`},
		"the output is a value":            {with(sh("echo ' 12 '"), func(e *Exec) { e.Comparator = &Comparator{Criteria: ">=", Value: "12"} }), ""},
		"the output is another":            {with(sh("echo 11"), func(e *Exec) { e.Comparator = &Comparator{Criteria: ">=", Value: "12"} }), "value: 3 bytes, want >= 12"},
		"it prints without end":            {with(sh("head -c 3000000 /dev/zero; echo ready"), func(e *Exec) { e.OutputRegexp = "ready" }), `body: 1048576 bytes that do not match "ready"`},
		"it takes too long":                {sh("sleep 60"), "timeout"},
		"a child of it takes too long":     {sh("sleep 60 & wait"), "timeout"},
		"what it leaves is not waited for": {sh("(sleep 60) & echo done"), ""},
		"there is no such program":         {Exec{Command: []string{"/nowhere"}}, "not asked: run /nowhere"},
		"it gets variables":                {with(sh(`test "$A-$B" = "x y-"`), func(e *Exec) { e.Env = map[string]Secret{"A": {Value: "x y"}, "B": {}} }), ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := ask(t, test.want == "timeout", test.config); err != nil {
				got = err.Error()
			}
			if !begins(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	for _, config := range []Exec{sh("true"), sh("exit 3"), with(sh("exit 255"), func(e *Exec) { e.ExitCode = 255 })} {
		if s := falsified(t, config); s.Outcome != Bad || s.Reason != ReasonExit {
			t.Errorf("%s: falsified gives %+v, want bad", config, s)
		}
	}
	if s := falsified(t, Exec{Command: []string{"/nowhere"}}); s.Outcome != Missed {
		t.Errorf("a command that is not there: falsified gives %+v, want missed", s)
	}
}

// A command that is out of time is killed with all that it started.
func TestExecLeavesNoChildBehind(t *testing.T) {
	sign := filepath.Join(t.TempDir(), "alive")
	if err := ask(t, true, Exec{Command: []string{"/bin/sh", "-c", "(sleep 1; touch " + sign + ") & wait"}}); reasonOf(err) != ReasonTimeout {
		t.Fatalf("got %v, want timeout", err)
	}
	time.Sleep(1500 * ms)
	if _, err := os.Stat(sign); err == nil {
		t.Error("a child lived on")
	}
}
