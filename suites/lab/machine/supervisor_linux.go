package machine

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	stopGrace     = 5 * time.Second // from SIGTERM to SIGKILL for one part
	shutdownLimit = 5 * time.Second // for all parts together
	shutdownGrace = 3 * time.Second // for one part of them, so that its needs get a turn
)

// supervisor keeps the parts of one machine and tells who asks about every change.
type supervisor struct {
	spec   Spec
	reaper *reaper
	since  time.Time
	parts  []*part
	grace  atomic.Int64

	mu       sync.Mutex
	revision uint64
	changed  chan struct{} // closed and replaced at every change
}

func newSupervisor(spec Spec) *supervisor {
	s := &supervisor{spec: spec, reaper: newReaper(), since: time.Now(), revision: 1, changed: make(chan struct{})}
	s.grace.Store(int64(stopGrace))
	for _, p := range spec.Parts {
		s.parts = append(s.parts, &part{
			spec: p,
			sup:  s,
			status: PartStatus{
				Name: p.Name, Version: p.Version, State: Waiting, Since: s.since, Log: logPath(spec.Dir, p.Name),
			},
		})
	}
	return s
}

func (s *supervisor) part(name string) *part {
	i := slices.IndexFunc(s.parts, func(p *part) bool { return p.spec.Name == name })
	if i < 0 {
		return nil
	}
	return s.parts[i]
}

// change edits a part's status and wakes everybody who waits.
func (s *supervisor) change(p *part, edit func(*PartStatus)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := p.status
	edit(&p.status)
	if p.status.State != before.State {
		p.status.Since = time.Now()
		fmt.Fprintf(os.Stderr, "%s part %s: %s %s\n",
			p.status.Since.Format(time.RFC3339Nano), p.spec.Name, p.status.State, p.status.LastError)
	}
	if p.status == before {
		return
	}
	s.revision++
	close(s.changed)
	s.changed = make(chan struct{})
}

// snapshot returns the status and a channel that is closed at the next change.
func (s *supervisor) snapshot() (Status, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	host, err := os.Hostname()
	if err != nil {
		host = s.spec.Hostname
	}
	status := Status{Name: s.spec.Name, Hostname: host, Since: s.since, Revision: s.revision}
	for _, p := range s.parts {
		status.Parts = append(status.Parts, p.status)
	}
	return status, s.changed
}

// after returns the first status newer than the revision, or the present one when ctx ends.
func (s *supervisor) after(ctx context.Context, revision uint64) Status {
	for {
		status, changed := s.snapshot()
		if status.Revision > revision {
			return status
		}
		select {
		case <-ctx.Done():
			return status
		case <-changed:
		}
	}
}

// awaitUp blocks until the parts that p needs are up.
func (s *supervisor) awaitUp(ctx context.Context, p *part) error {
	for {
		status, changed := s.snapshot()
		var down []string
		for _, name := range p.spec.After {
			if need, _ := status.Part(name); !need.Up() {
				down = append(down, fmt.Sprintf("%s (%s)", name, need.State))
			}
		}
		if len(down) == 0 {
			return ctx.Err()
		}
		s.change(p, func(st *PartStatus) { st.LastError = "needs " + strings.Join(down, ", ") })
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// shutdown stops every part after those that need it.
func (s *supervisor) shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, shutdownLimit)
	defer cancel()
	s.grace.Store(int64(shutdownGrace))
	down := map[string]chan struct{}{}
	for _, p := range s.parts {
		down[p.spec.Name] = make(chan struct{})
	}
	errs := make(chan error, len(s.parts))
	for _, p := range s.parts {
		go func() {
			defer close(down[p.spec.Name])
			for _, user := range s.parts {
				if !slices.Contains(user.spec.After, p.spec.Name) {
					continue
				}
				select {
				case <-down[user.spec.Name]:
				case <-ctx.Done():
				}
			}
			errs <- p.stop(ctx)
		}()
	}
	late := 0
	for range s.parts {
		if err := <-errs; err != nil {
			fmt.Fprintln(os.Stderr, err)
			late++
		}
	}
	if late > 0 {
		return fmt.Errorf("stop machine %s: %d of %d parts had to be killed", s.spec.Name, late, len(s.parts))
	}
	return nil
}
