package probes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// Query reads one number from a Prometheus.
type Query struct {
	URL   string `json:"url"`   // of the Prometheus, without /api/v1
	Query string `json:"query"` // PromQL; its answer must be one series or a scalar
	Access
}

// ErrNoData says that a query has no answer, or none that is one number. That is no zero.
var ErrNoData = errors.New("no data")

// Problems says what is wrong with the query, each as "field: what, and the mend".
func (q Query) Problems() []string {
	problems := append(prometheusProblems(q.URL), q.problems()...)
	if strings.TrimSpace(q.Query) == "" {
		problems = append(problems, "query: missing")
	}
	return problems
}

// String says in words what is asked.
func (q Query) String() string {
	return fmt.Sprintf("PromQL %s at %s%s", q.Query, redact(q.URL), q.words())
}

// Value asks for the number now. The error wraps ErrNoData or ErrNotAsked, and holds no secret.
func (q Query) Value(ctx context.Context) (float64, error) {
	if problems := q.Problems(); len(problems) > 0 {
		return 0, fmt.Errorf("query: %s", strings.Join(problems, "; "))
	}
	var v vault
	api, err := newPrometheusAPI(q.URL, q.Access, &v)
	if err != nil {
		return 0, fmt.Errorf("query: %w", err)
	}
	defer api.client.CloseIdleConnections()
	var data struct {
		ResultType string          `json:"resultType"`
		Result     json.RawMessage `json:"result"`
	}
	if err := api.get(ctx, "query", url.Values{"query": {q.Query}}, &data); err != nil {
		return 0, &censored{text: v.censor().Replace(err.Error())}
	}
	series, err := readSeries(data.ResultType, data.Result)
	if err != nil {
		return 0, fmt.Errorf("%w: %s answered %w", ErrNotAsked, api.witness(), err)
	}
	if len(series) != 1 {
		return 0, fmt.Errorf("%w: %s has %d series for the query, want one: aggregate them, as by sum(…)", ErrNoData, api.witness(), len(series))
	}
	number, err := strconv.ParseFloat(series[0].value, 64)
	if err != nil || number != number {
		return 0, fmt.Errorf("%w: %s has %s for the query", ErrNoData, api.witness(), series[0].value)
	}
	return number, nil
}

// censored is an error of not having asked whose text names no secret.
type censored struct{ text string }

func (c *censored) Error() string { return c.text }

func (c *censored) Unwrap() error { return ErrNotAsked }
