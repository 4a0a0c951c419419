package chaosmesh

import (
	"errors"
	"strings"
	"testing"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/scenarios"
)

// bare is a cluster that serves nothing of Chaos Mesh.
type bare struct{ client.WithWatch }

func (bare) RESTMapper() meta.RESTMapper { return meta.NewDefaultRESTMapper(nil) }

func TestPreflightRefusesBeforeAnyHarm(t *testing.T) {
	chaosOnly := func(err error) func(client.Object) error {
		return func(object client.Object) error {
			if _, ok := object.(v1alpha1.InnerObject); ok {
				return err
			}
			return nil
		}
	}
	for what, row := range map[string]struct {
		chaos string
		world func(p *play)
		void  bool
		want  []string
	}{
		"all well": {chaos: kill, world: func(*play) {}},
		"no Chaos Mesh": {
			chaos: kill, world: func(p *play) { p.env.Clusters = scenarios.Clusters{"": bare{p.world}} },
			want: []string{"PodChaos is not served", "install Chaos Mesh"},
		},
		"rights missing": {chaos: with("undo: {restart: true},", cut), world: func(p *play) {
			p.denied = map[string]bool{"delete networkchaos": true, "watch pods": true, "delete pods": true, "list podnetworkchaos": true}
		}, want: []string{
			"may not", "delete networkchaos.chaos-mesh.org in namespace shop", "delete, watch pods in namespace shop",
			"list podnetworkchaos.chaos-mesh.org", "grant it these rights",
		}},
		"the webhook is down": {chaos: kill, world: func(p *play) {
			p.refuse = chaosOnly(apierrors.NewInternalError(errors.New(`failed calling webhook "mpodchaos.kb.io": connection refused`)))
		}, want: []string{"the cluster would refuse the PodChaos", "connection refused", "see that chaos-controller-manager runs"}},
		"definitions older than the types": {chaos: with("", cut), world: func(p *play) {
			p.refuse = chaosOnly(apierrors.NewBadRequest(`strict decoding error: unknown field "spec.partitionBehavior"`))
		}, want: []string{"spec.partitionBehavior", "older than the types", "update them"}},
		"no pod": {
			chaos: strings.Replace(kill, "app: shop", "app: none", 1), world: func(*play) {}, void: true,
			want: []string{"no pod matches app=none in namespace shop"},
		},
		"no such container": {
			chaos: `{kind: PodChaos, spec: {action: container-kill, mode: one, containerNames: [sidecar], ` + selector + `}}`,
			world: func(*play) {}, void: true, want: []string{"none of the 3 pods that match has a container named sidecar"},
		},
		"no such node": {
			chaos: strings.Replace(kill, "namespaces", "nodes: [node-9], namespaces", 1), world: func(*play) {}, void: true,
			want: []string{"no pod matches"},
		},
		"the last replica": {
			chaos: with("", burn), world: func(p *play) { p.fault.radius.AllowLastReplica = false },
			want: []string{"last ready pod"},
		},
	} {
		t.Run(what, func(t *testing.T) {
			p := newPlay(t, row.chaos)
			row.world(p)
			err := p.env.Clusters.Allowed(t.Context(), p.fault.Needs())
			if err == nil {
				err = p.fault.Preflight(t.Context(), p.env)
			}
			if len(row.want) == 0 && err != nil {
				t.Fatal(err)
			}
			wants(t, err, row.want...)
			if errors.Is(err, scenarios.ErrVoid) != row.void {
				t.Errorf("void: %v, of %v", errors.Is(err, scenarios.ErrVoid), err)
			}
			if len(p.created) != 0 {
				t.Errorf("created %v", p.created)
			}
		})
	}
}
