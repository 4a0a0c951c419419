// Package safety stands over drills: one at a time on a target, a lever that stops them all, a ceiling and an environment that
// forbid, and what undoes a drill that can no longer undo itself.
//
// What it keeps, it keeps in the cluster, in one namespace: a Lease for each namespace that a drill may touch, which is also the
// drill's heartbeat, and a ConfigMap that is the lever. It knows no fault: those are found and undone by [Find] functions that the
// rooms of the faults give.
package safety

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/user"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/scenarios"
)

// DefaultNamespace is where gameday keeps its own objects in a cluster.
const DefaultNamespace = "gameday"

// Topics of the facts that the package records.
const (
	TopicLease    = "lease"    // the drill is alone on its targets, or no longer is
	TopicLever    = "lever"    // the safety lever was engaged during the drill
	TopicWatchdog = "watchdog" // what undoes the drill should its process die
	TopicLeft     = "left"     // faults that are still there as the drill ends
)

// Me names this process to people: user, host and process.
func Me() string {
	name, host := "unknown", "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return fmt.Sprintf("%s@%s (process %d)", name, host, os.Getpid())
}

// inNamespace makes a call that creates an object in gameday's own namespace. A namespace that is not there is made first.
func inNamespace(ctx context.Context, cluster client.Client, namespace string, call func(ctx context.Context) error) error {
	err := call(ctx)
	if !apierrors.IsNotFound(err) {
		return explain(err, namespace)
	}
	own := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: namespace, Labels: map[string]string{"app.kubernetes.io/managed-by": "gameday"},
	}}
	if err := cluster.Create(ctx, own); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("make the namespace %q for gameday's leases and its lever: %w: "+
			"let someone with the right make it: kubectl create namespace %s", namespace, err, namespace)
	}
	return explain(call(ctx), namespace)
}

// explain adds the mend to a missing right.
func explain(err error, namespace string) error {
	if apierrors.IsForbidden(err) {
		return fmt.Errorf("%w: gameday needs the rights to get, list, create, update and delete leases (coordination.k8s.io) and to get, "+
			"list and watch configmaps in namespace %q", err, namespace)
	}
	return err
}

// each calls for every cluster by its name, and joins what went wrong. Two names may stand for one cluster.
func each(clusters scenarios.Clusters, call func(name string, cluster client.WithWatch) error) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(clusters)) {
		if err := call(name, clusters[name]); err != nil {
			errs = append(errs, fmt.Errorf("cluster %s: %w", display(name), err))
		}
	}
	return errors.Join(errs...)
}

// display is how evidence names a cluster.
func display(name string) string {
	if name == "" {
		return "target"
	}
	return name
}

// now is the time as leases keep it.
func now() *metav1.MicroTime { return &metav1.MicroTime{Time: time.Now()} }
