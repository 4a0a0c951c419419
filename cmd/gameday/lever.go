package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/gamedayhq/gameday/scenarios"
	"github.com/gamedayhq/gameday/scenarios/safety"
	"github.com/gamedayhq/gameday/suites/play"
)

// leverOptions are the flags of "lever".
type leverOptions struct {
	target play.Target
	config string
	reason string
	output string
}

func leverCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lever",
		Short: "The safety lever: engaged, no drill starts and running ones stop and undo",
		Long: `The safety lever of a cluster: one ConfigMap (gameday/safety-lever). Engaged, no drill starts, and running ones stop and undo what
they did. Whoever may write that ConfigMap may stop all drills; whoever runs drills needs only to read it.`,
		Example: `  gameday lever engage --reason "sale until Sunday"
  gameday lever show -o json
  gameday lever disengage`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, verb := range []struct{ name, short string }{
		{"engage", "Stop all drills and let none start"}, {"disengage", "Let drills start again"}, {"show", "Say how the lever stands"},
	} {
		cmd.AddCommand(leverVerb(verb.name, verb.short))
	}
	return cmd
}

func leverVerb(verb, short string) *cobra.Command {
	var o leverOptions
	cmd := &cobra.Command{
		Use: verb, Short: short, Example: "  gameday lever " + verb + " --context staging", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd, verb) },
	}
	targetFlags(cmd, &o.target)
	configFlag(cmd, &o.config)
	if verb == "engage" {
		cmd.Flags().StringVar(&o.reason, "reason", "", "why, for those whose drill is stopped")
	}
	cmd.Flags().StringVarP(&o.output, "output", "o", "text", "text or json")
	return cmd
}

func (o *leverOptions) run(cmd *cobra.Command, verb string) error {
	if err := textOrJSON(o.output); err != nil {
		return err
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
	lever := safety.Lever{Namespace: config.Namespace}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(clusters)) {
		errs = append(errs, o.one(cmd, verb, lever, scenarios.Clusters{name: clusters[name]}))
	}
	return errors.Join(errs...)
}

// one sets or reads the lever of one cluster, and says how it stands.
func (o *leverOptions) one(cmd *cobra.Command, verb string, lever safety.Lever, one scenarios.Clusters) error {
	for name, cluster := range one {
		if name == "" {
			name = "target"
		}
		var err error
		switch verb {
		case "engage":
			err = lever.Engage(cmd.Context(), cluster, o.reason)
		case "disengage":
			err = lever.Disengage(cmd.Context(), cluster)
		}
		if err != nil {
			return fmt.Errorf("cluster %s: %w", name, err)
		}
		state, err := lever.Show(cmd.Context(), cluster)
		if err != nil {
			return fmt.Errorf("cluster %s: %w", name, err)
		}
		if o.output == "json" {
			err = json.NewEncoder(cmd.OutOrStdout()).Encode(struct {
				Cluster string `json:"cluster"`
				safety.State
			}{name, state})
		} else {
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "cluster %s: the safety lever is %s\n", name, state)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func textOrJSON(output string) error {
	if output != "text" && output != "json" {
		return usage(fmt.Errorf("--output is %q, want text or json", output))
	}
	return nil
}
