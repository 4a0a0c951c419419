// Command gameday runs game days on Kubernetes: it breaks things on purpose, watches, restores, and leaves evidence.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gamedayhq/gameday/scenarios"
)

func main() {
	os.Exit(withSignals())
}

// withSignals ends the drill in good order on the first SIGINT, SIGTERM or SIGHUP. The second ends the process: it waits no more, and
// says what is left and how it is swept.
func withSignals() int {
	log.SetLogger(logr.Discard()) // else the API's client complains, in the middle of a drill, that nobody set one
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // nohup asks to go on without a terminal
		signal.Notify(signals, syscall.SIGHUP)
	}
	self := streams{in: os.Stdin, out: os.Stdout, err: os.Stderr, last: &lastWord{}}
	if program, err := os.Executable(); err == nil {
		self.program = program
	}
	go func() {
		<-signals
		cancel(scenarios.ErrInterrupted)
		<-signals
		fmt.Fprintln(os.Stderr, "gameday:", self.last.text())
		os.Exit(exitHarness)
	}()
	return run(ctx, os.Args[1:], self)
}
