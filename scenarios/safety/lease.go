package safety

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/scenarios"
)

const (
	// DefaultLease is how long a drill counts as alive after its last heartbeat.
	DefaultLease = 30 * time.Second
	// labelLease marks a drill's lease.
	labelLease = "gameday.dev/lease"
	// annotationHolder says to people who holds a lease.
	annotationHolder = "gameday.dev/holder"
	// annotationTarget is the namespace that a lease is for; empty: the whole cluster.
	annotationTarget = "gameday.dev/target"
)

// Leases is the guard that lets one drill at a time on a target: it holds a Lease for each namespace of the blast radius in every
// cluster of the drill, or one for the whole cluster when the scenario names none. Its renewal is the drill's heartbeat.
//
// A lease whose holder is dead is taken over only when nothing of that drill is left in the cluster.
type Leases struct {
	Namespace string        // of gameday's own objects; [DefaultNamespace] unless said
	Targets   []string      // the namespaces of the blast radius; none: the whole cluster
	Holder    string        // says to people who holds the leases; [Me] unless said
	Duration  time.Duration // how long a drill counts as alive after its last heartbeat; [DefaultLease] unless said
	Find      []Find        // what dead drills left
}

var _ scenarios.Guard = Leases{}

func (l *Leases) defaults() {
	if l.Namespace == "" {
		l.Namespace = DefaultNamespace
	}
	if l.Holder == "" {
		l.Holder = Me()
	}
	if l.Duration == 0 {
		l.Duration = DefaultLease
	}
	if len(l.Targets) == 0 {
		l.Targets = []string{""}
	}
	l.Targets = slices.Compact(slices.Sorted(slices.Values(l.Targets)))
}

// Enter takes all leases or none, and starts the heartbeat.
func (l Leases) Enter(ctx context.Context, env scenarios.Env, stop func(cause error)) (func(ctx context.Context) error, error) {
	l.defaults()
	held := &heldLeases{Leases: l, run: env.Run, stop: stop}
	if err := each(env.Clusters, func(name string, cluster client.WithWatch) error {
		return held.takeAll(ctx, name, cluster)
	}); err != nil {
		return nil, errors.Join(err, held.release(context.WithoutCancel(ctx)))
	}
	if err := env.Fact(TopicLease, map[string]any{"run": env.Run, "namespaces": l.Targets, "seconds": l.Duration.Seconds()},
		fmt.Sprintf("alone on %s", l.words())); err != nil {
		return nil, errors.Join(err, held.release(context.WithoutCancel(ctx)))
	}
	beat, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var group sync.WaitGroup
	group.Go(func() { held.beat(beat) })
	return func(ctx context.Context) error {
		left := held.recordLeft(ctx, env)
		cancel()
		group.Wait()
		if left != nil { // the leases stay, and expire: they keep other drills out until the rest is swept
			return ignoreLeft(left)
		}
		return held.release(ctx)
	}, nil
}

func (l Leases) words() string {
	if slices.Equal(l.Targets, []string{""}) {
		return "the whole cluster (the scenario names no namespace)"
	}
	return "namespace " + strings.Join(l.Targets, ", ")
}

// held is one lease that is held.
type held struct {
	cluster client.WithWatch
	lease   *coordinationv1.Lease
}

type heldLeases struct {
	Leases
	run  string
	stop func(cause error)
	all  []held
}

// takeAll takes the leases of one cluster, and then looks whether another drill stands in the way: two drills that take at once
// both see each other then, so at least one steps back.
func (h *heldLeases) takeAll(ctx context.Context, name string, cluster client.WithWatch) error {
	for _, target := range h.Targets {
		lease, err := h.take(ctx, name, cluster, target)
		if err != nil {
			return err
		}
		h.all = append(h.all, held{cluster, lease})
	}
	others, err := listLeases(ctx, cluster, h.Namespace)
	if err != nil {
		return err
	}
	whole := slices.Equal(h.Targets, []string{""})
	for i := range others {
		target := others[i].Annotations[annotationTarget]
		if runOf(&others[i]) != h.run && (whole || target == "") && alive(&others[i]) {
			return inTheWay(&others[i])
		}
	}
	return h.noLeftovers(ctx, name, cluster, "")
}

// take creates the lease of a target. One that is there belongs to a drill that is alive, or to one that is dead.
func (h *heldLeases) take(ctx context.Context, name string, cluster client.WithWatch, target string) (*coordinationv1.Lease, error) {
	lease := h.lease(target)
	err := inNamespace(ctx, cluster, h.Namespace, func(ctx context.Context) error { return cluster.Create(ctx, lease.DeepCopy()) })
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return nil, fmt.Errorf("take the lease of %s: %w", targetWords(target), err)
	}
	there := &coordinationv1.Lease{}
	if err := cluster.Get(ctx, client.ObjectKeyFromObject(lease), there); err != nil {
		return nil, fmt.Errorf("read the lease of %s: %w", targetWords(target), explain(err, h.Namespace))
	}
	if runOf(there) == h.run {
		return there, nil
	}
	if err := h.dead(ctx, cluster, there); err != nil {
		return nil, err
	}
	if err := h.noLeftovers(ctx, name, cluster, runOf(there)); err != nil {
		return nil, err
	}
	lease.ResourceVersion = there.ResourceVersion
	if err := cluster.Update(ctx, lease); err != nil {
		if apierrors.IsConflict(err) {
			return nil, fmt.Errorf("another drill took the lease of %s in this moment: try again when it is over", targetWords(target))
		}
		return nil, fmt.Errorf("take over the lease of %s from the dead drill %s: %w", targetWords(target), runOf(there), err)
	}
	return lease, nil
}

func (h *heldLeases) lease(target string) *coordinationv1.Lease {
	name := "drill"
	if target != "" {
		name += "." + target // no namespace's name has a dot, so no two targets share a lease
	}
	seconds := int32(h.Duration / time.Second)
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: h.Namespace, Name: name,
			Labels: map[string]string{scenarios.LabelRun: h.run, labelLease: "drill"},
			Annotations: map[string]string{
				annotationHolder: h.Holder, annotationTarget: target,
				scenarios.AnnotationExpires: time.Now().Add(h.Duration).UTC().Format(time.RFC3339),
			},
		},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: &h.run, LeaseDurationSeconds: &seconds, AcquireTime: now(), RenewTime: now(),
		},
	}
}

// dead makes sure that the holder of a lease is dead: its time is over by this machine's clock, and no heartbeat comes while two
// of them should have come, so that a clock that goes wrong kills no drill.
func (h *heldLeases) dead(ctx context.Context, cluster client.WithWatch, lease *coordinationv1.Lease) error {
	if alive(lease) {
		return inTheWay(lease)
	}
	if err := scenarios.Sleep(ctx, h.Duration/3); err != nil {
		return err
	}
	before := lease.ResourceVersion
	if err := cluster.Get(ctx, client.ObjectKeyFromObject(lease), lease); err != nil {
		return fmt.Errorf("read the lease %s again: %w", lease.Name, err)
	}
	if lease.ResourceVersion != before {
		return inTheWay(lease)
	}
	return nil
}

// noLeftovers refuses while faults of a dead drill are in the cluster: of the named run, or of any that touches the targets or,
// as a node does, belongs to no namespace.
func (h *heldLeases) noLeftovers(ctx context.Context, name string, cluster client.WithWatch, run string) error {
	sweep := Sweep{Clusters: scenarios.Clusters{name: cluster}, Namespace: h.Namespace, Find: h.Find, Run: run}
	found, _, err := sweep.Left(ctx) // of dead drills, and of this one
	if err != nil {
		return fmt.Errorf("look for what dead drills left: %w", err)
	}
	var left []string
	for _, one := range found {
		touches := h.Targets[0] == "" || one.Namespace == "" || slices.Contains(h.Targets, one.Namespace)
		if run != "" || touches && one.Run != h.run {
			left = append(left, one.String()+": undo it with: gameday sweep "+one.Run)
		}
	}
	if len(left) == 0 {
		return nil
	}
	return fmt.Errorf("an earlier drill left faults: %s", strings.Join(left, "; "))
}

func inTheWay(lease *coordinationv1.Lease) error {
	return fmt.Errorf("the drill %s is on %s: it is held by %s since %s: wait until it is over, or stop it",
		runOf(lease), targetWords(lease.Annotations[annotationTarget]), lease.Annotations[annotationHolder], acquired(lease))
}

func acquired(lease *coordinationv1.Lease) string {
	if lease.Spec.AcquireTime == nil {
		return "an unknown time"
	}
	return lease.Spec.AcquireTime.UTC().Format(time.RFC3339)
}

func targetWords(target string) string {
	if target == "" {
		return "the whole cluster"
	}
	return fmt.Sprintf("namespace %q", target)
}

func runOf(lease *coordinationv1.Lease) string {
	if lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

// alive tells by this machine's clock whether a lease's last heartbeat is recent enough.
func alive(lease *coordinationv1.Lease) bool {
	if lease.Spec.RenewTime == nil || runOf(lease) == "" {
		return false
	}
	return time.Since(lease.Spec.RenewTime.Time) < durationOf(lease)
}

func durationOf(lease *coordinationv1.Lease) time.Duration {
	if lease.Spec.LeaseDurationSeconds == nil {
		return DefaultLease
	}
	return time.Duration(*lease.Spec.LeaseDurationSeconds) * time.Second
}

// listLeases lists the leases of all drills in a cluster. A namespace that is not there has none.
func listLeases(ctx context.Context, cluster client.Reader, namespace string) ([]coordinationv1.Lease, error) {
	var list coordinationv1.LeaseList
	if err := cluster.List(ctx, &list, client.InNamespace(namespace), client.HasLabels{labelLease}); err != nil {
		return nil, fmt.Errorf("list the leases of drills in %q: %w", namespace, explain(err, namespace))
	}
	return list.Items, nil
}
