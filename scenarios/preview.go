package scenarios

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/gamedayhq/gameday/reports"
)

// SchemaPreview is the schema of a preview.
const SchemaPreview = "gameday.dev/preview/v1"

// Preview is what a drill would do, looked up in its clusters without changing anything.
type Preview struct {
	Schema   string           `json:"schema"`
	Scenario string           `json:"scenario"`
	Outlook  Outlook          `json:"outlook"`
	InTheWay []Obstacle       `json:"inTheWay"` // all that stops it; none: it would run
	Missing  []Need           `json:"missing"`  // rights
	Monitors []MonitorPreview `json:"monitors"`
	Steps    []StepPreview    `json:"steps"`
	// AtLeast is how long it takes from its baseline to its end when every action is done at once, AtMost when each takes its whole
	// timeout. A drill that is cut short ends earlier, or, to undo what it did, up to ten minutes later.
	AtLeast reports.Duration `json:"atLeast"`
	AtMost  reports.Duration `json:"atMost"`
}

// Outlook is what would become of a drill.
type Outlook string

// The outlooks. The zero value is none.
const (
	WouldRun          Outlook = "would run"
	WouldProveNothing Outlook = "would prove nothing"
	WouldBeRefused    Outlook = "would be refused"
)

// Obstacle is something that stops a drill before it touches anything.
type Obstacle struct {
	Step string `json:"step,omitempty"` // empty: it is of the drill as a whole
	Void bool   `json:"void"`           // the drill could be played and would prove nothing
	Why  string `json:"why"`
}

// MonitorPreview is a monitor of a preview.
type MonitorPreview struct {
	Name    string           `json:"name"`
	Asks    string           `json:"asks"`
	Every   reports.Duration `json:"every"`
	CanFail string           `json:"canFail"` // how the drill proves it able to say bad
}

// StepPreview is a step of a preview.
type StepPreview struct {
	Name  string `json:"name"`
	Does  string `json:"does"`
	Group bool   `json:"group"`
	Fault bool   `json:"fault"` // it has an undo
	// UndoneBy is a later step that mends the harm of this one, also when the drill is cut short.
	UndoneBy string           `json:"undoneBy,omitempty"`
	Hold     reports.Duration `json:"hold"`
	Timeout  reports.Duration `json:"timeout"`
	Targets  []reports.Target `json:"targets"`
	AtMost   int              `json:"atMost"` // of the targets
	Shares   []Share          `json:"shares"`
	Lasts    string           `json:"lasts,omitempty"` // what no undo takes back
	Needs    []Need           `json:"needs"`
}

// Preview looks at what the scenario would do, by the drill's own checks, and changes nothing: every write is a server-side dry
// run. What is in the way of the drill is no error; an error is that it could not be looked at all.
func (r Runner) Preview(ctx context.Context, s *Scenario) (Preview, error) {
	own := *s
	s = &own
	s.defaults()
	var counted []Share
	s.BlastRadius = s.BlastRadius.Under(r.Ceiling)
	s.BlastRadius.told = func(shares []Share) { counted = append(counted, shares...) }
	if err := s.Validate(); err != nil {
		return Preview{}, err
	}
	s, _ = s.asPlayed()
	undoneBy := map[string]string{}
	for _, step := range flat(s.Steps) {
		undoneBy[step.Undoes] = step.Name
	}
	p := &previewing{Runner: r, scenario: s, env: Env{Run: r.Run, Clusters: Clusters{}, Journal: unrecorded{time.Now()}}}
	for name, cluster := range r.Clusters {
		p.env.Clusters[name] = newHarmless(cluster)
	}
	p.Preview = Preview{
		Schema: SchemaPreview, Scenario: s.Name,
		InTheWay: []Obstacle{}, Missing: []Need{}, Monitors: []MonitorPreview{}, Steps: []StepPreview{},
	}
	p.guards(ctx)
	p.monitors(ctx)
	for _, step := range flat(s.Steps) {
		counted = nil
		one := p.step(ctx, step)
		one.UndoneBy = undoneBy[step.Name]
		one.Shares = append(one.Shares, once(counted)...)
		p.Steps = append(p.Steps, one)
	}
	if ctx.Err() != nil { // what was called off says nothing of the drill
		return Preview{}, context.Cause(ctx)
	}
	p.times()
	p.Missing = MergeNeeds(p.Missing)
	p.Outlook = p.outlook()
	return p.Preview, nil
}

// once leaves out what was counted again, and of what there is none.
func once(shares []Share) []Share {
	var out []Share
	for _, share := range shares {
		if share.Of > 0 && !slices.ContainsFunc(out, func(s Share) bool { return s.What == share.What }) {
			out = append(out, share)
		}
	}
	return out
}

// previewing is a preview that is being made.
type previewing struct {
	Runner
	Preview
	scenario *Scenario
	env      Env
}

func (p *previewing) obstacle(step string, err error) {
	if err != nil {
		p.InTheWay = append(p.InTheWay, Obstacle{Step: step, Void: errors.Is(err, ErrVoid), Why: err.Error()})
	}
}

// may finds out which of the needs are not allowed. What could not be asked is in the way too.
func (p *previewing) may(ctx context.Context, step string, needs []Need) bool {
	missing, err := p.env.Clusters.Missing(ctx, needs)
	if err == nil && len(missing) > 0 {
		p.Preview.Missing = append(p.Preview.Missing, missing...)
		err = missingError(missing)
	}
	p.obstacle(step, err)
	return err == nil
}

// lookWithin bounds what asking a guard may take.
const lookWithin = time.Minute

// guards asks all guards that can tell, each of them also where another refuses.
func (p *previewing) guards(ctx context.Context) {
	for _, guard := range p.Guards {
		if with, ok := guard.(Needs); ok {
			var needs []Need
			for _, name := range slices.Sorted(maps.Keys(p.Clusters)) {
				for _, one := range with.Needs() {
					one.Cluster = name
					needs = append(needs, one)
				}
			}
			if !p.may(ctx, "", needs) {
				continue
			}
		}
		if looker, ok := guard.(Looker); ok {
			one, cancel := context.WithTimeoutCause(ctx, lookWithin, fmt.Errorf("no answer within %v", lookWithin))
			p.obstacle("", looker.Look(one, p.env))
			cancel()
		}
	}
}

// monitors finds out whether the questions could be put, and proved able to be answered badly. None is asked.
func (p *previewing) monitors(ctx context.Context) {
	var needs []Need
	for _, m := range p.scenario.Monitors {
		needs = append(needs, m.needs()...)
		one := MonitorPreview{Name: m.Name, Asks: fmt.Sprint(m.Ask), Every: reports.Duration(m.Every), CanFail: canFail(m.Ask)}
		if one.CanFail == "" {
			p.obstacle("", fmt.Errorf("%w: monitor %q cannot be proved able to say bad: give its question a method Falsified", ErrVoid, m.Name))
		}
		p.Monitors = append(p.Monitors, one)
	}
	if !p.may(ctx, "", needs) {
		return
	}
	asked, err := ready(ctx, p.scenario.Monitors, p.env.Clusters)
	if err == nil {
		_, err = ask(asked)
	}
	p.obstacle("", err)
}

func (p *previewing) step(ctx context.Context, step Step) StepPreview {
	out := StepPreview{
		Name: step.Name, Hold: reports.Duration(step.Hold), Timeout: reports.Duration(step.Timeout),
		Targets: []reports.Target{}, Shares: []Share{}, Needs: []Need{},
	}
	if step.Group != nil {
		out.Does, out.Group = step.Group.Describe(), true
		return out
	}
	out.Does = describe(step.Action)
	_, out.Fault = step.Action.(Fault)
	out.Needs = append(out.Needs, MergeNeeds(stepNeeds(step))...)
	if lasting, ok := step.Action.(Lasting); ok {
		out.Lasts = lasting.Lasts()
	}
	ctx, cancel := context.WithTimeoutCause(ctx, step.Timeout, fmt.Errorf("no answer within %v", step.Timeout))
	defer cancel()
	if !p.may(ctx, step.Name, out.Needs) {
		return out
	}
	env := p.env
	env.Step = step.Name
	if err := p.look(ctx, env, step, &out); err != nil {
		p.obstacle(step.Name, err)
	}
	return out
}

// look asks the action what it would hit and whether it could.
func (p *previewing) look(ctx context.Context, env Env, step Step, out *StepPreview) error {
	// The targets come first: what cannot be hit may still be seen. Both ask the same, so one error is told once.
	if targeted, ok := step.Action.(Targeted); ok {
		among, atMost, err := targeted.Targets(ctx, env)
		out.Targets = append(out.Targets, among...)
		if out.AtMost = atMost; atMost == 0 || atMost > len(among) {
			out.AtMost = len(among)
		}
		if err != nil {
			return err
		}
	}
	if action, ok := step.Action.(Preflighter); ok {
		return action.Preflight(ctx, env)
	}
	return nil
}

// times adds up what the drill takes.
func (p *previewing) times() {
	s := p.scenario
	var slowest time.Duration
	for _, m := range s.Monitors {
		slowest = max(slowest, m.Timeout+m.Every)
	}
	least, most := span(s.Steps, InTurn)
	around := s.Baseline + slowest + s.Settle
	p.AtLeast, p.AtMost = reports.Duration(around+least), reports.Duration(around+most)
}

// span is how long steps take at the least and at the most.
func span(steps []Step, way Way) (least, most time.Duration) {
	for _, step := range steps {
		low, high := step.Hold, step.Hold+step.Timeout
		if step.Group != nil {
			low, high = span(step.Group.Of, step.Group.Way)
		} else if _, fault := step.Action.(Fault); fault {
			high += step.Timeout
		}
		if timed, ok := step.Action.(Timed); ok {
			low += timed.Takes()
		}
		if way == Together {
			least, most = max(least, low), max(most, high)
		} else {
			least, most = least+low, most+high
		}
	}
	return least, most
}

func (p *previewing) outlook() Outlook {
	out := WouldRun
	for _, one := range p.InTheWay {
		if !one.Void {
			return WouldBeRefused
		}
		out = WouldProveNothing
	}
	return out
}
