// Package kubernetes plays faults with nothing but Kubernetes' own API: deleted, scaled, cordoned, drained, forbidden by a quota,
// locked out by another credential, cut off by a policy, without names.
//
// What an undo needs is in the cluster before the deed: as a note in the namespace of the target, or in the labels of the very
// object that does the harm. So any process can undo, also when the drill's own is gone: [Leftovers] finds what is there and
// [Recover] undoes it, by the same code as the drill. The absence of a note proves that nothing was done, or that it was undone.
//
// The package trusts no answer to its own writes. A fault counts as injected when somebody else acted on it: a pod's UID gone, a
// pod refused by admission, an endpoint withdrawn, a question that is answered no more.
package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

// Kinds are the actions of this package by the keys that a scenario file uses.
func Kinds() scenarios.Kinds {
	return scenarios.Kinds{
		keyDelete:  decode[Delete],
		keyScale:   decode[Scale],
		keyCordon:  decode[Cordon],
		keyDrain:   decode[Drain],
		keyQuota:   decode[Quota],
		keyRotate:  decode[Rotate],
		keyCut:     decode[CutNetwork],
		keyStopDNS: decode[StopDNS],
	}
}

// The keys of the faults: in a scenario file, and on what they leave in a cluster.
const (
	keyDelete  = "delete"
	keyScale   = "scale"
	keyCordon  = "cordon"
	keyDrain   = "drain"
	keyQuota   = "quota"
	keyRotate  = "rotate"
	keyCut     = "cutNetwork"
	keyStopDNS = "stopDNS" // its note is that of a scaling
)

// undoers undo what is left of a fault, by its key.
var undoers = map[string]func(ctx context.Context, cluster client.WithWatch, left carrier) (*reports.Proof, error){
	keyDelete: undelete,
	keyScale:  rescale,
	keyCordon: uncordon,
	keyDrain:  uncordon,
	keyQuota:  lift,
	keyRotate: unrotate,
	keyCut:    rejoin,
}

// decode reads an action's payload by its json tags.
func decode[T any, P interface {
	*T
	scenarios.Action
}](p *scenarios.Payload,
) scenarios.Action {
	var action T
	if !p.Into(&action) {
		return nil
	}
	return P(&action)
}

// undo undoes what a fault left in the cluster, and records the proof. Nothing left is proof too: the note stands before the
// deed, and goes only once the undo was seen.
func undo(ctx context.Context, env scenarios.Env, cluster client.WithWatch, left ...carrier) error {
	if len(left) == 0 {
		proof := &reports.Proof{By: "no note of the fault in the cluster", Proven: true, Detail: "it was never begun, or is undone already"}
		return env.Fact(reports.TopicRecovered, proof, proof.Detail)
	}
	var errs []error
	for _, one := range left {
		proof, err := undoers[one.Fault](ctx, cluster, one)
		if err == nil {
			err = env.Fact(reports.TopicRecovered, proof, proof.Detail)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// reach says offline which namespaces a fault reaches into beyond the blast radius.
func reach(key string, radius scenarios.BlastRadius, namespaces ...string) []string {
	if len(radius.Namespaces) == 0 {
		return nil
	}
	var out []string
	for _, namespace := range namespaces {
		if namespace != "" && !slices.Contains(radius.Namespaces, namespace) {
			out = append(out, fmt.Sprintf("%s.namespace: reaches into namespace %q, which spec.blastRadius.namespaces does not allow", key, namespace))
		}
	}
	return out
}

// needed says which of a payload's fields are empty.
func needed(key string, fields ...string) []string {
	var out []string
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i+1] == "" {
			out = append(out, fmt.Sprintf("%s.%s: is missing", key, fields[i]))
		}
	}
	return out
}

// podTargets returns the evidence's form of pods.
func podTargets(cluster string, pods []corev1.Pod) []reports.Target {
	out := make([]reports.Target, 0, len(pods))
	for _, pod := range pods {
		out = append(out, reports.Target{Cluster: cluster, Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: string(pod.UID)})
	}
	return out
}

// target returns the evidence's form of an object.
func target(cluster, kind string, object client.Object) reports.Target {
	return reports.Target{Cluster: cluster, Kind: kind, Namespace: object.GetNamespace(), Name: object.GetName(), UID: string(object.GetUID())}
}

// newObject returns an empty object of a kind: typed where the scheme knows it, so that a cluster's defaults are read by Kubernetes'
// own types.
func newObject(cluster client.Client, apiVersion, kind string) (client.Object, error) {
	gvk, err := groupVersionKind(apiVersion, kind)
	if err != nil {
		return nil, err
	}
	if typed, err := cluster.Scheme().New(gvk); err == nil {
		if object, ok := typed.(client.Object); ok {
			return object, nil
		}
	} else if !runtime.IsNotRegisteredError(err) {
		return nil, fmt.Errorf("make a %s: %w", kind, err)
	}
	return untyped(gvk), nil
}

// gone turns an object that is not there into a drill that would prove nothing.
func gone(err error, what string) error {
	if err != nil && client.IgnoreNotFound(err) == nil {
		return fmt.Errorf("%w: there is no %s", scenarios.ErrVoid, what)
	}
	if err != nil {
		return fmt.Errorf("get %s: %w", what, err)
	}
	return nil
}
