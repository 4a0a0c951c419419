package probes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Alert asks a Prometheus whether an alert fires: a bad answer is a detection. A Prometheus that cannot be asked, or that answers
// nonsense, says nothing of the system, so such a slot is missed.
//
// An alert that no rule knows never fires: Prometheus does not tell the two apart.
type Alert struct {
	URL    string            `json:"url"`              // of the Prometheus, without /api/v1
	Name   string            `json:"name"`             // of the alert
	Labels map[string]string `json:"labels,omitempty"` // which the alert must carry, among others
}

// maxAlerts bounds the list of alerts that is read.
const maxAlerts = 16 << 20

// Problems says what is wrong with the question, each as "field: what, and the mend".
func (a Alert) Problems() []string {
	problems := urlProblems(a.URL)
	if u, err := url.Parse(a.URL); err == nil && (u.RawQuery != "" || u.Fragment != "") {
		problems = append(problems, "url: must be the base of a Prometheus, without query and fragment")
	}
	if a.Name == "" {
		problems = append(problems, "name: missing")
	}
	if name, ok := a.Labels["alertname"]; ok && name != a.Name {
		problems = append(problems, "labels: alertname contradicts the name: leave it out")
	}
	return problems
}

// String says in words what is asked, without secrets.
func (a Alert) String() string {
	return fmt.Sprintf("alert %s at %s, bad while it fires", a.selector(), redact(a.URL))
}

// selector writes the alert as PromQL would.
func (a Alert) selector() string {
	if len(a.Labels) == 0 {
		return a.Name
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(a.Labels)) {
		parts = append(parts, fmt.Sprintf("%s=%q", name, a.Labels[name]))
	}
	return a.Name + "{" + strings.Join(parts, ",") + "}"
}

// New makes the probe ready to ask, or returns all that is wrong with it.
func (a Alert) New() (Probe, error) {
	if problems := a.Problems(); len(problems) > 0 {
		return nil, fmt.Errorf("alert probe: %s", strings.Join(problems, "; "))
	}
	base, err := url.Parse(a.URL)
	if err != nil {
		return nil, fmt.Errorf("alert probe: read the url: %w", err)
	}
	request, err := http.NewRequest(http.MethodGet, base.JoinPath("api/v1/alerts").String(), nil)
	if err != nil {
		return nil, fmt.Errorf("alert probe: %w", err)
	}
	request.Header.Set("User-Agent", "gameday")
	return &alertProbe{config: a, request: request, client: &http.Client{
		Transport:     transport(false, false),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// alertProbe is an Alert made ready.
type alertProbe struct {
	config  Alert
	request *http.Request // never sent itself: each ask sends a copy
	client  *http.Client
}

var _ Witness = (*alertProbe)(nil)

// Witness names the Prometheus.
func (p *alertProbe) Witness() string { return "the Prometheus at " + redact(p.config.URL) }

// Probe asks once.
func (p *alertProbe) Probe(ctx context.Context) error {
	alerts, err := p.alerts(ctx)
	if err != nil {
		return fmt.Errorf("%w: ask %s: %w", ErrNotAsked, p.Witness(), err)
	}
	for _, alert := range alerts {
		if !p.watches(alert) {
			continue
		}
		switch alert.State {
		case "firing":
			return &Failure{Reason: ReasonFiring, Detail: fmt.Sprintf("%s since %s", p.config.selector(), alert.since())}
		case "pending", "inactive":
		default:
			return fmt.Errorf("%w: %s gives alert %s the unknown state %q", ErrNotAsked, p.Witness(), p.config.Name, alert.State)
		}
	}
	return nil
}

type alert struct {
	Labels   map[string]string `json:"labels"`
	State    string            `json:"state"`
	ActiveAt *time.Time        `json:"activeAt"`
}

func (a alert) since() string {
	if a.ActiveAt == nil {
		return "an unknown time"
	}
	return a.ActiveAt.UTC().Format(time.RFC3339Nano)
}

// watches says whether the alert is the one that is asked about.
func (p *alertProbe) watches(a alert) bool {
	if a.Labels["alertname"] != p.config.Name {
		return false
	}
	for name, want := range p.config.Labels {
		if got, ok := a.Labels[name]; !ok || got != want {
			return false
		}
	}
	return true
}

// alerts gets the alerts that are pending or firing.
func (p *alertProbe) alerts(ctx context.Context) ([]alert, error) {
	response, err := p.client.Do(p.request.WithContext(context.WithValue(ctx, askKey{}, ctx)))
	if err != nil {
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err // without the URL, which may hold a secret
		}
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAlerts+1))
	var answer struct {
		Status string `json:"status"`
		Data   struct {
			Alerts *[]alert `json:"alerts"`
		} `json:"data"`
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the answer: %w", err)
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("it answered %s", response.Status)
	case len(body) > maxAlerts:
		return nil, fmt.Errorf("its answer is longer than %d bytes", maxAlerts)
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("read its answer: %w", err)
	}
	if answer.Status != "success" || answer.Data.Alerts == nil {
		return nil, fmt.Errorf("it answered status %q and no list of alerts", answer.Status)
	}
	return *answer.Data.Alerts, nil
}
