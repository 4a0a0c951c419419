package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gamedayhq/gameday/reports"
)

func verifyCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "verify DIR...",
		Short: "Judge evidence again and say every difference",
		Long: `Judge evidence again and say every difference.

The journal's chain is checked line by line, the verdict is computed from it anew, and the stored evidence must be the same to
the byte. Exit code 0: nothing differs and the verdict is pass; 1: something differs, or the verdict is fail; 2: nothing differs
and the verdict is inconclusive.`,
		Example: `  gameday verify evidence/shop-survives-a-lost-pod-20260102-150405-0a1b2c3d`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if output != "text" && output != "json" {
				return usage(fmt.Errorf("--output is %q, want text or json", output))
			}
			var verdicts []reports.Verdict
			var errs []error
			for _, dir := range args {
				v, err := reports.Verify(dir)
				if err != nil {
					errs = append(errs, err)
					continue
				}
				errs = append(errs, printVerification(cmd, dir, v, output))
				if len(v.Differences) > 0 {
					v.Verdict = reports.Fail // the evidence itself failed, whatever the drill's verdict
				}
				verdicts = append(verdicts, v.Verdict)
			}
			if err := errors.Join(errs...); err != nil {
				return err
			}
			if v := reports.Worst(verdicts...); v != reports.Pass {
				return errVerdict{v}
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

func printVerification(cmd *cobra.Command, dir string, v reports.Verification, output string) error {
	if output == "json" {
		encoder := json.NewEncoder(cmd.OutOrStdout())
		encoder.SetIndent("", "  ")
		return encoder.Encode(struct {
			Dir string `json:"dir"`
			reports.Verification
		}{dir, v})
	}
	var b strings.Builder
	if len(v.Differences) == 0 {
		fmt.Fprintf(&b, "%s: the evidence holds; verdict %s, judged again from the journal (%d checks)\n", dir, v.Verdict, len(v.Checks))
	} else {
		fmt.Fprintf(&b, "%s: the evidence does not hold:\n", dir)
		for _, difference := range v.Differences {
			fmt.Fprintf(&b, "  %s\n", difference)
		}
	}
	_, err := fmt.Fprint(cmd.OutOrStdout(), b.String())
	return err
}
