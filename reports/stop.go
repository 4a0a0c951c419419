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
}

// StopAvailability ends a drill when the share of good slots over the last stretch falls below a bound.
type StopAvailability struct {
	Of    string   `json:"of"` // monitor
	Over  Duration `json:"over"`
	Below Ratio    `json:"below"`
}

// Problems says what is wrong with the condition, each as "field: what, and the mend".
func (s StopWhen) Problems() []string {
	if s.Availability == nil {
		return []string{"availability: is missing: it is the one kind of stop condition"}
	}
	return s.Availability.problems()
}

func (s StopAvailability) problems() []string {
	out := slices.Concat(missing("of", s.Of, "a monitor"), positive("over", s.Over))
	if s.Below == 0 {
		return append(out, "below: is missing or zero, which no share falls below: give one, such as 50%")
	}
	return append(out, s.Below.problem("below")...)
}

// Sliding judges a stop condition on each sample as it comes, in constant (amortized) time; its memory is bounded by the
// slots that the stretch holds. It is not safe for concurrent use.
type Sliding struct {
	condition StopAvailability
	asked     []asked // of the stretch, oldest first, from head on
	head      int
	good      int
	since     time.Duration // due time of the first sample seen
	begun     bool
}

type asked struct {
	due  time.Duration
	good bool
}

// NewSliding returns a judge of the condition. One without a kind is never breached.
func NewSliding(condition StopWhen) *Sliding {
	s := &Sliding{}
	if condition.Availability != nil {
		s.condition = *condition.Availability
	}
	return s
}

// Add takes the next sample, of whatever monitor, and returns true while the condition is breached. The stretch must have
// been watched in full first. Missed slots are neither good nor bad.
func (s *Sliding) Add(sample probes.Sample) bool {
	if s.condition.Of == "" || sample.Monitor != s.condition.Of {
		return false
	}
	if !s.begun {
		s.begun, s.since = true, sample.Due
	}
	s.drop(sample.Due - s.condition.Over.D())
	if sample.Outcome == probes.Good || sample.Outcome == probes.Bad {
		s.push(asked{due: sample.Due, good: sample.Outcome == probes.Good})
	}
	full := sample.Due-s.since >= s.condition.Over.D()
	return full && s.count() > 0 && s.share() < s.condition.Below
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
	c := s.condition
	if s.count() == 0 {
		return fmt.Sprintf("availability of %s over %v is not known: nothing was asked", c.Of, c.Over)
	}
	return fmt.Sprintf("availability of %s over %v is %s, stops below %v (%d of %d slots good)",
		c.Of, c.Over, share(int64(s.good), int64(s.count())), c.Below, s.good, s.count())
}
