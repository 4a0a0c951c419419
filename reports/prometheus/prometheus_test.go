package prometheus

import (
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/reports/reportstest"
)

// TestReadByPrometheus reads the metrics with Prometheus' own parser.
func TestReadByPrometheus(t *testing.T) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(reportstest.Text(Write, reportstest.Hostile())))
	if err != nil {
		t.Fatal(err)
	}
	verdicts := map[string]float64{}
	for _, m := range families["gameday_drill_verdict"].GetMetric() {
		for _, l := range m.GetLabel() {
			if l.GetName() == "verdict" {
				verdicts[l.GetValue()] = m.GetGauge().GetValue()
			}
		}
	}
	if len(verdicts) != 3 || verdicts["fail"] != 1 || verdicts["pass"] != 0 || verdicts["inconclusive"] != 0 {
		t.Errorf("verdicts are %v, want fail alone", verdicts)
	}
	var ranks []float64
	for _, m := range families["gameday_check_verdict"].GetMetric() {
		ranks = append(ranks, m.GetGauge().GetValue())
	}
	if len(ranks) != 4 || ranks[0] != 0 || ranks[1] != 2 || ranks[2] != 1 || ranks[3] != 1 {
		t.Errorf("verdicts of the checks are %v, want 0 2 1 1", ranks)
	}
	if n := len(families["gameday_check_seconds"].GetMetric()); n != 2 {
		t.Errorf("%d bounds, want lo and hi of the one measured time", n)
	}
}

func TestNothingJudgedIsNotGreen(t *testing.T) {
	if text := reportstest.Text(Write, reports.Evidence{}); strings.Contains(text, `verdict="pass"} 1`) {
		t.Errorf("an evidence of nothing passes:\n%s", text)
	}
}
