package play

import (
	"context"
	"slices"
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
	return leftoverNeeds(w.reach...)
}

func leftoverNeeds(namespaces ...string) []scenarios.Need {
	return append(chaosmesh.LeftoverNeeds(namespaces...), kubernetes.LeftoverNeeds(namespaces...)...)
}

// reachOf are the namespaces in which a drill looks for what drills left: those that it may touch, and those in which its steps make
// what could be left. None: the scenario names none that it may touch, and looks everywhere.
func reachOf(s *scenarios.Scenario) []string {
	if len(s.BlastRadius.Namespaces) == 0 {
		return nil
	}
	out := slices.Clone(s.BlastRadius.Namespaces)
	for _, left := range leftoverNeeds() {
		for _, need := range s.Needs() {
			if need.Group == left.Group && need.Resource == left.Resource && slices.Contains(need.Verbs, "create") {
				out = append(out, need.Namespace)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Needs are all that playing the scenario takes, in the clusters that it names and those that are named beside: its own, and those
// of the guards, which stand over each cluster of a drill.
func (g Game) Needs(s *scenarios.Scenario, clusters ...string) []scenarios.Need {
	out := s.Needs()
	for _, need := range out {
		clusters = append(clusters, need.Cluster)
	}
	clusters = append(clusters, "")
	slices.Sort(clusters)
	for _, guard := range g.guards(s, nil, "") {
		with, ok := guard.(scenarios.Needs)
		if !ok {
			continue
		}
		for _, cluster := range slices.Compact(clusters) {
			for _, need := range with.Needs() {
				need.Cluster = cluster
				out = append(out, need)
			}
		}
	}
	return scenarios.MergeNeeds(out)
}
