package chaosmesh

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

// errStuck ends the wait for a recovery that cannot come by itself.
var errStuck = errors.New("the daemon cannot inject the fault, and Chaos Mesh does not recover what it has not injected")

// stuck reports whether a place waits for an injection that fails. Chaos Mesh (controllers/common/records) then goes on to
// inject even when the fault was stopped or deleted, and the object never goes while the pod lives.
func stuck(sites []reports.Site) bool {
	return slices.ContainsFunc(sites, func(s reports.Site) bool {
		return strings.HasPrefix(s.Phase, string(v1alpha1.NotInjected)+"/") && s.Message != ""
	})
}

// withdraw takes the fault's rules out of the notes that Chaos Mesh keeps pod by pod, and leaves those of others. The daemon
// then has nothing left that it cannot do, which lets the controller come to an end.
func (u *undoing) withdraw(ctx context.Context) error {
	rules := u.fault.rulesOf()
	if rules == nil {
		return errStuck
	}
	source := client.ObjectKeyFromObject(u.object).String()
	for _, namespace := range u.fault.namespaces() {
		err := scenarios.Insist(ctx, func(ctx context.Context) error {
			return u.cluster.List(ctx, rules.list, client.InNamespace(namespace))
		})
		if err != nil {
			return fmt.Errorf("list %s in %q: %w", rules.kind, namespace, err)
		}
		with, _ := rules.read(source)
		for _, n := range with {
			if err := u.strip(ctx, client.ObjectKey{Namespace: n.namespace, Name: n.name}, source); err != nil {
				return fmt.Errorf("take the fault's rules out of %s %s: %w", rules.kind, n.pod(), err)
			}
		}
	}
	u.proof.Detail = "its rules were withdrawn, since the daemon could not put them in place"
	return nil
}

// strip writes one note without the source's rules; a note that was changed in between is read again.
func (u *undoing) strip(ctx context.Context, key client.ObjectKey, source string) error {
	return client.IgnoreNotFound(retry.RetryOnConflict(retry.DefaultRetry, func() error {
		switch u.fault.Object.(type) {
		case *v1alpha1.NetworkChaos:
			item := &v1alpha1.PodNetworkChaos{}
			if err := u.cluster.Get(ctx, key, item); err != nil {
				return err
			}
			spec := &item.Spec
			spec.Iptables = slices.DeleteFunc(spec.Iptables, func(r v1alpha1.RawIptables) bool { return r.Source == source })
			spec.IPSets = slices.DeleteFunc(spec.IPSets, func(r v1alpha1.RawIPSet) bool { return r.Source == source })
			spec.TrafficControls = slices.DeleteFunc(spec.TrafficControls, func(r v1alpha1.RawTrafficControl) bool { return r.Source == source })
			return u.cluster.Update(ctx, item)
		case *v1alpha1.IOChaos:
			item := &v1alpha1.PodIOChaos{}
			if err := u.cluster.Get(ctx, key, item); err != nil {
				return err
			}
			item.Spec.Actions = slices.DeleteFunc(item.Spec.Actions, func(a v1alpha1.IOChaosAction) bool { return a.Source == source })
			return u.cluster.Update(ctx, item)
		case *v1alpha1.HTTPChaos:
			item := &v1alpha1.PodHttpChaos{}
			if err := u.cluster.Get(ctx, key, item); err != nil {
				return err
			}
			item.Spec.Rules = slices.DeleteFunc(item.Spec.Rules, func(r v1alpha1.PodHttpChaosRule) bool { return r.Source == source })
			return u.cluster.Update(ctx, item)
		default:
			return errStuck
		}
	}))
}
