package probes

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/net/idna"
)

const (
	// maxHead bounds the head of an answer, as http.Transport does.
	maxHead = 10 << 20
	// maxIdle and idleFor bound what is kept of connections.
	maxIdle = 64
	idleFor = 90 * time.Second
)

// http1 puts questions of HTTP/1.1 on the goroutine that asks.
//
// http.Transport has two goroutines for each connection and hands the question to one and the answer back from the other. At a
// thousand questions a second that costs more than the questions. What it writes and reads is the same here: [http.Request.Write]
// and [http.ReadResponse]. It writes all of a question before it reads, so it is for questions that the buffers of a connection hold.
type http1 struct {
	keep bool
	tls  *tls.Config

	mu   sync.Mutex
	idle []*http1Conn // the one that was used last comes last and is taken first
}

var _ http.RoundTripper = (*http1)(nil)

// RoundTrip asks, on a kept connection if there is one. The server may close a kept one just when it is used again; then the
// question is put once more, on another, if it does no harm to put it twice.
func (h *http1) RoundTrip(request *http.Request) (*http.Response, error) {
	own := *request // to write to
	own.Close = own.Close || !h.keep
	for {
		conn, err := h.connect(own.Context(), own.URL)
		if err != nil {
			if own.Body != nil {
				_ = own.Body.Close() // nothing of it was sent
			}
			return nil, err
		}
		response, err := conn.exchange(&own)
		if err == nil {
			return response, nil
		}
		_ = conn.Close() // what went wrong is known already
		if !errors.Is(err, errStale) || !repeatable(&own) {
			return nil, err
		}
		if own.GetBody != nil {
			if own.Body, err = own.GetBody(); err != nil {
				return nil, fmt.Errorf("read the body again: %w", err)
			}
		}
	}
}

// errStale wraps what became of a kept connection that had ended when it was used again.
var errStale = errors.New("the kept connection had ended")

// repeatable tells a question that may be put twice: RFC 9110, 9.2.2.
func repeatable(request *http.Request) bool {
	switch request.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return request.Body == nil || request.GetBody != nil
	default:
		return false
	}
}

// connect returns a connection to the host of the URL, with the deadline of the ask.
func (h *http1) connect(ctx context.Context, u *url.URL) (*http1Conn, error) {
	if conn := h.kept(u); conn != nil {
		deadline, _ := ctx.Deadline() // none is no deadline of the connection's either
		if err := conn.SetDeadline(deadline); err == nil {
			return conn, nil
		}
		_ = conn.Close() // it is of no use
	}
	host, err := idna.Lookup.ToASCII(u.Hostname())
	if err != nil {
		host = u.Hostname() // an address, say
	}
	port := u.Port()
	if port == "" {
		port = u.Scheme // its name is a port's
	}
	conn, err := dial(ctx, "tcp", net.JoinHostPort(host, port), h.keep)
	if err != nil {
		return nil, err
	}
	c := &http1Conn{Conn: conn, pool: h, to: u.Scheme + "://" + u.Host, raw: conn}
	if u.Scheme == "https" {
		if c.Conn, err = h.secure(ctx, conn, host); err != nil {
			return nil, closing(conn, err)
		}
	}
	c.limit = io.LimitedReader{R: c.Conn, N: maxHead}
	c.reader = readers.Get().(*bufio.Reader)
	c.reader.Reset(&c.limit)
	return c, nil
}

// secure shakes hands.
func (h *http1) secure(ctx context.Context, conn net.Conn, host string) (net.Conn, error) {
	config := &tls.Config{}
	if h.tls != nil {
		config = h.tls.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = host
	}
	secure := tls.Client(conn, config)
	err := secure.HandshakeContext(ctx)
	if record, ok := errors.AsType[tls.RecordHeaderError](err); ok && string(record.RecordHeader[:]) == "HTTP/" {
		err = http.ErrSchemeMismatch
	}
	return secure, err
}

// kept returns a connection that may be used again, if there is one.
func (h *http1) kept(u *url.URL) *http1Conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := len(h.idle) - 1; i >= 0; i-- {
		c := h.idle[i]
		if c.to != u.Scheme+"://"+u.Host {
			continue
		}
		h.idle = append(h.idle[:i], h.idle[i+1:]...)
		if time.Since(c.since) < idleFor && quiet(c.raw) {
			c.used = true
			return c
		}
		_ = c.Close() // it is of no use
	}
	return nil
}

// release keeps a connection for the next question, in place of the one that was not used for longest if there are enough.
func (h *http1) release(c *http1Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.since = time.Now()
	h.idle = append(h.idle, c)
	for len(h.idle) > maxIdle || time.Since(h.idle[0].since) > idleFor {
		_ = h.idle[0].Close() // it is of no use
		h.idle = append(h.idle[:0], h.idle[1:]...)
	}
}

// http1Conn is a connection on which one question is put at a time.
type http1Conn struct {
	net.Conn          // over TLS if that is spoken
	raw      net.Conn // below it
	pool     *http1
	to       string // scheme and host
	reader   *bufio.Reader
	limit    io.LimitedReader
	used     bool // not for the first time
	since    time.Time
}

// readers and writers are used again, because most connections serve one question.
var (
	readers = sync.Pool{New: func() any { return bufio.NewReader(nil) }}
	writers = sync.Pool{New: func() any { return bufio.NewWriter(nil) }}
)

// exchange writes the question and reads the head of the answer. The answer's body must be closed.
func (c *http1Conn) exchange(request *http.Request) (*http.Response, error) {
	ctx := request.Context()
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) }) // fails only on a closed connection
	writeErr := c.write(request)
	// A server may answer and close before it has read all.
	response, err := c.read(request)
	if err != nil {
		stop()
		if writeErr != nil {
			err = writeErr
		}
		if errors.Is(ctx.Err(), context.Canceled) {
			err = ctx.Err() // not the timeout that the cancellation was turned into
		}
		return nil, err
	}
	response.Body = &http1Body{
		ReadCloser: response.Body, conn: c, stop: stop, ctx: ctx,
		last: request.Close || response.Close || writeErr != nil || response.StatusCode == http.StatusSwitchingProtocols,
	}
	return response, nil //nolint:nilerr // it was answered, whatever became of the rest of the question
}

func (c *http1Conn) write(request *http.Request) error {
	w := writers.Get().(*bufio.Writer)
	defer writers.Put(w)
	w.Reset(c)
	return errors.Join(request.Write(w), w.Flush())
}

// read reads the head of the answer, after those that only say that it will come.
func (c *http1Conn) read(request *http.Request) (*http.Response, error) {
	c.limit.N = maxHead
	if _, err := c.reader.Peek(1); err != nil {
		if c.used && isReset(err) {
			err = fmt.Errorf("%w: %w", errStale, err)
		}
		return nil, err
	}
	for {
		response, err := http.ReadResponse(c.reader, request)
		if err != nil {
			if c.limit.N <= 0 {
				err = fmt.Errorf("the head of the answer is longer than %d bytes", maxHead)
			}
			return nil, err
		}
		if response.StatusCode >= 200 || response.StatusCode == http.StatusSwitchingProtocols {
			c.limit.N = math.MaxInt64
			return response, nil
		}
	}
}

// http1Body is the body of an answer. Once it is read to its end and closed, its connection serves the next question.
type http1Body struct {
	io.ReadCloser
	ctx   context.Context //nolint:containedctx // of the ask, whose end ends the reading
	conn  *http1Conn
	stop  func() bool
	last  bool // the connection serves no other question
	ended bool // read to its end
	done  bool // closed
}

func (b *http1Body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.ended = true
	} else if err != nil && errors.Is(b.ctx.Err(), context.Canceled) {
		err = b.ctx.Err()
	}
	return n, err //nolint:wrapcheck // the reader's own, whose end must be io.EOF
}

// Close closes the connection or keeps it.
func (b *http1Body) Close() error {
	if b.done {
		return nil
	}
	b.done = true
	c := b.conn
	if b.stop() && b.ended && !b.last && c.reader.Buffered() == 0 {
		c.pool.release(c)
		return nil
	}
	_ = c.Close() // the answer is what counts
	if b.last && b.ended {
		c.reader.Reset(nil)
		readers.Put(c.reader)
	}
	return nil
}
