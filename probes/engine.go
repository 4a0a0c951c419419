package probes

import (
	"container/heap"
	"context"
	"math"
	"time"
)

// never is a time that does not come.
const never time.Duration = math.MaxInt64

// engine is one run of some monitors. All its state belongs to the goroutine of loop; the crew talks to it through the inbox.
type engine struct {
	base  context.Context // of the asks: does not end with the run
	start time.Time

	lanes lanes // the one with the earliest wake comes first
	crew  crew
	inbox inbox
	heard []answer // taken from the inbox; kept for its room
	alarm *alarm

	ended chan time.Duration
	end   time.Duration // no slot due after it is taken
	out   chan<- Sample
}

func newEngine(ctx context.Context, start time.Time, monitors []Monitor, out chan<- Sample) *engine {
	// A start that lost its monotonic reading is given one here, once, so that a step of the wall clock moves no slot.
	now := time.Now()
	e := &engine{
		base:  context.WithoutCancel(ctx),
		start: now.Add(-now.Sub(start)),
		inbox: newInbox(),
		ended: make(chan time.Duration, 1),
		end:   never,
		out:   out,
	}
	for _, m := range monitors {
		e.lanes = append(e.lanes, newLane(m, len(e.lanes)))
	}
	return e
}

func (e *engine) now() time.Duration { return time.Since(e.start) }

// loop takes slots when they are due and settles them when they are answered or out of time. It has one alarm for all monitors.
func (e *engine) loop() {
	defer close(e.out)
	e.alarm = newAlarm()
	defer e.alarm.stop()
	e.crew.engine = e
	defer e.crew.dismiss()
	heap.Init(&e.lanes)
	for {
		if e.hear() {
			continue // a send may have blocked: what came meanwhile is heard before the time is read
		}
		next, now := e.lanes[0], e.now()
		if next.wake <= now {
			e.step(next, now)
			continue
		}
		if next.wake == never {
			return
		}
		e.sleep(next.wake, now)
	}
}

// sleep waits until the time to wake, or until there is something to hear.
func (e *engine) sleep(wake, now time.Duration) {
	e.alarm.set(wake, now)
	select {
	case <-e.alarm.timer.C:
		e.alarm.rang()
	case <-e.alarm.kernel:
		e.alarm.rang()
	case <-e.inbox.bell:
	case end := <-e.ended:
		e.close(end)
	}
}

// hear settles what has been answered already, learns whether the run has ended, and says whether it sent any sample.
func (e *engine) hear() bool {
	select {
	case end := <-e.ended:
		e.close(end)
	default:
	}
	sent := false
	e.heard = e.inbox.take(e.heard)
	for i, a := range e.heard {
		e.heard[i] = answer{} // let go of its strings
		e.crew.back(a)
		a.lane.settle(a)
		sent = e.flush(a.lane) || sent
	}
	return sent
}

// close lets no slot be taken that is due after the end.
func (e *engine) close(end time.Duration) {
	e.end = end
	for _, l := range e.lanes {
		l.plan(e.end)
	}
	heap.Init(&e.lanes)
}

// step does what a lane has to do now: settle the asks that are out of time, or else put its next question.
func (e *engine) step(l *lane, now time.Duration) {
	if l.expire(now) || l.due(l.next) > min(now, e.end) {
		e.flush(l)
		return
	}
	if slot := l.take(now); slot != nil {
		e.crew.put(task{lane: l, slot: slot.Slot, deadline: slot.deadline})
	}
	e.flush(l)
}

// flush sends what is settled of a lane, up to its oldest slot that is not, plans its next wake, and says whether it sent anything.
func (e *engine) flush(l *lane) bool {
	first := l.head
	for ; l.head < l.next && l.at(l.head).settled; l.head++ {
		s := l.at(l.head)
		e.out <- s.Sample
		*s = slot{} // let go of its strings
	}
	if l.plan(e.end) {
		heap.Fix(&e.lanes, l.place)
	}
	return l.head > first
}

// lanes is a heap of lanes by their next wake.
type lanes []*lane

func (l lanes) Len() int           { return len(l) }
func (l lanes) Less(i, j int) bool { return l[i].wake < l[j].wake }
func (l *lanes) Push(any)          { panic("no lane is added to a run") }
func (l *lanes) Pop() any          { panic("no lane leaves a run") }

func (l lanes) Swap(i, j int) {
	l[i], l[j] = l[j], l[i]
	l[i].place, l[j].place = i, j
}
