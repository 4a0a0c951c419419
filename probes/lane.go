package probes

import (
	"fmt"
	"time"
)

// lane is a monitor in an engine, with its slots that are taken and not yet sent.
type lane struct {
	Monitor
	limit      int    // of asks in flight
	ring       []slot // the slots from head to next, by number modulo its length
	head, next int64  // head: the oldest slot that is not sent; next: the first that is not taken
	inFlight   int    // asks that have not returned

	wake  time.Duration // when there is something to do, or never
	place int           // in the engine's heap
}

// slot is a slot that was taken and not yet sent.
type slot struct {
	Sample
	deadline time.Duration
	settled  bool
}

func newLane(m Monitor, place int) *lane {
	return &lane{Monitor: m, limit: m.inFlight(), ring: make([]slot, m.span()), place: place}
}

func (l *lane) due(slot int64) time.Duration { return time.Duration(slot) * l.Every }
func (l *lane) at(n int64) *slot             { return &l.ring[n%int64(len(l.ring))] }

// plan says when there is something to do next, and whether that changed. Asks have the same timeout, so the oldest unsettled one
// has the earliest deadline. Nothing is left when the run has ended and all slots are sent.
func (l *lane) plan(end time.Duration) bool {
	before := l.wake
	l.wake = never
	if due := l.due(l.next); due <= end {
		l.wake = due
	}
	if l.head < l.next {
		l.wake = min(l.wake, l.at(l.head).deadline)
	}
	return l.wake != before
}

// ready says whether the next slot is due and its question can be put, whatever has been answered meanwhile. What is asked first is
// asked at its time; what was answered can be heard later.
func (l *lane) ready(now, end time.Duration) bool {
	due := l.due(l.next)
	return due <= min(now, end) && now-due < l.lateAfter() &&
		l.inFlight < l.limit && l.next-l.head < int64(len(l.ring)) && (l.head == l.next || l.at(l.head).deadline > now)
}

// take takes the next slot and returns what is to be asked, which is nothing if the slot is missed.
func (l *lane) take(now time.Duration) task {
	n := l.next
	l.next++
	s := l.at(n)
	*s = slot{Sample: Sample{Monitor: l.Name, Slot: n, Due: l.due(n)}, deadline: now + l.Timeout}
	switch {
	case now-s.Due >= l.lateAfter():
		s.miss(tooLate(now - s.Due))
	case l.inFlight >= l.limit:
		s.miss(ReasonInFlight, fmt.Sprintf("%d asks had not returned", l.inFlight))
	default:
		s.Late = now - s.Due // until the worker tells it
		l.inFlight++
		return task{lane: l, slot: n, deadline: s.deadline}
	}
	return task{}
}

// expire settles the asks that are out of time and says whether there were any.
func (l *lane) expire(now time.Duration) bool {
	expired := false
	for n := l.head; n < l.next; n++ {
		s := l.at(n)
		if s.settled {
			continue
		}
		if s.deadline > now {
			break
		}
		l.silence(s, now)
		expired = true
	}
	return expired
}

// settle takes an answer; one to a slot that is settled only gives its place in flight back.
func (l *lane) settle(a answer) {
	l.inFlight--
	if a.slot < l.head || l.at(a.slot).settled {
		return
	}
	s := l.at(a.slot)
	if a.reason == ReasonLate {
		s.miss(a.reason, a.detail)
		return
	}
	if a.at >= s.deadline {
		l.silence(s, a.at)
		return
	}
	s.Late, s.Took = a.put-s.Due, a.at-s.Due
	s.Outcome, s.Reason, s.Detail = a.outcome, a.reason, clip(a.detail)
	s.settled = true
}

// silence settles a slot whose ask was not answered by its deadline, as noticed at the time seen.
func (l *lane) silence(s *slot, seen time.Duration) {
	witness, ok := l.Probe.(Witness)
	switch {
	case seen-s.deadline >= l.lateAfter():
		s.miss(ReasonLate, fmt.Sprintf("the harness looked for the answer %v after its deadline", seen-s.deadline))
	case ok:
		s.miss(ReasonNotAsked, clip(fmt.Sprintf("no answer from %s within %v", witness.Witness(), l.Timeout)))
	default:
		s.Outcome, s.Reason, s.Detail = Bad, ReasonTimeout, fmt.Sprintf("no answer within %v", l.Timeout)
		s.Took = s.deadline - s.Due
		s.settled = true
	}
}

// tooLate says why a slot is missed whose question was not put in time.
func tooLate(by time.Duration) (Reason, string) {
	return ReasonLate, fmt.Sprintf("the harness woke %v after the slot was due", by)
}

// miss settles a slot as the harness's fault.
func (s *slot) miss(reason Reason, detail string) {
	s.Outcome, s.Reason, s.Detail, s.settled = Missed, reason, detail, true
}
