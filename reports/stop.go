package reports

import (
	"fmt"
	"slices"
	"time"

	"github.com/gamedayhq/gameday/probes"
)

// StopWhen is a condition that ends a drill while it runs. In YAML it is an object with one key.
type StopWhen struct {
	Availability *StopAvailability `json:"availability,omitempty"`
	Latency      *StopLatency      `json:"latency,omitempty"`
	Outage       *StopOutage       `json:"outage,omitempty"`
}

// StopAvailability ends a drill when the share of good slots over the last stretch falls below a bound.
type StopAvailability struct {
	Of    string   `json:"of"` // monitor
	Over  Duration `json:"over"`
	Below Ratio    `json:"below"`
}

// StopLatency ends a drill when a quantile of the time from due to a good answer, over the last stretch, rises above a bound.
// A bad slot is slower than every bound, as it is for the objective.
type StopLatency struct {
	Of       string   `json:"of"` // monitor
	Over     Duration `json:"over"`
	Quantile Ratio    `json:"quantile"` // 99% is p99
	Above    Duration `json:"above"`
}

// StopOutage ends a drill when an outage is seen to be longer than a bound: from when its first bad slot was due to when its
// latest was put, with no good answer between. Slots that were missed neither end an outage nor lengthen it.
type StopOutage struct {
	Of     string   `json:"of"` // monitor
	Longer Duration `json:"longer"`
}

// Monitor returns the name of the monitor that the condition is about.
func (s StopWhen) Monitor() string {
	switch {
	case s.Availability != nil:
		return s.Availability.Of
	case s.Latency != nil:
		return s.Latency.Of
	case s.Outage != nil:
		return s.Outage.Of
	default:
		return ""
	}
}

// Problems says what is wrong with the condition, each as "field: what, and the mend".
func (s StopWhen) Problems() []string {
	var out []string
	kinds := 0
	if s.Availability != nil {
		kinds, out = kinds+1, append(out, s.Availability.problems()...)
	}
	if s.Latency != nil {
		kinds, out = kinds+1, append(out, s.Latency.problems()...)
	}
	if s.Outage != nil {
		kinds, out = kinds+1, append(out, s.Outage.problems()...)
	}
	switch kinds {
	case 0:
		return []string{"availability: is missing, and so are latency and outage: give one of them"}
	case 1:
		return out
	default:
		return append(out, "has more than one condition: write each as an entry of its own")
	}
}

func (s StopAvailability) problems() []string {
	out := slices.Concat(missing("of", s.Of, "a monitor"), positive("over", s.Over))
	if s.Below == 0 {
		return append(out, "below: is missing or zero, which no share falls below: give one, such as 50%")
	}
	return append(out, s.Below.problem("below")...)
}

func (s StopLatency) problems() []string {
	out := slices.Concat(missing("of", s.Of, "a monitor"), positive("over", s.Over), positive("above", s.Above))
	if s.Quantile == 0 {
		return append(out, "quantile: is missing or zero, which is no quantile: give one, such as 99%")
	}
	return append(out, s.Quantile.problem("quantile")...)
}

func (s StopOutage) problems() []string {
	return slices.Concat(missing("of", s.Of, "a monitor"), positive("longer", s.Longer))
}

// Sliding judges a stop condition on each sample as it comes, in constant (amortized) time; its memory is bounded by the
// slots that the stretch holds. It is not safe for concurrent use.
type Sliding struct {
	condition StopWhen
	of        string
	over      time.Duration
	least     Ratio   // share of the asked slots that must be good (and fast)
	asked     []asked // of the stretch, oldest first, from head on
	head      int
	good      int
	since     time.Duration // due time of the first sample seen
	begun     bool
	outages   outages
}

type asked struct {
	due  time.Duration
	good bool
}

// NewSliding returns a judge of the condition. One without a kind is never breached.
func NewSliding(condition StopWhen) *Sliding {
	s := &Sliding{condition: condition, of: condition.Monitor()}
	switch c := condition; {
	case c.Availability != nil:
		s.over, s.least = c.Availability.Over.D(), c.Availability.Below
	case c.Latency != nil:
		s.over, s.least = c.Latency.Over.D(), c.Latency.Quantile
	}
	return s
}

// Add takes the next sample, of whatever monitor, and returns true while the condition is breached. The stretch must have
// been watched in full first. Missed slots are neither good nor bad.
func (s *Sliding) Add(sample probes.Sample) bool {
	if s.of == "" || sample.Monitor != s.of {
		return false
	}
	if s.condition.Availability == nil && s.condition.Latency == nil {
		s.outages.take(sample)
		return s.down() > s.condition.Outage.Longer.D()
	}
	if !s.begun {
		s.begun, s.since = true, sample.Due
	}
	s.drop(sample.Due - s.over)
	if sample.Outcome == probes.Good || sample.Outcome == probes.Bad {
		s.push(asked{due: sample.Due, good: s.holds(sample)})
	}
	full := sample.Due-s.since >= s.over
	return full && s.count() > 0 && s.share() < s.least
}

// holds tells whether the answer is as it must be.
func (s *Sliding) holds(sample probes.Sample) bool {
	slow := s.condition.Latency != nil && sample.Took > s.condition.Latency.Above.D()
	return sample.Outcome == probes.Good && !slow
}

// down is how long the outage that is not over is seen to be.
func (s *Sliding) down() time.Duration {
	if now := s.outages.now; now != nil {
		return now.lastPut - now.first
	}
	return 0
}

// drop forgets the slots that were due at or before the end of the time before the stretch.
func (s *Sliding) drop(until time.Duration) {
	for s.head < len(s.asked) && s.asked[s.head].due <= until {
		if s.asked[s.head].good {
			s.good--
		}
		s.head++
	}
}

func (s *Sliding) push(one asked) {
	if s.head > len(s.asked)/2 {
		s.asked = s.asked[:copy(s.asked, s.asked[s.head:])]
		s.head = 0
	}
	s.asked = append(s.asked, one)
	if one.good {
		s.good++
	}
}

func (s *Sliding) count() int { return len(s.asked) - s.head }

func (s *Sliding) share() Ratio { return Ratio(float64(s.good) / float64(s.count())) }

// String says how the condition stands.
func (s *Sliding) String() string {
	switch c := s.condition; {
	case c.Availability != nil:
		a := c.Availability
		return s.stands(fmt.Sprintf("availability of %s over %v", a.Of, a.Over), fmt.Sprintf("stops below %v", a.Below), "slots good")
	case c.Latency != nil:
		l := c.Latency
		return s.stands(fmt.Sprintf("share of %s answered within %v over %v", l.Of, l.Above, l.Over),
			fmt.Sprintf("stops below %v", l.Quantile), "slots good and in time")
	case c.Outage != nil:
		return fmt.Sprintf("outage of %s is seen to last %v, stops when longer than %v", c.Outage.Of, atLeast(s.down()), c.Outage.Longer)
	default:
		return "no stop condition"
	}
}

func (s *Sliding) stands(what, bound, slots string) string {
	if s.count() == 0 {
		return what + " is not known: nothing was asked"
	}
	return fmt.Sprintf("%s is %s, %s (%d of %d %s)", what, share(int64(s.good), int64(s.count())), bound, s.good, s.count(), slots)
}
