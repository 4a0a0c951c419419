package probes

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// keepIdle is how many goroutines may wait for a task though fewer are at work.
const keepIdle = 64

// crew is the goroutines that put questions. There are as many as there are asks under way, so that no ask waits for another; one
// that is done waits for the next task, because the stack of a goroutine that has asked before has grown already.
//
// All its state belongs to the engine's loop.
type crew struct {
	engine *engine
	idle   []*worker // the one that was busy last comes last and is taken first
	busy   map[*worker]struct{}
}

type worker struct {
	tasks chan task // holds one, so that the loop never waits
}

// task is a question to put.
type task struct {
	lane     *lane
	slot     int64
	deadline time.Duration
}

// answer is what an ask came back with.
type answer struct {
	lane    *lane
	slot    int64
	put, at time.Duration
	outcome Outcome
	reason  Reason
	detail  string
	by      *worker
	gone    bool // the worker is no more
}

// put hands the task to a worker.
func (c *crew) put(t task) {
	var w *worker
	if last := len(c.idle) - 1; last >= 0 {
		w, c.idle[last] = c.idle[last], nil
		c.idle = c.idle[:last]
	} else {
		w = &worker{tasks: make(chan task, 1)}
		go w.work(c.engine)
	}
	if c.busy == nil {
		c.busy = map[*worker]struct{}{}
	}
	c.busy[w] = struct{}{}
	w.tasks <- t
}

// back takes a worker back that has answered.
func (c *crew) back(a answer) {
	delete(c.busy, a.by)
	switch {
	case a.gone:
	case len(c.idle) >= max(keepIdle, len(c.busy)):
		close(a.by.tasks)
	default:
		c.idle = append(c.idle, a.by)
	}
}

// dismiss ends all workers; those whose probe ignores its context end when it returns.
func (c *crew) dismiss() {
	for _, w := range c.idle {
		close(w.tasks)
	}
	for w := range c.busy {
		close(w.tasks)
	}
}

func (w *worker) work(e *engine) {
	for t := range w.tasks {
		w.ask(e, t)
	}
}

// ask puts a question once and always answers the engine, also when the probe panics or ends its goroutine.
func (w *worker) ask(e *engine, t task) {
	ctx, cancel := context.WithDeadline(e.base, e.start.Add(t.deadline))
	defer cancel()
	a := answer{lane: t.lane, slot: t.slot, by: w, put: e.now()}
	defer func() {
		if a.outcome == 0 {
			a.at = e.now()
			a.outcome, a.reason, a.detail = Missed, ReasonNotAsked, "the probe ended its goroutine"
			if p := recover(); p != nil {
				a.detail = fmt.Sprintf("the probe panicked: %v", p)
			} else {
				a.gone = true
			}
		}
		e.inbox.put(a)
	}()
	if late := a.put - t.lane.due(t.slot); late >= t.lane.lateAfter() {
		a.at, a.outcome = a.put, Missed
		a.reason, a.detail = tooLate(late)
		return
	}
	err := t.lane.Probe.Probe(ctx)
	a.at = e.now()
	a.outcome, a.reason, a.detail = outcome(err)
}

// hearWithin is how long an answer may wait to be heard while the loop is about to wake in any case. To wake it for each answer
// would cost as much as to ask.
const hearWithin = 10 * time.Millisecond

// inbox holds the answers that the loop has not heard. Nobody ever waits to put one in.
type inbox struct {
	bell chan struct{} // holds one: there is something in it that the loop should hear

	mu      sync.Mutex
	answers []answer
	wake    time.Duration // when the loop will wake; zero while it is awake, and once it is rung for
}

func newInbox() *inbox { return &inbox{bell: make(chan struct{}, 1)} }

func (b *inbox) put(a answer) {
	b.mu.Lock()
	b.answers = append(b.answers, a)
	// It should hear what would wait for too long, and that it has overslept.
	ring := b.wake != 0 && (b.wake-a.at > hearWithin || a.at >= b.wake)
	if ring {
		b.wake = 0
	}
	b.mu.Unlock()
	if ring {
		select {
		case b.bell <- struct{}{}:
		default: // it rings already
		}
	}
}

// take returns all that is in the inbox and leaves the given room for what comes.
func (b *inbox) take(room []answer) []answer {
	b.mu.Lock()
	defer b.mu.Unlock()
	taken := b.answers
	b.answers, b.wake = room[:0], 0
	return taken
}

// rest tells the inbox that the loop sleeps until a time, and says whether it may: not for long if there is something to hear.
func (b *inbox) rest(wake, now time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.answers) > 0 && wake-now > hearWithin {
		return false
	}
	b.wake = wake
	return true
}
