package probes

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestQueryValue(t *testing.T) {
	for what, r := range map[string]struct {
		answer string
		want   float64
		err    error
		says   string
	}{
		"a scalar":        {`{"status":"success","data":{"resultType":"scalar","result":[1,"4.5"]}}`, 4.5, nil, ""},
		"one series":      {`{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"-3"]}]}}`, -3, nil, ""},
		"no series":       {`{"status":"success","data":{"resultType":"vector","result":[]}}`, 0, ErrNoData, "0 series"},
		"two series":      {`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"1"},"value":[1,"1"]},{"metric":{"a":"2"},"value":[1,"1"]}]}}`, 0, ErrNoData, "2 series"},
		"not a number":    {`{"status":"success","data":{"resultType":"scalar","result":[1,"NaN"]}}`, 0, ErrNoData, "NaN"},
		"a range":         {`{"status":"success","data":{"resultType":"matrix","result":[]}}`, 0, ErrNotAsked, "matrix"},
		"a refused query": {`{"status":"error","errorType":"bad_data","error":"parse error"}`, 0, ErrNotAsked, "answered"},
		"noise":           {`<html>`, 0, ErrNotAsked, ""},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, r.answer) }))
		got, err := Query{URL: server.URL, Query: "up"}.Value(t.Context())
		server.Close()
		if got != r.want || !errors.Is(err, r.err) || err != nil && !strings.Contains(err.Error(), r.says) {
			t.Errorf("%s: %v, %v; want %v, %v and %q", what, got, err, r.want, r.err, r.says)
		}
	}
}

// What gives access is in no error.
func TestQueryKeepsSecrets(t *testing.T) {
	t.Setenv("PROM_TOKEN", "planted-token-123")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no: "+r.Header.Get("Authorization"), http.StatusForbidden)
	}))
	defer server.Close()
	q := Query{URL: server.URL, Query: "up", Access: Access{BearerToken: &Secret{FromEnv: "PROM_TOKEN"}}}
	_, err := q.Value(t.Context())
	if !errors.Is(err, ErrNotAsked) || strings.Contains(err.Error(), "planted") || strings.Contains(q.String(), "planted") {
		t.Errorf("%v; %s", err, q)
	}
}
