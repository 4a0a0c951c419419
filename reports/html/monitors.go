package html

import (
	"github.com/gamedayhq/gameday/reports"
)

// monitorView is a monitor's summary.
type monitorView struct {
	reports.MonitorSummary
	Info     reports.MonitorInfo
	Share    string
	Reasons  string
	Outspans []outspanView
}

type outspanView struct {
	From, To, Lasted string
	Bad              int64
}

func monitorViews(ev reports.Evidence) []monitorView {
	var out []monitorView
	for _, m := range ev.Monitors {
		v := monitorView{MonitorSummary: m, Share: share(m.Slots.Good, m.Slots.Good+m.Slots.Bad), Reasons: reasons(m.Slots)}
		for _, info := range ev.Drill.Monitors {
			if info.Name == m.Name {
				v.Info = info
			}
		}
		for _, o := range m.Outages {
			row := outspanView{From: offset(o.From), To: "not over at the end of the record", Bad: o.Bad}
			if o.Open {
				row.Lasted = "at least " + span(max(ev.Ended-o.From, 0))
			} else {
				row.To, row.Lasted = offset(o.To), span(o.To-o.From)
			}
			v.Outspans = append(v.Outspans, row)
		}
		out = append(out, v)
	}
	return out
}

// Quantile gives a latency of the summary, or a dash.
func (m monitorView) Quantile(name string) string {
	if d, ok := m.Latency[name]; ok && !m.Info.Watches {
		return span(d)
	}
	return "–"
}
