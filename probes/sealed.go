package probes

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// sealed is a probe whose words are cleared of secrets before anybody sees them, its panics among them.
type sealed struct {
	probe  Probe
	censor *strings.Replacer
}

// sealedWitness is a sealed probe that asks somebody else about the system.
type sealedWitness struct {
	sealed
	name string
}

var _ Witness = sealedWitness{}

// Witness says who is asked.
func (s sealedWitness) Witness() string { return s.name }

// Probe asks once.
func (s sealed) Probe(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: the probe panicked: %s", ErrNotAsked, s.censor.Replace(fmt.Sprint(p)))
		}
	}()
	return s.clear(s.probe.Probe(ctx))
}

// clear returns an error that says the same without the secrets. The error that it was is dropped: it holds them.
func (s sealed) clear(err error) error {
	is, reason, detail := outcome(err)
	switch detail = s.censor.Replace(detail); is {
	case Good:
		return nil
	case Missed:
		text, ok := strings.CutPrefix(detail, ErrNotAsked.Error()+": ")
		if !ok {
			return notAskedError(detail)
		}
		return fmt.Errorf("%w: %s", ErrNotAsked, text)
	default:
		return &Failure{Reason: reason, Detail: detail}
	}
}

// notAskedError is an ErrNotAsked in the words of a probe.
type notAskedError string

func (e notAskedError) Error() string        { return string(e) }
func (e notAskedError) Is(target error) bool { return errors.Is(ErrNotAsked, target) }
