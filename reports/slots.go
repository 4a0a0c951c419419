package reports

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gamedayhq/gameday/probes"
)

const (
	// leastCoverage is the share of a window's slots that must have been asked.
	leastCoverage = 0.95
	// leastSlots is how many slots a ratio or a quantile needs.
	leastSlots = 30
	// mostReasons bounds how many classes of reasons are counted apart.
	mostReasons = 64
)

// sighting is a sample that may not have been seen.
type sighting struct {
	probes.Sample
	seen bool
}

// stretch counts the slots of one monitor in one window.
type stretch struct {
	plan   *plan
	of     string // monitor
	window window
	info   MonitorInfo
	known  bool // the monitor

	good, bad, missed int64
	reasons           map[string]int64
}

func (p *plan) stretch(monitor string, w window) stretch {
	info, known := p.monitors[monitor]
	return stretch{plan: p, of: monitor, window: w, info: info, known: known, reasons: map[string]int64{}}
}

func (s *stretch) monitor() string { return s.of }

// count counts a sample of the window and tells whether it is one.
func (s *stretch) count(sample probes.Sample) bool {
	if !s.window.holds(sample.Due) {
		return false
	}
	switch sample.Outcome {
	case probes.Good:
		s.good++
		return true
	case probes.Bad:
		s.bad++
	case probes.Missed:
		s.missed++
	}
	reason := string(sample.Reason)
	if reason == "" {
		reason = "unknown"
	}
	if _, seen := s.reasons[reason]; !seen && len(s.reasons) >= mostReasons {
		reason = "other"
	}
	s.reasons[reason]++
	return true
}

// slots says what became of the slots that the window holds by the monitor's pace. A slot without a sample is missed.
func (s *stretch) slots() Slots {
	out := Slots{Good: s.good, Bad: s.bad}
	if s.known && s.window.unmet == "" {
		out.Due = slotsBefore(s.until(), s.info.Every) - slotsBefore(s.window.from, s.info.Every)
	}
	out.Due = max(out.Due, s.good+s.bad+s.missed)
	out.Missed = out.Due - s.good - s.bad
	for reason, n := range s.reasons {
		out.addReason(reason, n)
	}
	out.addReason("no sample", out.Missed-s.missed)
	return out
}

func (s *Slots) addReason(reason string, n int64) {
	if n <= 0 {
		return
	}
	if s.Reasons == nil {
		s.Reasons = map[string]int64{}
	}
	s.Reasons[reason] += n
}

// until is the window's end, or the end of what was recorded.
func (s *stretch) until() time.Duration {
	if s.window.to == forever {
		return s.plan.horizon()
	}
	return s.window.to
}

// slotsBefore counts the slots that are due before a time.
func slotsBefore(t, every time.Duration) int64 {
	if t <= 0 {
		return 0
	}
	return int64((t-1)/every) + 1
}

// doubt says why the window is no ground to judge on, whatever the samples say.
func (s *stretch) doubt() string {
	switch {
	case !s.known:
		return fmt.Sprintf("the drill has no monitor %q", s.of)
	case s.window.unmet != "":
		return s.window.unmet
	default:
		return ""
	}
}

// thin says why too little was asked, by the standard of what covers a window, of whatever number of slots.
func (s *stretch) thin() string { return s.thinner(leastCoverage, 1) }

// thinner says why too little was asked.
func (s *stretch) thinner(coverage float64, least int64) string {
	slots := s.slots()
	asked := slots.Good + slots.Bad
	switch {
	case s.window.open != "":
		return s.window.open
	case slots.Due == 0:
		return "the window holds no slot"
	case asked == 0:
		return fmt.Sprintf("the monitor never asked: all %d slots were missed", slots.Due)
	case slots.Due < least:
		return fmt.Sprintf("%d slots are too few to say: want at least %d", slots.Due, least)
	case float64(asked)/float64(slots.Due) < coverage:
		return fmt.Sprintf("only %s of the slots were asked (%d of %d): want at least %v", share(asked, slots.Due), asked, slots.Due, Ratio(coverage))
	default:
		return ""
	}
}

// draft begins the check of an objective over the window.
func (s *stretch) draft(kind, what, want string) Check {
	c := Check{Name: what + " of " + s.of + " " + s.window.name, Kind: kind, Monitor: s.of, Want: want, Got: "nothing"}
	if s.doubt() == "" {
		s.place(&c)
	}
	return c
}

// place writes the window and its slots into a check.
func (s *stretch) place(c *Check) {
	from, to, slots := s.window.from, max(s.window.from, s.until()), s.slots()
	c.From, c.To, c.Slots = &from, &to, &slots
}

// words tells the slots for people.
func (s Slots) words() string {
	out := fmt.Sprintf("%d good, %d bad", s.Good, s.Bad)
	if s.Missed > 0 {
		out += fmt.Sprintf(", %d missed", s.Missed)
	}
	return fmt.Sprintf("%s of %d slots", out, s.Due)
}

// inconclusive ends a check that cannot be judged.
func (c Check) inconclusive(reason string) Check {
	c.Verdict, c.Reason = Inconclusive, reason
	return c
}

// fail ends a check that was seen not to hold.
func (c Check) fail(reason string) Check {
	c.Verdict, c.Reason = Fail, reason
	return c
}

// pass ends a check that was seen to hold; the note says what to know of it.
func (c Check) pass(note string) Check {
	c.Verdict, c.Reason = Pass, note
	return c
}

// share writes n of all as a percentage to three decimals that is never rounded up: 99.9996% is not 100%.
func share(n, all int64) string {
	if all <= 0 {
		return "no share"
	}
	const scale = 1000
	parts := n * 100 * scale / all
	text := strconv.FormatInt(parts/scale, 10)
	if fraction := parts % scale; fraction > 0 {
		text += "." + strings.TrimRight(fmt.Sprintf("%03d", fraction), "0")
	}
	return text + "%"
}

// atLeast and atMost write a bound of a time to the millisecond, so that the words never claim more than the number.
func atLeast(d time.Duration) string { return d.Truncate(time.Millisecond).String() }

func atMost(d time.Duration) string {
	if short := d.Truncate(time.Millisecond); short != d {
		return (short + time.Millisecond).String()
	}
	return d.String()
}

func (i Interval) words() string { return atLeast(i.Lo) + " to " + atMost(i.Hi) }
