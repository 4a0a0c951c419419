package probes

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"
)

// Monitor asks a probe at a steady pace.
type Monitor struct {
	Name    string
	Probe   Probe
	Every   time.Duration // from one slot to the next
	Timeout time.Duration // how long an ask may take, counted from when it was put
	// MaxInFlight bounds the asks that have not returned: as many as one Timeout holds and one more, unless said.
	MaxInFlight int
}

// Witness is a Probe that asks somebody else about the system: a Prometheus, an API server. When that one stays silent until the
// deadline, the system said nothing, so the slot is missed and not bad.
type Witness interface {
	Probe
	Witness() string // who is asked, for people
}

// maxSlotsInTimeout bounds Timeout/Every, and so the memory of a monitor.
const maxSlotsInTimeout = 10_000

// Problems says what is wrong with the monitor, each as "field: what, and the mend".
func (m Monitor) Problems() []string {
	var problems []string
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if m.Name == "" {
		add("name: missing")
	}
	if m.Probe == nil {
		add("probe: missing")
	}
	if m.Every <= 0 {
		add("every: is %v, must be above zero", m.Every)
	}
	if m.Timeout <= 0 {
		add("timeout: is %v, must be above zero", m.Timeout)
	}
	if m.Every > 0 && m.Timeout/m.Every >= maxSlotsInTimeout {
		add("timeout: holds %d slots, at most %d may be under way: shorten it or ask less often", m.Timeout/m.Every, maxSlotsInTimeout)
	}
	if m.MaxInFlight < 0 || m.MaxInFlight > maxSlotsInTimeout {
		add("maxInFlight: is %d, must be from 1 to %d, or 0 for as many as the timeout holds", m.MaxInFlight, maxSlotsInTimeout)
	}
	return problems
}

// Run asks until ctx is done and sends exactly one sample a slot, in the order of the slots and never two at once. Slot k is
// due at start + k×Every, and every slot that was due when ctx ended is sent before Run returns: asks that are under way
// then are finished on their own deadlines, not cut short, because a cut answer would be a lie about the system.
//
// Run is open loop: an answer that is slow, or never comes, delays no later slot. It keeps these rules:
//
//   - A slot is missed "late" when the harness woke only after the next slot was due, and also when its ask was put but the
//     harness looked for the answer a whole slot after the deadline: what it did not hear may have been said.
//   - A slot is missed "in flight" when MaxInFlight asks have not returned.
//   - An ask that returns at its deadline or later gave no answer, whatever it returns. One that ignores its context is not
//     waited for, but it keeps its place in flight until it returns.
//   - A probe that panics is the harness's fault: missed "not asked".
//
// A slow send costs nothing until the backlog of about a second is full; then slots are missed as "late". A send that
// panics does so on the caller's goroutine, after the asks under way have ended.
//
// Run panics when the monitor has Problems. It sends nothing when ctx is done before it is called.
func (m Monitor) Run(ctx context.Context, start time.Time, send func(Sample)) {
	if problems := m.Problems(); len(problems) > 0 {
		panic(fmt.Sprintf("run monitor %q: %s", m.Name, strings.Join(problems, "; ")))
	}
	if ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	out := make(chan Sample, backlog(m.Every))
	defer func() {
		cancel()
		for range out { // only when send panicked: let the engine end
		}
	}()
	e := newEngine(ctx, m, start)
	e.out = out
	context.AfterFunc(ctx, func() { e.ended <- e.now() }) // the time of the end, also when the loop is slow to see it
	go e.loop()
	for sample := range out {
		send(sample)
	}
}

// backlog is how many samples may wait for a slow receiver: about a second of them, within bounds that keep a thousand slow
// monitors and one fast one small.
func backlog(every time.Duration) int {
	return int(min(max(time.Second/every, 16), 1024))
}

// span is how many slots a timeout covers, rounded up.
func (m Monitor) span() int {
	return int((m.Timeout + m.Every - 1) / m.Every)
}

// engine is one run of a monitor. All its state belongs to the goroutine of loop; asks talk to it through answers.
type engine struct {
	Monitor
	base  context.Context // of the asks: does not end with the run
	start time.Time

	ring       []slot // the slots from head to next, by number modulo its length
	head, next int64  // head: the oldest slot that is not sent; next: the first that is not taken
	inFlight   int    // asks that have not returned

	answers chan answer
	ended   chan time.Duration
	end     time.Duration // no slot due after it is taken
	out     chan<- Sample
}

// slot is a slot that was taken and not yet sent.
type slot struct {
	Sample
	deadline time.Duration
	settled  bool
}

// answer is what an ask came back with.
type answer struct {
	slot    int64
	put, at time.Duration
	outcome Outcome
	reason  Reason
	detail  string
}

func newEngine(ctx context.Context, m Monitor, start time.Time) *engine {
	if m.MaxInFlight == 0 {
		m.MaxInFlight = m.span() + 1
	}
	// A start that lost its monotonic reading is given one here, once, so that a step of the wall clock moves no slot.
	now := time.Now()
	return &engine{
		Monitor: m,
		base:    context.WithoutCancel(ctx),
		start:   now.Add(-now.Sub(start)),
		// The oldest unsettled ask was put before the slot after it was due and ends one timeout later, so no more slots
		// than a timeout covers, and its own, can be waiting behind it.
		ring:    make([]slot, m.span()+1),
		answers: make(chan answer, m.MaxInFlight), // room for all that are in flight: an ask never waits to be heard
		ended:   make(chan time.Duration, 1),
		end:     math.MaxInt64,
	}
}

func (e *engine) now() time.Duration           { return time.Since(e.start) }
func (e *engine) due(slot int64) time.Duration { return time.Duration(slot) * e.Every }
func (e *engine) at(n int64) *slot             { return &e.ring[n%int64(len(e.ring))] }

// loop takes slots when they are due and settles them when they are answered or out of time. It has one timer: asks have the
// same timeout, so the oldest unsettled one has the earliest deadline.
func (e *engine) loop() {
	defer close(e.out)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		e.hear()
		if e.flush() {
			continue // it may have blocked: what came meanwhile is heard before the time is read
		}
		now := e.now()
		if e.expire(now) {
			continue
		}
		if e.due(e.next) <= min(now, e.end) {
			e.take(now)
			continue
		}
		wake, more := e.wake()
		if !more {
			return
		}
		timer.Reset(wake - now)
		select {
		case <-timer.C:
		case a := <-e.answers:
			e.settle(a)
		case e.end = <-e.ended:
		}
	}
}

// hear settles what has been answered already and learns whether the run has ended.
func (e *engine) hear() {
	for {
		select {
		case a := <-e.answers:
			e.settle(a)
		case e.end = <-e.ended:
		default:
			return
		}
	}
}

// flush sends what is settled, up to the oldest slot that is not, and says whether there was anything.
func (e *engine) flush() bool {
	first := e.head
	for ; e.head < e.next && e.at(e.head).settled; e.head++ {
		s := e.at(e.head)
		e.out <- s.Sample
		*s = slot{} // let go of its strings
	}
	return e.head > first
}

// wake says when there is something to do next; nothing is left when the run has ended and all its slots are sent.
func (e *engine) wake() (at time.Duration, more bool) {
	at = math.MaxInt64
	if due := e.due(e.next); due <= e.end {
		at = due
	}
	if e.head < e.next {
		at = min(at, e.at(e.head).deadline)
	}
	return at, at != math.MaxInt64
}

// take puts the question of the next slot, or says why not.
func (e *engine) take(now time.Duration) {
	n := e.next
	e.next++
	s := e.at(n)
	*s = slot{Sample: Sample{Monitor: e.Name, Slot: n, Due: e.due(n)}, deadline: now + e.Timeout}
	switch {
	case now >= e.due(e.next):
		s.miss(ReasonLate, fmt.Sprintf("the harness woke %v after the slot was due", now-s.Due))
	case e.inFlight >= e.MaxInFlight:
		s.miss(ReasonInFlight, fmt.Sprintf("%d asks had not returned", e.inFlight))
	default:
		s.Late = now - s.Due
		e.inFlight++
		go e.ask(n, s.deadline)
	}
}

// expire settles the asks that are out of time and says whether there were any.
func (e *engine) expire(now time.Duration) bool {
	expired := false
	for n := e.head; n < e.next; n++ {
		s := e.at(n)
		if s.settled {
			continue
		}
		if s.deadline > now {
			break
		}
		e.silence(s, now)
		expired = true
	}
	return expired
}

// settle takes an answer; one to a slot that is settled only gives its place in flight back.
func (e *engine) settle(a answer) {
	e.inFlight--
	if a.slot < e.head || e.at(a.slot).settled {
		return
	}
	s := e.at(a.slot)
	if a.at >= s.deadline {
		e.silence(s, a.at)
		return
	}
	s.Late, s.Took = a.put-s.Due, a.at-s.Due
	s.Outcome, s.Reason, s.Detail = a.outcome, a.reason, clip(a.detail)
	s.settled = true
}

// silence settles a slot whose ask was not answered by its deadline, as noticed at the time seen.
func (e *engine) silence(s *slot, seen time.Duration) {
	witness, ok := e.Probe.(Witness)
	switch {
	case seen-s.deadline >= e.Every:
		s.miss(ReasonLate, fmt.Sprintf("the harness looked for the answer %v after its deadline", seen-s.deadline))
	case ok:
		s.miss(ReasonNotAsked, clip(fmt.Sprintf("no answer from %s within %v", witness.Witness(), e.Timeout)))
	default:
		s.Outcome, s.Reason, s.Detail = Bad, ReasonTimeout, fmt.Sprintf("no answer within %v", e.Timeout)
		s.Took = s.deadline - s.Due
		s.settled = true
	}
}

// miss settles a slot as the harness's fault.
func (s *slot) miss(reason Reason, detail string) {
	s.Outcome, s.Reason, s.Detail, s.settled = Missed, reason, detail, true
}

// ask puts the question once and always answers the engine, also when the probe panics or ends its goroutine.
func (e *engine) ask(n int64, deadline time.Duration) {
	ctx, cancel := context.WithDeadline(e.base, e.start.Add(deadline))
	defer cancel()
	a := answer{slot: n, put: e.now()}
	defer func() {
		if a.outcome == 0 {
			a.at = e.now()
			a.outcome, a.reason, a.detail = Missed, ReasonNotAsked, "the probe ended its goroutine"
			if p := recover(); p != nil {
				a.detail = fmt.Sprintf("the probe panicked: %v", p)
			}
		}
		e.answers <- a
	}()
	err := e.Probe.Probe(ctx)
	a.at = e.now()
	a.outcome, a.reason, a.detail = outcome(err)
}
