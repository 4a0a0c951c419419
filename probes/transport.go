package probes

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"time"
)

// askKey holds the ask's own context among the values of the context that is given to a transport.
type askKey struct{}

// way says how a web server is reached.
type way struct {
	keep  bool        // connections are kept from one ask to the next
	http2 bool        // HTTP/2 and nothing else is spoken: agreed on in the handshake, or known beforehand where there is none
	tls   *tls.Config // the standard one unless said
}

// transport makes the way to a web server. Asks share it, but share connections only if they are kept.
//
// http.Transport lets a dial run on when its request is over, in case another can use the connection. Against a host that swallows
// packets that would leave a goroutine and a socket behind for each ask, so the dial is bound to the ask again, and so is all that a
// connection of one ask does, the handshake among it.
func transport(w way) *http.Transport {
	t := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if ask, ok := ctx.Value(askKey{}).(context.Context); ok {
				ctx = ask
			}
			return dial(ctx, network, address, w.keep)
		},
		TLSClientConfig:     w.tls,
		TLSHandshakeTimeout: 10 * time.Second, // of kept connections, which have no deadline
		DisableKeepAlives:   !w.keep,
		DisableCompression:  true, // the body is matched as it was sent
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     90 * time.Second,
		Protocols:           new(http.Protocols),
	}
	t.Protocols.SetHTTP1(!w.http2)
	t.Protocols.SetHTTP2(w.http2)
	t.Protocols.SetUnencryptedHTTP2(w.http2)
	return t
}

// dial connects and, unless the connection outlives the ask, gives it the ask's deadline.
func dial(ctx context.Context, network, address string, keep bool) (net.Conn, error) {
	d := net.Dialer{KeepAlive: -1} // an ask has a deadline: nothing need look whether the peer is still there
	if keep {
		d.KeepAlive = 0 // as usual
	}
	conn, err := d.DialContext(ctx, network, address)
	if err != nil || keep {
		return conn, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, fmt.Errorf("set the deadline: %w", closing(conn, err))
		}
	}
	return conn, nil
}

// converse holds a conversation on a connection of its own and reads how it went. The end of ctx cuts it short.
func converse(ctx context.Context, network, address string, talk func(net.Conn) error) error {
	conn, err := dial(ctx, network, address, false)
	if err != nil {
		return answered(err)
	}
	return conversation(ctx, conn, talk)
}

// handshake shakes hands on a new connection; over TLS and under the same deadline goes what is talked then.
func handshake(ctx context.Context, address string, config *tls.Config, talk func(net.Conn) error) error {
	if config.ServerName == "" {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNotAsked, err)
		}
		config = config.Clone()
		config.ServerName = host
	}
	return converse(ctx, "tcp", address, func(conn net.Conn) error {
		secure := tls.Client(conn, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			return err
		}
		return talk(secure)
	})
}
