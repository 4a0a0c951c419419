package probes

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
)

// Falsifier is a question that can be put so that its answer must be bad: at a closed port of ours, or with an expectation that
// nothing can meet. A drill asks it so once, before anything is touched, since a monitor that cannot say bad proves nothing.
type Falsifier interface {
	// Falsified returns the same question, put so that only a bad answer is right, and how it is put, in words without secrets.
	Falsified() (Probe, string)
}

// howClosed says how a question is falsified by asking where nobody answers.
const howClosed = "asked at a closed port of ours, it must be bad"

// atClosedPort asks a question at a port of ours that nobody listens on. Put makes the question for an address.
type atClosedPort struct {
	put func(address string) (Probe, error)
}

// Probe asks once. That there is no such port, or no such question, is the harness's fault.
func (c atClosedPort) Probe(ctx context.Context) error {
	address, release, err := holdClosedPort(ctx)
	if err != nil {
		return fmt.Errorf("%w: hold a closed port: %w", ErrNotAsked, err)
	}
	defer release()
	return later(func() (Probe, error) { return c.put(address) }).Probe(ctx)
}

// later is a question that is made when it is asked. That it cannot be made is the harness's fault.
type later func() (Probe, error)

// Probe makes the question and asks it once.
func (l later) Probe(ctx context.Context) error {
	probe, err := l()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotAsked, err)
	}
	return probe.Probe(ctx)
}

// laterWitness is such a question to somebody else about the system, whose silence is no bad answer.
type laterWitness struct {
	later
	name string
}

var _ Witness = laterWitness{}

// Witness says who is asked.
func (l laterWitness) Witness() string { return l.name }

// holdClosedPort returns the address of a port that refuses connections until it is released. It is the near end of a connection
// of ours: nobody listens there, and since it is in use nobody else can begin to.
func holdClosedPort(ctx context.Context) (address string, release func(), err error) {
	var listening net.ListenConfig
	listener, err := listening.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", listener.Addr().String())
	if err != nil {
		return "", nil, errors.Join(err, listener.Close())
	}
	release = func() {
		// How these close says nothing: the port has served.
		_ = conn.Close()
		_ = listener.Close()
	}
	return conn.LocalAddr().String(), release, nil
}

// urlAt returns the URL with another address as its host.
func urlAt(raw, address string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", errors.New("url: cannot be read") // without the URL, which may hold a secret
	}
	u.Host = address
	return u.String(), nil
}
