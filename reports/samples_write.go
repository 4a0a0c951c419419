package reports

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/gamedayhq/gameday/probes"
)

const (
	// blockEvery is how old the oldest row of a tail may become before the tail is compressed.
	blockEvery = time.Minute
	// blockRows and blockBytes are how long a tail may become.
	blockRows  = 64 << 10
	blockBytes = 8 << 20
	// blockLevel of compression: a day of 100 samples a second is below 50 MB by a margin, at a third of a microsecond a row.
	blockLevel = 3
)

// block gathers the rows that will be compressed together: each monitor's for itself, for what is alike compresses well.
type block struct {
	number   int64
	monitors []MonitorInfo
	order    []*track
	byName   map[string]*track
	rows     int64
	bytes    int
	since    time.Time // when its first row came
}

func newBlock(monitors []MonitorInfo, now time.Time) *block {
	b := &block{monitors: monitors, since: now}
	b.order, b.byName = tracks(monitors)
	return b
}

// successor returns the block after it, empty.
func (b *block) successor() *block {
	next := newBlock(b.monitors, time.Time{})
	next.number = b.number + 1
	for i, t := range next.order {
		t.rows = make([]byte, 0, len(b.order[i].rows))
	}
	return next
}

// append writes a sample into the block and the batch.
func (b *block) append(to *batch, s probes.Sample) error {
	t, known := b.byName[s.Monitor]
	if !known {
		return fmt.Errorf("record sample: %q is no monitor of the drill", s.Monitor)
	}
	if what := t.problem(s); what != "" {
		return fmt.Errorf("record sample: slot %d of %q: %s", s.Slot, s.Monitor, what)
	}
	if b.rows == 0 {
		b.since = time.Now()
	}
	at := len(to.rows)
	to.rows = t.append(to.rows, s)
	t.rows = append(t.rows, to.rows[at:]...)
	b.rows++
	b.bytes += len(to.rows) - at
	return nil
}

func (b *block) full() bool {
	return b.rows >= blockRows || b.bytes >= blockBytes || b.rows > 0 && time.Since(b.since) >= blockEvery
}

// member is a block, compressed, as it goes into the file.
type member struct {
	blockLine
	bytes []byte
	err   error
}

// seal compresses the block: a gzip member of its own, so that all members one after the other are one gzip file.
func (b *block) seal() member {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, blockLevel)
	if err != nil {
		return member{err: fmt.Errorf("compress samples: %w", err)}
	}
	if b.number == 0 {
		_, err = w.Write([]byte(rowHeader))
	}
	for _, t := range b.order {
		if err == nil {
			_, err = w.Write(t.rows)
		}
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return member{err: fmt.Errorf("compress samples: %w", err)}
	}
	sum := sha256.Sum256(out.Bytes())
	return member{
		blockLine: blockLine{Number: b.number, Rows: b.rows, Size: int64(out.Len()), SHA256: hex.EncodeToString(sum[:])},
		bytes:     out.Bytes(),
	}
}

// sampleFiles are the samples on disk. They belong to the goroutine that writes.
type sampleFiles struct {
	dir     string
	file    *os.File // of the compressed blocks
	blocks  int64
	rows    int64 // in them
	size    int64
	sealing bool     // a block is being compressed
	tail    *os.File // nil until there is a row for it
	number  int64    // of the block whose rows go into the tail
}

// tailName is the name of the file that holds the rows of a block until it is compressed.
func tailName(number int64) string { return fmt.Sprintf("samples.%06d.csv", number) }

// append puts rows into the tail, on disk.
func (f *sampleFiles) append(rows []byte) error {
	if f.tail == nil {
		var err error
		if f.tail, err = createNew(filepath.Join(f.dir, tailName(f.number))); err != nil {
			return fmt.Errorf("write samples: %w", err)
		}
		if _, err := f.tail.WriteString(rowHeader); err != nil {
			return fmt.Errorf("write samples: %w", err)
		}
		if err := syncDir(f.dir); err != nil {
			return fmt.Errorf("write samples: %w", err)
		}
	}
	if _, err := f.tail.Write(rows); err != nil {
		return fmt.Errorf("write samples: %w", err)
	}
	if err := f.tail.Sync(); err != nil {
		return fmt.Errorf("sync samples: %w", err)
	}
	return nil
}

// turn ends the tail: the rows after it are another block's.
func (f *sampleFiles) turn() error {
	tail := f.tail
	f.tail = nil
	f.number++
	if tail == nil {
		return nil
	}
	if err := tail.Close(); err != nil {
		return fmt.Errorf("close samples: %w", err)
	}
	return nil
}

// keep appends a block to the file of compressed ones, on disk, and says where it is.
func (f *sampleFiles) keep(m *member) error {
	if _, err := f.file.Write(m.bytes); err != nil {
		return fmt.Errorf("write samples: %w", err)
	}
	if err := f.file.Sync(); err != nil {
		return fmt.Errorf("sync samples: %w", err)
	}
	m.Offset = f.size
	f.size += m.Size
	f.rows += m.Rows
	f.blocks++
	return nil
}

func (f *sampleFiles) removeTail(number int64) error {
	if err := os.Remove(filepath.Join(f.dir, tailName(number))); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove samples that are in a block: %w", err)
	}
	return nil
}

func (f *sampleFiles) close() error {
	var err error
	if f.tail != nil {
		err = f.tail.Close()
	}
	return errors.Join(err, f.file.Close())
}

// createNew creates a file to append to, and refuses to touch one that is there.
func createNew(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o644)
}

// syncDir makes a new or renamed name in a folder last.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open folder: %w", err)
	}
	if err := dir.Sync(); err != nil {
		return errors.Join(fmt.Errorf("sync folder: %w", err), dir.Close())
	}
	return dir.Close()
}
