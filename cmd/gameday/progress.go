package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/gamedayhq/gameday/probes"
	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

// progress shows a drill while it runs: a line an event, and on a terminal a live line below with each monitor's last outcome.
type progress struct {
	mu       sync.Mutex
	w        io.Writer
	live     bool
	step     string
	last     map[string]probes.Sample
	bad      map[string]int64
	drawn    time.Time
	lineOpen bool
}

// redrawEvery bounds how often the live line is drawn.
const redrawEvery = 100 * time.Millisecond

func newProgress(w io.Writer, s *scenarios.Scenario) *progress {
	file, ok := w.(*os.File)
	p := &progress{w: w, live: ok && term.IsTerminal(int(file.Fd())), last: map[string]probes.Sample{}, bad: map[string]int64{}}
	p.print("%s: %s\n", s.Name, s.Why)
	return p
}

// print writes; what becomes of a progress line must not become of the drill, so a failed write is let go.
func (p *progress) print(format string, args ...any) {
	if _, err := fmt.Fprintf(p.w, format, args...); err != nil {
		p.w = io.Discard
	}
}

// Event shows an event that a person wants to see.
func (p *progress) Event(event reports.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := eventText(event)
	if text == "" {
		return
	}
	if event.Kind == reports.StepStarted {
		p.step = event.Step
	}
	p.clear()
	p.print("%8.1fs  %s\n", event.At.Seconds(), text)
}

func eventText(event reports.Event) string {
	switch event.Kind {
	case reports.Fact:
		if event.Detail == "" || event.Topic == reports.TopicMarker || event.Topic == reports.TopicEnvironment {
			return ""
		}
		return strings.TrimPrefix(event.Step+": "+event.Topic+": "+event.Detail, ": ")
	case reports.Preflight:
		return "preflight: is everything there, and would the faults hit something"
	case reports.BaselineStarted:
		return "baseline: watching the untouched system"
	case reports.StepStarted:
		return event.Step + ": " + event.Detail
	case reports.MonitorsStopped:
		return ""
	}
	text := strings.ReplaceAll(string(event.Kind), ".", " ")
	if event.Step != "" {
		text = event.Step + ": " + strings.TrimPrefix(text, "step ")
	}
	if event.Detail != "" {
		text += ": " + event.Detail
	}
	return text
}

// Sample keeps a monitor's last outcome and redraws the live line now and then.
func (p *progress) Sample(s probes.Sample) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last[s.Monitor] = s
	if s.Outcome == probes.Bad {
		p.bad[s.Monitor]++
	}
	if !p.live || time.Since(p.drawn) < redrawEvery {
		return
	}
	p.drawn = time.Now()
	p.clear()
	p.print("%8.1fs  %s", s.Due.Seconds(), p.line())
	p.lineOpen = true
}

func (p *progress) line() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(p.last)) {
		s := p.last[name]
		text := fmt.Sprintf("%s %s", name, s.Outcome)
		if s.Outcome == probes.Good {
			text += fmt.Sprintf(" %v", s.Took.Round(time.Millisecond))
		} else {
			text += " (" + string(s.Reason) + ")"
		}
		if p.bad[name] > 0 {
			text += fmt.Sprintf(", %d bad so far", p.bad[name])
		}
		parts = append(parts, text)
	}
	if p.step != "" {
		parts = append([]string{"[" + p.step + "]"}, parts...)
	}
	return strings.Join(parts, "  ")
}

func (p *progress) clear() {
	if p.lineOpen {
		p.print("\r\x1b[K")
		p.lineOpen = false
	}
}

func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}
