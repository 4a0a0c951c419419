package probes

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// falsified asks a question's falsified form once.
func falsified(t *testing.T, question Falsifier) Sample {
	t.Helper()
	probe, how := question.Falsified()
	if how == "" {
		t.Error("it is not said how the question is falsified")
	}
	return Once(t.Context(), probe, time.Minute)
}

func TestQuestionsAreFalsified(t *testing.T) {
	web := webServer(t, func(http.ResponseWriter, *http.Request) {})
	rules := func(answer string) Alert {
		server := webServer(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/api/v1/rules" || r.URL.Query().Get("type") != "alert" || r.URL.Query().Get("rule_name[]") != "ShopDown" {
				w.WriteHeader(http.StatusTeapot)
			}
			_, _ = io.WriteString(w, answer)
		})
		return Alert{URL: server.URL, Name: "ShopDown"}
	}
	list := func(rules string) string {
		return `{"status":"success","data":{"groups":[{"name":"other","rules":[]},{"name":"shop","rules":[` + rules + `]}]}}`
	}
	for name, test := range map[string]struct {
		question Falsifier
		want     string
	}{
		"http":                                       {HTTP{URL: web.URL + "/x?y=z"}, "bad refused"},
		"http that takes any status":                 {HTTP{URL: web.URL, Status: "100-599"}, "bad refused"},
		"https":                                      {HTTP{URL: strings.Replace(web.URL, "http:", "https:", 1)}, "bad refused"},
		"http to a name that is not known":           {HTTP{URL: "http://nowhere.test/"}, "bad refused"},
		"tcp":                                        {TCP{Address: strings.TrimPrefix(web.URL, "http://")}, "bad refused"},
		"an alert that a rule can raise":             {rules(list(`{"name":"Other","type":"alerting"},{"name":"ShopDown","type":"alerting"}`)), "bad firing"},
		"an alert that no rule knows":                {rules(list(`{"name":"Other","type":"alerting"}`)), "good "},
		"an alert named as a recorded value":         {rules(list(`{"name":"ShopDown","type":"recording"}`)), "good "},
		"an alert of a Prometheus that errs":         {rules(`{"status":"error"}`), "missed not asked"},
		"an alert of a Prometheus that is not there": {Alert{URL: "http://" + closedPort(t), Name: "A"}, "missed not asked"},
		"a question that is none":                    {HTTP{URL: ""}, "missed not asked"},
		"an alert that is none":                      {Alert{URL: "http://h"}, "missed not asked"},
	} {
		t.Run(name, func(t *testing.T) {
			s := falsified(t, test.question)
			if got := s.Outcome.String() + " " + string(s.Reason); got != test.want {
				t.Errorf("got %s (%s), want %s", got, s.Detail, test.want)
			}
		})
	}
}

// A witness that is silent says nothing, also when it is asked so that it must say bad.
func TestASilentWitnessProvesNothing(t *testing.T) {
	url := "http://" + serve(t, nil)
	for name, question := range map[string]Falsifier{
		"alert":      Alert{URL: url, Name: "A"},
		"prometheus": Prometheus{URL: url, Query: "up", Comparator: Comparator{Value: "1"}},
	} {
		twin, _ := question.Falsified()
		if s := Once(t.Context(), twin, 50*ms); s.Outcome != Missed {
			t.Errorf("%s: got %+v, want missed", name, s)
		}
	}
}

// While it is held, the port refuses and nobody else can take it.
func TestAClosedPortIsOurs(t *testing.T) {
	address, release, err := holdClosedPort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	for range 100 {
		if err := ask(t, false, TCP{Address: address}); reasonOf(err) != ReasonRefused {
			t.Fatalf("got %v, want refused", err)
		}
	}
	var config net.ListenConfig
	if listener, err := config.Listen(t.Context(), "tcp", address); err == nil {
		_ = listener.Close()
		t.Error("somebody else could listen there")
	}
}

type silentWitness struct{ Func }

func (silentWitness) Witness() string { return "an oracle" }

func TestOnceSpeaksAsAMonitorDoes(t *testing.T) {
	hangs := Func(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	for name, test := range map[string]struct {
		probe Probe
		want  string
	}{
		"good":                       {Func(func(context.Context) error { return nil }), "good: : "},
		"bad":                        {Func(func(context.Context) error { return &Failure{ReasonBody, "x"} }), "bad: body: x"},
		"not asked":                  {Func(func(context.Context) error { return ErrNotAsked }), "missed: not asked: not asked"},
		"silent":                     {hangs, "bad: timeout: no answer within 1s"},
		"a silent witness":           {silentWitness{hangs}, "missed: not asked: no answer from an oracle within 1s"},
		"good, but at the deadline":  {Func(func(ctx context.Context) error { <-ctx.Done(); return nil }), "bad: timeout: no answer within 1s"},
		"a panic":                    {Func(func(context.Context) error { panic("x") }), "missed: not asked: not asked: the probe panicked: x"},
		"deaf to its context's end":  {Func(func(context.Context) error { time.Sleep(time.Hour); return nil }), "bad: timeout: no answer within 1s"},
		"a long word is cut to size": {Func(func(context.Context) error { return &Failure{ReasonBody, strings.Repeat("x", 1000)} }), "bad: body: " + strings.Repeat("x", maxDetail) + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := Once(t.Context(), test.probe, time.Second)
				if got := s.Outcome.String() + ": " + string(s.Reason) + ": " + s.Detail; got != test.want {
					t.Errorf("got %s, want %s", got, test.want)
				}
				time.Sleep(time.Hour)
			})
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s := Once(ctx, hangs, time.Second); s.Outcome != Missed {
		t.Errorf("called off: got %v, want missed", s.Outcome)
	}
}
