package reports

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// inOrder returns the lines of a record as a drill would have written them: each at the time at which it was known.
func inOrder(record Record) []line {
	type timed struct {
		at time.Duration
		line
	}
	var lines []timed
	for _, e := range record.Events {
		lines = append(lines, timed{e.At, line{Event: &e}})
	}
	for s := range record.Samples {
		lines = append(lines, timed{s.Due + s.Took, line{Sample: &s}})
	}
	slices.SortStableFunc(lines, func(a, b timed) int { return int(a.at - b.at) })
	out := make([]line, 0, len(lines))
	for _, l := range lines {
		out = append(out, l.line)
	}
	return out
}

// journalOf writes a record in a journal of the first version, which holds its samples itself.
func journalOf(t testing.TB, record Record) []byte {
	t.Helper()
	record.Header.Schema = schemaJournal1
	var c chain
	var out bytes.Buffer
	if err := c.append(&out, line{Header: &record.Header}); err != nil {
		t.Fatal(err)
	}
	for _, l := range inOrder(record) {
		if err := c.append(&out, l); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

// oldEvidenceOf writes a journal of the first version and its evidence into a folder.
func oldEvidenceOf(t testing.TB, dir string, record Record) Evidence {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, JournalFile), journalOf(t, record), 0o644); err != nil {
		t.Fatal(err)
	}
	return concluded(t, dir)
}

func concluded(t testing.TB, dir string) Evidence {
	t.Helper()
	ev, err := Conclude(dir)
	if err != nil {
		t.Fatal(err)
	}
	return ev
}

// recording writes a record through a journal that is not closed yet, with its samples in some blocks.
func recording(t testing.TB, dir string, record Record, blocks int) *Journal {
	t.Helper()
	j, err := create(filepath.Join(dir, JournalFile), record.Header, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	lines := inOrder(record)
	for i, l := range lines {
		if l.Event != nil {
			err = j.put(l, false)
		} else {
			err = j.Sample(*l.Sample)
		}
		if err == nil && blocks > 1 && (i+1)%(len(lines)/blocks) == 0 && i+len(lines)/blocks/2 < len(lines) {
			err = cutBlock(j)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Sync(); err != nil {
		t.Fatal(err)
	}
	return j
}

// cutBlock has the block compressed as if it were old, and waits until the journal tells of it.
func cutBlock(j *Journal) error {
	j.mu.Lock()
	number, rows := j.block.number, j.block.rows
	j.block.since = time.Now().Add(-blockEvery)
	j.mu.Unlock()
	if rows == 0 {
		return nil
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if err := j.Sync(); err != nil {
			return err
		}
		if _, err := os.Stat(filepath.Join(j.disk.dir, tailName(number))); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.New("the block was not compressed")
		}
	}
}

// evidenceOf writes the journal, the samples and the evidence of a record into a folder. A record without an end is left as a
// kill leaves it.
func evidenceOf(t testing.TB, dir string, record Record) Evidence {
	t.Helper()
	return evidenceIn(t, dir, record, 1)
}

func evidenceIn(t testing.TB, dir string, record Record, blocks int) Evidence {
	t.Helper()
	j := recording(t, dir, record, blocks)
	n := len(record.Events)
	if n > 0 && record.Events[n-1].Kind == DrillEnded {
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		return concluded(t, dir)
	}
	left := t.TempDir()
	if err := errors.Join(os.CopyFS(filepath.Join(left, "copy"), os.DirFS(dir)), j.Close()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{JournalFile, SamplesFile} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(left, "copy"))); err != nil {
		t.Fatal(err)
	}
	return concluded(t, dir)
}
