package probes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// maxPrometheus bounds what is read of an answer of a Prometheus.
const maxPrometheus = 16 << 20

// prometheusAPI asks the HTTP API of a Prometheus: https://prometheus.io/docs/prometheus/latest/querying/api/.
type prometheusAPI struct {
	base   *url.URL
	header http.Header // of every request
	host   string      // the virtual host; that of base unless said
	client *http.Client
}

func newPrometheusAPI(raw string, access Access, v *vault) (prometheusAPI, error) {
	base, err := url.Parse(raw)
	if err != nil {
		return prometheusAPI{}, errors.New("url: cannot be read") // without the URL, which may hold a secret
	}
	v.hideURL(raw)
	api := prometheusAPI{base: base}
	api.header, api.host = access.header(v)
	api.client = &http.Client{Transport: transport(way{tls: access.TLS.config(v)}), CheckRedirect: noRedirect}
	return api, v.err()
}

// prometheusProblems says what is wrong with the base URL of a Prometheus.
func prometheusProblems(raw string) []string {
	problems := urlProblems(raw)
	if u, err := url.Parse(raw); err == nil && (u.RawQuery != "" || u.Fragment != "") {
		problems = append(problems, "url: must be the base of a Prometheus, without query and fragment")
	}
	return problems
}

// witness names the Prometheus.
func (p prometheusAPI) witness() string { return prometheusAt(p.base.String()) }

func prometheusAt(raw string) string { return "the Prometheus at " + redact(raw) }

// get reads what is at a path of the API into data. Its error wraps ErrNotAsked, as all that goes wrong here says nothing of the
// system that is watched.
func (p prometheusAPI) get(ctx context.Context, path string, query url.Values, data any) error {
	if err := p.fetch(ctx, path, query, data); err != nil {
		return fmt.Errorf("%w: ask %s: %w", ErrNotAsked, p.witness(), err)
	}
	return nil
}

func (p prometheusAPI) fetch(ctx context.Context, path string, query url.Values, data any) error {
	at := p.base.JoinPath("api/v1", path)
	at.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(context.WithValue(ctx, askKey{}, ctx), http.MethodGet, at.String(), http.NoBody)
	if err != nil {
		return errors.New("its URL cannot be asked") // without the URL, which may hold a secret
	}
	request.Header = p.header.Clone()
	if p.host != "" {
		request.Host = p.host
	}
	response, err := p.client.Do(request)
	if err != nil {
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err // without the URL, which may hold a secret
		}
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxPrometheus+1))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if len(body) > maxPrometheus {
		return fmt.Errorf("its answer is longer than %d bytes", maxPrometheus)
	}
	return readPrometheus(response, body, data)
}

// readPrometheus reads the envelope that all answers of the API come in.
func readPrometheus(response *http.Response, body []byte, data any) error {
	var answer struct {
		Status string          `json:"status"`
		Error  string          `json:"error"`
		Data   json.RawMessage `json:"data"`
	}
	err := json.Unmarshal(body, &answer)
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("it answered %s", strings.TrimSuffix(response.Status+": "+answer.Error, ": "))
	}
	if err != nil {
		return fmt.Errorf("read its answer: %w", err)
	}
	if answer.Status != "success" {
		return fmt.Errorf("it answered status %q", answer.Status)
	}
	if err := json.Unmarshal(answer.Data, data); err != nil {
		return fmt.Errorf("read its answer: %w", err)
	}
	return nil
}

// noRedirect takes a redirect for the answer.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
