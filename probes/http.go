package probes

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/theory/jsonpath"
)

// HTTP asks a URL and expects a status and, if wanted, a body.
//
// Each ask opens a connection of its own unless KeepConnections is set. A buyer comes fresh: on a kept connection a monitor goes
// on talking to the one server it knows, and sees nothing of a door that takes no new callers, a name that is gone or a certificate
// that ran out. No proxy is used, for the same reason: the answer must be the system's.
type HTTP struct {
	URL    string `json:"url"`
	Method string `json:"method,omitempty"` // GET unless said
	Body   string `json:"body,omitempty"`   // sent with the question
	Access
	Status          StatusSet     `json:"status,omitempty"`        // which statuses are good; 200-299 unless said
	BodyRegexp      string        `json:"bodyRegexp,omitempty"`    // what the body must match, within its first MiB
	BodyNotRegexp   string        `json:"bodyNotRegexp,omitempty"` // what it must not match there
	JSON            *JSONExpected `json:"json,omitempty"`          // what it must hold there as JSON
	KeepConnections bool          `json:"keepConnections,omitempty"`
	// HTTP2 speaks HTTP/2 and nothing else: agreed on over TLS, and known beforehand on a plain connection.
	HTTP2 bool `json:"http2,omitempty"`
	// Redirects is how many redirects are followed, none unless said: then the redirect is the answer. Headers are not taken
	// along to another host or from https to http.
	Redirects int `json:"redirects,omitempty"`
}

const (
	// maxBody bounds what is read of an answer. An answer is read whole up to it, so that one cut short is seen.
	maxBody      = 1 << 20
	maxRedirects = 20
)

// Problems says what is wrong with the question, each as "field: what, and the mend". No value of a header is in it.
func (h HTTP) Problems() []string {
	problems := urlProblems(h.URL)
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if h.Method != "" && !isToken(h.Method) {
		add("method: %q is no HTTP method", h.Method)
	}
	problems = append(problems, h.problems()...)
	for _, problem := range h.Status.Problems() {
		add("status: %s", problem)
	}
	if _, err := regexp.Compile(h.BodyRegexp); err != nil {
		add("bodyRegexp: %v", err)
	}
	if _, err := regexp.Compile(h.BodyNotRegexp); err != nil {
		add("bodyNotRegexp: %v", err)
	}
	if h.JSON != nil {
		problems = append(problems, prefixed("json.", h.JSON.problems())...)
	}
	if h.Redirects < 0 || h.Redirects > maxRedirects {
		add("redirects: is %d, must be from 0 to %d", h.Redirects, maxRedirects)
	}
	return problems
}

// String says in words what is asked, without secrets: no password, no query value, no header value, no body.
func (h HTTP) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP %s %s", h.method(), redact(h.URL))
	b.WriteString(h.words())
	if h.Body != "" {
		fmt.Fprintf(&b, " with a body of %d bytes", len(h.Body))
	}
	fmt.Fprintf(&b, ", want status %s", h.Status)
	if h.BodyRegexp != "" {
		fmt.Fprintf(&b, " and a body that matches %q", h.BodyRegexp)
	}
	if h.BodyNotRegexp != "" {
		fmt.Fprintf(&b, " and a body that does not match %q", h.BodyNotRegexp)
	}
	if h.JSON != nil {
		fmt.Fprintf(&b, " and JSON with %s", h.JSON)
	}
	if h.HTTP2 {
		b.WriteString(", over HTTP/2")
	}
	if h.KeepConnections {
		b.WriteString(", on kept connections")
	}
	if h.Redirects > 0 {
		fmt.Fprintf(&b, ", following up to %d redirects", h.Redirects)
	}
	if h.TLS != nil && h.TLS.InsecureSkipVerify {
		b.WriteString(", accepting any certificate")
	}
	return b.String()
}

func (h HTTP) method() string {
	if h.Method == "" {
		return http.MethodGet
	}
	return h.Method
}

// New makes the probe ready to ask, or returns all that is wrong with it.
func (h HTTP) New() (Probe, error) {
	if problems := h.Problems(); len(problems) > 0 {
		return nil, fmt.Errorf("http probe: %s", strings.Join(problems, "; "))
	}
	request, err := http.NewRequest(h.method(), h.URL, nil)
	if err != nil {
		return nil, fmt.Errorf("http probe: %w", err)
	}
	var v vault
	v.hideURL(h.URL)
	header, host := h.header(&v)
	request.Header = header
	if host != "" {
		request.Host = host
	}
	p := &httpProbe{config: h, request: request}
	if err := errors.Join(p.expect(), v.err()); err != nil {
		return nil, fmt.Errorf("http probe: %w", err)
	}
	p.client = &http.Client{
		Transport:     h.transport(h.TLS.config(&v)),
		CheckRedirect: h.redirect,
	}
	if err := v.err(); err != nil {
		return nil, fmt.Errorf("http probe: %w", err)
	}
	return v.seal(p), nil
}

// maxInline bounds the body of a question that is written in one go before the answer is read.
const maxInline = 16 << 10

// transport returns the way to the server.
func (h HTTP) transport(config *tls.Config) http.RoundTripper {
	if h.HTTP2 || len(h.Body) > maxInline {
		return transport(way{keep: h.KeepConnections, http2: h.HTTP2, tls: config})
	}
	return &http1{keep: h.KeepConnections, tls: config}
}

// expect makes the expectations ready.
func (p *httpProbe) expect() error {
	var errs [4]error
	p.status, errs[0] = p.config.Status.ranges()
	if p.config.BodyRegexp != "" {
		p.body, errs[1] = regexp.Compile(p.config.BodyRegexp)
	}
	if p.config.BodyNotRegexp != "" {
		p.bodyNot, errs[2] = regexp.Compile(p.config.BodyNotRegexp)
	}
	if p.config.JSON != nil {
		p.json, errs[3] = jsonpath.Parse(p.config.JSON.Path)
	}
	return errors.Join(errs[:]...)
}

// Falsified puts the question at a closed port of ours.
func (h HTTP) Falsified() (Probe, string) {
	return atClosedPort{put: func(address string) (Probe, error) {
		elsewhere, err := urlAt(h.URL, address)
		if err != nil {
			return nil, err
		}
		h.URL = elsewhere
		return h.New()
	}}, howClosed
}

// redirect decides on a redirect that is about to be followed.
func (h HTTP) redirect(next *http.Request, via []*http.Request) error {
	if len(via) > h.Redirects {
		return http.ErrUseLastResponse
	}
	first := via[0].URL
	if next.URL.Host != first.Host || first.Scheme == "https" && next.URL.Scheme != "https" {
		for name := range h.Headers {
			next.Header.Del(name)
		}
		next.Header.Del("Authorization")
	}
	return nil
}

// httpProbe is an HTTP made ready.
type httpProbe struct {
	config  HTTP
	request *http.Request // never sent itself: each ask sends a copy
	status  []statusRange
	body    *regexp.Regexp
	bodyNot *regexp.Regexp
	json    *jsonpath.Path
	client  *http.Client
}

// Probe asks once.
func (p *httpProbe) Probe(ctx context.Context) error {
	request := p.request.WithContext(context.WithValue(ctx, askKey{}, ctx))
	if p.config.Body != "" {
		request.ContentLength = int64(len(p.config.Body))
		request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(p.config.Body)), nil }
		request.Body = io.NopCloser(strings.NewReader(p.config.Body))
	}
	response, err := p.client.Do(request)
	if err != nil {
		return answered(err)
	}
	defer response.Body.Close()
	body, err := p.read(response.Body)
	switch {
	case !contains(p.status, response.StatusCode):
		return &Failure{Reason: ReasonStatus, Detail: fmt.Sprintf("%s, want %s", response.Status, p.config.Status)}
	case err != nil:
		return answered(fmt.Errorf("read the body: %w", err))
	case p.body != nil && !p.body.Match(body):
		return &Failure{Reason: ReasonBody, Detail: fmt.Sprintf("%d bytes that do not match %q", len(body), p.config.BodyRegexp)}
	case p.bodyNot != nil && p.bodyNot.Match(body):
		return &Failure{Reason: ReasonBody, Detail: fmt.Sprintf("%d bytes that match %q", len(body), p.config.BodyNotRegexp)}
	case p.json != nil:
		return p.config.JSON.judge(p.json, body)
	}
	return nil
}

// read reads the body to its end or to maxBody, and keeps it only if somebody looks at it.
func (p *httpProbe) read(body io.Reader) ([]byte, error) {
	body = io.LimitReader(body, maxBody)
	if p.body != nil || p.bodyNot != nil || p.json != nil {
		return io.ReadAll(body)
	}
	_, err := io.Copy(io.Discard, body)
	return nil, err
}

// urlProblems says what is wrong with the URL of a web server. It does not repeat the URL, which may hold a secret.
func urlProblems(raw string) []string {
	if raw == "" {
		return []string{"url: missing"}
	}
	u, err := url.Parse(raw)
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err
	}
	switch {
	case err != nil:
		return []string{fmt.Sprintf("url: cannot be read: %v", err)}
	case u.Scheme != "http" && u.Scheme != "https":
		return []string{"url: must begin with http:// or https://"}
	case u.Hostname() == "":
		return []string{"url: names no host"}
	}
	return nil
}

// redact returns the URL without its password, fragment and the values of its query.
func redact(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "(a URL that cannot be read)"
	}
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	if u.RawQuery == "" {
		return shown.String()
	}
	names := slices.Sorted(maps.Keys(u.Query()))
	for i, name := range names {
		names[i] = url.QueryEscape(name) + "=…"
	}
	return shown.String() + "?" + strings.Join(names, "&")
}

// isToken says whether s may be a method or the name of a header.
func isToken(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	}) < 0
}

// isHeaderValue says whether s may be the value of a header.
func isHeaderValue(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) < 0
}
