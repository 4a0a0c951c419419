package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func validateCommand() *cobra.Command {
	var parameters map[string]string
	cmd := &cobra.Command{
		Use:     "validate SCENARIO...",
		Short:   "Say all that is wrong with scenario files, without a cluster",
		Example: `  gameday validate scenarios/*.yaml`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var errs []error
			for _, name := range args {
				s, err := readScenario(name, parameters)
				if err != nil {
					errs = append(errs, err)
					continue
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s: valid: %s, %d monitors, %d steps, %d objectives\n",
					name, s.Name, len(s.Monitors), len(s.Steps), len(s.Objectives))
			}
			return usage(errors.Join(errs...))
		},
	}
	cmd.Flags().StringToStringVar(&parameters, "set", nil, "value of a parameter of the scenario: NAME=VALUE")
	return cmd
}
