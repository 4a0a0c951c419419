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

// transport makes the way to a web server. Asks share it, but share connections only if they are kept.
//
// http.Transport lets a dial run on when its request is over, in case another can use the connection. Against a host that swallows
// packets that would leave a goroutine and a socket behind for each ask, so the dial is bound to the ask again, and so is all that a
// connection of one ask does, the handshake among it.
func transport(keep, insecure bool) *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if ask, ok := ctx.Value(askKey{}).(context.Context); ok {
				ctx = ask
			}
			return dial(ctx, address, keep)
		},
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: insecure}, //nolint:gosec // asked for by name: InsecureTLS
		TLSHandshakeTimeout: 10 * time.Second,                          // of kept connections, which have no deadline
		DisableKeepAlives:   !keep,
		DisableCompression:  true, // the body is matched as it was sent
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     90 * time.Second,
	}
}

// dial connects and, unless the connection outlives the ask, gives it the ask's deadline.
func dial(ctx context.Context, address string, keep bool) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
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
