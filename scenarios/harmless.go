package scenarios

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/reports"
)

// harmless is a cluster in which nothing is changed: each write goes to the API server as a dry run, which admission, webhooks
// among it, judges as if it were real.
type harmless struct {
	client.Client
	watches client.WithWatch
}

func newHarmless(cluster client.WithWatch) client.WithWatch {
	return harmless{client.NewDryRunClient(cluster), cluster}
}

// Watch watches the cluster itself.
func (h harmless) Watch(ctx context.Context, list client.ObjectList, options ...client.ListOption) (watch.Interface, error) {
	return h.watches.Watch(ctx, list, options...)
}

// unrecorded is the journal of what is only looked at.
type unrecorded struct{ start time.Time }

// Event forgets the event.
func (unrecorded) Event(reports.Event) error { return nil }

// Start is when the look began.
func (u unrecorded) Start() time.Time { return u.start }
