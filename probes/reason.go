package probes

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"unicode/utf8"
)

// outcome reads what a probe returned.
func outcome(err error) (Outcome, Reason, string) {
	var failure *Failure
	switch {
	case err == nil:
		return Good, "", ""
	case errors.Is(err, ErrNotAsked):
		return Missed, ReasonNotAsked, err.Error()
	case errors.As(err, &failure) && failure != nil && failure.Reason != "":
		return Bad, failure.Reason, failure.Detail
	default:
		return Bad, ReasonError, err.Error()
	}
}

// answered makes of an error of the network what a Probe returns: a bad answer with its reason, or ErrNotAsked when the
// harness or its machine is to blame.
func answered(err error) error {
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err // without the URL, which may hold a secret
	}
	if errors.Is(err, ErrNotAsked) {
		return err
	}
	if ours(err) {
		return fmt.Errorf("%w: %w", ErrNotAsked, err)
	}
	return &Failure{Reason: classify(err), Detail: err.Error()}
}

// ours tells the errors that say nothing of the system: the ask was called off, or this machine has no file, port or buffer
// left to put it with.
func ours(err error) bool {
	return errors.Is(err, context.Canceled) || isErrno(err,
		syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS, syscall.ENOMEM)
}

// classify gives the reason of an error that the network or the peer is to blame for. A name that is not resolved counts as such
// also when it is for a timeout, because that says where to look.
func classify(err error) Reason {
	switch {
	case isA[*net.DNSError](err):
		return ReasonDNS
	case isErrno(err, syscall.ECONNREFUSED):
		return ReasonRefused
	case isErrno(err, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN):
		return ReasonUnreachable
	case isTimeout(err):
		return ReasonTimeout
	case isExpired(err):
		return ReasonExpiry
	case isTLS(err):
		return ReasonTLS
	case isReset(err):
		return ReasonReset
	default:
		return ReasonError
	}
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return errors.Is(err, context.DeadlineExceeded) || isErrno(err, syscall.ETIMEDOUT) || ok && timeout.Timeout()
}

// isTLS knows the errors of crypto/tls: those with a type, alerts (of which only the operation shows), and the plain ones by the
// prefix that all of them carry.
func isTLS(err error) bool {
	if isA[*tls.CertificateVerificationError](err) || isA[tls.RecordHeaderError](err) || errors.Is(err, http.ErrSchemeMismatch) {
		return true
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && (op.Op == "remote error" || op.Op == "local error") {
		return true
	}
	return strings.HasPrefix(err.Error(), "tls: ")
}

// isReset tells a connection, or a stream of one, that ended before the answer was whole. Of the last cases net/http exports no error.
func isReset(err error) bool {
	if isErrno(err, syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return true
	}
	text := err.Error()
	for _, sign := range []string{
		"server closed idle connection", "server sent GOAWAY and closed the connection",
		"client conn could not be established", "client connection lost", // closed before, or while, HTTP/2 was spoken
	} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return strings.Contains(text, "stream error: ") && strings.HasSuffix(text, "received from peer")
}

// isExpired tells a certificate that is refused because it has run out.
func isExpired(err error) bool {
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	return ok && invalid.Reason == x509.Expired
}

func isA[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}

func isErrno(err error, any ...syscall.Errno) bool {
	for _, errno := range any {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// maxDetail bounds the detail of a sample, so that no answer can swell a record.
const maxDetail = 300

// clip cuts a detail to size, at the border of a letter, and makes it valid text.
func clip(detail string) string {
	if len(detail) > maxDetail {
		cut := maxDetail
		for cut > 0 && !utf8.RuneStart(detail[cut]) {
			cut--
		}
		detail = detail[:cut] + "…"
	}
	return strings.ToValidUTF8(detail, "\uFFFD")
}
