package scenarios

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	random "math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/gamedayhq/gameday/reports"
)

// Group is a step that is made of steps. It has a window of its own, from the first of them to the end of the last, and each of
// them has its own.
type Group struct {
	Way  Way
	Of   []Step
	Pick int // ByChance: how many are played; one unless said
}

// Way is how the steps of a group are played.
type Way string

// The ways, by the keys that a scenario file uses.
const (
	InTurn   Way = "sequence" // one after another
	Together Way = "parallel" // all begin at once; the group ends when each was done, held and undone
	ByChance Way = "random"   // some of them, drawn by the scenario's seed, one after another
)

// ways are all of them.
var ways = []string{string(InTurn), string(Together), string(ByChance)}

// TopicChosen is the topic of a fact that tells what chance chose. Data: Chosen.
const TopicChosen = "chosen"

// Chosen is what chance chose of a group: the same again with the same seed.
type Chosen struct {
	Seed  uint64   `json:"seed"`
	Group string   `json:"group"`
	Steps []string `json:"steps"`
}

const (
	maxRepeat = 100  // of one step
	maxSteps  = 1000 // that a scenario may come to
	maxDepth  = 5    // of groups in groups
)

// Describe says what is played how.
func (g *Group) Describe() string {
	names := make([]string, 0, len(g.Of))
	for _, step := range g.Of {
		names = append(names, step.Name)
	}
	what := strings.Join(names, ", ")
	switch g.Way {
	case Together:
		return "at the same time: " + what
	case ByChance:
		return fmt.Sprintf("%d by chance of: %s", g.pick(), what)
	default:
		return "one after another: " + what
	}
}

func (g *Group) pick() int {
	if g.Pick == 0 {
		return 1
	}
	return g.Pick
}

// flat lists steps and, after each group, those that it is made of: in the order in which they start.
func flat(steps []Step) []Step {
	var out []Step
	for _, step := range steps {
		out = append(out, step)
		if step.Group != nil {
			out = append(out, flat(step.Group.Of)...)
		}
	}
	return out
}

// unroll writes each repeated step out as a sequence of as many steps, which are named after it: "kill (1)", "kill (2)".
func unroll(steps []Step) []Step {
	out := make([]Step, 0, len(steps))
	for _, step := range steps {
		if step.Group != nil {
			step.Group = &Group{Way: step.Group.Way, Pick: step.Group.Pick, Of: unroll(step.Group.Of)}
		}
		if step.Repeat == 0 {
			out = append(out, step)
			continue
		}
		sequence := Step{Name: step.Name, Group: &Group{Way: InTurn}}
		for i := range step.Repeat {
			one := numbered(step, fmt.Sprintf(" (%d)", i+1))
			one.Repeat = 0
			sequence.Group.Of = append(sequence.Group.Of, one)
		}
		out = append(out, sequence)
	}
	return out
}

// numbered gives a step, and all that it is made of, other names.
func numbered(step Step, suffix string) Step {
	step.Name += suffix
	if step.Undoes != "" {
		step.Undoes += suffix // it names a step of the same list
	}
	if step.Group != nil {
		group := &Group{Way: step.Group.Way, Pick: step.Group.Pick}
		for _, inner := range step.Group.Of {
			group.Of = append(group.Of, numbered(inner, suffix))
		}
		step.Group = group
	}
	return step
}

// choose puts in the place of each group that is left to chance the sequence of what was drawn, and tells what that is. Each
// group draws for itself, from the seed and its name.
func choose(steps []Step, seed uint64) (played []Step, chosen []Chosen) {
	for _, step := range steps {
		if step.Group == nil {
			played = append(played, step)
			continue
		}
		group := &Group{Way: step.Group.Way, Of: step.Group.Of}
		if group.Way == ByChance {
			group = &Group{Way: InTurn, Of: draw(step, seed)}
			one := Chosen{Seed: seed, Group: step.Name}
			for _, inner := range group.Of {
				one.Steps = append(one.Steps, inner.Name)
			}
			chosen = append(chosen, one)
		}
		inner, more := choose(group.Of, seed)
		group.Of, step.Group = inner, group
		played, chosen = append(played, step), append(chosen, more...)
	}
	return played, chosen
}

func draw(step Step, seed uint64) []Step {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(step.Name)) // never fails, by its documentation
	// Not for secrets: for a draw that can be made again.
	source := random.New(random.NewPCG(seed, sum.Sum64()))
	out := make([]Step, 0, step.Group.pick())
	for _, i := range source.Perm(len(step.Group.Of))[:step.Group.pick()] {
		out = append(out, step.Group.Of[i])
	}
	return out
}

// asPlayed returns the scenario with its repeated steps written out and its chances drawn, and what was drawn.
func (s *Scenario) asPlayed() (*Scenario, []Chosen) {
	seed := s.Seed
	if seed == nil {
		var raw [8]byte
		_, _ = rand.Read(raw[:]) // never fails, by its documentation
		// 53 bits, which every JSON reader keeps whole.
		seed = new(binary.BigEndian.Uint64(raw[:]) >> 11)
	}
	played := *s
	var chosen []Chosen
	played.Steps, chosen = choose(unroll(s.Steps), *seed)
	return &played, chosen
}

// group plays a group. Its window is all that happens in it.
func (d *drill) group(ctx context.Context, step Step) error {
	err := d.event(reports.Event{Kind: reports.StepStarted, Step: step.Name, Detail: step.Group.Describe()})
	if err != nil {
		return err
	}
	if step.Group.Way == Together {
		err = d.together(ctx, step.Group.Of)
	} else {
		err = d.steps(ctx, step.Group.Of)
	}
	return errors.Join(err, d.ended(step.Name, err), d.event(reports.Event{Kind: reports.StepEnded, Step: step.Name}))
}

// together plays steps at the same time. When one fails the others are called off, which undoes them.
func (d *drill) together(ctx context.Context, steps []Step) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	errs := make([]error, len(steps))
	var all sync.WaitGroup
	for i, step := range steps {
		all.Go(func() {
			if err := d.step(ctx, step); err != nil {
				errs[i] = fmt.Errorf("step %q: %w", step.Name, err)
				cancel(fmt.Errorf("called off, since another step of the group failed: %w", errs[i]))
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// debts are the faults whose undo is owed, the last one on top. Steps that are played at the same time share them.
type debts struct {
	mu    sync.Mutex
	steps []Step
}

func (o *debts) owe(step Step) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.steps = append(o.steps, step)
}

// settle takes a step's debt, or says that it is none any more.
func (o *debts) settle(name string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	before := len(o.steps)
	o.steps = slices.DeleteFunc(o.steps, func(step Step) bool { return step.Name == name })
	return len(o.steps) < before
}

// last returns the step whose fault was begun last of those that are owed.
func (o *debts) last() (Step, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.steps) == 0 {
		return Step{}, false
	}
	return o.steps[len(o.steps)-1], true
}
