package kubernetes

import (
	"context"
	"fmt"
	"strings"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

var (
	_ scenarios.Targeted = (*Delete)(nil)
	_ scenarios.Targeted = (*Scale)(nil)
	_ scenarios.Targeted = (*Cordon)(nil)
	_ scenarios.Targeted = (*Drain)(nil)
	_ scenarios.Targeted = (*Quota)(nil)
	_ scenarios.Targeted = (*Rotate)(nil)
	_ scenarios.Targeted = (*CutNetwork)(nil)
	_ scenarios.Targeted = (*StopDNS)(nil)
)

// Targets finds what the deletion chooses from.
func (d *Delete) Targets(ctx context.Context, env scenarios.Env) ([]reports.Target, int, error) {
	cluster, err := env.Clusters.Get(d.Cluster)
	if err != nil {
		return nil, 0, err
	}
	found, n, err := d.candidates(ctx, cluster)
	out := make([]reports.Target, 0, len(found))
	for i := range found {
		out = append(out, target(d.Cluster, d.kind(), &found[i]))
	}
	return out, n, err
}

// Targets finds the workload and its pods.
func (s *Scale) Targets(ctx context.Context, env scenarios.Env) ([]reports.Target, int, error) {
	cluster, err := env.Clusters.Get(s.Cluster)
	if err != nil {
		return nil, 0, err
	}
	w, err := s.read(ctx, cluster)
	if err != nil {
		return nil, 0, err
	}
	out := append([]reports.Target{target(s.Cluster, s.kind(), w.object)}, podTargets(s.Cluster, w.pods)...)
	lost := max(0, int(w.scale.Spec.Replicas-s.Replicas))
	return out, 1 + min(lost, len(w.pods)), nil
}

// Targets finds the name service and its pods.
func (d *StopDNS) Targets(ctx context.Context, env scenarios.Env) ([]reports.Target, int, error) {
	return d.scale().Targets(ctx, env)
}

// Targets finds the nodes.
func (c *Cordon) Targets(ctx context.Context, env scenarios.Env) ([]reports.Target, int, error) {
	cluster, err := env.Clusters.Get(c.Cluster)
	if err != nil {
		return nil, 0, err
	}
	nodes, err := c.Nodes.resolve(ctx, cluster)
	return nodeTargets(c.Cluster, nodes), 0, err
}

// Targets finds the nodes and the pods that are evicted from them.
func (d *Drain) Targets(ctx context.Context, env scenarios.Env) ([]reports.Target, int, error) {
	cluster, err := env.Clusters.Get(d.Cluster)
	if err != nil {
		return nil, 0, err
	}
	nodes, pods, err := d.resolve(ctx, cluster)
	return append(nodeTargets(d.Cluster, nodes), podTargets(d.Cluster, pods)...), 0, err
}

// Targets finds the namespace.
func (q *Quota) Targets(ctx context.Context, env scenarios.Env) ([]reports.Target, int, error) {
	cluster, err := env.Clusters.Get(q.Cluster)
	if err != nil {
		return nil, 0, err
	}
	namespace, err := q.resolve(ctx, cluster)
	if namespace == nil {
		return nil, 0, err
	}
	return []reports.Target{target(q.Cluster, "Namespace", namespace)}, 0, err
}

// Targets finds the Secret and the workloads that are restarted.
func (r *Rotate) Targets(ctx context.Context, env scenarios.Env) ([]reports.Target, int, error) {
	cluster, err := env.Clusters.Get(r.Cluster)
	if err != nil {
		return nil, 0, err
	}
	secret, workloads, err := r.resolve(ctx, cluster)
	if secret == nil {
		return nil, 0, err
	}
	return r.targets(secret, workloads), 0, err
}

// Targets finds the pods of both sides.
func (c *CutNetwork) Targets(ctx context.Context, env scenarios.Env) ([]reports.Target, int, error) {
	cluster, err := env.Clusters.Get(c.Cluster)
	if err != nil {
		return nil, 0, err
	}
	from, to, err := c.resolve(ctx, cluster)
	return append(podTargets(c.Cluster, from), podTargets(c.Cluster, to)...), 0, err
}

var (
	_ scenarios.Lasting = (*Delete)(nil)
	_ scenarios.Lasting = (*Scale)(nil)
	_ scenarios.Lasting = (*Drain)(nil)
	_ scenarios.Lasting = (*Rotate)(nil)
	_ scenarios.Lasting = (*StopDNS)(nil)
)

// ofPods is what goes with a pod that another takes the place of.
const ofPods = "what the pods kept to themselves: memory, emptyDir volumes, their logs on the node"

// Lasts says what goes with the objects.
func (d *Delete) Lasts() string {
	if d.kind() == "Pod" {
		return ofPods
	}
	return fmt.Sprintf("the %s is made again as it was, with another UID; what its controllers had made of it goes with it: %s", d.kind(), ofPods)
}

// Lasts says what goes with the pods.
func (s *Scale) Lasts() string { return ofPods }

// Lasts says what goes with the pods.
func (d *StopDNS) Lasts() string { return ofPods }

// Lasts says what goes with the pods.
func (d *Drain) Lasts() string {
	return ofPods + ", and where they run: they may come back on other nodes than before"
}

// Lasts says what is lost with the pods that are replaced.
func (r *Rotate) Lasts() string {
	words := []string{"pods that read the other data into their environment meanwhile are replaced"}
	for _, one := range r.Restart {
		words = append(words, one.String()+" is restarted")
	}
	return strings.Join(words, ", ") + ": " + ofPods
}
