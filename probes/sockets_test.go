package probes

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// closedPort returns the address of a port that is taken, so that nobody else takes it, but does not listen.
func closedPort(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	return bound(t, fd)
}

// blackHole returns the address of a port whose queue is full: the kernel drops what knocks at it.
func blackHole(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	address := bound(t, fd)
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", address) // the one that a queue of length 0 holds
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return address
}

func bound(t *testing.T, fd int) string {
	t.Helper()
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
}

// serve listens and hands each connection to serve, which closes it; without serve, nobody ever accepts.
func serve(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	if serve == nil {
		return listener.Addr().String()
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return listener.Addr().String()
}

// says reads the question, answers with text and closes; cut resets the connection instead of closing it.
func says(text string, cut bool) func(net.Conn) {
	return func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = io.WriteString(conn, text)
		if cut {
			_ = conn.(*net.TCPConn).SetLinger(0)
		}
		_ = conn.Close()
	}
}

// ask makes a probe and asks it once; a hung one gets little time, any other as much as a slow machine needs.
func ask(t *testing.T, hangs bool, config interface{ New() (Probe, error) }) error {
	t.Helper()
	probe, err := config.New()
	if err != nil {
		t.Fatal(err)
	}
	timeout := time.Minute
	if hangs {
		timeout = 50 * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	return probe.Probe(ctx)
}

// reasonOf returns the reason of a bad answer, "good", or "not asked".
func reasonOf(err error) Reason {
	o, reason, _ := outcome(err)
	if o == Good {
		return "good"
	}
	return reason
}

func tlsServer(t *testing.T, config *tls.Config) string {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = config
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

// noResolver lets no name be resolved while the test runs.
func noResolver(t *testing.T) {
	t.Helper()
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, syscall.ECONNREFUSED
	}}
	t.Cleanup(func() { net.DefaultResolver = before })
}

func TestRealConnectionsGiveTheirReason(t *testing.T) {
	noResolver(t)
	const head = "HTTP/1.1 200 OK\r\n"
	web := func(serveConn func(net.Conn)) HTTP { return HTTP{URL: "http://" + serve(t, serveConn)} }
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(plain.Close)
	for name, test := range map[string]struct {
		config interface{ New() (Probe, error) }
		want   Reason
	}{
		"http: a closed port":                    {HTTP{URL: "http://" + closedPort(t)}, ReasonRefused},
		"http: packets are swallowed":            {HTTP{URL: "http://" + blackHole(t)}, ReasonTimeout},
		"http: nobody accepts":                   {web(nil), ReasonTimeout},
		"http: nobody accepts, kept connections": {HTTP{URL: "http://" + serve(t, nil), KeepConnections: true}, ReasonTimeout},
		"http: closed without an answer":         {web(says("", false)), ReasonReset},
		"http: reset without an answer":          {web(says("", true)), ReasonReset},
		"http: closed within the head":           {web(says(head+"A: b\r\n", false)), ReasonReset},
		"http: body shorter than promised":       {web(says(head+"Content-Length: 100\r\n\r\nshort", false)), ReasonReset},
		"http: chunked body without its end":     {web(says(head+"Transfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n", false)), ReasonReset},
		"http: reset within the body":            {web(says(head+"Content-Length: 100\r\n\r\nshort", true)), ReasonReset},
		"http: whole body":                       {web(says(head+"Content-Length: 5\r\n\r\nwhole", false)), "good"},
		"http: the body never ends": {web(func(c net.Conn) {
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, head+"Content-Length: 9\r\n\r\nx")
		}), ReasonTimeout},
		"http: a wrong status outweighs a cut body": {web(says("HTTP/1.1 503 No\r\nContent-Length: 100\r\n\r\nshort", false)), ReasonStatus},
		"http: no HTTP":                                  {web(says("SSH-2.0-x\r\n\r\n", false)), ReasonError},
		"http: a name that is not known":                 {HTTP{URL: "http://nowhere.test"}, ReasonDNS},
		"https: a certificate nobody vouches for":        {HTTP{URL: tlsServer(t, nil)}, ReasonTLS},
		"https: any certificate accepted":                {HTTP{URL: tlsServer(t, nil), Access: trusting(Access{})}, "good"},
		"https: the server speaks plain HTTP":            {HTTP{URL: strings.Replace(plain.URL, "http:", "https:", 1)}, ReasonTLS},
		"https: the server speaks neither":               {HTTP{URL: "https://" + serve(t, says("SSH-2.0-hello\r\n", false))}, ReasonTLS},
		"https: the server wants a certificate of ours":  {HTTP{URL: tlsServer(t, &tls.Config{ClientAuth: tls.RequireAnyClientCert}), Access: trusting(Access{})}, ReasonTLS},
		"https: a version that is too old":               {HTTP{URL: tlsServer(t, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}), Access: trusting(Access{})}, ReasonTLS}, //nolint:gosec // that is the test
		"https: the handshake is never answered":         {HTTP{URL: "https://" + serve(t, nil)}, ReasonTimeout},
		"https: closed within the handshake":             {HTTP{URL: "https://" + serve(t, says("", false))}, ReasonReset},
		"tcp: somebody accepts":                          {TCP{Address: serve(t, says("", false))}, "good"},
		"tcp: a closed port":                             {TCP{Address: closedPort(t)}, ReasonRefused},
		"tcp: packets are swallowed":                     {TCP{Address: blackHole(t)}, ReasonTimeout},
		"tcp: a name that is not known":                  {TCP{Address: "nowhere.test:1"}, ReasonDNS},
		"tcp: nothing is said":                           {TCP{Address: serve(t, nil), Expect: "x"}, ReasonTimeout},
		"tcp: closed without a word":                     {TCP{Address: serve(t, says("", false)), Send: "PING\r\n", Expect: "PONG"}, ReasonReset},
		"tcp: reset without a word":                      {TCP{Address: serve(t, says("", true)), Send: "PING\r\n", Expect: "PONG"}, ReasonReset},
		"tcp: what was expected":                         {TCP{Address: serve(t, says("+PONG\r\n", false)), Send: "PING\r\n", Expect: `^\+PONG`}, "good"},
		"tcp: something else":                            {TCP{Address: serve(t, says("-ERR\r\n", false)), Send: "PING\r\n", Expect: `^\+PONG`}, ReasonBody},
		"tcp: what was expected after much else":         {TCP{Address: serve(t, says(strings.Repeat("x", 5000)+"PONG", false)), Send: "PING\r\n", Expect: "PONG"}, "good"},
		"tcp: without end and never what was expected":   {TCP{Address: serve(t, says(strings.Repeat("x", maxReceived), false)), Send: "PING\r\n", Expect: "PONG"}, ReasonBody},
		"tcp: what was expected comes beyond the bound":  {TCP{Address: serve(t, says(strings.Repeat("x", maxReceived)+"PONG", false)), Send: "PING\r\n", Expect: "PONG"}, ReasonBody},
		"alert: the Prometheus refuses":                  {Alert{URL: "http://" + closedPort(t), Name: "A"}, ReasonNotAsked},
		"alert: the Prometheus is silent":                {Alert{URL: "http://" + serve(t, nil), Name: "A"}, ReasonNotAsked},
		"alert: the Prometheus is cut off while talking": {Alert{URL: "http://" + serve(t, says(head+"Content-Length: 100\r\n\r\n{", false)), Name: "A"}, ReasonNotAsked},
	} {
		t.Run(name, func(t *testing.T) {
			hangs := test.want == ReasonTimeout || strings.Contains(name, "silent")
			if err := ask(t, hangs, test.config); reasonOf(err) != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestErrorsThatNoLoopbackGives(t *testing.T) {
	opError := func(errno error) error {
		return fmt.Errorf("x: %w", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", errno)})
	}
	for name, test := range map[string]struct {
		err  error
		want Reason
	}{
		"no route to the host":             {opError(syscall.EHOSTUNREACH), ReasonUnreachable},
		"no route to the network":          {opError(syscall.ENETUNREACH), ReasonUnreachable},
		"the kernel gave up":               {opError(syscall.ETIMEDOUT), ReasonTimeout},
		"a pipe that broke":                {opError(syscall.EPIPE), ReasonReset},
		"a kept connection that went":      {errors.New("http: server closed idle connection"), ReasonReset},
		"HTTP/2 that never began":          {errors.New("http2: client conn could not be established"), ReasonReset},
		"HTTP/2 that was ended":            {errors.New("http2: server sent GOAWAY and closed the connection; LastStreamID=1"), ReasonReset},
		"a stream that was ended":          {errors.New("stream error: stream ID 1; CANCEL; received from peer"), ReasonReset},
		"a resolver that is slow":          {&net.DNSError{IsTimeout: true}, ReasonDNS},
		"no file left":                     {opError(syscall.EMFILE), ReasonNotAsked},
		"no port left":                     {opError(syscall.EADDRNOTAVAIL), ReasonNotAsked},
		"called off":                       {context.Canceled, ReasonNotAsked},
		"a deadline":                       {context.DeadlineExceeded, ReasonTimeout},
		"a TLS error that exports no type": {errors.New("tls: server selected unsupported protocol version 301"), ReasonTLS},
		"anything else":                    {errors.New("x"), ReasonError},
	} {
		t.Run(name, func(t *testing.T) {
			if got := reasonOf(answered(test.err)); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// An ask that is over leaves no dial behind: against a host that swallows packets the kernel would go on knocking for minutes.
func TestAsksLeaveNothingBehind(t *testing.T) {
	for name, config := range map[string]interface{ New() (Probe, error) }{
		"http":                  HTTP{URL: "http://" + blackHole(t)},
		"http, kept connection": HTTP{URL: "http://" + blackHole(t), KeepConnections: true},
		"https, hung handshake": HTTP{URL: "https://" + serve(t, nil)},
		"tcp":                   TCP{Address: blackHole(t)},
		"alert":                 Alert{URL: "http://" + blackHole(t), Name: "A"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := ask(t, true, config); err == nil {
				t.Fatal("a black hole answered")
			}
			stacks := make([]byte, 1<<20)
			for deadline := time.Now().Add(8 * time.Second); ; time.Sleep(5 * ms) {
				dump := string(stacks[:runtime.Stack(stacks, true)])
				if !strings.Contains(dump, "DialContext") && !strings.Contains(dump, "HandshakeContext") && !strings.Contains(dump, "persistConn") {
					return
				}
				if time.Now().After(deadline) {
					t.Fatalf("still there after 8 s:\n%s", dump)
				}
			}
		})
	}
}

func TestTCPThatIsCalledOffWasNotAsked(t *testing.T) {
	probe, err := TCP{Address: serve(t, nil), Expect: "x"}.New()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*ms, cancel)
	if got := reasonOf(probe.Probe(ctx)); got != ReasonNotAsked {
		t.Errorf("got %s, want %s", got, ReasonNotAsked)
	}
}
