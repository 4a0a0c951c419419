package reports

import (
	"bytes"
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
	SamplesFile  = "samples.csv.gz"
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

// Journal is the record of a drill as it grows: append only, each line chained to the one before by its hash. It is safe for
// concurrent use. Once a write failed every later call returns that error.
//
// Samples stand in files beside it: the newest ones plain in a tail, and all before them compressed, in blocks that the journal
// names with their digests.
//
// One goroutine writes and syncs, so that a slow disk delays who waits for an event, and never a monitor.
type Journal struct {
	start  time.Time
	file   *os.File
	disk   sampleFiles   // the writer's
	sealed chan member   // a block that is compressed, for the writer
	failed chan struct{} // closed with the first failure
	wake   chan struct{} // there is something to write soon
	hurry  chan struct{} // somebody waits for it
	quit   chan struct{}
	ended  chan struct{} // the writer is done

	mu     sync.Mutex
	chain  chain
	batch  *batch
	block  *block // that samples go into
	err    error  // sticky
	closed bool
}

// batch is what is written and synced together.
type batch struct {
	lines bytes.Buffer
	rows  []byte        // of samples
	done  chan struct{} // closed once it is on disk, or is not
	err   error         // read after done
}

func newBatch() *batch { return &batch{done: make(chan struct{})} }

func (b *batch) len() int { return b.lines.Len() + len(b.rows) }

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
	file, err := createNew(path)
	if err != nil {
		return nil, fmt.Errorf("create journal: %w", err)
	}
	samples, err := createNew(filepath.Join(filepath.Dir(path), SamplesFile))
	if err != nil {
		return nil, fmt.Errorf("create journal: %w", errors.Join(err, file.Close(), os.Remove(path)))
	}
	j := &Journal{
		start: start, file: file, batch: newBatch(), block: newBlock(header.Drill.Monitors, start),
		disk: sampleFiles{dir: filepath.Dir(path), file: samples}, sealed: make(chan member, 1),
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
func (j *Journal) Event(event Event) error { return j.put(line{Event: &event, stamp: true}, true) }

// Sample appends the sample, to be on disk within a tenth of a second. It never waits for the disk. A sample that no monitor of
// the drill can have made is an error, and leaves the journal as it was.
func (j *Journal) Sample(sample probes.Sample) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.refusal(); err != nil {
		return err
	}
	before := j.batch.len()
	if before > maxBacklog {
		j.fail(errBacklog)
		return j.err
	}
	if err := j.block.append(j.batch, sample); err != nil {
		return err
	}
	if before == 0 {
		signal(j.wake)
	}
	return nil
}

var errBacklog = errors.New("write journal: the disk does not keep up")

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
	if l.stamp && l.Event.At == 0 {
		l.Event.At = time.Since(j.start)
	}
	if j.batch.len() > maxBacklog {
		j.fail(errBacklog)
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
		case m := <-j.sealed:
			j.keep(m)
		case <-j.quit:
			j.flush()
			j.finish()
			return
		}
	}
}

// flush writes and syncs the current batch and tells those who wait for it. A block that is full, or old, is handed over to be
// compressed, and the samples after it go into a new one.
func (j *Journal) flush() {
	j.mu.Lock()
	b, sticky := j.batch, j.err
	j.batch = newBatch()
	j.batch.rows = make([]byte, 0, len(b.rows))
	var full *block
	if !j.disk.sealing && j.block.full() {
		full = j.block
		j.block = full.successor()
	}
	j.mu.Unlock()
	defer close(b.done)
	if sticky != nil {
		b.err = sticky
		return
	}
	if b.err = j.store(b); b.err == nil && full != nil {
		b.err = j.disk.turn()
		j.disk.sealing = true
		go func() { j.sealed <- full.seal() }()
	}
	if b.err != nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.fail(b.err)
	}
}

// store puts a batch on disk: samples first, so that no line tells of what is not there.
func (j *Journal) store(b *batch) error {
	if len(b.rows) > 0 {
		if err := j.disk.append(b.rows); err != nil {
			return err
		}
	}
	if b.lines.Len() == 0 {
		return nil
	}
	if _, err := j.file.Write(b.lines.Bytes()); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	if err := j.file.Sync(); err != nil {
		return fmt.Errorf("sync journal: %w", err)
	}
	return nil
}

// keep puts a compressed block on disk, has the journal tell of it, and only then removes the tail that holds the same rows:
// whenever this is cut short, each row is read once.
func (j *Journal) keep(m member) {
	j.disk.sealing = false
	if j.failure() != nil {
		return
	}
	err := m.err
	if err == nil {
		err = j.disk.keep(&m)
	}
	if err == nil && j.tell(line{Block: &m.blockLine}) == nil {
		err = j.disk.removeTail(m.Number)
	}
	if err != nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.fail(err)
	}
}

// tell puts a line of the journal's own on disk.
func (j *Journal) tell(l line) error {
	j.mu.Lock()
	if err := j.chain.append(&j.batch.lines, l); err != nil {
		j.fail(err)
	}
	j.mu.Unlock()
	j.flush()
	return j.failure()
}

func (j *Journal) failure() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}

// finish seals what is in the tail and ends the journal in good order.
func (j *Journal) finish() {
	for j.disk.sealing {
		j.keep(<-j.sealed)
	}
	j.mu.Lock()
	rest := j.block
	j.block = rest.successor()
	j.mu.Unlock()
	if j.failure() == nil && (rest.rows > 0 || j.disk.blocks == 0) {
		m := rest.seal()
		m.err = errors.Join(m.err, j.disk.turn())
		j.keep(m)
	}
	if j.failure() == nil {
		end := endLine{Blocks: j.disk.blocks, Rows: j.disk.rows, Size: j.disk.size}
		_ = j.tell(line{End: &end}) // Close returns its error
	}
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
	if err := errors.Join(j.disk.close(), j.file.Close()); err != nil {
		return errors.Join(j.err, fmt.Errorf("close journal: %w", err))
	}
	return j.err
}
