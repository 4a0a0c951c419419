package html

import (
	"testing"
	"time"

	"github.com/gamedayhq/gameday/probes"
	"github.com/gamedayhq/gameday/reports"
)

func TestWordsForNumbers(t *testing.T) {
	for _, row := range []struct{ got, want string }{
		{span(0), "0 s"},
		{span(12 * time.Nanosecond), "12 ns"},
		{span(340 * time.Microsecond), "340 µs"},
		{span(999_600), "1 ms"},
		{span(12345 * time.Microsecond), "12.3 ms"},
		{span(999_600 * time.Microsecond), "1 s"},
		{span(3210 * ms), "3.21 s"},
		{span(59_999 * ms), "1 min"},
		{span(65 * time.Second), "1 min 05 s"},
		{span(125_300 * ms), "2 min 05.3 s"},
		{span(time.Hour - ms), "1 h 00 min 00 s"},
		{span(26*time.Hour + 3*time.Minute), "1 d 02 h 03 min"},
		{offset(72_345 * ms), "+1:12.345"},
		{offset(time.Hour + ms), "+1:00:00.001"},
		{offset(-ms), "−0:00.001"},
		{share(999_999, 1_000_000), "99.999 %"},
		{share(99_999_999, 100_000_000), "99.999 %"},
		{share(5, 5), "100 %"},
		{share(0, 5), "0.000 %"},
		{share(0, 0), "none asked"},
		{count(1234567), "1,234,567"},
		{count(-1000), "−1,000"},
		{size(1_482_113), "1.48 MB"},
		{ranges([]int64{3, 1, 2, 7, 9, 10, 10}), "1–3, 7, 9–10"},
		{ranges(nil), "none"},
		{tickLabel(90*time.Second, 30*time.Second), "1:30"},
		{tickLabel(90*time.Minute, 30*time.Minute), "1:30 h"},
		{tickLabel(1500*ms, 500*ms), "1.5 s"},
	} {
		if row.got != row.want {
			t.Errorf("got %q, want %q", row.got, row.want)
		}
	}
}

// TestStripShowsTheWorst draws ten slots a column and looks at what became of each.
func TestStripShowsTheWorst(t *testing.T) {
	const every = 10 * ms
	s := newStrips(reports.Evidence{Ended: columns * 10 * every, Drill: reports.Drill{Monitors: []reports.MonitorInfo{{Name: "m", Every: every}}}})
	for i := range int64(60) {
		one := probes.Sample{Monitor: "m", Due: time.Duration(i) * every, Outcome: probes.Good, Took: time.Duration(i+1) * ms}
		switch i {
		case 25:
			one.Outcome = probes.Bad
		case 37, 48:
			one.Outcome = probes.Missed
		case 41:
			one.Outcome = probes.Bad
		}
		s.add(one)
	}
	strip := s.byName["m"]
	got := strip.paths()
	want := paths{Good: "M0 13H2V24H0ZM5 13H6V24H5Z", Bad: "M2 0H3V24H2ZM4 0H5V24H4Z", Missed: "M3 24H5V32H3Z"}
	if got != want {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if c := strip.cells[1]; c.min != 11*ms || c.max != 20*ms {
		t.Errorf("column 1 is from %v to %v", c.min, c.max)
	}
	if c := strip.cells[2]; c.min != 21*ms || c.max != 30*ms {
		t.Errorf("column 2 is from %v to %v", c.min, c.max)
	}
}

func TestSlowSlotsFillTheirStretch(t *testing.T) {
	s := newStrips(reports.Evidence{Ended: columns * time.Second, Drill: reports.Drill{Monitors: []reports.MonitorInfo{{Name: "m", Every: 4 * time.Second}}}})
	s.add(probes.Sample{Monitor: "m", Due: 8 * time.Second, Outcome: probes.Bad})
	if got, want := s.byName["m"].paths().Bad, "M8 0H12V24H8Z"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWhatLiesOutsideIsDrawnAtTheEdge(t *testing.T) {
	s := newStrips(reports.Evidence{Ended: time.Second, Drill: reports.Drill{Monitors: []reports.MonitorInfo{{Name: "m"}}}})
	s.add(probes.Sample{Monitor: "m", Due: time.Hour, Outcome: probes.Bad})
	s.add(probes.Sample{Monitor: "m", Due: -time.Hour, Outcome: probes.Missed})
	s.add(probes.Sample{Monitor: "stranger", Due: 0, Outcome: probes.Bad})
	got := s.byName["m"].paths()
	if want := (paths{Bad: "M959 0H960V24H959Z", Missed: "M0 24H1V32H0Z"}); got != want {
		t.Errorf("got %+v", got)
	}
	if s.others.bad != 1 {
		t.Error("the sample of a monitor that the drill does not name is lost")
	}
}

func TestTicksFit(t *testing.T) {
	for _, total := range []time.Duration{ms, 7 * ms, time.Second, 46 * time.Second, 3 * time.Minute, time.Hour, 25 * time.Hour, 90 * 24 * time.Hour} {
		ticks := axis{total}.ticks()
		if len(ticks) > maxTicks || len(ticks) < 3 && total > ms {
			t.Errorf("%v: %d ticks", total, len(ticks))
		}
	}
}

func TestLimitIsThatOfTheCheck(t *testing.T) {
	d := partition()
	ev := d.evidence()
	var got []time.Duration
	for i, c := range ev.Checks {
		if within := limit(ev.Drill.Objectives, i, c); within > 0 {
			got = append(got, within)
		}
	}
	want := []time.Duration{15 * time.Second, 60 * time.Second, 30 * time.Second}
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestFaultWindows(t *testing.T) {
	const s = time.Second
	steps, baseline := readSteps(partition().evidence(), 161*s)
	if *baseline != (window{From: 1 * s, To: 30 * s}) {
		t.Errorf("baseline %+v", *baseline)
	}
	f := steps[0].Fault
	if *f.Asked != (window{From: 30200 * ms, To: 91 * s}) || *f.Proven != (window{From: 31 * s, To: 161 * s, Open: true}) {
		t.Errorf("asked %+v, proven %+v", *f.Asked, *f.Proven)
	}
	bar := axis{161 * s}.faultBar(steps[0])
	if bar.Unsure == nil || bar.Unsure.X != percent(91.0/161) || bar.Proven.W != percent(60.0/161) {
		t.Errorf("bar %+v", bar)
	}
	steps, _ = readSteps(podKill().evidence(), 47*s)
	if f := steps[0].Fault; *f.Proven != (window{From: 10700 * ms, To: 41300 * ms}) {
		t.Errorf("proven %+v", *f.Proven)
	}
}

func TestTallyCountsByVerdict(t *testing.T) {
	checks := []reports.Check{{Verdict: reports.Pass}, {Verdict: reports.Fail}, {Verdict: reports.Pass}, {}, {Verdict: reports.Inconclusive}}
	if got, want := tally(checks), "5 checks: 1 failed, 2 inconclusive, 2 passed."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := tally(nil), "No check was made."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
