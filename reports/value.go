package reports

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
)

// TopicValue is the topic of a number that was measured while the drill ran. Data: Measured.
const TopicValue = "value"

// Measured is a number by name. Its time is that of its event.
type Measured struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	// Missing says why there is no number: the query found no data, say. Nothing is never taken for zero.
	Missing string `json:"missing,omitempty"`
}

// judge needs no sample: the numbers stand in the events.
func (o *Value) judge(p *plan) judged {
	take := o.Take
	if take == "" {
		take = TakeLast
	}
	w := p.window(o.Window)
	c := Check{Name: fmt.Sprintf("%s of %s %s", take, o.Of, w.name), Kind: "value", Step: o.Window.step(), Want: o.wants(), Got: "nothing"}
	switch {
	case w.unmet != "":
		return settled{c.inconclusive(w.unmet)}
	case w.open != "":
		return settled{c.inconclusive(w.open)}
	}
	from, to := w.from, w.to
	c.From, c.To = &from, &to
	numbers, missing := p.numbers(o.Of, w)
	switch {
	case missing != "":
		return settled{c.inconclusive(missing)}
	case len(numbers) == 0:
		return settled{c.inconclusive(fmt.Sprintf("no number %q was recorded in the window", o.Of))}
	}
	number := take.of(numbers)
	c.Got = fmt.Sprintf("%g (%s of %d)", number, take, len(numbers))
	if o.AtLeast != nil && number < *o.AtLeast || o.AtMost != nil && number > *o.AtMost {
		return settled{c.fail(c.Got)}
	}
	return settled{c.pass("")}
}

func (o *Value) wants() string {
	var out []string
	if o.AtLeast != nil {
		out = append(out, fmt.Sprintf("at least %g", *o.AtLeast))
	}
	if o.AtMost != nil {
		out = append(out, fmt.Sprintf("at most %g", *o.AtMost))
	}
	return strings.Join(out, " and ")
}

// numbers returns what was recorded of a name in a window, its end included: a number that is measured last belongs to the
// step. One that is missing or unreadable leaves the whole open.
func (p *plan) numbers(name string, w window) (numbers []float64, missing string) {
	for _, e := range p.record.Events {
		if e.Kind != Fact || e.Topic != TopicValue || e.At < w.from || e.At > w.to {
			continue
		}
		var m Measured
		if err := json.Unmarshal(e.Data, &m); err != nil {
			missing = fmt.Sprintf("a number at %v is not readable", e.At)
			continue
		}
		if m.Name != name {
			continue
		}
		if m.Missing != "" || math.IsNaN(m.Value) || math.IsInf(m.Value, 0) {
			missing = fmt.Sprintf("the number at %v is missing: %s", e.At, m.Missing)
			continue
		}
		numbers = append(numbers, m.Value)
	}
	return numbers, missing
}

func (t Take) of(numbers []float64) float64 {
	taken, sum := numbers[0], 0.0
	for _, n := range numbers {
		sum += n
		switch t {
		case TakeMin:
			taken = min(taken, n)
		case TakeMax:
			taken = max(taken, n)
		default:
			taken = n
		}
	}
	if t == TakeMean {
		return sum / float64(len(numbers))
	}
	return taken
}
