package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamedayhq/gameday/scenarios/safety"
	"github.com/gamedayhq/gameday/suites/play"
)

// sweepOptions are the flags of "sweep".
type sweepOptions struct {
	target play.Target
	config string
	dryRun bool
	force  bool
	within time.Duration
	output string
}

func sweepCommand() *cobra.Command {
	var o sweepOptions
	cmd := &cobra.Command{
		Use:   "sweep [RUN]",
		Short: "Undo what drills left in a cluster, from the cluster alone",
		Long: `Undo what drills left in a cluster, from the cluster alone: no journal and no scenario is needed.

RUN is the identity of a drill, as its evidence's folder is named; without it the sweep is of all drills. A drill that is alive
(its lease is renewed) is left alone unless --force is said. What exec and http did is not in the cluster and is not swept.

Exit codes: 0 nothing is left (or, with --dry-run, nothing would be swept); 1 something is left; 3 it could not be looked or undone.`,
		Example: `  gameday sweep --dry-run -o json
  gameday sweep shop-survives-a-lost-pod-20260102-150405-0a1b2c3d --context staging`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	targetFlags(cmd, &o.target)
	configFlag(cmd, &o.config)
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "list what is left, change nothing")
	cmd.Flags().BoolVar(&o.force, "force", false, "sweep drills that are alive, too")
	cmd.Flags().DurationVar(&o.within, "within", 2*time.Minute, "how long undoing one fault may take")
	cmd.Flags().StringVarP(&o.output, "output", "o", "text", "text or json (a line each)")
	return cmd
}

// errSomethingIsLeft ends the program with 1 when all has been said.
var errSomethingIsLeft = errors.New("something is left")

func (o *sweepOptions) run(cmd *cobra.Command, args []string) error {
	if err := textOrJSON(o.output); err != nil {
		return err
	}
	if o.within <= 0 {
		return usage(fmt.Errorf("--within is %v, want more than nothing", o.within))
	}
	config, err := readConfig(o.config)
	if err != nil {
		return err
	}
	findLab(&o.target)
	clusters, err := o.target.Dial()
	if err != nil {
		return err
	}
	sweep := safety.Sweep{
		Clusters: clusters, Namespace: config.Namespace, Find: play.Finds(), Force: o.force, Within: o.within,
		Note: func(entry safety.Entry) error { return o.print(cmd, entry) },
	}
	if len(args) == 1 {
		sweep.Run = args[0]
	}
	if o.dryRun {
		return o.list(cmd, sweep)
	}
	return sweep.Do(cmd.Context())
}

// list says what would be swept.
func (o *sweepOptions) list(cmd *cobra.Command, sweep safety.Sweep) error {
	left, kept, err := sweep.Left(cmd.Context())
	errs := []error{err}
	for _, text := range kept {
		errs = append(errs, o.print(cmd, safety.Entry{Time: time.Now().UTC(), What: "alive", Detail: text + ": would be left alone"}))
	}
	for i := range left {
		errs = append(errs, o.print(cmd, safety.Entry{Time: time.Now().UTC(), Run: left[i].Run, What: "left", Leftover: &left[i]}))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if len(left) > 0 {
		return coded{errSomethingIsLeft, exitFail}
	}
	if o.output == "text" {
		_, err = fmt.Fprintln(cmd.OutOrStdout(), "nothing is left")
	}
	return err
}

func (o *sweepOptions) print(cmd *cobra.Command, entry safety.Entry) error {
	if o.output == "json" {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(entry)
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), entry)
	return err
}
