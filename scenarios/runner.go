package scenarios

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/gamedayhq/gameday/probes"
	"github.com/gamedayhq/gameday/reports"
)

// Runner plays a scenario on clusters and leaves a journal.
type Runner struct {
	Run      string // the drill's identity; see NewRun
	Dir      string // the folder of its evidence; it must exist
	Clusters Clusters
	Harness  reports.Harness
	// Environment tells of each cluster: its name under "cluster", versions, identity.
	Environment []map[string]string
	// Guards are asked, in their order, before anything is touched.
	Guards []Guard
	// Ceiling bounds what the faults may hit, whatever the scenario says.
	Ceiling Ceiling
	// Watch is told of all that is recorded, as it happens, from several goroutines, and must not block. Nil is fine.
	Watch Watcher

	wall func() time.Time // reads the wall clock; the machine's unless a test says so
}

// Watcher follows a drill while it runs, for a person to see.
type Watcher interface {
	Event(event reports.Event)
	Sample(sample probes.Sample)
}

// undoBudget is what undoing may take when the drill was cut short; each step's own timeout bounds its part of it.
const undoBudget = 10 * time.Minute

// JournalPath returns the path of the drill's journal.
func (r Runner) JournalPath() string { return filepath.Join(r.Dir, reports.JournalFile) }

// Play runs the drill from preflight to settle. It returns once everything is undone and recorded, also when ctx ends early.
//
// Its error is the harness's: that the record could not be kept, or that the drill could not be played. That the system did
// badly, or that a drill proved nothing, is no error: it is in the journal.
func (r Runner) Play(ctx context.Context, s *Scenario) error {
	s.defaults()
	s.BlastRadius = s.BlastRadius.Under(r.Ceiling)
	if err := s.Validate(); err != nil {
		return err
	}
	s, chosen := s.asPlayed()
	asked, err := ready(ctx, s.Monitors, r.Clusters)
	if err != nil {
		return err
	}
	questions, err := ask(asked)
	if err != nil {
		return err
	}
	journal, err := reports.Create(r.JournalPath(), reports.Header{
		Schema: reports.SchemaJournal, Run: r.Run,
		Harness: r.Harness, Scenario: s.Source, Drill: s.Drill(),
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	d := &drill{Runner: r, scenario: s, journal: journal, cancel: cancel, chosen: chosen, asked: asked, questions: questions}
	err = d.play(ctx)
	cancel(err)
	return errors.Join(err, journal.Close())
}

// ask makes the monitors' probes.
func ask(monitors []Monitor) ([]probes.Monitor, error) {
	var out []probes.Monitor
	for _, m := range monitors {
		probe, err := m.Ask.New()
		if err != nil {
			return nil, fmt.Errorf("monitor %q: %w", m.Name, err)
		}
		out = append(out, probes.Monitor{Name: m.Name, Probe: probe, Every: m.Every, Timeout: m.Timeout})
	}
	return out, nil
}

// drill is one run of a scenario.
type drill struct {
	Runner
	scenario  *Scenario
	journal   *reports.Journal
	asked     []Monitor // with all that they need to be asked
	questions []probes.Monitor
	cancel    context.CancelCauseFunc
	tasks     *Tasks
	chosen    []Chosen
	owed      debts
	entered   []func(ctx context.Context) error
}

// errStopped is the cause of a drill that its own stop condition ended.
var errStopped = errors.New("stop condition")

func (d *drill) play(ctx context.Context) error {
	// Faults that were begun are undone on a context that outlives the caller's, whose end is what undoes them.
	lasting := context.WithoutCancel(ctx)
	d.tasks = NewTasks(lasting)
	go d.watchJournal(ctx)
	if err := d.prepare(ctx); err != nil {
		return errors.Join(d.leave(lasting), d.end(err))
	}
	stopMonitors := d.startMonitors(lasting)
	err := d.baseline(ctx)
	if err == nil {
		err = d.steps(ctx, d.scenario.Steps)
	}
	if err == nil {
		err = Sleep(ctx, d.scenario.Settle)
	}
	budget, done := context.WithTimeout(lasting, undoBudget)
	defer done()
	undoErr := d.undoAll(budget)
	taskErr := d.tasks.StopAll()
	stopped := d.event(reports.Event{Kind: reports.MonitorsStopped})
	stopMonitors()
	leaveErr := d.leave(lasting)
	return errors.Join(d.end(err), undoErr, taskErr, stopped, leaveErr)
}

// prepare is all that comes before the monitors: it touches nothing.
func (d *drill) prepare(ctx context.Context) error {
	if err := d.describeEnvironment(); err != nil {
		return err
	}
	if err := d.enter(ctx); err != nil {
		return err
	}
	if err := d.preflight(ctx); err != nil {
		return err
	}
	return d.proveMonitors(ctx)
}

// watchJournal ends the drill as soon as it can no longer be recorded.
func (d *drill) watchJournal(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-d.journal.Failed():
		d.cancel(errors.New("the drill can no longer be recorded"))
	}
}

// end records how the drill ended. An inconclusive end is no error of the harness.
func (d *drill) end(cause error) error {
	if cause == nil {
		return d.event(reports.Event{Kind: reports.DrillEnded})
	}
	var errs []error
	if errors.Is(cause, ErrVoid) {
		errs = append(errs, d.event(reports.Event{Kind: reports.Fact, Topic: reports.TopicVoid, Detail: cause.Error()}))
	}
	errs = append(errs,
		d.event(reports.Event{Kind: reports.Aborted, Detail: cause.Error()}),
		d.event(reports.Event{Kind: reports.DrillEnded}))
	if isVerdict(cause) {
		return errors.Join(errs...)
	}
	return errors.Join(append([]error{cause}, errs...)...)
}

// isVerdict tells an end that the judge speaks of from one that is the harness's error.
func isVerdict(cause error) bool {
	var system *SystemError
	return errors.Is(cause, ErrVoid) || errors.Is(cause, errStopped) || errors.Is(cause, ErrInterrupted) || errors.As(cause, &system)
}

// ErrInterrupted is the cause of the context of a drill that a person or a signal cut short.
var ErrInterrupted = errors.New("interrupted")

func (d *drill) event(event reports.Event) error {
	err := d.journal.Event(event) // stamps it, so that the journal's order is that of time
	if d.Watch != nil {
		if event.At == 0 {
			event.At = time.Since(d.journal.Start())
		}
		d.Watch.Event(event)
	}
	return err
}

// Event lets actions record through the drill, so that they are watched as well.
func (d *drill) Event(event reports.Event) error { return d.event(event) }

// Start is the drill's monotonic zero.
func (d *drill) Start() time.Time { return d.journal.Start() }

func (d *drill) env(step string) Env {
	return Env{Run: d.Run, Step: step, Clusters: d.Clusters, Journal: d, Tasks: d.tasks}
}

// preflight asks every action whether it can do its work, before anything is touched, and tells all that is in the way.
func (d *drill) preflight(ctx context.Context) error {
	var errs []error
	for _, step := range flat(d.scenario.Steps) {
		if err := preflight(ctx, d.env(step.Name), step); err != nil {
			errs = append(errs, fmt.Errorf("step %q: %w", step.Name, err))
		}
	}
	return errors.Join(errs...)
}

// preflight asks the step's action whether it may and can do its work. What may not be done cannot be looked at either.
func preflight(ctx context.Context, env Env, step Step) error {
	ctx, cancel := context.WithTimeoutCause(ctx, step.Timeout, fmt.Errorf("no answer within %v", step.Timeout))
	defer cancel()
	if err := env.Clusters.Allowed(ctx, stepNeeds(step)); err != nil {
		return err
	}
	if action, ok := step.Action.(Preflighter); ok {
		return action.Preflight(ctx, env)
	}
	return nil
}

// startMonitors starts all monitors and returns what stops them and waits for their last samples.
func (d *drill) startMonitors(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	stops := newStops(d.scenario.StopWhen)
	var group sync.WaitGroup
	group.Go(func() {
		probes.Run(ctx, d.journal.Start(), d.questions, func(s probes.Sample) { d.sample(s, stops) })
	})
	group.Go(func() { d.watchClock(ctx) })
	return func() {
		cancel()
		group.Wait()
	}
}

// sample records a sample and ends the drill on a breach of a stop condition. A failed write ends it by the journal's Failed.
func (d *drill) sample(s probes.Sample, stops *stops) {
	if err := d.journal.Sample(s); err != nil {
		return
	}
	if d.Watch != nil {
		d.Watch.Sample(s)
	}
	if why := stops.add(s); why != "" {
		d.cancel(fmt.Errorf("%w: %s", errStopped, why))
	}
}
