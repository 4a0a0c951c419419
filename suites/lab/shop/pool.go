package shop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	connectTimeout = 2 * time.Second
	deadAfter      = 5 * time.Second // a connection whose bytes stay unanswered this long is dropped by the kernel
)

// openPool sets the pool up without connecting. Its settings have one aim: after
// a cut network no request waits for a connection that will never answer again.
func openPool(ctx context.Context, cfg Config) (*pgxpool.Pool, error) {
	pc, err := pgxpool.ParseConfig(cfg.DatabaseURL)
	if err != nil && cfg.DatabaseURL != "" {
		// The parser cannot mask a password in every malformed URL.
		return nil, errors.New("parse DATABASE_URL: not a valid connection string (not shown, it holds the password)")
	}
	if err != nil {
		return nil, fmt.Errorf("parse the PG* variables: %w", err)
	}
	pc.MaxConns = 8
	pc.HealthCheckPeriod = time.Second
	pc.MaxConnIdleTime = time.Minute
	pc.PingTimeout = 500 * time.Millisecond

	cc := pc.ConnConfig
	cc.ConnectTimeout = connectTimeout
	cc.DialFunc = dial
	cc.LookupFunc = lookup
	timeout := strconv.FormatInt(cfg.Timeout.Milliseconds(), 10)
	for name, value := range map[string]string{
		"application_name":   "shop",
		"synchronous_commit": "on", // acknowledged means on disk, whatever the server's default
		// The server too gives up on a cut connection, and with it the locks
		// that a retry of the same order would wait for.
		"statement_timeout":                   timeout,
		"idle_in_transaction_session_timeout": timeout,
		"tcp_user_timeout":                    strconv.FormatInt(deadAfter.Milliseconds(), 10),
		"tcp_keepalives_idle":                 "2",
		"tcp_keepalives_interval":             "1",
		"tcp_keepalives_count":                "3",
	} {
		cc.RuntimeParams[name] = value
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("make the connection pool: %w", err)
	}
	return pool, nil
}

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{
		Timeout:         connectTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 2 * time.Second, Interval: time.Second, Count: 3},
		Control:         limitUnanswered,
	}
	return dialer.DialContext(ctx, network, address)
}

// lookup bounds the question to the name server, which the connect timeout of
// the driver does not cover.
func lookup(ctx context.Context, host string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	return net.DefaultResolver.LookupHost(ctx, host)
}
