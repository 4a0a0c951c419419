package scenarios

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/gamedayhq/gameday/probes"
	"github.com/gamedayhq/gameday/reports"
)

// Sign is what shows that a fault bites, for faults that gameday cannot see by itself: a question that is answered badly while it
// holds and well before and after, or a command whose output matches only while it holds.
type Sign struct {
	HTTP *probes.HTTP `json:"http,omitempty"`
	TCP  *probes.TCP  `json:"tcp,omitempty"`
	Command
	Expect string           `json:"expect,omitempty"` // regular expression of a command's output
	Within reports.Duration `json:"within,omitempty"` // how long it may take to show, or to go; 30 s unless said
}

const (
	signWithin  = 30 * time.Second
	signTimeout = 5 * time.Second // of one look
	signEvery   = 300 * time.Millisecond
	signInARow  = 3 // looks that must agree: one may be chance
)

// Problems says offline what is wrong with the sign, each as "field: what is wrong, and the mend".
func (s *Sign) Problems(under string) []string {
	var out []string
	ways := 0
	for _, ask := range s.questions() {
		ways++
		for _, problem := range ask.Problems() {
			out = append(out, under+"."+questionKey(ask)+"."+problem)
		}
	}
	if len(s.Argv) > 0 || s.Expect != "" {
		ways++
		out = append(out, s.Command.problems(under)...)
		if _, err := regexp.Compile(s.Expect); err != nil || s.Expect == "" {
			out = append(out, fmt.Sprintf("%s.expect: is %q, want a regular expression that the output matches only while the fault holds", under, s.Expect))
		}
	}
	if ways != 1 {
		out = append(out, fmt.Sprintf("%s: has %d signs, want one of: http, tcp, argv with expect", under, ways))
	}
	if s.Within < 0 {
		out = append(out, fmt.Sprintf("%s.within: is %v, want more than nothing", under, s.Within))
	}
	return out
}

func (s *Sign) questions() []Question {
	var out []Question
	if s.HTTP != nil {
		out = append(out, *s.HTTP)
	}
	if s.TCP != nil {
		out = append(out, *s.TCP)
	}
	return out
}

// String says what is looked at.
func (s *Sign) String() string {
	if asks := s.questions(); len(asks) > 0 {
		return fmt.Sprint(asks[0])
	}
	return fmt.Sprintf("the output of %s", s.Command)
}

// look looks once. It returns whether the sign shows, and what was seen; an error is that it could not be looked at.
func (s *Sign) look(ctx context.Context, env Env) (shows bool, seen string, err error) {
	ctx, cancel := context.WithTimeout(ctx, signTimeout)
	defer cancel()
	if asks := s.questions(); len(asks) > 0 {
		probe, err := asks[0].New()
		if err != nil {
			return false, "", err
		}
		sample := probes.Once(ctx, probe, signTimeout)
		seen := strings.TrimSpace(fmt.Sprintf("%v %s %s", sample.Outcome, sample.Reason, sample.Detail))
		if sample.Outcome == probes.Missed {
			return false, seen, fmt.Errorf("ask %s: %s", s, seen)
		}
		return sample.Outcome == probes.Bad, seen, nil
	}
	expect, err := regexp.Compile(s.Expect)
	if err != nil {
		return false, "", err
	}
	ran, err := s.Command.run(ctx, env)
	if ran.Exit >= 0 {
		err = nil // what counts is the output: many a command says with its status what it also says in words
	}
	return expect.MatchString(ran.Output), lastLine(ran.Output), err
}

// Before looks whether the sign is absent before the fault: one that shows already proves nothing.
func (s *Sign) Before(ctx context.Context, env Env) error {
	shows, seen, err := s.look(ctx, env)
	switch {
	case err != nil:
		return fmt.Errorf("look at the proof before the fault: %w", err)
	case shows:
		return fmt.Errorf("%w: the proof shows already, before the fault: %s: %s", ErrVoid, s, seen)
	}
	return nil
}

// Await waits until the sign shows, or does not any more, some times in a row. It returns what was seen.
func (s *Sign) Await(ctx context.Context, env Env, want bool) (string, error) {
	within := s.Within.D()
	if within == 0 {
		within = signWithin
	}
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("not so within %v", within))
	defer cancel()
	row := 0
	for {
		var seen string
		shows, now, err := s.look(ctx, env)
		switch {
		case err != nil:
			seen, row = err.Error(), 0
		case shows != want:
			seen, row = now, 0
		default:
			seen = now
			if row++; row == signInARow {
				return seen, nil
			}
		}
		if err := Sleep(ctx, signEvery); err != nil {
			word := "show"
			if !want {
				word = "go"
			}
			return seen, fmt.Errorf("wait for the sign to %s (%s): %w; last seen: %s", word, s, err, seen)
		}
	}
}
