package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gamedayhq/gameday/scenarios"
	"github.com/gamedayhq/gameday/scenarios/safety"
	"github.com/gamedayhq/gameday/suites/play"
)

// watchdogOptions are the flags of "watchdog".
type watchdogOptions struct {
	watch     play.Watch
	inCluster bool
}

func watchdogCommand() *cobra.Command {
	var o watchdogOptions
	cmd := &cobra.Command{
		Use:   "watchdog",
		Short: "Undo drills whose process died: one of this machine, or all of a cluster",
		Long: `Undo drills that can no longer undo themselves.

Each "gameday run" starts one of its own (--run, --dir), in a session of its own: when the drill's process dies, or its heartbeat
stops, it undoes everything from the cluster alone, writes what it did beside the journal (watchdog.ndjson) and ends.

With --in-cluster it stands over all drills of the cluster, until it is stopped: it waits for heartbeats that stop. Drills from a
laptop that may vanish need it; "gameday watchdog manifest" prints what to apply.`,
		Example: `  gameday watchdog manifest --image registry.example/gameday:v1 | kubectl apply -f -
  gameday watchdog --in-cluster --context staging`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	targetFlags(cmd, &o.watch.Target)
	flags := cmd.Flags()
	flags.StringVar(&o.watch.Run, "run", "", "the drill to stand over; its process is on standard input's other end")
	flags.StringVar(&o.watch.Dir, "dir", "", "the folder of that drill's evidence")
	flags.StringVar(&o.watch.Namespace, "namespace", safety.DefaultNamespace, "of gameday's own objects in the cluster")
	flags.StringSliceVar(&o.watch.Reach, "reach", nil, "namespace in which that drill may leave something (default: any)")
	flags.BoolVar(&o.inCluster, "in-cluster", false, "stand over all drills of the cluster")
	cmd.AddCommand(watchdogManifestCommand())
	return cmd
}

func (o *watchdogOptions) run(cmd *cobra.Command) error {
	if o.inCluster {
		return o.patrol(cmd)
	}
	if o.watch.Run == "" || o.watch.Dir == "" {
		return usage(errors.New("name the drill with --run and --dir, or say --in-cluster: see gameday watchdog --help"))
	}
	return o.watch.Stand(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout())
}

// patrol stands over all drills until the program is told to end, and writes what it does as JSON lines.
func (o *watchdogOptions) patrol(cmd *cobra.Command) error {
	clusters, err := o.watch.Target.Dial()
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(cmd.ErrOrStderr(), "watchdog: standing over all drills with leases in namespace %s\n", o.watch.Namespace); err != nil {
		return err
	}
	encoder := json.NewEncoder(cmd.OutOrStdout())
	dog := safety.Watchdog{Sweep: safety.Sweep{
		Clusters: clusters, Namespace: o.watch.Namespace, Find: play.Finds(),
		Note: func(entry safety.Entry) error { return encoder.Encode(entry) },
	}}
	if err := dog.Patrol(cmd.Context()); !errors.Is(err, scenarios.ErrInterrupted) {
		return err
	}
	return nil
}

func watchdogManifestCommand() *cobra.Command {
	var image, namespace string
	cmd := &cobra.Command{
		Use:     "manifest",
		Short:   "Print what to apply so that a watchdog stands in the cluster",
		Example: "  gameday watchdog manifest --image registry.example/gameday:v1 | kubectl apply -f -",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if image == "" {
				return usage(errors.New("name an image that holds gameday's program with --image"))
			}
			text, err := safety.Manifest(namespace, image)
			if err != nil {
				return usage(err)
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	cmd.Flags().StringVar(&image, "image", "", "image whose entry point is gameday")
	cmd.Flags().StringVar(&namespace, "namespace", safety.DefaultNamespace, "of gameday's own objects in the cluster")
	return cmd
}
