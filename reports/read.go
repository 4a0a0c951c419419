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

// State tells how whole a record is.
type State struct {
	// Complete: the record was closed in good order, after DrillEnded, and its samples are those that the journal tells of.
	Complete bool
	// Torn: the journal's last line is cut, as a kill or a full disk leaves it. It is no tampering; the line is not read.
	Torn   bool
	TornAt int64 // offset of the cut line
	// File is the journal's name and content, the cut line included.
	File FileDigest
	// Samples is the file of compressed samples; nil for a journal of the first version, which holds them itself.
	Samples *SamplesDigest
	// Tails are the files of the newest samples, which a record that was not closed leaves plain.
	Tails []FileDigest
	// Doubts say in words how the samples are less than whole without anybody having changed them.
	Doubts []string
}

// TamperError tells that a record is not what a drill wrote.
type TamperError struct {
	File string // name without folders
	Line int64  // of the journal, or row of samples; 1 is the first; 0: the file as a whole
	What string
}

// Error names the line or the row.
func (e *TamperError) Error() string {
	switch {
	case e.Line == 0:
		return e.What
	case e.File == JournalFile:
		return fmt.Sprintf("journal line %d: %s", e.Line, e.What)
	default:
		return fmt.Sprintf("row %d: %s", e.Line, e.What)
	}
}

// ErrNoHeader tells that a journal was cut before anything was recorded.
var ErrNoHeader = errors.New("the journal holds no whole header: it was cut before anything was recorded")

// Read reads a journal and checks every link of its chain, and the samples beside it against what it tells of them. Events are
// kept in memory; samples are read from the file again each time that they are ranged over. It may be called while the drill
// still records: all that was on disk when it began is read.
//
// What a kill leaves is no error: State says it. A [*TamperError] comes with the record as far as it can be believed.
func Read(path string) (Record, State, error) {
	dir := filepath.Dir(path)
	tails, err := readTails(dir) // before the journal: a tail that goes meanwhile is in a block that the journal tells of
	if err != nil {
		return Record{}, State{}, fmt.Errorf("read samples: %w", err)
	}
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
	var tampered *TamperError
	if readErr != nil && !errors.As(readErr, &tampered) && !errors.Is(readErr, ErrNoHeader) {
		return Record{}, State{}, fmt.Errorf("read journal: %w", readErr)
	}
	if r.record.Header.Schema != SchemaJournal {
		r.record.Samples = samplesOf(path, r.sound)
		return r.record, r.state, readErr
	}
	stored := storedSamples{path: filepath.Join(dir, SamplesFile), monitors: r.record.Header.Drill.Monitors, blocks: r.blocks}
	err = stored.check(&r.state, r.end, tails)
	if err != nil && !errors.As(err, &tampered) {
		return Record{}, State{}, fmt.Errorf("read samples: %w", err)
	}
	r.record.Samples = stored.all()
	if readErr == nil {
		readErr = err
	}
	r.state.Complete = r.state.Complete && readErr == nil && len(r.state.Doubts) == 0
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
	last   Kind  // of the last event; in the first version, of the last line, when it is an event
	blocks []blockLine
	end    *endLine
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
	closed := r.end != nil || r.record.Header.Schema == schemaJournal1
	r.state.Complete = first == nil && !r.state.Torn && r.last == DrillEnded && closed
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
	return &TamperError{File: JournalFile, Line: r.sound + 1, What: what}
}

// take believes a line, or says why not.
func (r *journalReader) take(raw []byte) string {
	var l line
	if err := DecodeStrict(raw, &l); err != nil {
		return fmt.Sprintf("is not readable: %v", err)
	}
	if what := r.misplaced(l); what != "" {
		return what
	}
	switch {
	case l.Header != nil:
		r.record.Header = *l.Header
	case l.Event != nil:
		r.record.Events = append(r.record.Events, *l.Event)
		r.last = l.Event.Kind
	case l.Sample != nil:
		r.last = ""
	case l.Block != nil:
		r.blocks = append(r.blocks, *l.Block)
	case l.End != nil:
		r.end = l.End
	}
	r.chain = chain{n: r.chain.n + 1, prev: hashLine(raw)}
	return ""
}

// misplaced says why a line cannot stand where it does.
func (r *journalReader) misplaced(l line) string {
	first := r.record.Header.Schema == schemaJournal1
	switch {
	case l.N != r.chain.n:
		return fmt.Sprintf("has number %d, want %d: a line is missing, doubled or out of place", l.N, r.chain.n)
	case l.Prev != r.chain.prev:
		return "does not follow from the line before: one of them was changed"
	case countSet(l) != 1:
		return fmt.Sprintf("holds %d of header, event, block and end, want one", countSet(l))
	case r.chain.n == 0 && l.Header == nil:
		return "is no header, and the first must be one"
	case r.chain.n > 0 && l.Header != nil:
		return "is a second header"
	case l.Header != nil && l.Header.Schema != SchemaJournal && l.Header.Schema != schemaJournal1:
		return fmt.Sprintf("has schema %q, want %q", l.Header.Schema, SchemaJournal)
	case r.end != nil:
		return "follows the end of the record"
	case l.Sample != nil && !first, (l.Block != nil || l.End != nil) && first:
		return "holds what a journal of its version does not"
	case l.Block != nil:
		return l.Block.misplaced(r.blocks)
	case l.End != nil && *l.End != endOf(r.blocks):
		return "does not tell of the samples that the lines before it tell of"
	default:
		return ""
	}
}

// misplaced says why a block cannot follow those before it.
func (b *blockLine) misplaced(before []blockLine) string {
	var offset int64
	if n := len(before); n > 0 {
		offset = before[n-1].Offset + before[n-1].Size
	}
	if b.Number != int64(len(before)) || b.Offset != offset || b.Rows < 0 || b.Rows > mostRows || b.Size <= 0 || b.Size > mostRows {
		return "tells of a block of samples that does not follow the one before"
	}
	return ""
}

// mostRows bounds the rows and the bytes of a block, so that no sum overflows.
const mostRows = 1 << 40

// endOf sums up blocks.
func endOf(blocks []blockLine) endLine {
	var end endLine
	if n := len(blocks); n > 0 {
		end.Size = blocks[n-1].Offset + blocks[n-1].Size
	}
	for _, b := range blocks {
		end.Rows += b.Rows
	}
	end.Blocks = int64(len(blocks))
	return end
}

func countSet(l line) (n int) {
	for _, set := range []bool{l.Header != nil, l.Event != nil, l.Block != nil, l.End != nil, l.Sample != nil} {
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
			if err := DecodeStrict(raw, &l); err != nil {
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
