package dr

import (
	"context"
	"time"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

var (
	_ scenarios.Needs    = (*Lose)(nil)
	_ scenarios.Targeted = (*Lose)(nil)
	_ scenarios.Lasting  = (*Lose)(nil)
	_ scenarios.Lasting  = (*Write)(nil)
	_ scenarios.Timed    = (*Write)(nil)
)

// Targets finds the namespace, and the pods and volume claims that go with it.
func (l *Lose) Targets(ctx context.Context, env scenarios.Env) ([]reports.Target, int, error) {
	cluster, namespace, err := l.find(ctx, env)
	if err != nil {
		return nil, 0, err
	}
	lost, err := l.inventory(ctx, cluster, namespace)
	return lost, 0, err
}

// Lasts says that nothing brings the namespace back as it was.
func (l *Lose) Lasts() string {
	return "the namespace " + l.Namespace + " with all that is in it, volumes among it: a restore brings back what its backup holds, and nothing else"
}

// Needs are those of seeing what is lost, losing it and waiting until it is gone.
func (l *Lose) Needs() []scenarios.Need {
	need := func(namespace, resource, name string, verbs ...string) scenarios.Need {
		return scenarios.Need{Cluster: l.Cluster, Namespace: namespace, Resource: resource, Name: name, Verbs: verbs}
	}
	return []scenarios.Need{
		need("", "namespaces", l.Namespace, "get", "list", "watch", "delete"),
		need(l.Namespace, "pods", "", "list"), need(l.Namespace, "persistentvolumeclaims", "", "list"),
	}
}

// Takes says how long the drill waits for the markers.
func (w *Write) Takes() time.Duration {
	if w.Background {
		return 0
	}
	return w.For.D()
}

// Lasts says that the markers stay where the application keeps them.
func (w *Write) Lasts() string {
	return "the markers stay in the application, each with a key that begins with the drill's identity"
}
