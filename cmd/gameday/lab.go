package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/suites/lab"
	"github.com/gamedayhq/gameday/suites/lab/depot"
	"github.com/gamedayhq/gameday/suites/lab/machine"
	"github.com/gamedayhq/gameday/suites/lab/provisioner"
	"github.com/gamedayhq/gameday/suites/lab/shop"
)

func labCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "Two real clusters on this machine, with a shop to break",
		Long: `The lab is two single-node Kubernetes clusters on this machine, primary and standby, with Chaos Mesh and Velero
in both, an S3 store, Prometheus and Alertmanager beside them, and a shop that buyers reach through a front door.

It needs Linux and root. GAMEDAY_LAB_DIR (its state, /var/lib/gameday/lab) and GAMEDAY_LAB_SUBNET (its addresses,
10.98.0.0/16) make a second lab possible; GAMEDAY_LAB_BIN names a folder of server programs that are not to be built.`,
		Example: `  gameday lab up
  kubectl --kubeconfig "$(gameday lab kubeconfig)" --context primary get pods -A
  gameday lab stop primary/kube-apiserver
  gameday lab down`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		// Without a word about it the client library complains that it has no logger.
		PersistentPreRun: func(*cobra.Command, []string) { log.SetLogger(logr.Discard()) },
	}
	cmd.AddCommand(
		labUp(), labDown(), labStatus(), labKubeconfig(), labFrontDoor(), labMachine(), labServe(),
		labPart("stop", "End a program of the lab; it stays down until it is started", machine.Client.StopPart),
		labPart("start", "Start a program of the lab that was stopped", machine.Client.StartPart),
		labPart("pause", "Freeze a program of the lab", machine.Client.PausePart),
		labPart("continue", "Let a frozen program of the lab go on", machine.Client.ContinuePart),
	)
	return cmd
}

func labUp() *cobra.Command {
	var verbose bool
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Bring the lab up, from nothing or from what is left of it",
		Example: `  gameday lab up
  GAMEDAY_LAB_DIR=/var/lib/second GAMEDAY_LAB_SUBNET=10.99.0.0/16 gameday lab up`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			start := time.Now()
			shown := newLabProgress(cmd.ErrOrStderr())
			shown.every = verbose
			up, err := lab.Up(cmd.Context(), lab.Options{Report: shown.show})
			shown.close()
			if err != nil {
				return err
			}
			return sayUp(cmd, up, time.Since(start))
		},
	}
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "tell short steps too")
	return cmd
}

// sayUp prints what there is to use, and what it took.
func sayUp(cmd *cobra.Command, up *lab.Lab, took time.Duration) error {
	status, err := up.Status(cmd.Context())
	if err != nil {
		return err
	}
	beside := up.Depot()
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
	for _, row := range [][2]string{
		{"The lab is up.", fmt.Sprintf("%.1f s, %.2f GiB of memory", took.Seconds(), float64(status.Memory)/(1<<30))},
		{"kubeconfig", up.Kubeconfig() + "  (contexts " + lab.Primary + " and " + lab.Standby + ")"},
		{"shop", beside.FrontDoorURL() + "/orders"},
		{"Prometheus", beside.PrometheusURL()},
		{"Alertmanager", beside.AlertmanagerURL()},
		{"S3 store", beside.StoreURL()},
		{"versions", strings.Join(versionsOf(status), ", ")},
	} {
		if _, err := fmt.Fprintf(w, "%s\t%s\n", row[0], row[1]); err != nil {
			return err
		}
	}
	return w.Flush()
}

// versionsOf names each program once, in the order of the status.
func versionsOf(status lab.Status) []string {
	var all []string
	seen := map[string]bool{}
	for _, line := range status.Lines {
		name, _, _ := strings.Cut(line.Part, "/")
		if line.Version == "" || seen[name] {
			continue
		}
		seen[name] = true
		all = append(all, name+" "+line.Version)
	}
	return all
}

func labDown() *cobra.Command {
	var cache bool
	cmd := &cobra.Command{
		Use:     "down",
		Short:   "Take the lab away and leave nothing of it",
		Example: "  gameday lab down --cache",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			shown := newLabProgress(cmd.ErrOrStderr())
			err := lab.Down(cmd.Context(), lab.Options{Report: shown.show})
			shown.close()
			if err == nil && cache {
				err = lab.Wipe(lab.Options{})
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&cache, "cache", false, "remove what was built and downloaded too")
	return cmd
}

func labStatus() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "List each part of the lab, its version, its state and its log",
		Long:    "List each part of the lab, its version, its state and its log. The exit code is 0 when all is ready, and 1 otherwise.",
		Example: "  gameday lab status -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "" && output != "json" {
				return usage(fmt.Errorf("output %q: only json is known", output))
			}
			there, err := lab.Open(lab.Options{})
			if errors.Is(err, lab.ErrNone) {
				return coded{err, exitFail}
			}
			if err != nil {
				return err
			}
			status, err := there.Status(cmd.Context())
			if err != nil {
				return err
			}
			if err := printStatus(cmd.OutOrStdout(), status, output); err != nil {
				return err
			}
			if !status.Ready {
				return errVerdict{reports.Fail}
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "json for a program to read")
	return cmd
}

func printStatus(out io.Writer, status lab.Status, output string) error {
	if output == "json" {
		text, err := status.Encode()
		if err != nil {
			return err
		}
		_, err = out.Write(text)
		return err
	}
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	if _, err := fmt.Fprintln(w, "MACHINE\tPART\tVERSION\tSTATE\tSINCE\tLOG"); err != nil {
		return err
	}
	for _, line := range status.Lines {
		mark, since := "", ""
		if !line.Ready {
			mark = "! "
		}
		if !line.Since.IsZero() {
			since = line.Since.Local().Format(time.TimeOnly)
		}
		if _, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s%s\t%s\t%s\n", line.Machine, line.Part, line.Version, mark, line.State, since, line.Log); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "memory in all: %.2f GiB\n", float64(status.Memory)/(1<<30))
	return err
}

func labKubeconfig() *cobra.Command {
	var raw bool
	cmd := &cobra.Command{
		Use:     "kubeconfig",
		Short:   "Print the path of the lab's kubeconfig, which has the contexts primary and standby",
		Example: `  export KUBECONFIG="$(gameday lab kubeconfig)"`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			there, err := lab.Open(lab.Options{})
			if err != nil {
				return err
			}
			text := []byte(there.Kubeconfig() + "\n")
			if raw {
				if text, err = os.ReadFile(there.Kubeconfig()); err != nil {
					return fmt.Errorf("read the kubeconfig: %w", err)
				}
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	cmd.Flags().BoolVar(&raw, "raw", false, "print its content")
	return cmd
}

func labFrontDoor() *cobra.Command {
	return &cobra.Command{
		Use:       "front-door CLUSTER",
		Short:     "Send the buyers to primary or to standby",
		Example:   "  gameday lab front-door standby",
		Args:      cobra.ExactArgs(1),
		ValidArgs: []string{lab.Primary, lab.Standby},
		RunE: func(cmd *cobra.Command, args []string) error {
			there, err := lab.Open(lab.Options{})
			if err != nil {
				return err
			}
			return there.Lead(cmd.Context(), args[0])
		},
	}
}

func labPart(verb, short string, act func(machine.Client, context.Context, string) error) *cobra.Command {
	return &cobra.Command{
		Use:     verb + " MACHINE/PART",
		Short:   short,
		Example: "  gameday lab " + verb + " primary/kube-apiserver",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, part, ok := strings.Cut(args[0], "/")
			if !ok {
				return usage(fmt.Errorf("%q names no part: want MACHINE/PART, as gameday lab status lists them", args[0]))
			}
			there, err := lab.Open(lab.Options{})
			if err != nil {
				return err
			}
			one, err := there.Machine(name)
			if err != nil {
				return usage(err)
			}
			return act(one, cmd.Context(), part)
		},
	}
}

func labMachine() *cobra.Command {
	return &cobra.Command{
		Use:    "machine SPEC",
		Short:  "Be the first process of a machine; lab up starts it",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE:   func(cmd *cobra.Command, args []string) error { return machine.Main(cmd.Context(), args[0]) },
	}
}

func labServe() *cobra.Command {
	cmd := &cobra.Command{
		Use:    "serve",
		Short:  "Be a server inside a cluster of the lab",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE:   func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for name, serve := range map[string]func(context.Context, []string) error{
		"shop": shop.Main, "provisioner": provisioner.Main, "targets": depot.ServeTargets,
	} {
		cmd.AddCommand(&cobra.Command{
			Use:   name,
			Short: "Serve the " + name,
			RunE:  func(cmd *cobra.Command, args []string) error { return serve(cmd.Context(), args) },
		})
	}
	return cmd
}
