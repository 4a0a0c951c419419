package html

import (
	"strconv"
	"strings"
	"time"

	"github.com/gamedayhq/gameday/probes"
	"github.com/gamedayhq/gameday/reports"
)

// columns is into how many stretches of equal length a drill is cut for drawing, however long it is.
const columns = 960

// The bits of what a column holds.
const (
	hasGood uint8 = 1 << iota
	hasBad
	hasMissed
)

// column is what became of all slots of one stretch of one monitor.
type column struct {
	holds    uint8
	min, max time.Duration // of good answers
}

// strip gathers a monitor's samples into columns.
type strip struct {
	every             time.Duration
	cells             [columns]column
	good, bad, missed int64
}

// strips holds a strip for each monitor that the drill names, and one for samples of any other.
type strips struct {
	total  time.Duration
	byName map[string]*strip
	others strip
}

func newStrips(ev reports.Evidence) *strips {
	s := &strips{total: length(ev), byName: map[string]*strip{}}
	for _, m := range ev.Drill.Monitors {
		s.byName[m.Name] = &strip{every: m.Every}
	}
	return s
}

// length is how much time the picture shows: all that was recorded.
func length(ev reports.Evidence) time.Duration {
	total := max(ev.Ended, time.Millisecond)
	for _, e := range ev.Timeline {
		total = max(total, e.At)
	}
	return total
}

// at returns the column of a time; what lies outside is drawn at the edge, not left out.
func (s *strips) at(d time.Duration) int {
	return min(max(int(float64(d)/float64(s.total)*columns), 0), columns-1)
}

func (s *strips) add(sample probes.Sample) {
	one, ok := s.byName[sample.Monitor]
	if !ok {
		one = &s.others
	}
	// A slot lasts until the next one is due: it fills all columns of that stretch.
	from, to := s.at(sample.Due), s.at(sample.Due+max(one.every-1, 0))
	holds := one.note(sample.Outcome)
	for i := from; i <= max(from, to); i++ {
		cell := &one.cells[i]
		if holds == hasGood {
			if cell.holds&hasGood == 0 || sample.Took < cell.min {
				cell.min = sample.Took
			}
			cell.max = max(cell.max, sample.Took)
		}
		cell.holds |= holds
	}
}

// note counts an outcome. One that is none counts as missed: what is not understood is never good.
func (s *strip) note(outcome probes.Outcome) uint8 {
	switch outcome {
	case probes.Good:
		s.good++
		return hasGood
	case probes.Bad:
		s.bad++
		return hasBad
	default:
		s.missed++
		return hasMissed
	}
}

// The strip's own measures, in its view box.
const (
	goodTop, line, missedEnd = 13, 24, 32 // bad ones reach from 0 to line
)

// paths draws the strip: good columns low, bad ones tall, missed ones hanging below the line.
type paths struct{ Good, Bad, Missed string }

func (s *strip) paths() paths {
	return paths{
		Good:   s.boxes(goodTop, line, func(c column) bool { return c.holds == hasGood }),
		Bad:    s.boxes(0, line, func(c column) bool { return c.holds&hasBad != 0 }),
		Missed: s.boxes(line, missedEnd, func(c column) bool { return c.holds&hasMissed != 0 }),
	}
}

// boxes draws one box for each run of columns that are in.
func (s *strip) boxes(top, bottom int, in func(column) bool) string {
	var b strings.Builder
	s.runs(in, func(from, to int) {
		for _, part := range []struct {
			letter string
			value  int
		}{{"M", from}, {" ", top}, {"H", to}, {"V", bottom}, {"H", from}} {
			b.WriteString(part.letter)
			b.WriteString(strconv.Itoa(part.value))
		}
		b.WriteByte('Z')
	})
	return b.String()
}

// runs calls each with every longest run [from, to) of columns that are in.
func (s *strip) runs(in func(column) bool, each func(from, to int)) {
	for from := 0; from < columns; from++ {
		if !in(s.cells[from]) {
			continue
		}
		to := from + 1
		for to < columns && in(s.cells[to]) {
			to++
		}
		each(from, to)
		from = to
	}
}
