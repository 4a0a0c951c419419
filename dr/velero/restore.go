package velero

import (
	"context"
	"errors"
	"fmt"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/scenarios"
)

// Restore restores what a backup step of the same drill, or a named backup, holds, and returns once Velero is done with all
// volumes. Whether the application serves again is for the monitors to say.
type Restore struct {
	Server           `json:",inline"`
	Step             string            `json:"step,omitempty"`   // backup step of this drill
	Backup           string            `json:"backup,omitempty"` // or a backup by its name
	NamespaceMapping map[string]string `json:"namespaceMapping,omitempty"`
	StorageLocation  string            `json:"storageLocation,omitempty"`
}

var (
	_ scenarios.Action      = (*Restore)(nil)
	_ scenarios.Preflighter = (*Restore)(nil)
	_ scenarios.Problems    = (*Restore)(nil)
	_ scenarios.Describer   = (*Restore)(nil)
)

// Problems says offline what is wrong with the action.
func (r *Restore) Problems() []string {
	if (r.Step == "") == (r.Backup == "") {
		return []string{"restore.step: name either the step that made the backup, or the backup itself with backup"}
	}
	return nil
}

// Describe says what is restored.
func (r *Restore) Describe() string {
	if r.Step != "" {
		return fmt.Sprintf("restore what the step %q backed up", r.Step)
	}
	return "restore the backup " + r.Backup
}

// Preflight finds out whether Velero can restore; a named backup must be there.
func (r *Restore) Preflight(ctx context.Context, env scenarios.Env) error {
	cluster, err := preflight(ctx, env, r.Server, r.StorageLocation)
	if err != nil || r.Backup == "" {
		return err
	}
	key := client.ObjectKey{Namespace: r.namespace(), Name: r.Backup}
	if err := cluster.Get(ctx, key, &velerov1.Backup{}); err != nil {
		return fmt.Errorf("get backup %s: %w", key, err)
	}
	return nil
}

// Do waits until the backup is known to this Velero (another cluster's comes by its sync), restores it and waits until that
// ended.
func (r *Restore) Do(ctx context.Context, env scenarios.Env) error {
	cluster, err := env.Clusters.Get(r.Cluster)
	if err != nil {
		return err
	}
	name := r.Backup
	if r.Step != "" {
		name = ObjectName(env.Run, r.Step)
	}
	backup := &velerov1.Backup{ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace(), Name: name}}
	err = scenarios.Await(ctx, cluster, backup, func(here bool) scenarios.State {
		return scenarios.State{Done: here, Seen: "not known to this Velero"}
	})
	if err != nil {
		return err
	}
	if err := r.restorable(backup); err != nil {
		return err
	}
	return r.restore(ctx, env, cluster, name)
}

// restorable refuses a backup that Velero itself does not call whole.
func (r *Restore) restorable(backup *velerov1.Backup) error {
	if backup.Status.Phase == velerov1.BackupPhaseCompleted {
		return nil
	}
	return &scenarios.SystemError{Err: fmt.Errorf("backup %s is %q, want Completed: there is nothing whole to restore", backup.Name, backup.Status.Phase)}
}

func (r *Restore) restore(ctx context.Context, env scenarios.Env, cluster client.WithWatch, backup string) error {
	restore := &velerov1.Restore{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: r.namespace(), Name: ObjectName(env.Run, env.Step), Labels: map[string]string{scenarios.LabelRun: env.Run},
		},
		Spec: velerov1.RestoreSpec{BackupName: backup, NamespaceMapping: r.NamespaceMapping},
	}
	if err := cluster.Create(ctx, restore); err != nil {
		return fmt.Errorf("create restore %s: %w", restore.Name, err)
	}
	err := scenarios.Await(ctx, cluster, restore, func(here bool) scenarios.State {
		if !here {
			return scenarios.State{Err: errors.New("the restore is gone")}
		}
		return scenarios.State{Done: restoreEnded(restore.Status.Phase), Seen: describeRestore(restore)}
	})
	if err != nil {
		return err
	}
	outcome, err := r.outcome(ctx, cluster, restore)
	if err != nil {
		return err
	}
	if err := env.Fact(TopicRestore, outcome, describeRestore(restore)); err != nil {
		return err
	}
	return outcome.verdict("restore")
}

func restoreEnded(phase velerov1.RestorePhase) bool {
	return terminal(string(phase), string(velerov1.RestorePhaseCompleted), string(velerov1.RestorePhasePartiallyFailed),
		string(velerov1.RestorePhaseFailed), string(velerov1.RestorePhaseFailedValidation))
}

func describeRestore(restore *velerov1.Restore) string {
	seen := fmt.Sprintf("phase %q", restore.Status.Phase)
	if p := restore.Status.Progress; p != nil {
		seen += fmt.Sprintf(", %d of %d items", p.ItemsRestored, p.TotalItems)
	}
	return seen
}

// outcome reads how the restore ended, and the account of each volume.
func (r *Restore) outcome(ctx context.Context, cluster client.WithWatch, restore *velerov1.Restore) (Outcome, error) {
	status := restore.Status
	out := Outcome{
		Cluster: r.Cluster, Name: restore.Name, Backup: restore.Spec.BackupName, Phase: string(status.Phase),
		Errors: status.Errors, Warnings: status.Warnings, Reason: reason(status.FailureReason, status.ValidationErrors),
		Times: times(status.StartTimestamp, status.CompletionTimestamp), Volumes: []Volume{},
	}
	if status.Progress != nil {
		out.Items = status.Progress.ItemsRestored
	}
	var list velerov1.PodVolumeRestoreList
	selector := client.MatchingLabels{velerov1.RestoreUIDLabel: string(restore.UID)}
	if err := cluster.List(ctx, &list, client.InNamespace(r.namespace()), selector); err != nil {
		return Outcome{}, fmt.Errorf("list the volumes of restore %s: %w", restore.Name, err)
	}
	for _, volume := range list.Items {
		out.Volumes = append(out.Volumes, Volume{
			Name: volume.Spec.Pod.Name + "/" + volume.Spec.Volume, Phase: string(volume.Status.Phase),
			Bytes: volume.Status.Progress.BytesDone, Error: volume.Status.Message,
		})
	}
	return out, nil
}
