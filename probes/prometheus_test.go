package probes

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestPrometheusReadsTheValueOfAQuery(t *testing.T) {
	answer := func(kind, result string) string {
		return `{"status":"success","data":{"resultType":"` + kind + `","result":` + result + `}}`
	}
	vector := func(values ...string) string {
		series := make([]string, 0, len(values))
		for i, value := range values {
			series = append(series, `{"metric":{"__name__":"errors","pod":"`+string(rune('a'+i))+`"},"value":[1700000000.1,"`+value+`"]}`)
		}
		return answer("vector", "["+strings.Join(series, ",")+"]")
	}
	for name, test := range map[string]struct {
		status int
		answer string
		want   string
	}{
		"as wanted":                {200, vector("4.9"), ""},
		"not as wanted":            {200, vector("5"), `value: 5 of errors{pod="a"}, want < 5`},
		"one of two is not":        {200, vector("1", "7"), `value: 7 of errors{pod="b"}, want < 5`},
		"a scalar":                 {200, answer("scalar", `[1,"3"]`), ""},
		"a scalar that is not":     {200, answer("scalar", `[1,"6"]`), "value: 6 of the scalar, want < 5"},
		"without end is not below": {200, vector("+Inf"), `value: +Inf of errors{pod="a"}, want < 5`},
		"no data":                  {200, vector(), "not asked: PROM has no data for the query"},
		"no number":                {200, vector("9", "NaN"), `not asked: PROM has NaN for errors{pod="b"}`},
		"a range":                  {200, answer("matrix", "[]"), `not asked: PROM answered a "matrix", want a vector or a scalar: ask for a value, not for a range`},
		"no point":                 {200, answer("scalar", `[1]`), "not asked: PROM answered a value that is no point: [1]"},
		"no text":                  {200, answer("scalar", `[1,2]`), "not asked: PROM answered a value that is no text: [1,2]"},
		"no vector":                {200, answer("vector", `{}`), "not asked: PROM answered a vector that cannot be read"},
		"a query with a mistake":   {400, `{"status":"error","errorType":"bad_data","error":"parse error"}`, "not asked: ask PROM: it answered 400 Bad Request: parse error"},
		"it is overloaded":         {503, `<html>`, "not asked: ask PROM: it answered 503 Service Unavailable"},
		"it is not sure":           {200, `{"status":"error"}`, `not asked: ask PROM: it answered status "error"`},
	} {
		t.Run(name, func(t *testing.T) {
			server := webServer(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/api/v1/query" || r.URL.Query().Get("query") != `sum(rate(errors[1m]))` || r.Header.Get("Authorization") != "Bearer t0ken-value" {
					w.WriteHeader(http.StatusTeapot)
					return
				}
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.answer)
			})
			config := Prometheus{
				URL: server.URL, Query: `sum(rate(errors[1m]))`, Comparator: Comparator{Criteria: "<", Value: "5"},
				Access: Access{BearerToken: &Secret{Value: "t0ken-value"}},
			}
			got := ""
			if err := ask(t, false, config); err != nil {
				got = err.Error()
			}
			want := strings.ReplaceAll(test.want, "PROM", "the Prometheus at "+server.URL)
			if !begins(got, want) {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			// Whatever has a value can be bad, and nothing else.
			s := falsified(t, config)
			if hasValue := test.want == "" || strings.HasPrefix(test.want, "value"); (s.Outcome == Bad) != hasValue || s.Outcome == Good {
				t.Errorf("falsified: got %+v", s)
			}
		})
	}
	if s := Once(t.Context(), prober(t, Prometheus{URL: "http://" + serve(t, nil), Query: "up", Comparator: Comparator{Value: "1"}}), 50*ms); s.Outcome != Missed {
		t.Errorf("a silent one: got %+v, want missed", s)
	}
}

func prober(t *testing.T, config interface{ New() (Probe, error) }) Probe {
	t.Helper()
	probe, err := config.New()
	if err != nil {
		t.Fatal(err)
	}
	return probe
}
