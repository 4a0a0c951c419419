package reports

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// FuzzRow reads any bytes as a row: what is read is written as it stood, so that the same samples are always the same bytes.
func FuzzRow(f *testing.F) {
	for _, row := range []string{
		"shop,1,0,0,good,,", `"a,""b",7,83,4127,bad,refused,"dial: ""x"", y\n"`, `shop,0,1,2,missed,late,\\\r`,
		"shop,46116860184,999999999999999,1000000000000000,good,,", "shop,,0,0,good,,",
	} {
		f.Add([]byte(row))
	}
	monitors := []MonitorInfo{{Name: "shop", Every: every}, {Name: `a,"b`, Every: every}}
	f.Fuzz(func(t *testing.T, row []byte) {
		if bytes.IndexByte(row, '\n') >= 0 {
			return // rows are cut there
		}
		reader := newRowReader(monitors)
		for range 2 { // the second time from what is remembered
			reader.restart()
			s, wrong := reader.read(row)
			if wrong != "" {
				return
			}
			_, byName := tracks(monitors)
			track := byName[s.Monitor]
			if s.Took < maxTime { // which is where what is written is rounded up to
				if problem := track.problem(s); problem != "" && !strings.Contains(problem, "words") {
					t.Fatalf("%+v is read, and not written: %s", s, problem)
				}
			}
			if again := track.append(nil, s); string(again) != string(row)+"\n" {
				t.Fatalf("%q is read as %+v, which is %q", row, s, again)
			}
		}
	})
}

// FuzzSamples judges any bytes as the rows of a block that the journal tells of, and of a tail: no panic, no verdict that is none,
// what is derived verifies, and a drill passes only when every byte was read.
func FuzzSamples(f *testing.F) {
	dir := f.TempDir()
	record := small(f)
	evidenceOf(f, dir, record)
	whole := unzip(f, filepath.Join(dir, SamplesFile))
	f.Add(whole, []byte(nil))
	f.Add(whole[:len(whole)/2], whole)
	f.Add([]byte(rowHeader), []byte(rowHeader))
	f.Add(slices.Concat(whole, []byte("shop,100,0,0,good,,\n")), []byte("monitor"))
	f.Fuzz(func(t *testing.T, block, tail []byte) {
		dir := t.TempDir()
		writeForged(t, dir, record, block, tail)
		got, state, err := Read(filepath.Join(dir, JournalFile))
		var tampered *TamperError
		if err != nil {
			if !errors.As(err, &tampered) {
				t.Fatal(err)
			}
			return
		}
		ev := Derive(got, state)
		if ev.Verdict == Pass && (!state.Complete || len(tail) > 0 || rowsOf(t, got) != string(block)) {
			t.Fatalf("complete %v: it passes, and not all of it was read", state.Complete)
		}
		if err := Write(dir, ev); err != nil {
			t.Fatal(err)
		}
		if v, err := Verify(dir); err != nil || len(v.Differences) > 0 || v.Verdict != ev.Verdict || v.Verdict == 0 {
			t.Fatalf("%+v, %v", v, err)
		}
	})
}

// writeForged writes a record whose samples are the bytes of a block that the journal tells of, and of a tail.
func writeForged(t *testing.T, dir string, record Record, rows, tail []byte) {
	t.Helper()
	b := newBlock(record.Header.Drill.Monitors, record.Header.Started)
	b.number = 1                     // without the header row: it is among the bytes
	b.order = []*track{{rows: rows}} // as they are
	b.rows = int64(bytes.Count(rows, []byte{'\n'})) - 1
	m := b.seal()
	if m.err != nil {
		t.Fatal(m.err)
	}
	sum := sha256.Sum256(m.bytes)
	m.blockLine = blockLine{Rows: max(b.rows, 0), Size: int64(len(m.bytes)), SHA256: hex.EncodeToString(sum[:])}
	lines := []line{{Header: &record.Header}}
	for _, e := range record.Events {
		lines = append(lines, line{Event: &e})
	}
	end := endOf([]blockLine{m.blockLine})
	lines = append(lines, line{Block: &m.blockLine}, line{End: &end})
	var c chain
	var journal bytes.Buffer
	for _, l := range lines {
		if err := c.append(&journal, l); err != nil {
			t.Fatal(err)
		}
	}
	files := map[string][]byte{JournalFile: journal.Bytes(), SamplesFile: m.bytes}
	if len(tail) > 0 {
		files[tailName(1)] = tail
	}
	for name, raw := range files {
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// rowsOf writes the samples of a record as a block has them.
func rowsOf(t *testing.T, record Record) string {
	t.Helper()
	out := []byte(rowHeader)
	_, byName := tracks(record.Header.Drill.Monitors)
	for s := range record.Samples {
		out = byName[s.Monitor].append(out, s)
	}
	return string(out)
}
