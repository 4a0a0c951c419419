package probes

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// talks serves connections by a function of the connection's and the request's number, from 1, that returns what is said and whether
// the connection is closed then.
func talks(t *testing.T, answer func(conn, request int) (say string, close bool)) (url string, requests *atomic.Int64) {
	t.Helper()
	var conns atomic.Int64
	requests = &atomic.Int64{}
	return "http://" + serve(t, func(c net.Conn) {
		number := int(conns.Add(1))
		defer c.Close()
		in := bufio.NewReader(c)
		for n := 1; ; n++ {
			request, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, request.Body)
			requests.Add(1)
			say, end := answer(number, n)
			if _, err := io.WriteString(c, say); err != nil || end {
				return
			}
		}
	}), requests
}

const fine = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func TestAKeptConnectionThatEndedIsNoBadAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		method   string
		answer   func(conn, request int) (string, bool)
		want     []Reason
		requests int64
	}{
		"it ends after each answer":           {"GET", func(int, int) (string, bool) { return fine, true }, []Reason{"good", "good", "good"}, 3},
		"it ends after each answer to a POST": {"POST", func(int, int) (string, bool) { return fine, true }, []Reason{"good", "good", "good"}, 3},
		"the server says that it ends": {"GET", func(int, int) (string, bool) {
			return strings.Replace(fine, "\r\n", "\r\nConnection: close\r\n", 1), false
		}, []Reason{"good", "good", "good"}, 3},
		"it says more than it was asked":        {"GET", func(int, int) (string, bool) { return fine + fine, false }, []Reason{"good", "good", "good"}, 3},
		"it ends with the second question":      {"GET", func(_, n int) (string, bool) { return map[bool]string{true: fine}[n == 1], n > 1 }, []Reason{"good", "good", "good"}, 5},
		"a POST is not put twice":               {"POST", func(_, n int) (string, bool) { return map[bool]string{true: fine}[n == 1], n > 1 }, []Reason{"good", ReasonReset, "good"}, 3},
		"a new connection that ends is no such": {"GET", func(int, int) (string, bool) { return "", true }, []Reason{ReasonReset, ReasonReset, ReasonReset}, 3},
		"an answer that was begun is no such":   {"GET", func(_, n int) (string, bool) { return fine[:len(fine)-min(n-1, 1)], n > 1 }, []Reason{"good", ReasonReset, "good"}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			url, requests := talks(t, test.answer)
			probe, err := HTTP{URL: url, Method: test.method, Body: "question", KeepConnections: true}.New()
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range test.want {
				if err := probe.Probe(t.Context()); reasonOf(err) != want {
					t.Errorf("ask %d: got %v, want %s", i+1, err, want)
				}
				time.Sleep(20 * ms) // for the end to arrive
			}
			if got := requests.Load(); got != test.requests {
				t.Errorf("the server was asked %d times, want %d", got, test.requests)
			}
		})
	}
}

func TestHTTPReadsUnusualAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		config HTTP
		say    string
		want   Reason
	}{
		"hints before the answer":               {HTTP{BodyRegexp: "^ok$"}, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + fine, "good"},
		"HTTP/1.0":                              {HTTP{BodyRegexp: "^old$"}, "HTTP/1.0 200 OK\r\n\r\nold", "good"},
		"HTTP/1.0 on a kept connection":         {HTTP{BodyRegexp: "^old$", KeepConnections: true}, "HTTP/1.0 200 OK\r\n\r\nold", "good"},
		"no body":                               {HTTP{Status: "204", KeepConnections: true}, "HTTP/1.1 204 No Content\r\n\r\n", "good"},
		"a length that is none of the body":     {HTTP{Method: "HEAD"}, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", "good"},
		"another protocol":                      {HTTP{Status: "101"}, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "good"},
		"an answer before the question is read": {HTTP{Method: "POST", Body: strings.Repeat("x", maxInline), Status: "413"}, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n", "good"},
		"a large question":                      {HTTP{Method: "POST", Body: strings.Repeat("x", maxInline+1)}, fine, "good"},
		"chunks":                                {HTTP{BodyRegexp: "^okok$", KeepConnections: true}, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n2\r\nok\r\n0\r\n\r\n", "good"},
		"a body that ends with the connection":  {HTTP{BodyRegexp: "^ok$", KeepConnections: true}, "HTTP/1.1 200 OK\r\n\r\nok", "good"},
		"a head without end":                    {HTTP{}, "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", maxHead), ReasonError},
	} {
		t.Run(name, func(t *testing.T) {
			url, _ := talks(t, func(int, int) (string, bool) { return test.say, true })
			test.config.URL = url
			for range 2 {
				if err := ask(t, false, test.config); reasonOf(err) != test.want {
					t.Errorf("got %v, want %s", err, test.want)
				}
			}
		})
	}
}

func TestHTTPThatIsCalledOffWasNotAsked(t *testing.T) {
	for name, say := range map[string]string{"before the head": "", "within the body": fine[:len(fine)-1]} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			url, _ := talks(t, func(int, int) (string, bool) {
				time.AfterFunc(20*ms, cancel)
				return say, false
			})
			probe, err := HTTP{URL: url}.New()
			if err != nil {
				t.Fatal(err)
			}
			if got := reasonOf(probe.Probe(ctx)); got != ReasonNotAsked {
				t.Errorf("got %s, want %s", got, ReasonNotAsked)
			}
		})
	}
}

func TestKeptConnectionsAreBounded(t *testing.T) {
	const asks = maxIdle + 20
	var together sync.WaitGroup
	together.Add(asks)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		together.Done()
		together.Wait() // so that each ask has a connection of its own
	}))
	t.Cleanup(server.Close)
	way := &http1{keep: true}
	client := &http.Client{Transport: way}
	var all sync.WaitGroup
	for range asks {
		all.Go(func() {
			response, err := client.Get(server.URL)
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
		})
	}
	all.Wait()
	if len(way.idle) != maxIdle {
		t.Errorf("%d connections are kept, want %d", len(way.idle), maxIdle)
	}
	for _, c := range way.idle[1:] {
		c.since = time.Now().Add(-2 * idleFor)
	}
	way.idle[0].since = time.Now()
	together.Add(1)
	response, err := client.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if len(way.idle) != 0 {
		t.Errorf("%d connections are kept though they were idle for too long, or not read to the end", len(way.idle))
	}
}
