package reports

import (
	"fmt"
	"strings"

	"github.com/gamedayhq/gameday/probes"
)

// steady judges whether the system was seen well before anything was touched.
type steady struct {
	plan     *plan
	window   window
	monitors []*baselineOf
}

// baselineOf watches one monitor over the baseline.
type baselineOf struct {
	stretch
}

func (b *baselineOf) take(s probes.Sample) { b.count(s) }

func newSteady(p *plan) *steady {
	s := &steady{plan: p, window: p.window(Window{During: windowBaseline})}
	for _, m := range p.record.Header.Drill.Monitors {
		s.monitors = append(s.monitors, &baselineOf{p.stretch(m.Name, s.window)})
	}
	return s
}

func (s *steady) check() Check {
	c := Check{
		Name: "steady state", Kind: "steady", Want: "every monitor asked over the baseline, and every answer good",
		Got: "nothing",
	}
	w := s.window
	switch {
	case w.unmet != "":
		return c.inconclusive("no baseline: " + w.unmet)
	case w.open != "":
		return c.inconclusive("no whole baseline: " + w.open)
	case w.to <= w.from:
		return c.inconclusive("no baseline: it has no length")
	case len(s.monitors) == 0:
		return c.inconclusive("the drill has no monitor, so nothing was watched")
	}
	from, to := w.from, w.to
	c.From, c.To = &from, &to
	var got, unsteady []string
	for _, m := range s.monitors {
		got = append(got, m.of+": "+m.slots().words())
		if why := m.unsteady(); why != "" {
			unsteady = append(unsteady, fmt.Sprintf("monitor %q: %s", m.of, why))
		}
	}
	c.Got = strings.Join(got, "; ")
	if len(unsteady) > 0 {
		return c.inconclusive(strings.Join(unsteady, "; "))
	}
	return c.pass("")
}

// unsteady says why the monitor's baseline is none.
func (b *baselineOf) unsteady() string {
	slots := b.slots()
	switch doubt := b.doubt(); {
	case doubt != "":
		return doubt
	case b.info.Watches && b.bad > 0:
		return fmt.Sprintf("was firing before anything was touched (%d slots)", b.bad)
	case b.bad > 0:
		return fmt.Sprintf("was bad before anything was touched (%s)", slots.words())
	case b.good == 0 && slots.Due > 0:
		return fmt.Sprintf("never asked: all %d slots were missed", slots.Due)
	case b.info.Watches && b.good > 0:
		return ""
	default:
		return b.thin()
	}
}
