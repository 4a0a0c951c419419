package html

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// latencyHeight is the height of the latency picture's view box, and of the picture in pixels.
const latencyHeight = 48

// latency draws the time to a good answer over the drill on a logarithmic scale: the band from the fastest to the slowest answer
// of each column, and a line at the slowest.
type latency struct {
	Band, Slowest string
	Grid          []gridLine
}

// gridLine marks a round latency.
type gridLine struct {
	Y     string // of the line, pixels
	TextY string // of its label's base line
	Label string
}

// scale maps latencies to heights.
type scale struct{ low, high float64 } // decimal logarithms of nanoseconds

func (s scale) y(d time.Duration) float64 {
	part := (math.Log10(float64(max(d, 1))) - s.low) / (s.high - s.low)
	return latencyHeight * (1 - min(max(part, 0), 1))
}

// latency returns nil when there was no good answer.
func (s *strip) latency() *latency {
	fastest, slowest := time.Duration(math.MaxInt64), time.Duration(0)
	for _, c := range s.cells {
		if c.holds&hasGood != 0 {
			fastest, slowest = min(fastest, c.min), max(slowest, c.max)
		}
	}
	if slowest == 0 {
		return nil
	}
	sc := scale{math.Floor(math.Log10(float64(max(fastest, 1)))), math.Ceil(math.Log10(float64(slowest)))}
	if sc.high <= sc.low {
		sc.high = sc.low + 1
	}
	out := &latency{Grid: sc.grid()}
	var band, top strings.Builder
	s.runs(func(c column) bool { return c.holds&hasGood != 0 }, func(from, to int) {
		outline(&top, s.edge(from, to, sc, func(c column) time.Duration { return c.max }))
		outline(&band, s.edge(from, to, sc, func(c column) time.Duration { return c.max }))
		bottom := s.edge(from, to, sc, func(c column) time.Duration { return c.min })
		for i := len(bottom) - 1; i >= 0; i-- {
			band.WriteString("V" + bottom[i].y + "H" + strconv.Itoa(bottom[i].from))
		}
		band.WriteByte('Z')
	})
	out.Band, out.Slowest = band.String(), top.String()
	return out
}

// stair is a stretch of columns at one height.
type stair struct {
	from, to int
	y        string
}

// edge gives a run's heights as stairs.
func (s *strip) edge(from, to int, sc scale, of func(column) time.Duration) []stair {
	var out []stair
	for i := from; i < to; i++ {
		y := strconv.FormatFloat(math.Round(sc.y(of(s.cells[i]))*4)/4, 'f', -1, 64)
		if n := len(out); n > 0 && out[n-1].y == y {
			out[n-1].to = i + 1
			continue
		}
		out = append(out, stair{i, i + 1, y})
	}
	return out
}

func outline(b *strings.Builder, stairs []stair) {
	for i, st := range stairs {
		if i == 0 {
			b.WriteString("M" + strconv.Itoa(st.from) + " " + st.y)
		} else {
			b.WriteString("V" + st.y)
		}
		b.WriteString("H" + strconv.Itoa(st.to))
	}
}

// grid marks the decades, but no more than four.
func (s scale) grid() []gridLine {
	every := math.Max(1, math.Ceil((s.high-s.low)/3))
	var out []gridLine
	for e := s.low; e <= s.high+0.01; e += every {
		d := time.Duration(math.Round(math.Pow(10, e)))
		y := s.y(d)
		out = append(out, gridLine{
			Y:     strconv.FormatFloat(y, 'f', 1, 64),
			TextY: strconv.FormatFloat(min(max(y+3.5, 9), latencyHeight-1), 'f', 1, 64),
			Label: span(d),
		})
	}
	return out
}
