package reports

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gamedayhq/gameday/probes"
)

// The files of an evidence.
const (
	JournalFile  = "journal.ndjson"
	EvidenceFile = "evidence.json"
	ReportFile   = "report.html"
)

const (
	// maxLine bounds a line of the journal, for the writer and for the reader.
	maxLine = 16 << 20
	// groupEvery is how long samples are gathered before they are written and synced together. With the time that a sync
	// takes they are on disk within 100 ms.
	groupEvery = 50 * time.Millisecond
	// syncLimit is how long a disk may take before the record counts as lost.
	syncLimit = 30 * time.Second
	// maxBacklog bounds what waits for a disk that does not keep up.
	maxBacklog = 64 << 20
)

// line is one line of a journal: its number, the hash of the line before with its newline, and one of header, event, sample.
type line struct {
	N      int64          `json:"n"`
	Prev   string         `json:"prev"`
	Header *Header        `json:"header,omitempty"`
	Event  *Event         `json:"event,omitempty"`
	Sample *probes.Sample `json:"sample,omitempty"`
}

// Journal is the record of a drill as it grows: append only, each line chained to the one before by its hash. It is safe for
// concurrent use. Once a write failed every later call returns that error.
//
// One goroutine writes and syncs, so that a slow disk delays who waits for an event, and never a monitor.
type Journal struct {
	start  time.Time
	file   *os.File
	failed chan struct{} // closed with the first failure
	wake   chan struct{} // there is something to write soon
	hurry  chan struct{} // somebody waits for it
	quit   chan struct{}
	ended  chan struct{} // the writer is done

	mu     sync.Mutex
	chain  chain
	batch  *batch
	err    error // sticky
	closed bool
}

// batch is what is written and synced together.
type batch struct {
	lines bytes.Buffer
	done  chan struct{} // closed once it is on disk, or is not
	err   error         // read after done
}

func newBatch() *batch { return &batch{done: make(chan struct{})} }

// chain numbers and links lines.
type chain struct {
	n    int64
	prev string
}

// append encodes a line into the buffer, with its newline. A line that cannot be encoded leaves the chain as it was.
func (c *chain) append(to *bytes.Buffer, l line) error {
	l.N, l.Prev = c.n, c.prev
	raw, err := marshal(l)
	if err != nil {
		return fmt.Errorf("encode line %d of the journal: %w", c.n+1, err)
	}
	if len(raw) >= maxLine {
		return fmt.Errorf("encode line %d of the journal: %d bytes are more than a line may have (%d)", c.n+1, len(raw), maxLine)
	}
	raw = append(raw, '\n')
	to.Write(raw)
	c.n, c.prev = c.n+1, hashLine(raw)
	return nil
}

// hashLine returns the hash of a line with its newline.
func hashLine(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// errClosed is what a journal returns after Close.
var errClosed = errors.New("the journal is closed")

// Create makes a journal, refuses to touch one that is there, and writes its header. Its start is now: the header's Started is
// stamped with it, and all offsets count from it.
func Create(path string, header Header) (*Journal, error) {
	start := time.Now()
	header.Started = start.Round(0).UTC()
	return create(path, header, start)
}

func create(path string, header Header, start time.Time) (*Journal, error) {
	if header.Schema == "" {
		header.Schema = SchemaJournal
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("create journal: %w", err)
	}
	j := &Journal{
		start: start, file: file, batch: newBatch(),
		failed: make(chan struct{}), wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1),
		quit: make(chan struct{}), ended: make(chan struct{}),
	}
	go j.write()
	if err := errors.Join(j.put(line{Header: &header}, true), syncDir(filepath.Dir(path))); err != nil {
		return nil, errors.Join(fmt.Errorf("create journal: %w", err), j.Close())
	}
	return j, nil
}

// Start is the drill's monotonic zero: offsets count from it.
func (j *Journal) Start() time.Time { return j.start }

// Failed is closed once the record can no longer be kept: the drill must stop.
func (j *Journal) Failed() <-chan struct{} { return j.failed }

// Event appends the event and returns once it is on disk. A zero At is stamped with the time since the start, in one step
// with taking the event's place, so that the journal's order is the order in time.
func (j *Journal) Event(event Event) error { return j.put(line{Event: &event}, true) }

// Sample appends the sample, to be on disk within a tenth of a second. It never waits for the disk.
func (j *Journal) Sample(sample probes.Sample) error { return j.put(line{Sample: &sample}, false) }

// Sync returns once all that was appended before is on disk.
func (j *Journal) Sync() error {
	j.mu.Lock()
	if err := j.refusal(); err != nil {
		j.mu.Unlock()
		return err
	}
	b := j.batch
	j.mu.Unlock()
	return j.await(b)
}

// refusal is why nothing can be appended. The caller holds the lock.
func (j *Journal) refusal() error {
	if j.err == nil && j.closed {
		return errClosed
	}
	return j.err
}

func (j *Journal) put(l line, durable bool) error {
	j.mu.Lock()
	if err := j.refusal(); err != nil {
		j.mu.Unlock()
		return err
	}
	if l.Event != nil && l.Event.At == 0 {
		l.Event.At = time.Since(j.start)
	}
	if j.batch.lines.Len() > maxBacklog {
		j.fail(errors.New("write journal: the disk does not keep up"))
		defer j.mu.Unlock()
		return j.err
	}
	b := j.batch
	err := j.chain.append(&b.lines, l)
	j.mu.Unlock()
	if err != nil || !durable {
		signal(j.wake)
		return err
	}
	return j.await(b)
}

// await waits until the batch is on disk.
func (j *Journal) await(b *batch) error {
	signal(j.hurry)
	limit := time.NewTimer(syncLimit)
	defer limit.Stop()
	select {
	case <-b.done:
		return b.err
	case <-limit.C:
		j.mu.Lock()
		defer j.mu.Unlock()
		j.fail(fmt.Errorf("sync journal: not on disk within %v", syncLimit))
		return j.err
	}
}

// signal leaves a note in a channel that holds one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// fail keeps the first error for all later calls. The caller holds the lock.
func (j *Journal) fail(err error) {
	if j.err == nil {
		j.err = err
		close(j.failed)
	}
}

// write puts batches on disk until the journal is closed.
func (j *Journal) write() {
	defer close(j.ended)
	gather := time.NewTimer(0)
	<-gather.C
	for {
		select {
		case <-j.wake:
			gather.Reset(groupEvery)
			select {
			case <-gather.C:
			case <-j.hurry:
			case <-j.quit:
			}
			j.flush()
		case <-j.hurry:
			j.flush()
		case <-j.quit:
			j.flush()
			return
		}
	}
}

// flush writes and syncs the current batch and tells those who wait for it.
func (j *Journal) flush() {
	j.mu.Lock()
	b, sticky := j.batch, j.err
	j.batch = newBatch()
	j.mu.Unlock()
	defer close(b.done)
	if sticky != nil {
		b.err = sticky
		return
	}
	if b.lines.Len() == 0 {
		return
	}
	if b.err = j.store(b.lines.Bytes()); b.err != nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.fail(b.err)
	}
}

func (j *Journal) store(lines []byte) error {
	if _, err := j.file.Write(lines); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	if err := j.file.Sync(); err != nil {
		return fmt.Errorf("sync journal: %w", err)
	}
	return nil
}

// Close writes what is left, syncs and closes the file. It returns the error that ended the record early, if one did.
// A second Close does nothing.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.closed {
		defer j.mu.Unlock()
		return nil
	}
	j.closed = true
	j.mu.Unlock()
	close(j.quit)
	limit := time.NewTimer(syncLimit)
	defer limit.Stop()
	select {
	case <-j.ended:
	case <-limit.C:
		return fmt.Errorf("close journal: not on disk within %v", syncLimit)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.file.Close(); err != nil {
		return errors.Join(j.err, fmt.Errorf("close journal: %w", err))
	}
	return j.err
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
