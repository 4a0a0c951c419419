package html

import (
	"fmt"
	"slices"
	"time"

	"github.com/gamedayhq/gameday/reports"
)

// The kinds of checks that the report draws or gathers; each is an objective's key in a scenario.
const (
	kindRecovery  = "recovery"
	kindDetection = "detection"
	kindData      = "data"
)

func (a axis) row(ev reports.Evidence, m reports.MonitorInfo, s *strip) row {
	r := row{
		Name: m.Name, Probe: m.Probe, Watches: m.Watches, Strip: s.paths(),
		Good: s.good, Bad: s.bad, Missed: s.missed, OutageWords: "no outage",
		Lanes: a.lanes(ev, func(c reports.Check) bool { return c.Monitor == m.Name }),
	}
	if m.Every > 0 {
		r.Every = "every " + span(m.Every)
	}
	if !m.Watches {
		r.Latency = s.latency()
	}
	noun := "outage"
	if m.Watches {
		noun, r.OutageWords = "firing", "never fired"
	}
	var longest time.Duration
	for _, summary := range ev.Monitors {
		if summary.Name != m.Name {
			continue
		}
		for _, o := range summary.Outages {
			w := a.outage(o)
			longest = max(longest, w.To-w.From)
			r.Outages = append(r.Outages, *a.shade(w, fmt.Sprintf("%s %s, %s", noun, between(w), counted(o.Bad, "bad slot"))))
		}
		if summary.OutageCount > 0 {
			r.OutageWords = outageWords(noun, summary, longest)
		}
	}
	r.Words = fmt.Sprintf("%s: %s good, %s bad, %s missed; %s.", m.Name, count(s.good), count(s.bad), count(s.missed), r.OutageWords)
	return r
}

// outage gives an outage's window; one that is not over lasts as long as the record.
func (a axis) outage(o reports.Outspan) window {
	if o.Open {
		return window{From: o.From, To: a.total, Open: true}
	}
	return window{From: o.From, To: o.To}
}

func outageWords(noun string, m reports.MonitorSummary, longest time.Duration) string {
	text := fmt.Sprintf("%s, longest %s", counted(m.OutageCount, noun), span(longest))
	if shown := int64(len(m.Outages)); shown < m.OutageCount {
		text += fmt.Sprintf(" of the first %s", count(shown))
	}
	if slices.ContainsFunc(m.Outages, func(o reports.Outspan) bool { return o.Open }) {
		text += ", not over at the end"
	}
	return text
}

// lanes draws the checks of a measured time that were anchored somewhere.
func (a axis) lanes(ev reports.Evidence, of func(reports.Check) bool) []lane {
	var out []lane
	for i, c := range ev.Checks {
		if c.From == nil || c.Kind != kindRecovery && c.Kind != kindDetection || !of(c) {
			continue
		}
		out = append(out, a.lane(c, limit(ev.Drill.Objectives, i, c)))
	}
	return out
}

func (a axis) lane(c reports.Check, within time.Duration) lane {
	from := *c.From
	l := lane{Check: newCheckView(c), Anchor: a.x(from)}
	what := c.Name + ": the clock starts at " + offset(from)
	if c.Interval != nil {
		lo, hi := from+c.Interval.Lo, from+c.Interval.Hi
		l.Measured, l.Wait = true, a.w(from, lo)
		l.UnsureX, l.UnsureW = a.x(lo), a.w(lo, hi)
		l.Words = fmt.Sprintf("%s; the end lies between %s and %s", what, offset(lo), offset(hi))
	} else {
		end := a.total
		if c.To != nil {
			end = min(*c.To, a.total)
		}
		l.Wait = a.w(from, end)
		l.Words = what + "; no end was measured"
	}
	if within > 0 {
		l.HasLimit, l.Limit, l.LimitX = true, within, a.x(from+within)
		l.LimitBeyond = from+within > a.total
		l.Words += "; the limit is at " + offset(from+within)
	}
	l.Words += "."
	return l
}

// limit finds what the objective behind a check allows: the checks of objectives come first, in the order of the objectives.
// It is zero when that objective is about something else.
func limit(objectives reports.Objectives, i int, c reports.Check) time.Duration {
	if i >= len(objectives) {
		return 0
	}
	kind, of, after, within := timed(objectives[i])
	if kind != c.Kind || of != c.Monitor || after != c.Step {
		return 0
	}
	return time.Duration(within)
}

// timed takes apart an objective that bounds a time from a step.
func timed(objective reports.Objective) (kind, of, after string, within reports.Duration) {
	switch o := objective.(type) {
	case *reports.Recovery:
		return kindRecovery, o.Of, o.After, o.Within
	case *reports.Detection:
		return kindDetection, o.By, o.After, o.Within
	default:
		return "", "", "", 0
	}
}
