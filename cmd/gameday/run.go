package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
	"github.com/gamedayhq/gameday/scenarios/library"
	"github.com/gamedayhq/gameday/suites/play"
)

// runOptions are the flags of "run".
type runOptions struct {
	streams    streams
	config     string
	approval   string
	safety     play.Safety
	target     play.Target
	parameters map[string]string
	out        string
	output     string
	seed       uint64
	seal       sealOptions
	sealing    play.Sealing
}

func runCommand(s streams) *cobra.Command {
	o := runOptions{streams: s}
	cmd := &cobra.Command{
		Use:   "run SCENARIO...",
		Short: "Play scenarios, one after another, and say the verdict of each",
		Long: `Play scenarios, one after another, and say the verdict of each.

A SCENARIO is a file, or the name of a shipped one: ` + strings.Join(library.Names(), ", ") + `.

The cluster is found as kubectl finds it (--kubeconfig, $KUBECONFIG, ~/.kube/config, in the cluster). When none of these is
said and the lab is up on this machine, it is the lab.`,
		Example: `  gameday run shop-survives-a-lost-pod
  gameday run drill.yaml --context staging --cluster standby=staging-dr --set shop=https://shop.example`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	targetFlags(cmd, &o.target)
	configFlag(cmd, &o.config)
	flags := cmd.Flags()
	flags.StringVar(&o.approval, "approval", "", "file that approves the scenario for production (gameday approve)")
	flags.StringToStringVar(&o.parameters, "set", nil, "value of a parameter of the scenario: NAME=VALUE")
	flags.Uint64Var(&o.seed, "seed", 0, "what random steps are drawn from, as an earlier drill's evidence tells it (default: the scenario's, or by chance)")
	flags.StringVar(&o.out, "out", "evidence", "folder for the evidence")
	flags.StringVarP(&o.output, "output", "o", "text", "what is printed at the end: text or json")
	o.seal.flags(cmd)
	return cmd
}

func (o *runOptions) run(cmd *cobra.Command, args []string) error {
	if o.output != "text" && o.output != "json" {
		return usage(fmt.Errorf("--output is %q, want text or json", o.output))
	}
	all, err := readScenarios(args, o.parameters)
	if err != nil {
		return usage(err)
	}
	if cmd.Flags().Changed("seed") {
		for _, s := range all {
			s.Seed = &o.seed
		}
	}
	config, err := readConfig(o.config)
	if err != nil {
		return err
	}
	o.safety = play.Safety{Config: config, Approval: o.approval, Watchdog: o.streams.program}
	sealing, err := o.seal.sealing()
	if err != nil {
		return usage(err)
	}
	o.sealing = sealing
	findLab(&o.target)
	var worst []reports.Verdict
	var harness []error
	for _, s := range all {
		verdict, err := o.play(cmd, s)
		if verdict != 0 {
			worst = append(worst, verdict)
		}
		if err != nil {
			harness = append(harness, fmt.Errorf("drill %s: %w", s.Name, err))
		}
		if cmd.Context().Err() != nil {
			break
		}
	}
	if err := errors.Join(harness...); err != nil {
		return err
	}
	if skipped := len(all) - len(worst); skipped > 0 {
		worst = append(worst, reports.Inconclusive)
	}
	if v := reports.Worst(worst...); v != reports.Pass {
		return errVerdict{v}
	}
	return nil
}

// readScenario reads a file, or a shipped scenario when there is no such file and the name is one.
func readScenario(name string, parameters map[string]string) (*scenarios.Scenario, error) {
	parser := play.Parser(parameters)
	if _, err := os.Stat(name); err == nil || strings.ContainsRune(name, filepath.Separator) || filepath.Ext(name) != "" {
		return parser.ParseFile(name)
	}
	text, err := library.Read(name)
	if err != nil {
		return nil, fmt.Errorf("no file %q, and %w", name, err)
	}
	return parser.Parse(name+".yaml", text)
}

func (o *runOptions) play(cmd *cobra.Command, s *scenarios.Scenario) (reports.Verdict, error) {
	progress := newProgress(cmd.ErrOrStderr(), s)
	watch := o.streams.last.begin(s, progress)
	game := play.Game{Target: o.target, Out: o.out, Watch: watch, Seal: o.sealing, Safety: o.safety}
	drill, err := game.Play(cmd.Context(), s)
	progress.done()
	if drill.Dir == "" {
		return 0, err
	}
	if o.output == "json" {
		encoder := json.NewEncoder(cmd.OutOrStdout())
		encoder.SetIndent("", "  ")
		return drill.Evidence.Verdict, errors.Join(err, encoder.Encode(summary{drill.Dir, drill.Evidence.Verdict, drill.Evidence.Checks}))
	}
	return drill.Evidence.Verdict, errors.Join(err, printDrill(cmd.OutOrStdout(), drill))
}

// summary is what a program reads of a drill on standard output.
type summary struct {
	Dir     string          `json:"dir"`
	Verdict reports.Verdict `json:"verdict"`
	Checks  []reports.Check `json:"checks"`
}

// printDrill says the verdict, each check, and where the evidence is.
func printDrill(w io.Writer, drill play.Drill) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s: %s\n", strings.ToUpper(drill.Evidence.Verdict.String()), drill.Evidence.Drill.Name)
	for _, check := range drill.Evidence.Checks {
		fmt.Fprintf(&b, "  %-12s  %s: %s", check.Verdict, check.Name, check.Got)
		if check.Want != "" {
			fmt.Fprintf(&b, " (want %s)", check.Want)
		}
		if check.Reason != "" {
			fmt.Fprintf(&b, "\n                %s", check.Reason)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "evidence: %s\nreport:   %s\n", drill.Dir, filepath.Join(drill.Dir, reports.ReportFile))
	_, err := io.WriteString(w, b.String())
	return err
}
