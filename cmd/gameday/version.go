package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gamedayhq/gameday/suites/play"
)

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Say which gameday this is",
		Example: `  gameday version`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h := play.Harness()
			text := "gameday " + h.Version
			if h.Revision != "" {
				text += " revision " + h.Revision
			}
			if h.Modified {
				text += " (modified)"
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s, %s\n", text, h.Go)
			return err
		},
	}
}
