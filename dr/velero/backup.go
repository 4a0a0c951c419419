package velero

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

// Backup backs namespaces up and returns once the backup, all volumes included, is whole.
type Backup struct {
	Server          `json:",inline"`
	Include         []string         `json:"include"`                   // namespaces
	StorageLocation string           `json:"storageLocation,omitempty"` // "default" unless said
	TTL             reports.Duration `json:"ttl,omitempty"`             // after which Velero deletes the backup; 24 h unless said
	// FileSystem copies the content of all volumes through the node agent, whatever their storage.
	FileSystem bool `json:"fileSystem,omitempty"`
}

var (
	_ scenarios.Action      = (*Backup)(nil)
	_ scenarios.Preflighter = (*Backup)(nil)
	_ scenarios.Problems    = (*Backup)(nil)
	_ scenarios.Describer   = (*Backup)(nil)
)

const defaultTTL = 24 * time.Hour

// Problems says offline what is wrong with the action.
func (b *Backup) Problems() []string {
	var out []string
	if len(b.Include) == 0 || slices.Contains(b.Include, "") {
		out = append(out, "backup.include: names no namespace: say which to back up")
	}
	if b.TTL < 0 {
		out = append(out, "backup.ttl: is negative, want more than nothing")
	}
	return out
}

// Describe says what is backed up.
func (b *Backup) Describe() string { return "back up the namespaces " + strings.Join(b.Include, ", ") }

// Preflight finds out whether Velero can back up.
func (b *Backup) Preflight(ctx context.Context, env scenarios.Env) error {
	_, err := preflight(ctx, env, b.Server, b.StorageLocation)
	return err
}

// Do creates the backup and waits until it ended.
func (b *Backup) Do(ctx context.Context, env scenarios.Env) error {
	cluster, err := preflight(ctx, env, b.Server, b.StorageLocation)
	if err != nil {
		return err
	}
	backup := b.object(env)
	if err := cluster.Create(ctx, backup); err != nil {
		return fmt.Errorf("create backup %s: %w", backup.Name, err)
	}
	err = scenarios.Await(ctx, cluster, backup, func(here bool) scenarios.State {
		if !here {
			return scenarios.State{Err: fmt.Errorf("backup %s is gone", backup.Name)}
		}
		return scenarios.State{Done: backupEnded(backup.Status.Phase), Seen: describeBackup(backup)}
	})
	if err != nil {
		return err
	}
	outcome, err := b.outcome(ctx, cluster, backup)
	if err != nil {
		return err
	}
	if err := env.Fact(TopicBackup, outcome, describeBackup(backup)); err != nil {
		return err
	}
	return outcome.verdict("backup")
}

func (b *Backup) object(env scenarios.Env) *velerov1.Backup {
	ttl := b.TTL.D()
	if ttl == 0 {
		ttl = defaultTTL
	}
	backup := &velerov1.Backup{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: b.namespace(), Name: ObjectName(env.Run, env.Step), Labels: map[string]string{scenarios.LabelRun: env.Run},
		},
		Spec: velerov1.BackupSpec{IncludedNamespaces: b.Include, StorageLocation: b.StorageLocation, TTL: metav1.Duration{Duration: ttl}},
	}
	if b.FileSystem {
		backup.Spec.DefaultVolumesToFsBackup = new(true)
	}
	return backup
}

func backupEnded(phase velerov1.BackupPhase) bool {
	return terminal(string(phase), string(velerov1.BackupPhaseCompleted), string(velerov1.BackupPhasePartiallyFailed),
		string(velerov1.BackupPhaseFailed), string(velerov1.BackupPhaseFailedValidation), string(velerov1.BackupPhaseDeleting))
}

func describeBackup(backup *velerov1.Backup) string {
	seen := fmt.Sprintf("phase %q", backup.Status.Phase)
	if p := backup.Status.Progress; p != nil {
		seen += fmt.Sprintf(", %d of %d items", p.ItemsBackedUp, p.TotalItems)
	}
	return seen
}

// outcome reads how the backup ended, and the account of each volume.
func (b *Backup) outcome(ctx context.Context, cluster client.WithWatch, backup *velerov1.Backup) (Outcome, error) {
	status := backup.Status
	out := Outcome{
		Cluster: b.Cluster, Name: backup.Name, Phase: string(status.Phase), Errors: status.Errors, Warnings: status.Warnings,
		Reason: reason(status.FailureReason, status.ValidationErrors), Times: times(status.StartTimestamp, status.CompletionTimestamp),
		Volumes: []Volume{},
	}
	if status.Progress != nil {
		out.Items = status.Progress.ItemsBackedUp
	}
	var list velerov1.PodVolumeBackupList
	// The label holds the backup's UID: names longer than a label are cut, and a name may come again.
	selector := client.MatchingLabels{velerov1.BackupUIDLabel: string(backup.UID)}
	if err := cluster.List(ctx, &list, client.InNamespace(b.namespace()), selector); err != nil {
		return Outcome{}, fmt.Errorf("list the volumes of backup %s: %w", backup.Name, err)
	}
	for _, volume := range list.Items {
		out.Volumes = append(out.Volumes, Volume{
			Name: volume.Spec.Pod.Name + "/" + volume.Spec.Volume, Phase: string(volume.Status.Phase),
			Bytes: volume.Status.Progress.BytesDone, Error: volume.Status.Message,
		})
	}
	return out, nil
}

func reason(failure string, validation []string) string {
	all := slices.Clone(validation)
	if failure != "" {
		all = append(all, failure)
	}
	return strings.Join(all, "; ")
}

func times(start, end *metav1.Time) map[string]string {
	out := map[string]string{}
	if start != nil {
		out["start"] = start.UTC().Format(time.RFC3339)
	}
	if end != nil {
		out["completion"] = end.UTC().Format(time.RFC3339)
	}
	return out
}
