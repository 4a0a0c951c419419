package probes

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func webServer(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

func TestHTTPPutsTheQuestionAsConfigured(t *testing.T) {
	var got string
	server := webServer(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = fmt.Sprintf("%s %s %s %q %q %q", r.Method, r.RequestURI, r.Host, r.UserAgent(), r.Header.Get("X-Key"), body)
	})
	address := strings.TrimPrefix(server.URL, "http://")
	for want, config := range map[string]HTTP{
		"GET / " + address + ` "gameday" "" ""`: {URL: server.URL},
		`POST /a?b=c shop.test "me" "k" "order"`: {
			URL: server.URL + "/a?b=c", Method: "POST", Body: "order",
			Access: carrying("host", "shop.test", "x-key", "k", "user-agent", "me"),
		},
	} {
		if err := ask(t, false, config); err != nil || got != want {
			t.Errorf("%v: asked %s, want %s", err, got, want)
		}
	}
}

func TestHTTPReadsTheAnswer(t *testing.T) {
	server := webServer(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/busy":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/long":
			_, _ = io.WriteString(w, strings.Repeat("x", maxBody)+"ready")
		}
		_, _ = io.WriteString(w, "ready: yes")
	})
	for name, test := range map[string]struct {
		config HTTP
		want   string
	}{
		"any success is good":                    {HTTP{URL: server.URL}, ""},
		"another status is bad":                  {HTTP{URL: server.URL + "/busy"}, "status: 503 Service Unavailable, want 200-299"},
		"a status that is wanted is good":        {HTTP{URL: server.URL + "/busy", Status: "200,500-503"}, ""},
		"a status that is not wanted is bad":     {HTTP{URL: server.URL, Status: "204"}, "status: 200 OK, want 204"},
		"the body matches":                       {HTTP{URL: server.URL, BodyRegexp: "ready: (yes|soon)"}, ""},
		"the body does not match":                {HTTP{URL: server.URL, BodyRegexp: "^no"}, `body: 10 bytes that do not match "^no"`},
		"a match beyond the bound is none":       {HTTP{URL: server.URL + "/long", BodyRegexp: "ready"}, `body: 1048576 bytes that do not match "ready"`},
		"a body beyond the bound is good enough": {HTTP{URL: server.URL + "/long"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := ask(t, false, test.config); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestHTTPFollowsAsManyRedirectsAsAllowed(t *testing.T) {
	var seen string
	elsewhere := webServer(t, func(_ http.ResponseWriter, r *http.Request) { seen = r.Header.Get("X-Key") })
	server := webServer(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/here":
			http.Redirect(w, r, "/there", http.StatusFound)
		case "/there":
			seen = r.Header.Get("X-Key")
		case "/away":
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		}
	})
	for name, test := range map[string]struct {
		path      string
		redirects int
		want      Reason
		seen      string
	}{
		"none unless said":              {"/here", 0, ReasonStatus, ""},
		"on the host, headers go along": {"/here", 1, "good", "s3cret"},
		"elsewhere, they do not":        {"/away", 1, "good", ""},
		"a loop ends":                   {"/loop", 3, ReasonStatus, ""},
	} {
		t.Run(name, func(t *testing.T) {
			seen = ""
			err := ask(t, false, HTTP{URL: server.URL + test.path, Redirects: test.redirects, Access: carrying("X-Key", "s3cret")})
			if reasonOf(err) != test.want || seen != test.seen {
				t.Errorf("got %v and header %q, want %s and %q", err, seen, test.want, test.seen)
			}
		})
	}
}

// Another port is another server, though the name is the same.
func TestHTTPTakesNoPasswordElsewhere(t *testing.T) {
	var seen []string
	elsewhere := webServer(t, func(_ http.ResponseWriter, r *http.Request) { seen = append(seen, r.Header.Get("Authorization")) })
	server := webServer(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) })
	for _, access := range []Access{
		{BearerToken: &Secret{Value: "s3cret"}}, {BasicAuth: &BasicAuth{Username: "me", Password: Secret{Value: "s3cret"}}},
	} {
		if err := ask(t, false, HTTP{URL: server.URL, Redirects: 1, Access: access}); err != nil {
			t.Error(err)
		}
	}
	if got := strings.Join(seen, ""); len(seen) != 2 || got != "" {
		t.Errorf("elsewhere saw %q", seen)
	}
}

func TestHTTPConnectsAnewUnlessTold(t *testing.T) {
	for keep, want := range map[bool]int64{false: 3, true: 1} {
		var connections atomic.Int64
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
		server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				connections.Add(1)
			}
		}
		server.Start()
		t.Cleanup(server.Close)
		probe, err := HTTP{URL: server.URL, KeepConnections: keep}.New()
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := probe.Probe(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if got := connections.Load(); got != want {
			t.Errorf("kept connections %v: 3 asks opened %d connections, want %d", keep, got, want)
		}
	}
}

func TestNoSecretIsTold(t *testing.T) {
	noResolver(t)
	headers := carrying("Authorization", "Bearer s3cret")
	refused, dir := closedPort(t), "/?token=s3cret#s3cret"
	server := webServer(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	host := strings.TrimPrefix(server.URL, "http://")
	for _, config := range []interface {
		New() (Probe, error)
		Problems() []string
		String() string
	}{
		HTTP{URL: "http://me:s3cret@" + refused + dir, Access: headers, Body: "s3cret"},
		HTTP{URL: "http://me:s3cret@" + host + dir, Access: headers},
		HTTP{URL: "http://me:s3cret@nowhere.test" + dir, Access: headers},
		HTTP{URL: "https://me:s3cret@" + host + dir, Access: headers},
		HTTP{URL: "http://me:s3cret@host:port/s3cret"},
		HTTP{URL: "ftp://me:s3cret@host"},
		HTTP{URL: "http://h", Access: carrying("X", "s3cret\n")},
		Alert{URL: "http://me:s3cret@" + refused, Name: "A"},
		Alert{URL: "http://me:s3cret@" + host, Name: "A"},
		TCP{Address: refused, Send: "s3cret"},
	} {
		told := config.String() + strings.Join(config.Problems(), " ")
		probe, err := config.New()
		if err == nil {
			err = probe.Probe(t.Context())
		}
		if err == nil {
			t.Errorf("%s: was to fail", config)
			continue
		}
		_, _, detail := outcome(err)
		if told += err.Error() + detail; strings.Contains(told, "s3cret") {
			t.Errorf("a secret was told: %s", told)
		}
	}
}

func TestConfigsSayWhatIsAsked(t *testing.T) {
	for want, config := range map[string]fmt.Stringer{
		"HTTP GET http://shop.example/checkout, want status 200-299": HTTP{URL: "http://shop.example/checkout"},
		`HTTP POST https://shop.example/a%2Fb?q=…&token=… with headers A, B with a body of 5 bytes, want status 201 and a body that matches "ok", on kept connections, following up to 2 redirects, accepting any certificate`: HTTP{
			URL: "https://u:p@shop.example/a%2Fb?token=x&q=1&q=2#f", Method: "POST", Access: trusting(carrying("B", "1", "A", "2")), Body: "order",
			Status: "201", BodyRegexp: "ok", KeepConnections: true, Redirects: 2,
		},
		"HTTP GET (a URL that cannot be read), want status 200-299": HTTP{URL: "http://a b:c"},
		"TCP db:5432": TCP{Address: "db:5432"},
		`TCP db:6379, send 6 bytes, want what matches "PONG"`:              TCP{Address: "db:6379", Send: "PING\r\n", Expect: "PONG"},
		"alert ShopDown at http://prom:9090, bad while it fires":           Alert{URL: "http://u:p@prom:9090", Name: "ShopDown"},
		`alert ShopDown{a="1",b="2"} at http://prom/x, bad while it fires`: Alert{URL: "http://prom/x", Name: "ShopDown", Labels: map[string]string{"b": "2", "a": "1"}},
	} {
		if got := config.String(); got != want {
			t.Errorf("\ngot  %s\nwant %s", got, want)
		}
	}
}

func TestConfigProblems(t *testing.T) {
	url := "http://h"
	for name, test := range map[string]struct {
		config interface {
			Problems() []string
			New() (Probe, error)
		}
		want []string
	}{
		"http: good":                 {HTTP{URL: url, Method: "PROPFIND", Status: "200, 300-399", BodyRegexp: "a+", Redirects: 20}, nil},
		"http: no URL":               {HTTP{}, []string{"url: missing"}},
		"http: no scheme":            {HTTP{URL: "shop.example"}, []string{"url: must begin with http:// or https://"}},
		"http: no host":              {HTTP{URL: "http:///x"}, []string{"url: names no host"}},
		"http: no port":              {HTTP{URL: "http://h:x"}, []string{`url: cannot be read: invalid port ":x" after host`}},
		"http: no method":            {HTTP{URL: url, Method: "GET IT"}, []string{`method: "GET IT" is no HTTP method`}},
		"http: no header":            {HTTP{URL: url, Access: carrying("a:", "x", "b", "\r\n")}, []string{`headers: "a:" is no header name`, "headers: the value of b holds a control character"}},
		"http: no statuses":          {HTTP{URL: url, Status: "2xx,200,300-200,600"}, []string{`status: "2xx" is no status from 100 to 599 and no range of them like 200-299`, `status: "300-200" is no status from 100 to 599 and no range of them like 200-299`, `status: "600" is no status from 100 to 599 and no range of them like 200-299`}},
		"http: no regexp, redirects": {HTTP{URL: url, BodyRegexp: "(", Redirects: -1}, []string{"bodyRegexp: error parsing regexp: missing closing ): `(`", "redirects: is -1, must be from 0 to 20"}},
		"tcp: good":                  {TCP{Address: "[::1]:80"}, nil},
		"tcp: nothing":               {TCP{}, []string{"address: missing"}},
		"tcp: no port":               {TCP{Address: "h"}, []string{`address: "h" must be host:port, with a port from 1 to 65535`}},
		"tcp: no host":               {TCP{Address: ":80"}, []string{`address: ":80" must be host:port, with a port from 1 to 65535`}},
		"tcp: port beyond":           {TCP{Address: "h:65536", Expect: "("}, []string{`address: "h:65536" must be host:port, with a port from 1 to 65535`, "expect: error parsing regexp: missing closing ): `(`"}},
		"alert: good":                {Alert{URL: url + "/prometheus/", Name: "A", Labels: map[string]string{"alertname": "A"}}, nil},
		"alert: nothing":             {Alert{}, []string{"url: missing", "name: missing"}},
		"alert: a query, two names":  {Alert{URL: url + "?a=b", Name: "A", Labels: map[string]string{"alertname": "B"}}, []string{"url: must be the base of a Prometheus, without query and fragment", "labels: alertname contradicts the name: leave it out"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, test.config.Problems()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			_, err := test.config.New()
			if (err == nil) != (test.want == nil) {
				t.Errorf("New gives %v", err)
			}
			for _, problem := range test.want {
				if !strings.Contains(err.Error(), problem) {
					t.Errorf("New gives %v, without %q", err, problem)
				}
			}
		})
	}
}

func TestStatusSetReadsNumbersAndTexts(t *testing.T) {
	for text, want := range map[string]StatusSet{`{"status":200}`: "200", `{"status":"200-299,404"}`: "200-299,404", `{}`: ""} {
		var got HTTP
		if err := json.Unmarshal([]byte(text), &got); err != nil || got.Status != want {
			t.Errorf("%s gives %q, %v, want %q", text, got.Status, err, want)
		}
	}
	var s StatusSet
	if err := json.Unmarshal([]byte(`[200]`), &s); err == nil || !strings.Contains(err.Error(), "want a number or a text") {
		t.Errorf("a list gives %v", err)
	}
}

func TestAlertReadsWhatPrometheusSays(t *testing.T) {
	list := func(alerts string) string { return `{"status":"success","data":{"alerts":[` + alerts + `]}}` }
	const down = `{"labels":{"alertname":"ShopDown","ns":"shop"},"state":"firing","activeAt":"2026-01-02T03:04:05Z","value":"1"}`
	for name, test := range map[string]struct {
		status int
		answer string
		labels map[string]string
		want   string
	}{
		"no alert":                      {200, list(""), nil, ""},
		"it fires":                      {200, list(down), nil, "firing: ShopDown since 2026-01-02T03:04:05Z"},
		"it fires with the labels":      {200, list(down), map[string]string{"ns": "shop"}, `firing: ShopDown{ns="shop"} since 2026-01-02T03:04:05Z`},
		"it fires with other labels":    {200, list(down), map[string]string{"ns": "bank"}, ""},
		"it fires without the label":    {200, list(down), map[string]string{"zone": ""}, ""},
		"another fires":                 {200, list(strings.Replace(down, "ShopDown", "Other", 1)), nil, ""},
		"it is pending":                 {200, list(strings.Replace(down, "firing", "pending", 1)), nil, ""},
		"one is pending and one fires":  {200, list(strings.Replace(down, "firing", "pending", 1) + "," + strings.Replace(down, `,"activeAt":"2026-01-02T03:04:05Z"`, "", 1)), nil, "firing: ShopDown since an unknown time"},
		"a state that nobody knows":     {200, list(strings.Replace(down, "firing", "on fire", 1)), nil, `not asked: PROM gives alert ShopDown the unknown state "on fire"`},
		"no success":                    {200, `{"status":"error","data":{"alerts":[]}}`, nil, `not asked: ask PROM: it answered status "error"`},
		"no list":                       {200, `{"status":"success","data":{}}`, nil, `not asked: PROM answered no list of alerts`},
		"not found":                     {404, list(""), nil, "not asked: ask PROM: it answered 404 Not Found"},
		"a redirect":                    {302, list(""), nil, "not asked: ask PROM: it answered 302 Found"},
		"no JSON":                       {200, "<html>", nil, "not asked: ask PROM: read its answer: invalid character '<' looking for beginning of value"},
		"more than it can be told from": {200, list("") + strings.Repeat(" ", maxPrometheus), nil, "not asked: ask PROM: its answer is longer than 16777216 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			server := webServer(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodGet || r.URL.Path != "/base/api/v1/alerts" {
					w.WriteHeader(http.StatusTeapot)
					return
				}
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.answer)
			})
			got := ""
			if err := ask(t, false, Alert{URL: server.URL + "/base", Name: "ShopDown", Labels: test.labels}); err != nil {
				got = err.Error()
			}
			if want := strings.ReplaceAll(test.want, "PROM", "the Prometheus at "+server.URL+"/base"); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}
