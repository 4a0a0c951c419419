package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/gamedayhq/gameday/scenarios/safety"
	"github.com/gamedayhq/gameday/suites/lab"
	"github.com/gamedayhq/gameday/suites/play"
)

// targetFlags are the flags that name clusters.
func targetFlags(cmd *cobra.Command, target *play.Target) {
	flags := cmd.Flags()
	flags.StringVar(&target.Kubeconfig, "kubeconfig", "", "kubeconfig file")
	flags.StringVar(&target.Context, "context", "", "kubeconfig context of the cluster")
	flags.StringToStringVar(&target.Clusters, "cluster", nil, "further cluster by the name that scenarios use: NAME=CONTEXT")
}

// findLab aims at the lab of this machine when the user named no cluster at all.
func findLab(target *play.Target) {
	if target.Kubeconfig != "" || target.Context != "" || os.Getenv("KUBECONFIG") != "" {
		return
	}
	if path := lab.KubeconfigPath(); path != "" {
		target.Kubeconfig, target.Context = path, "primary"
		if len(target.Clusters) == 0 {
			target.Clusters = map[string]string{"standby": "standby"}
		}
	}
}

// configFlag is the flag that names the harness's configuration.
func configFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVar(path, "config", os.Getenv("GAMEDAY_CONFIG"),
		"the harness's configuration: ceilings, protected namespaces, production ($GAMEDAY_CONFIG)")
}

// readConfig reads the harness's configuration; without a file it is empty.
func readConfig(path string) (safety.Config, error) {
	if path == "" {
		return safety.Config{}, nil
	}
	config, err := safety.ReadConfig(path)
	return config, usage(err)
}
