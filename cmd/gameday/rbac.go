package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/gamedayhq/gameday/suites/play"
)

// rbacOptions are the flags of "rbac".
type rbacOptions struct {
	config     string
	cluster    string
	account    string
	parameters map[string]string
}

func rbacCommand() *cobra.Command {
	var o rbacOptions
	cmd := &cobra.Command{
		Use:   "rbac SCENARIO",
		Short: "Print the least rights that a drill needs, as roles to apply",
		Long: `Print the least rights that a drill needs, as roles to apply: a Role in each namespace that it touches and in gameday's own, and a
ClusterRole for what is of no namespace. No cluster is asked.

They are the rights to look, to inject, to prove and to undo: with fewer the drill refuses to start. What monitors ask over the
network needs none. With --service-account the account is printed too, and bound to the roles.

A scenario may act on several clusters: the roles of each are printed by themselves (--cluster).`,
		Example: `  gameday rbac drill.yaml --service-account gameday/runner | kubectl apply --context staging -f -
  gameday rbac drill.yaml --cluster standby --service-account gameday/runner | kubectl apply --context staging-dr -f -`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0]) },
	}
	configFlag(cmd, &o.config)
	flags := cmd.Flags()
	flags.StringVar(&o.cluster, "cluster", "", "the cluster, by the name that the scenario uses (default: the drill's own)")
	flags.StringVar(&o.account, "service-account", "", "bind the roles to this account: NAMESPACE/NAME")
	flags.StringToStringVar(&o.parameters, "set", nil, "value of a parameter of the scenario: NAME=VALUE")
	return cmd
}

func (o *rbacOptions) run(cmd *cobra.Command, file string) error {
	s, err := readScenario(file, o.parameters)
	if err != nil {
		return usage(err)
	}
	config, err := readConfig(o.config)
	if err != nil {
		return err
	}
	namespace, name, _ := strings.Cut(o.account, "/")
	if o.account != "" && (namespace == "" || name == "" || strings.Contains(name, "/")) {
		return usage(fmt.Errorf("--service-account is %q, want NAMESPACE/NAME", o.account))
	}
	grant := play.Game{Safety: play.Safety{Config: config}}.Grant(s, o.cluster)
	grant.Namespace, grant.Account = namespace, name
	var b bytes.Buffer
	fmt.Fprintf(&b, "# The least rights that the scenario %s needs on %s.\n", s.Name, clusterWords(o.cluster))
	others := slices.DeleteFunc(grant.Clusters, func(cluster string) bool { return cluster == o.cluster })
	if len(others) > 0 {
		words := make([]string, 0, len(others))
		for _, other := range others {
			words = append(words, clusterWords(other))
		}
		fmt.Fprintf(&b, "# It acts on %s as well: those rights are printed by themselves (--cluster).\n", strings.Join(words, ", "))
	}
	for _, object := range grant.Objects() {
		text, err := yaml.Marshal(object)
		if err != nil {
			return fmt.Errorf("write %T: %w", object, err)
		}
		b.WriteString("---\n")
		b.Write(text)
	}
	_, err = cmd.OutOrStdout().Write(b.Bytes())
	return err
}

func clusterWords(name string) string {
	if name == "" {
		return "the drill's own cluster"
	}
	return "the cluster " + name
}
