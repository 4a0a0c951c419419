package reports

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"

	"github.com/gamedayhq/gameday/probes"
)

const (
	// chunkBytes is how much is decompressed before it is judged.
	chunkBytes = 256 << 10
	// chunksAhead is how far decompressing may be ahead of judging: each has a processor of its own where there are two.
	chunksAhead = 4
)

// chunk is some whole rows of a block.
type chunk struct {
	block int // which of the blocks
	rows  []byte
	last  bool  // of the block
	err   error // why there is nothing more
}

// unpack decompresses the blocks and yields their samples; false when there shall be no more.
func (f *storedSamples) unpack(reader *rowReader, yield func(probes.Sample) bool) bool {
	if len(f.blocks) == 0 {
		return true
	}
	full, empty, done := make(chan chunk, chunksAhead), make(chan []byte, chunksAhead), make(chan struct{})
	for range chunksAhead {
		empty <- nil
	}
	go func() {
		defer close(full)
		u := unpacker{full: full, empty: empty, done: done}
		if err := u.file(f); err != nil && !errors.Is(err, errDone) {
			_ = u.send(chunk{err: err}) // unless nobody wants it
		}
	}()
	defer func() {
		close(done)
		for range full { // until it has ended
		}
	}()
	t := taker{blocks: f.blocks, reader: reader, yield: yield, row: f.before, left: -1}
	for c := range full {
		wrong, more := t.take(c)
		if wrong != "" {
			yield(probes.Sample{Detail: SamplesFile + ": " + wrong})
		}
		if wrong != "" || !more {
			return false
		}
		empty <- c.rows[:0]
	}
	return true
}

// taker reads the rows of chunks.
type taker struct {
	blocks []blockLine
	reader *rowReader
	yield  func(probes.Sample) bool
	row    int64 // how many were read
	left   int64 // of the block; below zero: it has not begun
}

// take reads a chunk, says what is wrong with it, and whether there shall be more.
func (t *taker) take(c chunk) (wrong string, more bool) {
	if c.err != nil {
		return fmt.Sprintf("after row %d: %v", t.row, c.err), false
	}
	rows := c.rows
	if t.left < 0 {
		t.reader.restart()
		t.left = t.blocks[c.block].Rows
		if t.blocks[c.block].Number == 0 {
			var ok bool
			if rows, ok = bytes.CutPrefix(rows, []byte(rowHeader)); !ok {
				return "the names of the columns are not at its beginning", false
			}
		}
	}
	for len(rows) > 0 {
		end := bytes.IndexByte(rows, '\n')
		s, what := t.reader.read(rows[:end])
		t.row++
		if t.left == 0 {
			what = "is one more than the journal tells of"
		}
		t.left--
		if what != "" {
			return fmt.Sprintf("row %d %s", t.row, what), false
		}
		if !t.yield(s) {
			return "", false
		}
		rows = rows[end+1:]
	}
	if c.last {
		if t.left > 0 {
			return fmt.Sprintf("after row %d, %d rows are missing", t.row, t.left), false
		}
		t.left = -1
	}
	return "", true
}

var errDone = errors.New("nobody wants more")

// unpacker decompresses blocks into chunks.
type unpacker struct {
	full   chan<- chunk
	empty  <-chan []byte
	done   <-chan struct{}
	zip    *gzip.Reader
	rest   []byte // the beginning of a row whose end is in the next chunk
	broken error  // why the next chunk cannot be read
}

func (u *unpacker) file(f *storedSamples) (err error) {
	file, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	buffer := bufio.NewReaderSize(nil, 64<<10)
	for i, b := range f.blocks {
		buffer.Reset(io.NewSectionReader(file, b.Offset, b.Size))
		if err := u.block(i, buffer); err != nil {
			if errors.Is(err, errDone) {
				return err
			}
			return fmt.Errorf("block %d: %w", b.Number, err)
		}
	}
	return nil
}

// block decompresses one block: one gzip member and nothing else.
func (u *unpacker) block(number int, from *bufio.Reader) error {
	var err error
	if u.zip == nil {
		u.zip, err = gzip.NewReader(from)
	} else {
		err = u.zip.Reset(from)
	}
	if err != nil {
		return fmt.Errorf("decompress: %w", err)
	}
	u.zip.Multistream(false)
	u.rest = u.rest[:0]
	for last := false; !last; {
		c := chunk{block: number}
		if c.rows, last, err = u.fill(); err != nil {
			return err
		}
		c.last = last
		if last && len(u.rest) > 0 {
			return errors.New("its last row has no end")
		}
		if err := u.send(c); err != nil {
			return err
		}
	}
	if _, err := from.ReadByte(); !errors.Is(err, io.EOF) {
		return errors.New("something follows its samples")
	}
	return nil
}

// fill reads some whole rows and says whether they are the last.
func (u *unpacker) fill() (rows []byte, last bool, err error) {
	if u.broken != nil {
		return nil, false, u.broken
	}
	var buffer []byte
	select {
	case buffer = <-u.empty:
	case <-u.done:
		return nil, false, errDone
	}
	if cap(buffer) < len(u.rest)+chunkBytes {
		buffer = make([]byte, 0, len(u.rest)+chunkBytes+chunkBytes/8)
	}
	buffer = append(buffer, u.rest...)
	n, err := io.ReadFull(u.zip, buffer[len(buffer):len(u.rest)+chunkBytes])
	buffer = buffer[:len(u.rest)+n]
	last = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && u.ended()
	if err != nil && !last {
		u.broken = fmt.Errorf("decompress: %w", err) // after the rows before it
	}
	end := bytes.LastIndexByte(buffer, '\n') + 1
	if len(buffer)-end > maxRow {
		return nil, false, errors.New("a row is longer than it may be")
	}
	u.rest = append(u.rest[:0], buffer[end:]...)
	return buffer[:end], last, nil
}

// ended tells the end of a member from that of a file that was cut: ReadFull calls both unexpected.
func (u *unpacker) ended() bool {
	_, err := u.zip.Read(make([]byte, 1))
	return err == io.EOF //nolint:errorlint // a cut member gives another error
}

func (u *unpacker) send(c chunk) error {
	select {
	case u.full <- c:
		return nil
	case <-u.done:
		return errDone
	}
}
