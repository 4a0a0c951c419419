package probes

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// TCP connects to an address, sends what is to be sent and waits for what is expected. With neither, a connection is good.
type TCP struct {
	Address string     `json:"address"` // host:port
	Send    string     `json:"send,omitempty"`
	Expect  string     `json:"expect,omitempty"` // regular expression, looked for in all that was received so far
	TLS     *TLSConfig `json:"tls,omitempty"`    // all is said over TLS; {} for the standard configuration
}

// maxReceived bounds what is read while looking for Expect.
const maxReceived = 64 << 10

// Problems says what is wrong with the question, each as "field: what, and the mend".
func (t TCP) Problems() []string {
	problems := addressProblems("address", t.Address)
	if _, err := regexp.Compile(t.Expect); err != nil {
		problems = append(problems, fmt.Sprintf("expect: %v", err))
	}
	return append(problems, prefixed("tls.", t.TLS.problems())...)
}

// addressProblems says what is wrong with a host:port.
func addressProblems(field, address string) []string {
	host, port, err := net.SplitHostPort(address)
	number, portErr := strconv.ParseUint(port, 10, 16)
	switch {
	case address == "":
		return []string{field + ": missing"}
	case err != nil || host == "" || portErr != nil || number == 0:
		return []string{fmt.Sprintf("%s: %q must be host:port, with a port from 1 to 65535", field, address)}
	}
	return nil
}

// String says in words what is asked; of what is sent, which may hold a secret, only how much.
func (t TCP) String() string {
	text := "TCP " + t.Address
	if t.TLS != nil {
		text += " over TLS"
		if t.TLS.InsecureSkipVerify {
			text += ", accepting any certificate"
		}
	}
	if t.Send != "" {
		text += fmt.Sprintf(", send %d bytes", len(t.Send))
	}
	if t.Expect != "" {
		text += fmt.Sprintf(", want what matches %q", t.Expect)
	}
	return text
}

// New makes the probe ready to ask, or returns all that is wrong with it.
func (t TCP) New() (Probe, error) {
	if problems := t.Problems(); len(problems) > 0 {
		return nil, fmt.Errorf("tcp probe: %s", strings.Join(problems, "; "))
	}
	p := &tcpProbe{config: t}
	if t.Expect != "" {
		expect, err := regexp.Compile(t.Expect)
		if err != nil {
			return nil, fmt.Errorf("tcp probe: expect: %w", err)
		}
		p.expect = expect
	}
	var v vault
	if t.TLS != nil {
		p.tls = t.TLS.config(&v)
	}
	if err := v.err(); err != nil {
		return nil, fmt.Errorf("tcp probe: %w", err)
	}
	return v.seal(p), nil
}

// Falsified puts the question at a closed port of ours.
func (t TCP) Falsified() (Probe, string) {
	return atClosedPort{put: func(address string) (Probe, error) {
		t.Address = address
		return t.New()
	}}, howClosed
}

// tcpProbe is a TCP made ready.
type tcpProbe struct {
	config TCP
	expect *regexp.Regexp
	tls    *tls.Config // nil: none
}

// Probe asks once.
func (p *tcpProbe) Probe(ctx context.Context) error {
	if p.tls != nil {
		return handshake(ctx, p.config.Address, p.tls, p.talk)
	}
	return converse(ctx, "tcp", p.config.Address, p.talk)
}

// conversation lets talk have a connection, closes it and reads how it went.
func conversation(ctx context.Context, conn net.Conn, talk func(net.Conn) error) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // fails only on a closed connection
	err := talk(conn)
	stop()
	if cause := ctx.Err(); err != nil && errors.Is(cause, context.Canceled) {
		err = cause // not the timeout that the cancellation was turned into
	}
	err = closing(conn, err)
	if _, ok := errors.AsType[*Failure](err); ok || err == nil {
		return err
	}
	return answered(err)
}

// talk sends and receives.
func (p *tcpProbe) talk(conn net.Conn) error {
	if p.config.Send != "" {
		if _, err := io.WriteString(conn, p.config.Send); err != nil {
			return fmt.Errorf("send: %w", err)
		}
	}
	if p.expect == nil {
		return nil
	}
	received := make([]byte, 0, 512)
	for len(received) < maxReceived {
		chunk := received[len(received):min(cap(received), maxReceived)]
		n, err := conn.Read(chunk)
		received = received[:len(received)+n]
		if n > 0 && p.expect.Match(received) {
			return nil
		}
		switch {
		case errors.Is(err, io.EOF) && len(received) > 0:
			return p.unexpected(received) // it said all it had to say
		case err != nil:
			return fmt.Errorf("receive: %w", err)
		}
		if len(received) == cap(received) {
			received = append(received, 0)[:len(received)]
		}
	}
	return p.unexpected(received)
}

func (p *tcpProbe) unexpected(received []byte) error {
	return &Failure{Reason: ReasonBody, Detail: fmt.Sprintf("%d bytes that do not match %q", len(received), p.config.Expect)}
}

// closing closes a connection that is done with and returns err. How the close went says nothing more: all that was wanted of the
// connection has been had, or err tells why not.
func closing(conn net.Conn, err error) error {
	_ = conn.Close()
	return err
}
