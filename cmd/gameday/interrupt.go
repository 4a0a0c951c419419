package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/gamedayhq/gameday/probes"
	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
	"github.com/gamedayhq/gameday/scenarios/safety"
)

// lastWord follows the drill that is played, so that it can be said at any moment what is left of it.
type lastWord struct {
	mu     sync.Mutex
	run    string
	faulty []string // the steps that are faults
	owed   []string // the steps that were begun and are not seen undone
}

// text says what is left and how it is swept.
func (l *lastWord) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.owed) == 0 {
		return "ended at once: no fault is owed an undo"
	}
	return fmt.Sprintf("ended at once, without waiting for the undo of: %s: the drill's watchdog undoes it now; see that with: gameday sweep %s --dry-run; "+
		"do it by hand with: gameday sweep %s", strings.Join(l.owed, ", "), l.run, l.run)
}

// begin forgets what was, and follows another drill on behalf of the watcher.
func (l *lastWord) begin(s *scenarios.Scenario, next scenarios.Watcher) scenarios.Watcher {
	if l == nil {
		return next
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.run, l.faulty, l.owed = "", nil, nil
	for _, step := range s.Drill().Steps {
		if step.Fault {
			l.faulty = append(l.faulty, step.Name)
		}
	}
	return following{next, l}
}

func (l *lastWord) event(event reports.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch event.Kind {
	case reports.StepStarted:
		if slices.Contains(l.faulty, event.Step) {
			l.owed = append(l.owed, event.Step)
		}
	case reports.UndoDone:
		l.owed = slices.DeleteFunc(l.owed, func(step string) bool { return step == event.Step })
	case reports.Fact:
		var lease struct {
			Run string `json:"run"`
		}
		if event.Topic == safety.TopicLease && json.Unmarshal(event.Data, &lease) == nil {
			l.run = lease.Run
		}
	}
}

// following is a watcher that tells the last word as well.
type following struct {
	next scenarios.Watcher
	last *lastWord
}

// Event tells both.
func (f following) Event(event reports.Event) {
	f.last.event(event)
	f.next.Event(event)
}

// Sample tells the watcher.
func (f following) Sample(sample probes.Sample) { f.next.Sample(sample) }
