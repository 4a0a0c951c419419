package addons

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gamedayhq/gameday/suites/lab/folder"
)

// VeleroNamespace is where Velero runs.
const VeleroNamespace = "velero"

// VeleroInstall is Velero's own installer and what to tell it.
type VeleroInstall struct {
	Version string
	Program string // velero
	Image   string // of server and node agent
	Plugin  string // image that brings S3
	Dir     string // where the store's keys are put for the installer
	Store   Store

	Kubeconfig string // of the cluster
}

// Store is the bucket that holds the backups.
type Store struct{ URL, Region, Bucket, AccessKey, SecretKey string }

// Render has Velero's installer print what it would install.
func (v VeleroInstall) Render(ctx context.Context) (Addon, error) {
	addon := Addon{Name: "velero", Version: v.Version}
	secret := filepath.Join(v.Dir, "velero.credentials")
	text := fmt.Sprintf("[default]\naws_access_key_id=%s\naws_secret_access_key=%s\n", v.Store.AccessKey, v.Store.SecretKey)
	if _, err := folder.Write(secret, []byte(text), 0o600); err != nil {
		return addon, fmt.Errorf("render Velero: %w", err)
	}
	// Host and clusters reach the store at the same URL, so what Velero signs for a
	// download is good for both.
	config := []string{"region=" + v.Store.Region, "s3ForcePathStyle=true", "s3Url=" + v.Store.URL, "publicUrl=" + v.Store.URL}
	cmd := exec.CommandContext(ctx, v.Program,
		"install", "--dry-run", "--output", "json",
		"--namespace", VeleroNamespace,
		"--image", v.Image,
		"--plugins", v.Plugin,
		"--provider", "aws",
		"--bucket", v.Store.Bucket,
		"--secret-file", secret,
		"--backup-location-config", strings.Join(config, ","),
		"--use-volume-snapshots=false",
		"--use-node-agent", "--privileged-node-agent", "--default-volumes-to-fs-backup",
		"--velero-pod-cpu-request", "10m", "--velero-pod-mem-request", "64Mi", "--velero-pod-cpu-limit", "0", "--velero-pod-mem-limit", "0",
		"--node-agent-pod-cpu-request", "10m", "--node-agent-pod-mem-request", "64Mi", "--node-agent-pod-cpu-limit", "0", "--node-agent-pod-mem-limit", "0",
	)
	// It wants to know a cluster even for this; the user's is none of its business.
	cmd.Env = append(cmd.Environ(), "KUBECONFIG="+v.Kubeconfig, "HOME="+v.Dir)
	out, err := run(ctx, cmd)
	if err != nil {
		return addon, fmt.Errorf("render Velero: %w", err)
	}
	if addon.Objects, err = decode(out); err != nil {
		return addon, fmt.Errorf("render Velero: %w", err)
	}
	for _, object := range addon.Objects {
		if err := quicken(object); err != nil {
			return addon, fmt.Errorf("render Velero: %w", err)
		}
	}
	return addon, nil
}

// quicken makes the backup location follow the store within seconds, so that the
// standby soon sees what the primary backed up.
func quicken(object *unstructured.Unstructured) error {
	unstructured.RemoveNestedField(object.Object, "status")
	unstructured.RemoveNestedField(object.Object, "metadata", "creationTimestamp")
	unstructured.RemoveNestedField(object.Object, "spec", "template", "metadata", "creationTimestamp")
	if object.GetKind() != "BackupStorageLocation" {
		return nil
	}
	for name, value := range map[string]string{"backupSyncPeriod": "10s", "validationFrequency": "10s"} {
		if err := unstructured.SetNestedField(object.Object, value, "spec", name); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return nil
}
