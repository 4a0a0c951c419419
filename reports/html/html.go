// Package html writes a drill's evidence as one page that a person can read.
//
// The page is a single file: it needs no script, no font and no other resource, so it reads the same years later from a
// folder of evidence, on paper, and in a mail. It tells what the evidence tells and judges nothing. Samples are drawn in a
// fixed number of columns, of which each shows the worst that it holds: the page stays small, and no bad sample is hidden.
package html

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"iter"
	"strings"
	"time"
	"unicode"

	"github.com/gamedayhq/gameday/probes"
	"github.com/gamedayhq/gameday/reports"
)

//go:embed report.css *.tmpl
var files embed.FS

var pages = template.Must(template.New("page.tmpl").Funcs(template.FuncMap{
	"offset": offset, "span": span, "count": count, "size": size, "css": css, "pair": newPair, "sentence": sentence,
	"minus": func(to, from time.Duration) time.Duration { return to - from },
}).ParseFS(files, "*.tmpl"))

// pair hands two values to a template that is called with one.
type pair struct{ First, Second any }

func newPair(first, second any) pair { return pair{first, second} }

// css hands the style sheet to the template, which trusts it because it is ours.
func css() (template.CSS, error) {
	text, err := files.ReadFile("report.css")
	if err != nil {
		return "", fmt.Errorf("read the style sheet: %w", err)
	}
	return template.CSS(text), nil
}

// Write writes the report of an evidence and its samples. It ranges over the samples once and keeps none of them; the same
// evidence and samples give the same bytes.
func Write(w io.Writer, ev reports.Evidence, samples iter.Seq[probes.Sample]) error {
	strips := newStrips(ev)
	if samples != nil {
		for s := range samples {
			strips.add(s)
		}
	}
	var out bytes.Buffer
	if err := pages.Execute(&out, newPage(ev, strips)); err != nil {
		return fmt.Errorf("render the report of drill %q: %w", ev.Run, err)
	}
	if _, err := io.WriteString(w, printable(out.String())); err != nil {
		return fmt.Errorf("write the report of drill %q: %w", ev.Run, err)
	}
	return nil
}

// printable makes visible what could mislead a reader or a parser: bytes that are no text, control characters, and marks that
// turn the direction of text. The page's own text has none, so all of them come from what was recorded.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\r':
			return -1
		case unicode.IsControl(r), r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069', r == '\u200e', r == '\u200f',
			r == '\ufffe', r == '\uffff':
			return unicode.ReplacementChar
		default:
			return r
		}
	}, strings.ToValidUTF8(text, "\ufffd"))
}
