package probes

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// StatusSet says which HTTP statuses are good: "200", "200-299", "200-299,404". Empty is "200-299". A JSON number is a set of one.
type StatusSet string

const anySuccess StatusSet = "200-299"

type statusRange struct{ low, high int }

// String returns the set as it is written.
func (s StatusSet) String() string {
	if s == "" {
		return string(anySuccess)
	}
	return string(s)
}

// UnmarshalJSON reads a string or a number.
func (s *StatusSet) UnmarshalJSON(data []byte) error {
	var number int
	if json.Unmarshal(data, &number) == nil {
		*s = StatusSet(strconv.Itoa(number))
		return nil
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf(`status: want a number or a text like "200-299,404", got %s`, data)
	}
	*s = StatusSet(text)
	return nil
}

// Problems says what is wrong with the set.
func (s StatusSet) Problems() []string {
	_, err := s.ranges()
	if err == nil {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}

// ranges reads the set; its error joins all that is wrong.
func (s StatusSet) ranges() ([]statusRange, error) {
	var ranges []statusRange
	var wrong []error
	for part := range strings.SplitSeq(s.String(), ",") {
		low, high, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			high = low
		}
		r := statusRange{status(low), status(high)}
		if r.low == 0 || r.high == 0 || r.low > r.high {
			wrong = append(wrong, fmt.Errorf("%q is no status from 100 to 599 and no range of them like 200-299", part))
			continue
		}
		ranges = append(ranges, r)
	}
	return ranges, errors.Join(wrong...)
}

// status reads a status; zero is none.
func status(text string) int {
	code, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || code < 100 || code > 599 {
		return 0
	}
	return code
}

func contains(ranges []statusRange, code int) bool {
	for _, r := range ranges {
		if r.low <= code && code <= r.high {
			return true
		}
	}
	return false
}
