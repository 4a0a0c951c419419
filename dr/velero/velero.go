// Package velero is the adapter to Velero: it backs namespaces up and restores them, and waits through every phase that
// Velero has, with a deadline that says what was seen last.
//
// It trusts no phase alone: a backup or restore counts as done when Velero says Completed and every volume's own account
// says so too.
package velero

import (
	"context"
	"fmt"
	"slices"
	"strings"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/scenarios"
)

// AddToScheme registers the types of Velero.
func AddToScheme(scheme *runtime.Scheme) error { return velerov1.AddToScheme(scheme) }

// Kinds are the actions of this package by the keys that a scenario file uses.
func Kinds() scenarios.Kinds {
	return scenarios.Kinds{
		"backup": func(p *scenarios.Payload) scenarios.Action {
			var backup Backup
			if !p.Into(&backup) {
				return nil
			}
			return &backup
		},
		"restore": func(p *scenarios.Payload) scenarios.Action {
			var restore Restore
			if !p.Into(&restore) {
				return nil
			}
			return &restore
		},
	}
}

// DefaultNamespace is where Velero is installed unless said.
const DefaultNamespace = "velero"

// Server says where a Velero is.
type Server struct {
	Cluster   string `json:"cluster,omitempty"`   // as the drill names it; empty for the drill's own
	Namespace string `json:"namespace,omitempty"` // that Velero is installed in; "velero" unless said
}

func (s Server) namespace() string {
	if s.Namespace == "" {
		return DefaultNamespace
	}
	return s.Namespace
}

// TopicBackup and TopicRestore head the facts that tell how one ended. Data: Outcome.
const (
	TopicBackup  = "velero.backup"
	TopicRestore = "velero.restore"
)

// Outcome is how a backup or restore ended, in Velero's own words.
type Outcome struct {
	Cluster  string            `json:"cluster,omitempty"`
	Name     string            `json:"name"`
	Backup   string            `json:"backup,omitempty"` // that a restore took
	Phase    string            `json:"phase"`
	Items    int               `json:"items"`
	Errors   int               `json:"errors"`
	Warnings int               `json:"warnings"`
	Reason   string            `json:"reason,omitempty"`
	Times    map[string]string `json:"times,omitempty"` // by Velero's clock
	Volumes  []Volume          `json:"volumes"`
}

// Volume is the account of one volume's copy.
type Volume struct {
	Name  string `json:"name"` // pod/volume
	Phase string `json:"phase"`
	Bytes int64  `json:"bytes"`
	Error string `json:"error,omitempty"`
}

// unfinished names the volumes whose copy did not end well.
func (o Outcome) unfinished() []string {
	var out []string
	for _, volume := range o.Volumes {
		if volume.Phase != string(velerov1.PodVolumeBackupPhaseCompleted) {
			out = append(out, strings.TrimSpace(volume.Name+" "+volume.Phase+" "+volume.Error))
		}
	}
	return out
}

// verdict returns nil when the outcome is whole, and else an error of the system under test.
func (o Outcome) verdict(what string) error {
	if o.Phase == string(velerov1.BackupPhaseCompleted) && len(o.unfinished()) == 0 {
		return nil
	}
	text := fmt.Sprintf("%s %s ended %s with %d errors and %d warnings", what, o.Name, o.Phase, o.Errors, o.Warnings)
	if o.Reason != "" {
		text += ": " + o.Reason
	}
	if left := o.unfinished(); len(left) > 0 {
		text += "; volumes not whole: " + strings.Join(left, ", ")
	}
	return &scenarios.SystemError{Err: fmt.Errorf("%s", text)}
}

// terminal tells an ended phase from one in which Velero is still at work; an unknown phase counts as at work until the deadline.
func terminal(phase string, ends ...string) bool { return slices.Contains(ends, phase) }

// preflight finds out whether Velero is installed and its storage location is usable.
func preflight(ctx context.Context, env scenarios.Env, server Server, location string) (client.WithWatch, error) {
	cluster, err := env.Clusters.Get(server.Cluster)
	if err != nil {
		return nil, err
	}
	kind := velerov1.SchemeGroupVersion.WithKind("Backup")
	if _, err := cluster.RESTMapper().RESTMapping(kind.GroupKind(), kind.Version); err != nil {
		return nil, fmt.Errorf("velero's types are not served by the cluster: install Velero there (https://velero.io): %w", err)
	}
	if location == "" {
		location = "default"
	}
	bsl := &velerov1.BackupStorageLocation{}
	key := client.ObjectKey{Namespace: server.namespace(), Name: location}
	if err := cluster.Get(ctx, key, bsl); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("velero in namespace %q has no storage location %q: name another, or create it", key.Namespace, key.Name)
		}
		return nil, fmt.Errorf("get storage location %s: %w", key, err)
	}
	if bsl.Status.Phase != velerov1.BackupStorageLocationPhaseAvailable {
		return nil, fmt.Errorf("velero's storage location %s is %q, want Available: %s", key, bsl.Status.Phase, bsl.Status.Message)
	}
	return cluster, nil
}

// ObjectName is the name of what a step of a drill creates in Velero.
func ObjectName(run, step string) string {
	slug := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(step))
	return run + "-" + strings.Trim(slug, "-")
}
