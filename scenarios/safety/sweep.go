package safety

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/scenarios"
)

// Leftover is a fault of a drill that is in a cluster still.
type Leftover struct {
	Cluster   string    `json:"cluster"`
	Run       string    `json:"run"`
	Step      string    `json:"step,omitempty"`
	Fault     string    `json:"fault"`               // what it is, in words
	Kind      string    `json:"kind"`                // of the object that tells of it
	Namespace string    `json:"namespace,omitempty"` // of that object
	Name      string    `json:"name"`                // of that object
	Expires   time.Time `json:"expires,omitzero"`    // when it should have been over
	// Recover undoes it, and returns what proves that in words. It may be called twice, and by two processes at once.
	Recover func(ctx context.Context) (proof string, err error) `json:"-"`
}

// String names the fault, its drill and the object.
func (l Leftover) String() string {
	name := l.Name
	if l.Namespace != "" {
		name = l.Namespace + "/" + name
	}
	text := fmt.Sprintf("%s (%s %s) of the drill %s", l.Fault, l.Kind, name, l.Run)
	if l.Cluster != "" && l.Cluster != display("") {
		text += " on cluster " + l.Cluster
	}
	return text
}

// Find finds the faults of drills in a cluster, of one sort. It tells what it found also with an error.
type Find func(ctx context.Context, cluster client.WithWatch) ([]Leftover, error)

// LookWithin bounds how long one cluster may take to tell what is left in it, as a drill ends: it has been waited for then.
const LookWithin = 10 * time.Second

// FindAll finds the faults of drills of every sort in all clusters, those that end last first. A cluster that cannot be reached
// is not asked for every sort again.
func FindAll(ctx context.Context, clusters scenarios.Clusters, finds []Find) ([]Leftover, error) {
	return FindWithin(ctx, time.Hour, clusters, finds)
}

// FindWithin is FindAll with a bound on how long each cluster may take.
func FindWithin(ctx context.Context, within time.Duration, clusters scenarios.Clusters, finds []Find) ([]Leftover, error) {
	var out []Leftover
	err := each(clusters, func(name string, cluster client.WithWatch) error {
		one, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("no answer within %v", within))
		defer cancel()
		var errs []error
		for _, find := range finds {
			found, err := find(one, cluster)
			for i := range found {
				found[i].Cluster = display(name)
			}
			out = append(out, found...)
			errs = append(errs, err)
			if errors.Is(err, scenarios.ErrUnreachable) || one.Err() != nil {
				break
			}
		}
		return errors.Join(errs...)
	})
	slices.SortStableFunc(out, func(a, b Leftover) int { return b.Expires.Compare(a.Expires) })
	return out, err
}

func of(found []Leftover, run string) []Leftover {
	return slices.DeleteFunc(slices.Clone(found), func(l Leftover) bool { return l.Run != run })
}

// Sweep undoes what drills left, from the cluster alone.
type Sweep struct {
	Clusters  scenarios.Clusters
	Namespace string        // of gameday's own objects; [DefaultNamespace] unless said
	Find      []Find        // every sort of fault
	Run       string        // of this drill only; empty: of all drills
	Force     bool          // also of a drill that is alive
	Within    time.Duration // for each fault; 2 m unless said
	// Note is told what was done, as it happens. Its error ends the sweep.
	Note func(Entry) error
}

// Entry is one thing that a sweep did.
type Entry struct {
	Time     time.Time `json:"time"`
	Run      string    `json:"run,omitempty"`
	What     string    `json:"what"` // "began", "alive", "undone", "not undone", "released", "ended"
	Leftover *Leftover `json:"leftover,omitempty"`
	Detail   string    `json:"detail,omitempty"`
}

func (s *Sweep) defaults() {
	if s.Namespace == "" {
		s.Namespace = DefaultNamespace
	}
	if s.Within == 0 {
		s.Within = 2 * time.Minute
	}
}

// Left lists what would be swept, and in words which drills are alive and keep theirs.
func (s Sweep) Left(ctx context.Context) (left []Leftover, kept []string, err error) {
	s.defaults()
	found, findErr := FindAll(ctx, s.Clusters, s.Find)
	holders, err := s.holders(ctx)
	if err != nil {
		return nil, nil, errors.Join(findErr, err)
	}
	for _, one := range found {
		if s.Run != "" && one.Run != s.Run {
			continue
		}
		if holder, isAlive := holders[one.Run]; isAlive && !s.Force {
			if !slices.Contains(kept, holder) {
				kept = append(kept, holder)
			}
			continue
		}
		left = append(left, one)
	}
	return left, kept, findErr
}

// holders says in words who holds each drill that is alive.
func (s Sweep) holders(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	err := each(s.Clusters, func(_ string, cluster client.WithWatch) error {
		leases, err := listLeases(ctx, cluster, s.Namespace)
		for i := range leases {
			if alive(&leases[i]) {
				out[runOf(&leases[i])] = fmt.Sprintf("the drill %s is alive: held by %s", runOf(&leases[i]), leases[i].Annotations[annotationHolder])
			}
		}
		return err
	})
	return out, err
}

// Do undoes all that is left, once each, and releases the leases of the drills of which nothing is left. Its error names what
// could not be undone.
func (s Sweep) Do(ctx context.Context) error {
	s.defaults()
	left, kept, err := s.Left(ctx)
	errs := []error{err}
	for _, text := range kept {
		errs = append(errs, s.note(Entry{What: "alive", Detail: text + ": left alone"}))
	}
	for i := range left {
		errs = append(errs, s.undo(ctx, &left[i]))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return s.release(ctx)
}

func (s Sweep) undo(ctx context.Context, left *Leftover) error {
	one, cancel := context.WithTimeoutCause(ctx, s.Within, fmt.Errorf("not undone within %v", s.Within))
	defer cancel()
	proof, err := left.Recover(one)
	if err != nil {
		return errors.Join(fmt.Errorf("undo %s: %w", left, err),
			s.note(Entry{Run: left.Run, What: "not undone", Leftover: left, Detail: err.Error()}))
	}
	return s.note(Entry{Run: left.Run, What: "undone", Leftover: left, Detail: proof})
}

// release deletes the leases of dead drills of which nothing is left.
func (s Sweep) release(ctx context.Context) error {
	found, err := FindAll(ctx, s.Clusters, s.Find)
	if err != nil {
		return fmt.Errorf("look whether all is undone: %w", err)
	}
	return each(s.Clusters, func(_ string, cluster client.WithWatch) error {
		leases, err := listLeases(ctx, cluster, s.Namespace)
		if err != nil {
			return err
		}
		var errs []error
		for i := range leases {
			lease, run := &leases[i], runOf(&leases[i])
			if s.Run != "" && run != s.Run || alive(lease) && !s.Force || len(of(found, run)) > 0 {
				continue
			}
			version := lease.ResourceVersion
			if err := cluster.Delete(ctx, lease, client.Preconditions{ResourceVersion: &version}); client.IgnoreNotFound(err) != nil {
				errs = append(errs, fmt.Errorf("release the lease %s of the dead drill %s: %w", lease.Name, run, err))
				continue
			}
			errs = append(errs, s.note(Entry{Run: run, What: "released", Detail: "the lease of " + targetWords(lease.Annotations[annotationTarget])}))
		}
		return errors.Join(errs...)
	})
}

func (s Sweep) note(entry Entry) error {
	entry.Time = time.Now().UTC()
	entry.Detail = strings.TrimSpace(entry.Detail)
	if s.Note == nil {
		return nil
	}
	return s.Note(entry)
}

// String says it in a line.
func (e Entry) String() string {
	text := e.What + ": "
	if e.Leftover != nil {
		text += e.Leftover.String()
	} else if e.Run != "" {
		text += e.Run
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return strings.ReplaceAll(text, ": : ", ": ")
}
