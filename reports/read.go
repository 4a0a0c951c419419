package reports

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"os"
	"path/filepath"

	"github.com/gamedayhq/gameday/probes"
)

// State tells how whole a journal is.
type State struct {
	// Complete: the journal ends in good order, with DrillEnded as its last line.
	Complete bool
	// Torn: the last line is cut, as a kill or a full disk leaves it. It is no tampering; the line is not read.
	Torn   bool
	TornAt int64 // offset of the cut line
	// File is the journal's name and content, the cut line included.
	File FileDigest
}

// TamperError tells that a journal is not what a drill wrote.
type TamperError struct {
	Line int64 // 1 is the first
	What string
}

// Error names the line.
func (e *TamperError) Error() string { return fmt.Sprintf("journal line %d: %s", e.Line, e.What) }

// ErrNoHeader tells that a journal was cut before anything was recorded.
var ErrNoHeader = errors.New("the journal holds no whole header: it was cut before anything was recorded")

// Read reads a journal and checks every link of its chain. Events are kept in memory; samples are read from the file again
// each time that they are ranged over.
//
// What a kill leaves is no error: State says it. A [*TamperError] comes with the record as far as it can be believed.
func Read(path string) (Record, State, error) {
	file, err := os.Open(path)
	if err != nil {
		return Record{}, State{}, fmt.Errorf("read journal: %w", err)
	}
	r := &journalReader{lines: newLineReader(file), sum: sha256.New()}
	readErr := r.all()
	if err := file.Close(); err != nil {
		readErr = errors.Join(readErr, err)
	}
	r.state.File.Path = filepath.Base(path)
	r.record.Samples = samplesOf(path, r.sound)
	var tampered *TamperError
	if readErr != nil && !errors.As(readErr, &tampered) && !errors.Is(readErr, ErrNoHeader) {
		return Record{}, State{}, fmt.Errorf("read journal: %w", readErr)
	}
	return r.record, r.state, readErr
}

// journalReader checks a journal line by line.
type journalReader struct {
	lines  *lineReader
	sum    hash.Hash
	chain  chain
	record Record
	state  State
	sound  int64 // lines that are believed
	last   Kind  // of the last line, when it is an event
}

func (r *journalReader) all() error {
	first := r.check()
	// The digest is of the whole file, also when a line is not believed.
	for r.lines.err == nil {
		if raw, whole := r.lines.next(); raw != nil {
			r.count(raw, whole)
		}
	}
	r.state.File.SHA256 = hex.EncodeToString(r.sum.Sum(nil))
	if !errors.Is(r.lines.err, io.EOF) {
		return r.lines.err
	}
	if first == nil && r.sound == 0 {
		return ErrNoHeader
	}
	r.state.Complete = first == nil && !r.state.Torn && r.last == DrillEnded
	return first
}

func (r *journalReader) count(raw []byte, whole bool) {
	r.sum.Write(raw)
	r.state.File.Size += int64(len(raw))
	if whole {
		r.state.File.Lines++
	}
}

// check reads lines until the end or the first one that cannot be believed.
func (r *journalReader) check() error {
	for {
		at := r.state.File.Size
		raw, whole := r.lines.next()
		if raw == nil {
			return nil
		}
		r.count(raw, whole)
		if len(raw) > maxLine {
			return r.tampered(fmt.Sprintf("is longer than a line may be (%d bytes)", maxLine))
		}
		if !whole {
			r.state.Torn, r.state.TornAt = true, at
			return nil
		}
		if what := r.take(raw); what != "" {
			return r.tampered(what)
		}
		r.sound++
	}
}

func (r *journalReader) tampered(what string) error {
	return &TamperError{Line: r.sound + 1, What: what}
}

// take believes a line, or says why not.
func (r *journalReader) take(raw []byte) string {
	var l line
	if err := strict(raw, &l); err != nil {
		return fmt.Sprintf("is not readable: %v", err)
	}
	switch {
	case l.N != r.chain.n:
		return fmt.Sprintf("has number %d, want %d: a line is missing, doubled or out of place", l.N, r.chain.n)
	case l.Prev != r.chain.prev:
		return "does not follow from the line before: one of them was changed"
	case countSet(l) != 1:
		return fmt.Sprintf("holds %d of header, event and sample, want one", countSet(l))
	case r.chain.n == 0 && l.Header == nil:
		return "is no header, and the first must be one"
	case r.chain.n > 0 && l.Header != nil:
		return "is a second header"
	case l.Header != nil && l.Header.Schema != SchemaJournal:
		return fmt.Sprintf("has schema %q, want %q", l.Header.Schema, SchemaJournal)
	}
	r.last = ""
	if l.Header != nil {
		r.record.Header = *l.Header
	}
	if l.Event != nil {
		r.record.Events = append(r.record.Events, *l.Event)
		r.last = l.Event.Kind
	}
	r.chain = chain{n: r.chain.n + 1, prev: hashLine(raw)}
	return ""
}

func countSet(l line) (n int) {
	for _, set := range []bool{l.Header != nil, l.Event != nil, l.Sample != nil} {
		if set {
			n++
		}
	}
	return n
}

// samplesOf yields the samples among the first lines of a journal. A sample that cannot be read any more is yielded as one
// without an outcome, which the judge counts against the record: what was not read again is never passed over.
func samplesOf(path string, lines int64) iter.Seq[probes.Sample] {
	return func(yield func(probes.Sample) bool) {
		unreadable := func(err error) { yield(probes.Sample{Detail: "read the journal again: " + err.Error()}) }
		file, err := os.Open(path)
		if err != nil {
			unreadable(err)
			return
		}
		defer file.Close() //nolint:errcheck // it was only read
		reader := newLineReader(file)
		for range lines {
			raw, whole := reader.next()
			if raw == nil || !whole {
				unreadable(fmt.Errorf("it became shorter: %w", reader.err))
				return
			}
			var l line
			if err := strict(raw, &l); err != nil {
				unreadable(err)
				return
			}
			if l.Sample != nil && !yield(*l.Sample) {
				return
			}
		}
	}
}

// lineReader reads lines of bounded length.
type lineReader struct {
	from *bufio.Reader
	err  error // why there is no next line
	long bytes.Buffer
}

func newLineReader(from io.Reader) *lineReader {
	return &lineReader{from: bufio.NewReaderSize(from, 64<<10)}
}

// next returns the next line with its newline, or the rest of the file, which is not whole; nil at the end. Of a line that is
// too long it returns a part that is longer than is allowed. The bytes are good until the next call.
func (r *lineReader) next() (raw []byte, whole bool) {
	if r.err != nil {
		return nil, false
	}
	r.long.Reset()
	for {
		part, err := r.from.ReadSlice('\n')
		if err == nil && r.long.Len() == 0 {
			return part, true
		}
		r.long.Write(part)
		switch {
		case err == nil:
			return r.long.Bytes(), true
		case errors.Is(err, bufio.ErrBufferFull):
			if r.long.Len() > maxLine {
				return r.long.Bytes(), false
			}
		default:
			r.err = err
			if r.long.Len() == 0 {
				return nil, false
			}
			return r.long.Bytes(), false
		}
	}
}
