package probes

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Alert asks a Prometheus whether an alert fires: a bad answer is a detection. A Prometheus that cannot be asked, or that answers
// nonsense, says nothing of the system, so such a slot is missed.
//
// An alert that no rule knows never fires, and the list of alerts does not tell the two apart: Falsified does.
type Alert struct {
	URL    string            `json:"url"`              // of the Prometheus, without /api/v1
	Name   string            `json:"name"`             // of the alert
	Labels map[string]string `json:"labels,omitempty"` // which the alert must carry, among others
	Access
}

// Problems says what is wrong with the question, each as "field: what, and the mend".
func (a Alert) Problems() []string {
	problems := prometheusProblems(a.URL)
	problems = append(problems, a.problems()...)
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
	return fmt.Sprintf("alert %s at %s%s, bad while it fires", a.selector(), redact(a.URL), a.words())
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
	p, v, err := a.ready()
	if err != nil {
		return nil, err
	}
	return v.seal(p), nil
}

func (a Alert) ready() (*alertProbe, *vault, error) {
	if problems := a.Problems(); len(problems) > 0 {
		return nil, nil, fmt.Errorf("alert probe: %s", strings.Join(problems, "; "))
	}
	var v vault
	api, err := newPrometheusAPI(a.URL, a.Access, &v)
	if err != nil {
		return nil, nil, fmt.Errorf("alert probe: %w", err)
	}
	return &alertProbe{config: a, api: api}, &v, nil
}

// Falsified asks whether the Prometheus has a rule of the alert's name, and says that the alert fires if it does: an alert that no
// rule knows could never fire.
func (a Alert) Falsified() (Probe, string) {
	ask := func() (Probe, error) {
		p, v, err := a.ready()
		if err != nil {
			return nil, err
		}
		return v.seal(Func(p.ruled)), nil
	}
	return laterWitness{later: ask, name: prometheusAt(a.URL)}, "with every alert taken to fire that a rule of its Prometheus can raise, it must be bad"
}

// alertProbe is an Alert made ready.
type alertProbe struct {
	config Alert
	api    prometheusAPI
}

var _ Witness = (*alertProbe)(nil)

// Witness names the Prometheus.
func (p *alertProbe) Witness() string { return p.api.witness() }

// Probe asks once.
func (p *alertProbe) Probe(ctx context.Context) error {
	alerts, err := p.alerts(ctx)
	if err != nil {
		return err
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
	var data struct {
		Alerts *[]alert `json:"alerts"`
	}
	if err := p.api.get(ctx, "alerts", nil, &data); err != nil {
		return nil, err
	}
	if data.Alerts == nil {
		return nil, fmt.Errorf("%w: %s answered no list of alerts", ErrNotAsked, p.Witness())
	}
	return *data.Alerts, nil
}

// ruled is bad if a rule can raise the alert.
func (p *alertProbe) ruled(ctx context.Context) error {
	var data struct {
		Groups []struct {
			Name  string `json:"name"`
			Rules []struct {
				Name string `json:"name"`
				Type string `json:"type"`
			} `json:"rules"`
		} `json:"groups"`
	}
	// A Prometheus that does not know rule_name answers with all rules.
	if err := p.api.get(ctx, "rules", url.Values{"type": {"alert"}, "rule_name[]": {p.config.Name}}, &data); err != nil {
		return err
	}
	for _, group := range data.Groups {
		for _, rule := range group.Rules {
			if rule.Name == p.config.Name && rule.Type == "alerting" {
				return &Failure{Reason: ReasonFiring, Detail: fmt.Sprintf("a rule in group %q can raise it", group.Name)}
			}
		}
	}
	return nil
}
