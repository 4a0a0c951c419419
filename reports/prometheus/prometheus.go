// Package prometheus writes a drill's evidence as metrics in Prometheus' text format, for node_exporter's textfile collector or
// a Pushgateway.
package prometheus

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/gamedayhq/gameday/reports"
)

// Write writes the metrics of one drill. A verdict is a metric a verdict, of which exactly one is 1: an alert that asks for
// verdict="pass" == 1 then fires also for a drill that was inconclusive or never came.
func Write(w io.Writer, ev reports.Evidence) error {
	p := page{drill: label("drill", ev.Drill.Name)}
	p.head("gameday_drill_verdict", "1 for the verdict of the last drill, 0 for the others.")
	for _, v := range []reports.Verdict{reports.Pass, reports.Inconclusive, reports.Fail} {
		p.sample("gameday_drill_verdict", boolean(v == ev.Verdict), label("verdict", v.String()))
	}
	p.head("gameday_drill_start_timestamp_seconds", "When the last drill started, Unix time.")
	p.sample("gameday_drill_start_timestamp_seconds", float64(ev.Started.UnixMilli())/1000)
	p.head("gameday_drill_duration_seconds", "How long the last drill took.")
	p.sample("gameday_drill_duration_seconds", ev.Ended.Seconds())
	p.head("gameday_drill_complete", "1 when the journal of the last drill ends with the drill's end.")
	p.sample("gameday_drill_complete", boolean(ev.Complete))
	p.checks(ev.Checks)
	p.slots(ev.Monitors)
	if _, err := io.WriteString(w, p.String()); err != nil {
		return fmt.Errorf("write metrics of drill %q: %w", ev.Run, err)
	}
	return nil
}

type page struct {
	strings.Builder
	drill string
}

func (p *page) checks(checks []reports.Check) {
	p.head("gameday_check_verdict", "0 pass, 1 inconclusive, 2 fail, of each check of the last drill.")
	for i, c := range checks {
		p.sample("gameday_check_verdict", rank(c.Verdict), of(i, c)...)
	}
	p.head("gameday_check_seconds", "The bounds of each time that the last drill measured; the truth lies between lo and hi.")
	for i, c := range checks {
		if c.Interval == nil {
			continue
		}
		p.sample("gameday_check_seconds", c.Interval.Lo.Seconds(), append(of(i, c), label("bound", "lo"))...)
		p.sample("gameday_check_seconds", c.Interval.Hi.Seconds(), append(of(i, c), label("bound", "hi"))...)
	}
}

func (p *page) slots(monitors []reports.MonitorSummary) {
	p.head("gameday_monitor_slots", "What became of the slots of each monitor of the last drill.")
	for _, m := range monitors {
		for _, s := range []struct {
			outcome string
			n       int64
		}{{"good", m.Slots.Good}, {"bad", m.Slots.Bad}, {"missed", m.Slots.Missed}} {
			p.sample("gameday_monitor_slots", float64(s.n), label("monitor", m.Name), label("outcome", s.outcome))
		}
	}
	p.head("gameday_monitor_latency_seconds", "Latency of good slots over the last drill.")
	for _, m := range monitors {
		for _, quantile := range []string{"p50", "p90", "p99", "max"} {
			if d, ok := m.Latency[quantile]; ok {
				p.sample("gameday_monitor_latency_seconds", d.Seconds(), label("monitor", m.Name), label("statistic", quantile))
			}
		}
	}
}

func (p *page) head(name, help string) {
	fmt.Fprintf(p, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name)
}

func (p *page) sample(name string, value float64, labels ...string) {
	all := append([]string{p.drill}, labels...)
	fmt.Fprintf(p, "%s{%s} %s\n", name, strings.Join(all, ","), strconv.FormatFloat(value, 'g', -1, 64))
}

// of labels a check: its number keeps two of the same name apart.
func of(i int, c reports.Check) []string {
	return []string{label("check", c.Name), label("kind", c.Kind), label("number", strconv.Itoa(i))}
}

var escapes = strings.NewReplacer("\\", "\\\\", "\"", "\\\"", "\n", "\\n")

func label(name, value string) string {
	return name + `="` + escapes.Replace(strings.ToValidUTF8(value, "\ufffd")) + `"`
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func rank(v reports.Verdict) float64 {
	switch v {
	case reports.Pass:
		return 0
	case reports.Fail:
		return 2
	default:
		return 1
	}
}
