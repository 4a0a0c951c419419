package probes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// HTTP asks a URL and expects a status and, if wanted, a body.
//
// Each ask opens a connection of its own unless KeepConnections is set. A buyer comes fresh: on a kept connection a monitor goes
// on talking to the one server it knows, and sees nothing of a door that takes no new callers, a name that is gone or a certificate
// that ran out. No proxy is used, for the same reason: the answer must be the system's.
type HTTP struct {
	URL             string            `json:"url"`
	Method          string            `json:"method,omitempty"`     // GET unless said
	Headers         map[string]string `json:"headers,omitempty"`    // values reach no sample and no description; Host names the virtual host
	Body            string            `json:"body,omitempty"`       // sent with the question
	Status          StatusSet         `json:"status,omitempty"`     // which statuses are good; 200-299 unless said
	BodyRegexp      string            `json:"bodyRegexp,omitempty"` // what the body must match, within its first MiB
	KeepConnections bool              `json:"keepConnections,omitempty"`
	// Redirects is how many redirects are followed, none unless said: then the redirect is the answer. Headers are not taken
	// along to another host or from https to http.
	Redirects   int  `json:"redirects,omitempty"`
	InsecureTLS bool `json:"insecureTLS,omitempty"` // accept any certificate
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
	for _, name := range slices.Sorted(maps.Keys(h.Headers)) {
		if !isToken(name) {
			add("headers: %q is no header name", name)
		}
		if !isHeaderValue(h.Headers[name]) {
			add("headers: the value of %s holds a control character", name)
		}
	}
	for _, problem := range h.Status.Problems() {
		add("status: %s", problem)
	}
	if _, err := regexp.Compile(h.BodyRegexp); err != nil {
		add("bodyRegexp: %v", err)
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
	if len(h.Headers) > 0 {
		fmt.Fprintf(&b, " with headers %s", strings.Join(slices.Sorted(maps.Keys(h.Headers)), ", "))
	}
	if h.Body != "" {
		fmt.Fprintf(&b, " with a body of %d bytes", len(h.Body))
	}
	fmt.Fprintf(&b, ", want status %s", h.Status)
	if h.BodyRegexp != "" {
		fmt.Fprintf(&b, " and a body that matches %q", h.BodyRegexp)
	}
	if h.KeepConnections {
		b.WriteString(", on kept connections")
	}
	if h.Redirects > 0 {
		fmt.Fprintf(&b, ", following up to %d redirects", h.Redirects)
	}
	if h.InsecureTLS {
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
	request.Header.Set("User-Agent", "gameday")
	for name, value := range h.Headers {
		if http.CanonicalHeaderKey(name) == "Host" {
			request.Host = value
			continue
		}
		request.Header.Set(name, value)
	}
	status, err := h.Status.ranges()
	if err != nil {
		return nil, fmt.Errorf("http probe: status: %w", err)
	}
	p := &httpProbe{config: h, request: request, status: status}
	if h.BodyRegexp != "" {
		if p.body, err = regexp.Compile(h.BodyRegexp); err != nil {
			return nil, fmt.Errorf("http probe: bodyRegexp: %w", err)
		}
	}
	p.client = &http.Client{Transport: transport(h.KeepConnections, h.InsecureTLS), CheckRedirect: h.redirect}
	return p, nil
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
	}
	return nil
}

// httpProbe is an HTTP made ready.
type httpProbe struct {
	config  HTTP
	request *http.Request // never sent itself: each ask sends a copy
	status  []statusRange
	body    *regexp.Regexp
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
	}
	return nil
}

// read reads the body to its end or to maxBody, and keeps it only if somebody looks at it.
func (p *httpProbe) read(body io.Reader) ([]byte, error) {
	body = io.LimitReader(body, maxBody)
	if p.body != nil {
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
