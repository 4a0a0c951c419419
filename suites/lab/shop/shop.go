// Package shop is the service under test of the lab: an HTTP API that keeps
// orders in PostgreSQL and acknowledges an order only when it is committed.
//
// It is a system under test like any other: it knows nothing of drills, monitors
// or verdicts, and reads its settings from its environment only. It is built to
// be honest in an outage (an answer within a deadline, with a reason) and to
// come back by itself within seconds, so that what a drill measures is the
// fault and not a habit of the client library.
package shop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Config is what the shop reads from its environment.
type Config struct {
	DatabaseURL string        // DATABASE_URL; empty: PGHOST, PGUSER, PGPASSWORD and their like
	Listen      string        // LISTEN; default ":8080"
	Timeout     time.Duration // DATABASE_TIMEOUT; default 2s: the longest a request waits for the database
	Drain       time.Duration // DRAIN; default 3s: how long a stopping shop serves on while it says it is not ready
}

const (
	// stopBudget bounds the end of a stop, after the drain: requests under way get
	// this long, and no pod waits for a client that never reads its answer. It is
	// more than the 5 seconds that net/http itself waits for a connection on which
	// nothing was asked yet, such as a client's spare one.
	stopBudget = 7 * time.Second
	// closeBudget bounds the farewell to the database: in a cut network each
	// connection would take 15 seconds to close, past the pod's time to stop.
	closeBudget = 2 * time.Second
)

// ConfigFromEnv reads the settings by getenv (os.Getenv, or a test's map).
func ConfigFromEnv(getenv func(string) string) (Config, error) {
	cfg := Config{DatabaseURL: getenv("DATABASE_URL"), Listen: getenv("LISTEN")}
	if cfg.Listen == "" {
		cfg.Listen = ":8080"
	}
	var errs []error
	duration := func(name string, unset, least time.Duration) time.Duration {
		text := getenv(name)
		if text == "" {
			return unset
		}
		d, err := time.ParseDuration(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("read %s: %w", name, err))
		} else if d < least {
			errs = append(errs, fmt.Errorf("read %s: %s is less than %s", name, d, least))
		}
		return d
	}
	cfg.Timeout = duration("DATABASE_TIMEOUT", 2*time.Second, time.Millisecond)
	cfg.Drain = duration("DRAIN", 3*time.Second, 0)
	return cfg, errors.Join(errs...)
}

// Main runs the shop until ctx ends or the process is told to stop.
func Main(ctx context.Context, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("start the shop: unexpected argument %q: it is set up by its environment", args[0])
	}
	// The signals are handled here too, since as the first process of a
	// container nothing would stop it otherwise.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	cfg, err := ConfigFromEnv(os.Getenv)
	if err != nil {
		return fmt.Errorf("start the shop: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("start the shop: listen on %q: %w", cfg.Listen, err)
	}
	return Serve(ctx, cfg, listener)
}

// Serve answers on listener until ctx ends, then drains and stops. It starts
// without the database too, and closes listener in every case.
func Serve(ctx context.Context, cfg Config, listener net.Listener) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	pool, err := openPool(ctx, cfg)
	if err != nil {
		return errors.Join(fmt.Errorf("start the shop: %w", err), listener.Close())
	}
	defer closePool(context.WithoutCancel(ctx), pool)

	db := store{pool: pool}
	health := &health{log: log}
	// The watch outlives ctx by the drain: a draining shop still serves.
	watching, endWatch := context.WithCancel(context.WithoutCancel(ctx))
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		health.watch(watching, db)
	}()
	defer func() {
		endWatch()
		<-watched
	}()

	server := &http.Server{
		Handler:           newHandler(db, health, cfg.Timeout),
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      cfg.Timeout + 10*time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	log.Info("shop is serving", "address", listener.Addr().String())
	select {
	case err := <-failed:
		return fmt.Errorf("serve the shop: %w", err)
	case <-ctx.Done():
	}
	log.Info("shop is draining", "for", cfg.Drain)
	return drain(context.WithoutCancel(ctx), drainOf{server, health, cfg.Drain, failed})
}

// closePool closes the pool, or leaves it to the end of the process.
func closePool(ctx context.Context, pool *pgxpool.Pool) {
	ctx, cancel := context.WithTimeout(ctx, closeBudget)
	defer cancel()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		pool.Close()
	}()
	select {
	case <-closed:
	case <-ctx.Done():
	}
}

type drainOf struct {
	server *http.Server
	health *health
	delay  time.Duration
	failed <-chan error
}

// drain says not ready first and serves on for the delay, because a Service
// sends buyers here until its endpoints have followed the readiness; only then
// it stops listening.
func drain(ctx context.Context, of drainOf) error {
	of.health.draining.Store(true)
	delay := time.NewTimer(of.delay)
	defer delay.Stop()
	select {
	case err := <-of.failed:
		return fmt.Errorf("serve the shop while draining: %w", err)
	case <-delay.C:
	}
	ctx, cancel := context.WithTimeout(ctx, stopBudget)
	defer cancel()
	if err := of.server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("stop the shop: requests under way after %s: %w", stopBudget, err), of.server.Close())
	}
	return nil
}
