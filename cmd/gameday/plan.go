package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
	"github.com/gamedayhq/gameday/suites/play"
)

// planOptions are the flags of "plan".
type planOptions struct {
	target     play.Target
	config     string
	approval   string
	parameters map[string]string
	output     string
}

func planCommand() *cobra.Command {
	var o planOptions
	cmd := &cobra.Command{
		Use:   "plan SCENARIO...",
		Short: "Say what drills would hit and what stops them, without changing anything",
		Long: `Say what drills would do: which pods and objects they would hit and what share of their workloads and namespaces that is, which
rights are missing, what stops them, what of their harm no undo takes back, and how long they take.

The clusters are asked, and nothing in them is changed: every write is a server-side dry run, which admission and webhooks judge as
if it were real. The monitors ask nothing.

Exit codes: 0 all would run; 2 one would prove nothing; 3 one would be refused, or could not be looked at; 64 an invalid file.`,
		Example: `  gameday plan shop-survives-a-lost-pod
  gameday plan drill.yaml --context staging -o json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	targetFlags(cmd, &o.target)
	configFlag(cmd, &o.config)
	flags := cmd.Flags()
	flags.StringVar(&o.approval, "approval", "", "file that approves the scenario for production (gameday approve)")
	flags.StringToStringVar(&o.parameters, "set", nil, "value of a parameter of the scenario: NAME=VALUE")
	flags.StringVarP(&o.output, "output", "o", "text", "text, or json (one document for each scenario)")
	return cmd
}

// errRefused ends the program when all has been said.
var errRefused = errors.New("a drill would be refused")

func (o *planOptions) run(cmd *cobra.Command, args []string) error {
	if err := textOrJSON(o.output); err != nil {
		return err
	}
	all, err := readScenarios(args, o.parameters)
	if err != nil {
		return usage(err)
	}
	config, err := readConfig(o.config)
	if err != nil {
		return err
	}
	findLab(&o.target)
	game := play.Game{Target: o.target, Safety: play.Safety{Config: config, Approval: o.approval}}
	var errs []error
	void, refused := false, false
	for _, s := range all {
		preview, err := game.Preview(cmd.Context(), s)
		if err != nil {
			errs = append(errs, fmt.Errorf("plan %s: %w", s.Name, err))
			continue
		}
		void = void || preview.Outlook == scenarios.WouldProveNothing
		refused = refused || preview.Outlook == scenarios.WouldBeRefused
		errs = append(errs, o.print(cmd.OutOrStdout(), preview))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	switch {
	case refused:
		return errRefused
	case void:
		return errVerdict{reports.Inconclusive}
	}
	return nil
}

// readScenarios reads all of them, and tells what is wrong with any.
func readScenarios(names []string, parameters map[string]string) ([]*scenarios.Scenario, error) {
	var all []*scenarios.Scenario
	var errs []error
	for _, name := range names {
		s, err := readScenario(name, parameters)
		all = append(all, s)
		errs = append(errs, err)
	}
	return all, errors.Join(errs...)
}

func (o *planOptions) print(w io.Writer, preview scenarios.Preview) error {
	if o.output == "json" {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(preview)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", preview.Scenario, preview.Outlook)
	fmt.Fprintf(&b, "  takes      %v to %v\n", preview.AtLeast.D(), preview.AtMost.D())
	for _, m := range preview.Monitors {
		fmt.Fprintf(&b, "  monitor    %s every %v: %s\n", m.Name, m.Every.D(), m.Asks)
	}
	for _, step := range preview.Steps {
		printStep(&b, step)
	}
	for _, one := range preview.InTheWay {
		where := "in the way"
		if one.Void {
			where = "in vain"
		}
		if one.Step != "" {
			where += fmt.Sprintf(", step %q", one.Step)
		}
		fmt.Fprintf(&b, "  %s: %s\n", where, strings.ReplaceAll(one.Why, "\n", "\n    "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// maxShown is how many targets are shown as text; -o json tells all.
const maxShown = 20

func printStep(b *strings.Builder, step scenarios.StepPreview) {
	fmt.Fprintf(b, "  step       %s: %s\n", step.Name, step.Does)
	if step.Group {
		return
	}
	end := "has no undo"
	switch {
	case step.Fault:
		end = "is undone"
	case step.UndoneBy != "":
		end = fmt.Sprintf("is mended by the step %q", step.UndoneBy)
	}
	fmt.Fprintf(b, "    holds    %v, and %s; each within %v\n", step.Hold.D(), end, step.Timeout.D())
	if len(step.Targets) > 0 {
		fmt.Fprintf(b, "    hits     %d of %d:\n", step.AtMost, len(step.Targets))
	}
	for i, one := range step.Targets {
		if i == maxShown {
			fmt.Fprintf(b, "               and %d more (-o json names all)\n", len(step.Targets)-maxShown)
			break
		}
		fmt.Fprintf(b, "               %s\n", targetText(one))
	}
	for _, share := range step.Shares {
		fmt.Fprintf(b, "    share    %d of %d %s", share.Hits, share.Of, share.What)
		if len(share.Allowed) > 0 {
			fmt.Fprintf(b, " (allowed: %s)", strings.Join(share.Allowed, ", "))
		}
		b.WriteByte('\n')
	}
	if step.Lasts != "" {
		fmt.Fprintf(b, "    lasts    %s\n", step.Lasts)
	}
}

func targetText(one reports.Target) string {
	name := one.Name
	if one.Namespace != "" {
		name = one.Namespace + "/" + name
	}
	text := one.Kind + " " + name
	if one.UID != "" {
		text += " (" + one.UID + ")"
	}
	if one.Cluster != "" {
		text += " of cluster " + one.Cluster
	}
	return text
}
