package prometheus

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/gamedayhq/gameday/reports"
)

// hostile is an evidence whose every text tries to break out of the form.
func hostile() reports.Evidence {
	const evil = "a \"b\" <c> & 'd' | `e`\n::error::f %% \x00\x1b[31m ]]> @all"
	from, to := time.Second, 3*time.Second
	return reports.Evidence{
		Run: "run-1", Drill: reports.Drill{Name: evil, Why: evil}, Verdict: reports.Fail, Why: []string{evil},
		Started: time.Date(2026, 3, 1, 9, 0, 0, 0, time.FixedZone("", 7200)), Ended: 5 * time.Second,
		Checks: []reports.Check{
			{Name: evil, Kind: "availability", Verdict: reports.Pass, Want: evil, Got: evil, From: &from, To: &to},
			{Name: evil, Kind: "recovery", Verdict: reports.Fail, Want: evil, Got: evil, Reason: evil, Interval: &reports.Interval{Lo: from, Hi: to}},
			{Name: "unseen", Kind: "latency", Verdict: reports.Inconclusive, Want: evil, Got: evil, Reason: "nobody looked"},
			{Name: "no verdict at all", Kind: "outage"},
		},
		Monitors: []reports.MonitorSummary{{Name: evil, Slots: reports.Slots{Due: 3, Good: 1, Bad: 1, Missed: 1}}},
	}
}

func render(t *testing.T, ev reports.Evidence) string {
	t.Helper()
	var b strings.Builder
	if err := Write(&b, ev); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestReadByPrometheus reads the metrics with Prometheus' own parser.
func TestReadByPrometheus(t *testing.T) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(render(t, hostile())))
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
	if text := render(t, reports.Evidence{}); strings.Contains(text, `verdict="pass"} 1`) {
		t.Errorf("an evidence of nothing passes:\n%s", text)
	}
}
