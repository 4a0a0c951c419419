package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/gamedayhq/gameday/suites/lab"
)

// labProgress shows the work on a lab: a line for each step that took a while, and
// what is at work in a live line on a terminal or in a line now and then.
type labProgress struct {
	w      io.Writer
	file   *os.File // the terminal; nil: none
	drawn  time.Time
	detail map[string]string
	open   bool // the live line is drawn
	every  bool // short steps are told too
}

const (
	worthALine = 500 * time.Millisecond // steps that were shorter are not told
	plainEvery = 15 * time.Second
)

func newLabProgress(w io.Writer) *labProgress {
	p := &labProgress{w: w, drawn: time.Now(), detail: map[string]string{}}
	if file, ok := w.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		p.file = file
	}
	return p
}

// show is called by one goroutine at a time.
func (p *labProgress) show(at lab.Progress) {
	if at.Notice {
		p.print("%s %s\n", at.Step, at.Detail)
		return
	}
	if at.Step != "" {
		p.detail[at.Step] = at.Detail
	}
	if at.Done && (at.Took >= worthALine || p.every) {
		p.print("%6.1fs  %s (%.1fs), %d of %d left\n", at.Elapsed.Seconds(), at.Step, at.Took.Seconds(), at.Left, at.Steps)
	}
	if len(at.Working) == 0 {
		return
	}
	var working []string
	for _, name := range at.Working {
		if detail := p.detail[name]; detail != "" {
			name += " (" + detail + ")"
		}
		working = append(working, name)
	}
	text := fmt.Sprintf("%6.1fs  … %s, %d of %d left", at.Elapsed.Seconds(), strings.Join(working, "; "), at.Left, at.Steps)
	switch {
	case p.file != nil && time.Since(p.drawn) >= redrawEvery:
		p.drawn = time.Now()
		p.draw(text)
	case p.file == nil && time.Since(p.drawn) >= plainEvery:
		p.drawn = time.Now()
		p.print("%s\n", text)
	}
}

// draw puts the live line in place of the old one, cut to the terminal's width.
func (p *labProgress) draw(text string) {
	width, _, err := term.GetSize(int(p.file.Fd()))
	if runes := []rune(text); err == nil && width > 1 && len(runes) >= width {
		text = string(runes[:width-2]) + "…"
	}
	p.print("%s", text)
	p.open = true
}

// print wipes the live line first. A progress line that cannot be written must not
// end the work, so its error is let go.
func (p *labProgress) print(format string, args ...any) {
	if p.open {
		_, _ = io.WriteString(p.w, "\r\x1b[K")
		p.open = false
	}
	_, _ = fmt.Fprintf(p.w, format, args...)
}

func (p *labProgress) close() { p.print("") }
