package shop

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// reason names the class of a database error in a word or two: fit for a label
// and an answer to anyone, since it holds no host, no user and no password.
func reason(err error) string {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return serverReason(refused.Code)
	}
	var name *net.DNSError
	var dialed net.Error
	switch {
	case errors.As(err, &name):
		return "name not found"
	case errors.Is(err, context.DeadlineExceeded), pgconn.Timeout(err), errors.As(err, &dialed) && dialed.Timeout():
		return "timeout"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "unreachable"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF),
		errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.Is(err, pgconn.ErrConnClosed):
		return "connection lost"
	default:
		return "database error"
	}
}

// serverReason maps an SQLSTATE (PostgreSQL, appendix A).
func serverReason(code string) string {
	switch code {
	case "57014", "55P03", "25P03": // query cancelled, lock not available, idle in transaction
		return "timeout"
	case "57P01", "57P02", "57P03": // shut down, crashed, not yet accepting
		return "restarting"
	case "25006":
		return "read only"
	case "42P01", "3D000", "42703": // no table, no database, no column
		return "no schema"
	}
	switch code[:min(2, len(code))] {
	case "08":
		return "connection lost"
	case "28":
		return "login refused"
	case "53":
		return "out of resources"
	}
	return "database error"
}
