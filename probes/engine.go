package probes

import (
	"container/heap"
	"context"
	"math"
	"time"
)

// never is a time that does not come.
const never time.Duration = math.MaxInt64

// shortestNap is the least time from one lot of questions to the next. To wake costs as much as a question, so what is due within less
// than a millisecond is asked together: a little late, which its samples tell.
const shortestNap = 900 * time.Microsecond

// engine is one run of some monitors. All its state belongs to the goroutine of loop; the crew talks to it through the inbox.
type engine struct {
	base  context.Context // of the asks: does not end with the run
	start time.Time

	lanes lanes // the one with the earliest wake comes first
	crew  crew
	inbox *inbox
	heard []answer // taken from the inbox; kept for its room
	alarm *alarm
	asked time.Duration // when a question was put last

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
		asked: -shortestNap,
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
		e.learnEnd()
		next, now := e.lanes[0], e.now()
		switch {
		case next.ready(now, e.end):
			e.crew.put(next.take(now))
			e.asked = now
			e.plan(next)
		case e.hear(): // the time is read again: a send may have blocked
		case next.wake <= now:
			e.step(next, now)
		case next.wake == never:
			return
		default:
			e.sleep(next.wake, now)
		}
	}
}

// sleep waits until the time to wake, or until there is something to hear.
func (e *engine) sleep(wake, now time.Duration) {
	if !e.inbox.rest(wake, now) {
		return
	}
	e.alarm.set(max(wake, e.asked+shortestNap), now)
	timer, kernel := e.alarm.rings()
	select {
	case <-kernel:
		e.alarm.kernelRang()
	case <-timer:
		e.alarm.timerRang()
	case <-e.inbox.bell:
	case end := <-e.ended:
		e.close(end)
	}
}

// learnEnd learns whether the run has ended.
func (e *engine) learnEnd() {
	select {
	case end := <-e.ended:
		e.close(end)
	default:
	}
}

// hear settles what has been answered already, sends what that lets it send, and says whether there was anything.
func (e *engine) hear() bool {
	e.heard = e.inbox.take(e.heard)
	for i, a := range e.heard {
		e.heard[i] = answer{} // let go of its strings
		e.crew.back(a)
		a.lane.settle(a)
		e.flush(a.lane)
	}
	return len(e.heard) > 0
}

// close lets no slot be taken that is due after the end.
func (e *engine) close(end time.Duration) {
	e.end = end
	for _, l := range e.lanes {
		l.plan(e.end)
	}
	heap.Init(&e.lanes)
}

// step does what a lane has to do now, once all answers are heard: settle the asks that are out of time, or else take its next slot.
func (e *engine) step(l *lane, now time.Duration) {
	if !l.expire(now) && l.due(l.next) <= min(now, e.end) {
		if ask := l.take(now); ask.lane != nil {
			e.crew.put(ask)
		}
	}
	e.flush(l)
}

// flush sends what is settled of a lane, up to its oldest slot that is not.
func (e *engine) flush(l *lane) {
	for ; l.head < l.next && l.at(l.head).settled; l.head++ {
		s := l.at(l.head)
		e.out <- s.Sample
		*s = slot{} // let go of its strings
	}
	e.plan(l)
}

// plan puts a lane in its place after something was done to it.
func (e *engine) plan(l *lane) {
	if l.plan(e.end) {
		heap.Fix(&e.lanes, l.place)
	}
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
