package html

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/gamedayhq/gameday/reports"
)

// picture is the timeline: everything on one horizontal axis, places in percent of the drill.
type picture struct {
	Ticks  []tick
	Blocks []block
	Faults []faultBar
	Shades []shade // where a fault was proven to hold
	Rows   []row
	Loose  []lane // of checks whose monitor has no row
	Words  string
}

type tick struct {
	X, Anchor, Label string
	Minor            bool // left out where it is narrow
}

// block is the baseline or a step.
type block struct {
	X, W         string
	NameX, Room  string // where there is room for the name
	Before       bool   // which is before the block
	Name, Title  string
	Number       int // zero: the baseline
	Fault, Ended bool
}

// faultBar is a fault's two windows.
type faultBar struct {
	Name, Title           string
	Asked, Proven, Unsure *shade // Unsure: not proven gone, until the record's end
	NotUndone             bool
}

type shade struct{ X, W, Title string }

// row is a monitor.
type row struct {
	ID, Name, Probe, Every string
	Watches                bool
	Strip                  paths
	Latency                *latency
	Outages                []shade
	OutageWords, Words     string
	Good, Bad, Missed      int64
	Lanes                  []lane
}

// lane is the measured time of a check: from its anchor to where the truth lies, between Lo and Hi.
type lane struct {
	Check                                  checkView
	Anchor, Wait, UnsureX, UnsureW, LimitX string
	LimitBeyond, Measured, HasLimit        bool
	Limit                                  time.Duration
	Words                                  string
}

func newPicture(ev reports.Evidence, s *strips, steps []*step, baseline *window) picture {
	ax := axis{s.total}
	p := picture{Ticks: ax.ticks(), Blocks: ax.blocks(steps, baseline)}
	for _, st := range steps {
		if st.Fault == nil || st.Fault.Asked == nil {
			continue
		}
		bar := ax.faultBar(st)
		p.Faults = append(p.Faults, bar)
		if bar.Proven != nil {
			p.Shades = append(p.Shades, *bar.Proven)
		}
	}
	shown := map[string]bool{}
	for _, m := range ev.Drill.Monitors {
		shown[m.Name] = true
		p.Rows = append(p.Rows, ax.row(ev, m, s.byName[m.Name]))
	}
	if o := &s.others; o.good+o.bad+o.missed > 0 {
		info := reports.MonitorInfo{Name: "other monitors", Probe: "samples of monitors that the drill does not name"}
		p.Rows = append(p.Rows, ax.row(ev, info, o))
	}
	for i := range p.Rows {
		p.Rows[i].ID = fmt.Sprintf("row%d", i+1)
	}
	p.Loose = ax.lanes(ev, func(c reports.Check) bool { return !shown[c.Monitor] })
	p.Words = fmt.Sprintf("%s from the first to the last thing recorded.", span(s.total))
	return p
}

// axis maps times to places.
type axis struct{ total time.Duration }

func (a axis) x(d time.Duration) string { return percent(float64(d) / float64(a.total)) }

func (a axis) w(from, to time.Duration) string {
	from, to = min(max(from, 0), a.total), min(max(to, 0), a.total)
	return percent(float64(max(to-from, 0)) / float64(a.total))
}

func (a axis) shade(w window, title string) *shade {
	return &shade{a.x(w.From), a.w(w.From, w.To), title}
}

// strides are the distances that ticks may have.
var strides = []time.Duration{
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second,
	10 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute,
	15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 6 * time.Hour, 12 * time.Hour,
}

// maxTicks is how many labels fit.
const maxTicks = 9

func (a axis) ticks() []tick {
	stride := 24 * time.Hour * (a.total/(24*time.Hour)/maxTicks + 1)
	for _, one := range strides {
		if a.total/one < maxTicks {
			stride = one
			break
		}
	}
	var out []tick
	for i := range int(a.total/stride) + 1 {
		d := time.Duration(i) * stride
		t := tick{X: a.x(d), Anchor: "middle", Label: tickLabel(d, stride), Minor: i%2 == 1}
		if i == 0 {
			t.Anchor = "start"
		}
		if float64(d) > 0.96*float64(a.total) {
			t.Anchor = "end"
		}
		out = append(out, t)
	}
	return out
}

func tickLabel(d, stride time.Duration) string {
	switch {
	case stride < time.Second:
		return fmt.Sprintf("%.3g s", d.Seconds())
	case stride >= time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	case stride >= 10*time.Minute:
		return fmt.Sprintf("%d:%02d h", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%d:%02d", d/time.Minute, d%time.Minute/time.Second)
	}
}

func (a axis) blocks(steps []*step, baseline *window) []block {
	var out []block
	var windows []window
	if baseline != nil {
		out = append(out, block{Name: "baseline", Ended: !baseline.Open, Title: "Baseline, " + between(*baseline)})
		windows = append(windows, *baseline)
	}
	for _, st := range steps {
		if st.Window == nil {
			continue
		}
		out = append(out, block{
			Name: st.Info.Name, Number: st.Number, Fault: st.Fault != nil, Ended: !st.Window.Open,
			Title: fmt.Sprintf("Step %d: %s, %s", st.Number, st.Info.Name, between(*st.Window)),
		})
		windows = append(windows, *st.Window)
	}
	for i, w := range windows {
		gap := [2]window{{From: 0, To: w.From}, {From: w.To, To: a.total}} // before and behind it, where nothing is drawn
		if i > 0 {
			gap[0].From = windows[i-1].To
		}
		if i+1 < len(windows) {
			gap[1].To = windows[i+1].From
		}
		out[i].X, out[i].W = a.x(w.From), a.w(w.From, w.To)
		a.name(&out[i], w, gap)
	}
	return out
}

// name finds the room for a block's name: in the block, else behind it, else before it, else where most of it fits.
func (a axis) name(b *block, w window, gap [2]window) {
	const letter, margin = 0.0086, 0.02 // of the picture's width, at full size
	needs := time.Duration((float64(utf8.RuneCountInString(b.Name)+3)*letter + margin) * float64(a.total))
	rooms := [3]window{w, gap[1], gap[0]}
	best := 0
	for i, room := range rooms {
		if has := rooms[best].To - rooms[best].From; has < needs && room.To-room.From > has {
			best = i
		}
	}
	b.NameX, b.Room, b.Before = a.x(rooms[best].From), a.w(rooms[best].From, rooms[best].To), best == 2
}

// between writes a window in words.
func between(w window) string {
	if w.Open {
		return "from " + offset(w.From) + ", no end recorded"
	}
	return fmt.Sprintf("%s to %s (%s)", offset(w.From), offset(w.To), span(w.To-w.From))
}

func (a axis) faultBar(st *step) faultBar {
	f := st.Fault
	bar := faultBar{Name: st.Info.Name, NotUndone: st.NotUndone() != ""}
	bar.Asked = a.shade(*f.Asked, st.Info.Name+": asked for "+between(*f.Asked))
	bar.Title = bar.Asked.Title + "; "
	since := f.Asked.From
	if f.Proven != nil {
		w := *f.Proven
		if w.Open {
			// It was last known to hold until its undo was asked for; after that nothing is known.
			w.To = f.Asked.To
			since = w.To
		}
		bar.Proven = a.shade(w, st.Info.Name+": proven to hold "+between(*f.Proven))
		bar.Title += "proven to hold " + between(*f.Proven)
	} else {
		bar.Title += "never proven to hold"
	}
	if bar.NotUndone {
		bar.Unsure = a.shade(window{From: since, To: a.total}, st.Info.Name+": not proven undone")
		bar.Title += "; not proven undone"
	}
	return bar
}
