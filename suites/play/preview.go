package play

import (
	"context"
	"time"

	"github.com/gamedayhq/gameday/scenarios"
	"github.com/gamedayhq/gameday/scenarios/chaosmesh"
	"github.com/gamedayhq/gameday/scenarios/kubernetes"
)

// Preview looks at what a drill would do on its clusters, by the drill's own checks and guards, and changes nothing.
func (g Game) Preview(ctx context.Context, s *scenarios.Scenario) (scenarios.Preview, error) {
	clusters, environment, err := g.Target.Connect(ctx)
	if err != nil {
		return scenarios.Preview{}, err
	}
	runner := scenarios.Runner{
		Run: scenarios.NewRun(s.Name, time.Now()), Clusters: clusters,
		Guards: g.guards(s, environment, ""), Ceiling: g.Safety.Config.Ceiling,
	}
	return runner.Preview(ctx, s)
}

var _ scenarios.Needs = watchdog{}

// Needs are those of finding what drills left, before the drill and after it.
func (w watchdog) Needs() []scenarios.Need {
	return append(chaosmesh.LeftoverNeeds(), kubernetes.LeftoverNeeds()...)
}
