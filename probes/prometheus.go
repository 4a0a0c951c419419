package probes

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// Prometheus asks a Prometheus for the value of a query now, and expects each series of the answer to be as wanted. A Prometheus
// that cannot be asked, and an answer without data, say nothing of the system: such a slot is missed.
type Prometheus struct {
	URL        string     `json:"url"`   // of the Prometheus, without /api/v1
	Query      string     `json:"query"` // PromQL
	Comparator Comparator `json:"comparator"`
	Access
}

// Problems says what is wrong with the question, each as "field: what, and the mend".
func (p Prometheus) Problems() []string {
	problems := append(prometheusProblems(p.URL), p.problems()...)
	if strings.TrimSpace(p.Query) == "" {
		problems = append(problems, "query: missing")
	}
	if p.Comparator.empty() {
		problems = append(problems, `comparator: missing: say what is good, such as {criteria: "<", value: 5}`)
	}
	return append(problems, prefixed("comparator.", p.Comparator.Problems())...)
}

// String says in words what is asked.
func (p Prometheus) String() string {
	return fmt.Sprintf("PromQL %s at %s%s, want %s", p.Query, redact(p.URL), p.words(), p.Comparator)
}

// New makes the probe ready to ask, or returns all that is wrong with it.
func (p Prometheus) New() (Probe, error) {
	if problems := p.Problems(); len(problems) > 0 {
		return nil, fmt.Errorf("prometheus probe: %s", strings.Join(problems, "; "))
	}
	var v vault
	api, err := newPrometheusAPI(p.URL, p.Access, &v)
	if err != nil {
		return nil, fmt.Errorf("prometheus probe: %w", err)
	}
	return v.seal(&prometheusProbe{config: p, api: api}), nil
}

// Falsified asks the same and takes no value for a good one. An answer without data cannot be bad, and so proves nothing.
func (p Prometheus) Falsified() (Probe, string) {
	p.Comparator.never = true
	return laterWitness{later: p.New, name: prometheusAt(p.URL)}, howNever
}

// prometheusProbe is a Prometheus made ready.
type prometheusProbe struct {
	config Prometheus
	api    prometheusAPI
}

var _ Witness = (*prometheusProbe)(nil)

// Witness names the Prometheus.
func (p *prometheusProbe) Witness() string { return p.api.witness() }

// Probe asks once.
func (p *prometheusProbe) Probe(ctx context.Context) error {
	var data struct {
		ResultType string          `json:"resultType"`
		Result     json.RawMessage `json:"result"`
	}
	if err := p.api.get(ctx, "query", url.Values{"query": {p.config.Query}}, &data); err != nil {
		return err
	}
	series, err := readSeries(data.ResultType, data.Result)
	if err != nil {
		return fmt.Errorf("%w: %s answered %w", ErrNotAsked, p.Witness(), err)
	}
	if len(series) == 0 {
		return fmt.Errorf("%w: %s has no data for the query", ErrNotAsked, p.Witness())
	}
	for _, one := range series {
		if one.value == "NaN" {
			return fmt.Errorf("%w: %s has NaN for %s", ErrNotAsked, p.Witness(), one.name)
		}
	}
	for _, one := range series {
		if !p.config.Comparator.holds(one.value) {
			return &Failure{Reason: ReasonValue, Detail: fmt.Sprintf("%s of %s, want %s", one.value, one.name, p.config.Comparator)}
		}
	}
	return nil
}

// oneSeries is a value and what it is of.
type oneSeries struct{ name, value string }

// readSeries reads the result of an instant query: https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries.
func readSeries(kind string, result json.RawMessage) ([]oneSeries, error) {
	switch kind {
	case "scalar", "string":
		value, err := pointValue(result)
		return []oneSeries{{name: "the " + kind, value: value}}, err
	case "vector":
		var vector []struct {
			Metric map[string]string `json:"metric"`
			Value  json.RawMessage   `json:"value"`
		}
		if err := json.Unmarshal(result, &vector); err != nil {
			return nil, fmt.Errorf("a vector that cannot be read: %w", err)
		}
		out := make([]oneSeries, 0, len(vector))
		for _, one := range vector {
			value, err := pointValue(one.Value)
			if err != nil {
				return nil, err
			}
			name := one.Metric["__name__"]
			delete(one.Metric, "__name__")
			out = append(out, oneSeries{name: Alert{Name: name, Labels: one.Metric}.selector(), value: value})
		}
		return out, nil
	default:
		return nil, fmt.Errorf("a %q, want a vector or a scalar: ask for a value, not for a range", kind)
	}
}

// pointValue reads the value of [time, "value"].
func pointValue(raw json.RawMessage) (string, error) {
	var point []json.RawMessage
	var value string
	if err := json.Unmarshal(raw, &point); err != nil || len(point) != 2 {
		return "", fmt.Errorf("a value that is no point: %s", clip(string(raw)))
	}
	if err := json.Unmarshal(point[1], &value); err != nil {
		return "", fmt.Errorf("a value that is no text: %s", clip(string(raw)))
	}
	return value, nil
}
