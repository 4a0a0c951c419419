package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/gamedayhq/gameday/reports"
)

// Exit codes are an interface: pipelines branch on them.
const (
	exitPass         = 0
	exitFail         = 1
	exitInconclusive = 2
	exitHarness      = 3  // the harness could not do its work
	exitUsage        = 64 // wrong flags, or a file that is not valid (EX_USAGE of sysexits.h)
)

type streams struct {
	in       io.Reader
	out, err io.Writer
	program  string    // the path of this program, which a drill starts again as its watchdog; empty in tests
	last     *lastWord // what is said when the program is ended at once; may be nil
}

// coded is an error with the exit code that it ends the program with.
type coded struct {
	error
	code int
}

// Unwrap returns the cause.
func (c coded) Unwrap() error { return c.error }

func usage(err error) error {
	if err == nil {
		return nil
	}
	return coded{err, exitUsage}
}

// verdictCode is the exit code of a verdict.
func verdictCode(v reports.Verdict) int {
	switch v {
	case reports.Pass:
		return exitPass
	case reports.Fail:
		return exitFail
	default:
		return exitInconclusive
	}
}

// errVerdict ends the program with a verdict's code when all has been said already.
type errVerdict struct{ verdict reports.Verdict }

// Error says the verdict.
func (e errVerdict) Error() string { return "verdict: " + e.verdict.String() }

// run is the whole program.
func run(ctx context.Context, args []string, s streams) int {
	root := rootCommand(s)
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitPass
	}
	var verdict errVerdict
	if errors.As(err, &verdict) {
		return verdictCode(verdict.verdict)
	}
	fmt.Fprintln(s.err, "gameday:", err)
	var code coded
	if errors.As(err, &code) {
		return code.code
	}
	return exitHarness
}

func rootCommand(s streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "gameday",
		Short: "Game days for Kubernetes: faults, restores, and a verdict that can be judged again",
		Long: `gameday breaks things on purpose, watches what buyers see, undoes what it did, and leaves evidence.

Exit codes: 0 pass, 1 fail, 2 inconclusive, 3 the harness could not do its work, 64 wrong usage or an invalid file.`,
		Example: `  gameday lab up                                  two clusters on this machine to try it on
  gameday run shop-survives-a-lost-pod            a shipped scenario, on the lab
  gameday run my-scenario.yaml --context staging  a scenario of yours, on a cluster of yours
  gameday verify evidence/my-drill-…              judge it again`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(fmt.Errorf("%w: see %s --help", err, cmd.CommandPath()))
	})
	root.AddCommand(runCommand(s), validateCommand(), verifyCommand(), reportCommand(), sealCommand(), reviewCommand(), bundleCommand(), versionCommand(), labCommand())
	root.AddCommand(planCommand(), rbacCommand(), leverCommand(), sweepCommand(), watchdogCommand(), approveCommand())
	for _, cmd := range root.Commands() {
		usageArgs(cmd)
	}
	usageArgs(root)
	return root
}

// usageArgs makes wrong arguments of a command, and of those below it, an error of usage.
func usageArgs(cmd *cobra.Command) {
	for _, below := range cmd.Commands() {
		usageArgs(below)
	}
	check := cmd.Args
	if check == nil {
		return
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usage(fmt.Errorf("%w: see %s --help", err, cmd.CommandPath()))
		}
		return nil
	}
}
