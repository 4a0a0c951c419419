package probes

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"strings"
	"time"
)

// TLS shakes hands with a server and looks at its certificates: they must be vouched for, be for the host, and not run out soon.
// How long they have left is told by this machine's wall clock.
type TLS struct {
	Address  string `json:"address"`            // host:port
	DaysLeft int    `json:"daysLeft,omitempty"` // for how many days of 24 hours the whole chain must still be good; 0: now
	TLSConfig
}

const maxDaysLeft = 36500

// Problems says what is wrong with the question, each as "field: what, and the mend".
func (t TLS) Problems() []string {
	problems := addressProblems("address", t.Address)
	if t.DaysLeft < 0 || t.DaysLeft > maxDaysLeft {
		problems = append(problems, fmt.Sprintf("daysLeft: is %d, must be from 0 to %d", t.DaysLeft, maxDaysLeft))
	}
	return append(problems, t.problems()...)
}

// String says in words what is asked.
func (t TLS) String() string {
	text := "TLS " + t.Address
	if t.ServerName != "" {
		text += " as " + t.ServerName
	}
	text += fmt.Sprintf(", want certificates that are good for %d more days", t.DaysLeft)
	if t.InsecureSkipVerify {
		text += ", whoever vouches for them"
	}
	return text
}

// New makes the probe ready to ask, or returns all that is wrong with it.
func (t TLS) New() (Probe, error) {
	if problems := t.Problems(); len(problems) > 0 {
		return nil, fmt.Errorf("tls probe: %s", strings.Join(problems, "; "))
	}
	var v vault
	p := &tlsProbe{config: t, tls: t.config(&v)}
	if err := v.err(); err != nil {
		return nil, fmt.Errorf("tls probe: %w", err)
	}
	return v.seal(p), nil
}

// Falsified puts the question at a closed port of ours.
func (t TLS) Falsified() (Probe, string) {
	return atClosedPort{put: func(address string) (Probe, error) {
		t.Address = address
		return t.New()
	}}, howClosed
}

// tlsProbe is a TLS made ready.
type tlsProbe struct {
	config TLS
	tls    *tls.Config
}

// Probe asks once.
func (p *tlsProbe) Probe(ctx context.Context) error {
	return handshake(ctx, p.config.Address, p.tls, func(conn net.Conn) error {
		secure, ok := conn.(*tls.Conn)
		if !ok {
			return fmt.Errorf("%w: the connection is a %T", ErrNotAsked, conn)
		}
		return p.expiry(secure.ConnectionState())
	})
}

// expiry judges how long the certificates have left.
func (p *tlsProbe) expiry(state tls.ConnectionState) error {
	first := soonest(state)
	if first == nil {
		return &Failure{Reason: ReasonTLS, Detail: "the server showed no certificate"}
	}
	left := time.Until(first.NotAfter)
	if left >= time.Duration(p.config.DaysLeft)*24*time.Hour {
		return nil
	}
	return &Failure{Reason: ReasonExpiry, Detail: fmt.Sprintf("the certificate %q runs out %s, in %.1f days, want %d",
		first.Subject, first.NotAfter.UTC().Format(time.RFC3339), left.Hours()/24, p.config.DaysLeft)}
}

// soonest returns the certificate that runs out first: of the verified chain that lasts longest, since a client takes any that is
// good; of all that was shown when none was verified.
func soonest(state tls.ConnectionState) *x509.Certificate {
	chains := state.VerifiedChains
	if len(chains) == 0 {
		chains = [][]*x509.Certificate{state.PeerCertificates}
	}
	var best *x509.Certificate
	for _, chain := range chains {
		var first *x509.Certificate
		for _, cert := range chain {
			if first == nil || cert.NotAfter.Before(first.NotAfter) {
				first = cert
			}
		}
		if best == nil || first != nil && first.NotAfter.After(best.NotAfter) {
			best = first
		}
	}
	return best
}
