// Command gameday runs game days on Kubernetes: it breaks things on purpose, watches, restores, and leaves evidence.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/gamedayhq/gameday/scenarios"
)

func main() {
	os.Exit(withSignals())
}

// withSignals ends the drill in good order on the first SIGINT or SIGTERM; the second ends the process.
func withSignals() int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Stop(signals) // from here on a signal does what it does to any process
		cancel(scenarios.ErrInterrupted)
	}()
	return run(ctx, os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr})
}
