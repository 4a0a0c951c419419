package probes

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Once asks a probe a single time, within a timeout, and tells what became of it in the words of a monitor. A probe that ignores
// its context is not waited for.
func Once(ctx context.Context, probe Probe, timeout time.Duration) Sample {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	began := time.Now()
	said := make(chan error, 1)
	go func() {
		err := fmt.Errorf("%w: the probe ended its goroutine", ErrNotAsked)
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("%w: the probe panicked: %v", ErrNotAsked, p)
			}
			said <- err
		}()
		err = probe.Probe(ctx)
	}()
	var err error
	select {
	case err = <-said:
	case <-ctx.Done():
	}
	s := Sample{Took: time.Since(began)}
	switch witness, ok := probe.(Witness); {
	case errors.Is(ctx.Err(), context.Canceled):
		s.Outcome, s.Reason, s.Detail = Missed, ReasonNotAsked, "it was called off"
	case ctx.Err() == nil:
		s.Outcome, s.Reason, s.Detail = outcome(err)
		s.Detail = clip(s.Detail)
	case ok:
		s.Outcome, s.Reason = Missed, ReasonNotAsked
		s.Detail = clip(fmt.Sprintf("no answer from %s within %v", witness.Witness(), timeout))
	default:
		s.Outcome, s.Reason, s.Detail = Bad, ReasonTimeout, fmt.Sprintf("no answer within %v", timeout)
	}
	return s
}
