package probes

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Monitor asks a probe at a steady pace.
type Monitor struct {
	Name    string
	Probe   Probe
	Every   time.Duration // from one slot to the next
	Timeout time.Duration // how long an ask may take, counted from when it was put
	// MaxInFlight bounds the asks that have not returned: as many as can be within their Timeout at once, unless said.
	MaxInFlight int
}

// Witness is a Probe that asks somebody else about the system: a Prometheus, an API server. When that one stays silent until the
// deadline, the system said nothing, so the slot is missed and not bad.
type Witness interface {
	Probe
	Witness() string // who is asked, for people
}

const (
	// maxSlotsInTimeout bounds Timeout/Every, and so the memory of a monitor.
	maxSlotsInTimeout = 10_000
	// lateAfter is how late a question may be put though the next slot is due already. It is what a scheduler may take from a
	// healthy process on a busy machine: Go's own stops a goroutine after as long. See Monitor.lateAfter.
	lateAfter = 10 * time.Millisecond
	// maxSlotsLate bounds how many slots may be put at once after such a pause.
	maxSlotsLate = 1000
)

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

// lateAfter is how late a slot's question may be put: until the next slot is due, or 10 ms where slots are nearer than that.
//
// A question that is put a little late is as good a question. Its sample hides nothing of it: the latency is counted from when the
// slot was due, and how late it was put is recorded, by which outages are bounded. But a question says nothing of a time long
// before it was put, so a slot that is later than this is missed.
func (m Monitor) lateAfter() time.Duration {
	return max(m.Every, min(lateAfter, maxSlotsLate*m.Every))
}

// span is how many slots can be unsettled at once: an ask is put at most lateAfter after its slot was due and ends one timeout
// later.
func (m Monitor) span() int {
	return int((m.Timeout + m.lateAfter() + m.Every - 1) / m.Every)
}

// inFlight is how many asks may be under way at once.
func (m Monitor) inFlight() int {
	if m.MaxInFlight == 0 {
		return m.span()
	}
	return m.MaxInFlight
}

// Run asks until ctx is done and sends exactly one sample a slot, in the order of the slots and never two at once; see [Run].
func (m Monitor) Run(ctx context.Context, start time.Time, send func(Sample)) {
	Run(ctx, start, []Monitor{m}, send)
}

// Run runs monitors side by side until ctx is done and sends exactly one sample a slot of each, a monitor's in the order of its
// slots, and never two at once. Slot k is due at start + k×Every, and every slot that was due when ctx ended is sent before Run
// returns: asks that are under way then are finished on their own deadlines, not cut short, because a cut answer would be a lie
// about the system.
//
// Run is open loop: an answer that is slow, or never comes, delays no later slot, of no monitor. It keeps these rules:
//
//   - A slot is missed "late" when the harness woke only after the next slot was due, and more than 10 ms after its own. It is
//     also when its ask was put but the harness looked for the answer that much after the deadline: what it did not hear may have
//     been said.
//   - A slot is missed "in flight" when MaxInFlight asks have not returned.
//   - An ask that returns at its deadline or later gave no answer, whatever it returns. One that ignores its context is not
//     waited for, but it keeps its place in flight until it returns.
//   - A probe that panics is the harness's fault: missed "not asked".
//
// A slow send costs nothing until the backlog of about a second is full; then slots are missed as "late". A send that
// panics does so on the caller's goroutine, after the asks under way have ended.
//
// Run panics when a monitor has Problems. It sends nothing when ctx is done before it is called.
func Run(ctx context.Context, start time.Time, monitors []Monitor, send func(Sample)) {
	for _, m := range monitors {
		if problems := m.Problems(); len(problems) > 0 {
			panic(fmt.Sprintf("run monitor %q: %s", m.Name, strings.Join(problems, "; ")))
		}
	}
	if ctx.Err() != nil || len(monitors) == 0 {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	out := make(chan Sample, backlog(monitors))
	defer func() {
		cancel()
		for range out { // only when send panicked: let the engine end
		}
	}()
	e := newEngine(ctx, start, monitors, out)
	context.AfterFunc(ctx, func() { e.ended <- e.now() }) // the time of the end, also when the loop is slow to see it
	go e.loop()
	for sample := range out {
		send(sample)
	}
}

// backlog is how many samples may wait for a slow receiver: about a second of them, within bounds that keep a thousand slow
// monitors and a few fast ones small.
func backlog(monitors []Monitor) int {
	const least, most = 16, 16_384
	samples := 0
	for _, m := range monitors {
		samples += int(min(max(time.Second/m.Every, least), 1024))
	}
	return min(samples, most)
}
