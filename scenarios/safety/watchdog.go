package safety

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/scenarios"
)

// Ending tells how a drill's process ended, as its watchdog is told.
type Ending int

// Endings. The zero value is the worst.
const (
	Died Ending = iota // it said nothing more: it was killed
	Left               // it ended, and says that faults are left
	Over               // it ended and left nothing
)

// Watchdog undoes a drill that can no longer undo itself: one whose process died, or whose heartbeat stopped. It works from the
// cluster alone.
type Watchdog struct {
	Sweep                // of the drill Run, or of all drills that die while it stands
	Budget time.Duration // for undoing one drill; 15 m unless said
	Look   time.Duration // between looks at the heartbeat; 5 s unless said
}

// settle is how long nothing must be seen to be left before all counts as undone: a call that the dead drill had made may still be
// on its way.
const settle = 3 * time.Second

func (w *Watchdog) defaults() {
	w.Sweep.defaults()
	if w.Budget == 0 {
		w.Budget = 15 * time.Minute
	}
	if w.Look == 0 {
		w.Look = 5 * time.Second
	}
	w.Force = true // it acts only on the dead
}

// Stand waits until the drill Run has ended, by what ended says or by its heartbeat, and undoes it unless it left nothing.
func (w Watchdog) Stand(ctx context.Context, ended <-chan Ending) error {
	w.defaults()
	seen := &heartbeats{}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case how := <-ended:
			switch how {
			case Over:
				return nil
			case Left:
				return w.undo(ctx, "the drill ended and left faults")
			default:
				return w.undo(ctx, "the drill's process died")
			}
		case <-time.After(w.Look):
		}
		for _, run := range seen.look(ctx, w.Sweep) {
			if run == w.Run {
				return w.undo(ctx, "the drill's heartbeat stopped")
			}
		}
	}
}

// Patrol stands over all drills of the clusters, until ctx ends: it undoes those whose heartbeat stops, and faults that nobody
// holds a lease for and that should be over.
func (w Watchdog) Patrol(ctx context.Context) error {
	w.defaults()
	seen := &heartbeats{}
	var group sync.WaitGroup
	defer group.Wait()
	busy := &runs{}
	for scenarios.Sleep(ctx, w.Look) == nil {
		dead := seen.look(ctx, w.Sweep)
		dead = append(dead, w.orphans(ctx)...)
		for _, run := range dead {
			if !busy.begin(run) {
				continue
			}
			group.Go(func() {
				defer busy.end(run)
				one := w
				one.Run = run
				// What could not be undone is noted, and tried again at the next look.
				if err := one.undo(ctx, "its heartbeat stopped"); err != nil && ctx.Err() == nil {
					_ = one.note(Entry{Run: run, What: "ended", Detail: err.Error()})
				}
			})
		}
	}
	return context.Cause(ctx)
}

// runs are the drills that are being undone.
type runs struct {
	mu   sync.Mutex
	busy map[string]bool
}

func (r *runs) begin(run string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy[run] {
		return false
	}
	if r.busy == nil {
		r.busy = map[string]bool{}
	}
	r.busy[run] = true
	return true
}

func (r *runs) end(run string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.busy, run)
}

// orphans are the drills that no lease tells of and of which a fault is left that should be over.
func (w Watchdog) orphans(ctx context.Context) []string {
	sweep := w.Sweep
	sweep.Force = false
	left, _, err := sweep.Left(ctx)
	if err != nil {
		return nil // nothing is certain: the next look tells
	}
	leased := map[string]bool{}
	if err := each(w.Clusters, func(_ string, cluster client.WithWatch) error {
		leases, err := listLeases(ctx, cluster, w.Namespace)
		for i := range leases {
			leased[runOf(&leases[i])] = true
		}
		return err
	}); err != nil {
		return nil
	}
	var out []string
	for _, one := range left {
		if !leased[one.Run] && one.Expires.Before(time.Now()) {
			out = append(out, one.Run)
		}
	}
	return out
}

// heartbeats remembers when each lease was last seen to change, by this machine's own monotonic clock: no clock of another machine
// is trusted.
type heartbeats struct{ seen map[string]beatSeen }

type beatSeen struct {
	version string
	at      time.Time
}

// look returns the drills of which a lease did not change for as long as it lasts.
func (h *heartbeats) look(ctx context.Context, sweep Sweep) []string {
	var dead []string
	next := map[string]beatSeen{}
	for name, cluster := range sweep.Clusters {
		leases, err := listLeases(ctx, cluster, sweep.Namespace)
		if err != nil { // what cannot be read is not dead; what was seen is kept
			for key, seen := range h.seen {
				next[key] = seen
			}
			continue
		}
		for i := range leases {
			key := name + "/" + string(leases[i].UID)
			seen, known := h.seen[key]
			if !known || seen.version != leases[i].ResourceVersion {
				seen = beatSeen{leases[i].ResourceVersion, time.Now()}
			}
			next[key] = seen
			if time.Since(seen.at) > durationOf(&leases[i]) {
				dead = append(dead, runOf(&leases[i]))
			}
		}
	}
	h.seen = next
	return dead
}

// undo takes over the drill's leases, so that no other drill begins on its targets, undoes until nothing is seen to be left twice
// in a row, and releases the leases.
func (w Watchdog) undo(ctx context.Context, why string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, w.Budget, fmt.Errorf("not all undone within %v", w.Budget))
	defer cancel()
	if err := w.note(Entry{Run: w.Run, What: "began", Detail: why}); err != nil {
		return err
	}
	beat, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() { w.hold(beat) })
	err := w.undoUntilNothingIsLeft(ctx)
	stop()
	group.Wait()
	if err == nil {
		err = scenarios.Insist(ctx, w.release)
	}
	detail := "nothing of the drill is left"
	if err != nil {
		detail = err.Error() + ": try again with: gameday sweep " + w.Run
	}
	return errors.Join(err, w.note(Entry{Run: w.Run, What: "ended", Detail: detail}))
}

func (w Watchdog) undoUntilNothingIsLeft(ctx context.Context) error {
	for clean := 0; clean < 2; {
		left, _, err := w.Left(ctx)
		for i := range left {
			err = errors.Join(err, w.Sweep.undo(ctx, &left[i]))
		}
		if err == nil && len(left) == 0 {
			clean++
		} else {
			clean = 0
		}
		if cause := scenarios.Sleep(ctx, settle); cause != nil {
			if err == nil {
				err = errors.New("all that was seen was undone, but not seen to stay so")
			}
			return fmt.Errorf("%w: %w", cause, err)
		}
	}
	return nil
}

// hold renews the drill's leases in the watchdog's name until ctx ends. A renewal that fails is made again: the worst that can
// come of it is that another drill finds the faults, and is refused for them.
func (w Watchdog) hold(ctx context.Context) {
	for {
		_ = each(w.Clusters, func(_ string, cluster client.WithWatch) error {
			leases, err := listLeases(ctx, cluster, w.Namespace)
			for i := range leases {
				lease := &leases[i]
				if runOf(lease) != w.Run || lease.Annotations == nil {
					continue
				}
				lease.Annotations[annotationHolder] = "the watchdog of a drill that died, " + Me()
				lease.Spec.RenewTime = now()
				err = errors.Join(err, cluster.Update(ctx, lease))
			}
			return err
		})
		if scenarios.Sleep(ctx, w.Look) != nil {
			return
		}
	}
}
