package scenarios

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gamedayhq/gameday/probes"
	"github.com/gamedayhq/gameday/reports"
)

func TestMeasure(t *testing.T) {
	for what, r := range map[string]struct {
		answer string
		want   reports.Measured
		err    string
	}{
		"a number":  {`{"status":"success","data":{"resultType":"scalar","result":[1,"4.5"]}}`, reports.Measured{Name: "orders", Value: 4.5}, ""},
		"no data":   {`{"status":"success","data":{"resultType":"vector","result":[]}}`, reports.Measured{Name: "orders", Missing: "0 series"}, ""},
		"no answer": {`<html>`, reports.Measured{}, "measure"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, r.answer) }))
		var k kept
		err := (&Measure{Name: "orders", Query: probes.Query{URL: server.URL, Query: "up"}}).Do(t.Context(), Env{Step: "count", Journal: &k})
		server.Close()
		if (err == nil) != (r.err == "") || err != nil && !strings.Contains(err.Error(), r.err) {
			t.Errorf("%s: %v, want %q", what, err, r.err)
		}
		if r.err != "" {
			if len(k.events) != 0 {
				t.Errorf("%s: recorded %+v", what, k.events)
			}
			continue
		}
		var got reports.Measured
		if len(k.events) != 1 || k.events[0].Topic != reports.TopicValue || json.Unmarshal(k.events[0].Data, &got) != nil {
			t.Fatalf("%s: recorded %+v", what, k.events)
		}
		if got.Name != r.want.Name || got.Value != r.want.Value || !strings.Contains(got.Missing, r.want.Missing) || (got.Missing == "") != (r.want.Missing == "") {
			t.Errorf("%s: %+v, want %+v", what, got, r.want)
		}
	}
}

func TestMeasureProblems(t *testing.T) {
	problems := strings.Join((&Measure{}).Problems(), "\n")
	for _, want := range []string{"measure.name:", "measure.url:", "measure.query:"} {
		if !strings.Contains(problems, want) {
			t.Errorf("%q names no %s", problems, want)
		}
	}
}
