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
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/gamedayhq/gameday/probes"
)

// gaps is a record of two monitors with samples of every kind, in several blocks.
func gaps(t testing.TB) Record {
	t.Helper()
	return watchAlert(t, without(timelineOf(t, "B+40b STID-4+3_2+31.2URVE+40MZ", avail(during("break"), 0.5)), "copy"), "+40 +4-10+66")
}

// byMonitor sorts samples as the judge sees them.
func byMonitor(samples []probes.Sample) map[string][]probes.Sample {
	out := map[string][]probes.Sample{}
	for _, s := range samples {
		out[s.Monitor] = append(out[s.Monitor], s)
	}
	return out
}

func sameSamples(t *testing.T, got, want Record) {
	t.Helper()
	a, b := byMonitor(slices.Collect(got.Samples)), byMonitor(slices.Collect(want.Samples))
	if len(a) != len(b) {
		t.Errorf("samples of %d monitors, want %d", len(a), len(b))
	}
	for name := range b {
		if !slices.Equal(a[name], b[name]) {
			t.Errorf("%s: %d samples, want %d:\n%+v\nwant\n%+v", name, len(a[name]), len(b[name]), a[name], b[name])
		}
	}
}

func TestSamplesAreReadBackAsWritten(t *testing.T) {
	for _, blocks := range []int{1, 2, 7} {
		dir := t.TempDir()
		ev := evidenceIn(t, dir, gaps(t), blocks)
		if !ev.Complete || ev.Samples.Blocks < int64(blocks) || ev.Samples.Rows == 0 || len(ev.Tails) > 0 {
			t.Fatalf("complete %v, samples %+v, tails %+v", ev.Complete, ev.Samples, ev.Tails)
		}
		record, _, err := Read(filepath.Join(dir, JournalFile))
		if err != nil {
			t.Fatal(err)
		}
		sameSamples(t, record, gaps(t))
		sameSamples(t, record, gaps(t)) // and again
		for range record.Samples {
			break // nothing is left behind
		}
		if names, err := filepath.Glob(filepath.Join(dir, "samples.*")); err != nil || len(names) != 1 {
			t.Errorf("files %q: %v", names, err)
		}
	}
}

// TestOtherToolsReadTheSamples: all members are one gzip file with one header row.
func TestOtherToolsReadTheSamples(t *testing.T) {
	dir := t.TempDir()
	evidenceIn(t, dir, gaps(t), 3)
	text := unzip(t, filepath.Join(dir, SamplesFile))
	if !bytes.HasPrefix(text, []byte(rowHeader)) || bytes.Count(text, []byte(rowHeader)) != 1 {
		t.Errorf("begins %q", text[:min(len(text), 100)])
	}
	if n, want := bytes.Count(text, []byte{'\n'}), len(slices.Collect(gaps(t).Samples))+1; n != want {
		t.Errorf("%d lines, want %d", n, want)
	}
}

func unzip(t testing.TB, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := out.ReadFrom(reader); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestAKillAtAnyPointOfSealing: a block goes into its file, then the journal tells of it, then the tail is removed. Between any
// two of these, with the samples after it in a tail of their own or not, each sample is read once.
func TestAKillAtAnyPointOfSealing(t *testing.T) {
	record := gaps(t)
	half := len(inOrder(record)) / 2
	for name, r := range map[string]struct {
		block, told, tail bool // what is there of the first half
		want              string
	}{
		"nothing of it is compressed":     {tail: true},
		"it is compressed":                {block: true, tail: true, want: "in no block that the journal tells of"},
		"the journal tells of it":         {block: true, told: true, tail: true},
		"its tail is gone":                {block: true, told: true},
		"its tail was taken away":         {block: true, want: "follows no samples"},
		"its tail and block were taken":   {want: "follows no samples"},
		"the journal tells of too much":   {told: true, want: "it ends at byte 0"},
		"the same, with the rows at hand": {told: true, tail: true, want: "it ends at byte 0"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			j := splitRecording(t, dir, record, half, r.told)
			copied := filepath.Join(t.TempDir(), "copy")
			if err := errors.Join(j.Sync(), os.CopyFS(copied, os.DirFS(dir))); err != nil {
				t.Fatal(err)
			}
			dir = copied
			if !r.block {
				tamper(t, dir, SamplesFile, func([]byte) []byte { return nil })
			}
			if !r.tail {
				if err := os.Remove(filepath.Join(dir, tailName(0))); err != nil {
					t.Fatal(err)
				}
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			got, state, err := Read(filepath.Join(dir, JournalFile))
			seen := strings.Join(state.Doubts, "; ")
			if err != nil {
				seen = err.Error()
			}
			if state.Complete || !strings.Contains(seen, r.want) {
				t.Errorf("complete %v: %q, want %q", state.Complete, seen, r.want)
			}
			if r.tail && !r.told || r.block && r.told {
				sameSamples(t, got, record)
			}
		})
	}
}

// splitRecording records a drill whose first half is a block: in its file and in its tail, and in the journal if it is told.
func splitRecording(t *testing.T, dir string, record Record, half int, told bool) *Journal {
	t.Helper()
	j, err := create(filepath.Join(dir, JournalFile), record.Header, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range inOrder(record) {
		if i == half {
			split(t, j, told)
		}
		if l.Event != nil {
			err = j.put(l, false)
		} else {
			err = j.Sample(*l.Sample)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return j
}

// split does by hand what sealing does, and leaves the tail. The writer rests, for nothing waits for it.
func split(t *testing.T, j *Journal, told bool) {
	t.Helper()
	if err := j.Sync(); err != nil {
		t.Fatal(err)
	}
	j.mu.Lock()
	full := j.block
	j.block = full.successor()
	j.mu.Unlock()
	m := full.seal()
	if err := errors.Join(m.err, j.disk.turn(), j.disk.keep(&m)); err != nil {
		t.Fatal(err)
	}
	if told {
		if err := j.put(line{Block: &m.blockLine}, true); err != nil {
			t.Fatal(err)
		}
	}
}

// TestATailCutAtAnyByteIsReadUpToThere: what a kill or a full disk leaves is read row by row, and is no tampering.
func TestATailCutAtAnyByteIsReadUpToThere(t *testing.T) {
	record := small(t)
	record.Events = record.Events[:len(record.Events)-2]
	dir := t.TempDir()
	ev := evidenceOf(t, dir, record)
	if len(ev.Tails) != 1 || ev.Verdict == Pass {
		t.Fatalf("%v, tails %+v", ev.Verdict, ev.Tails)
	}
	path := filepath.Join(dir, tailName(0))
	cutAtAnyByte(t, path, func(cut int, whole []byte) {
		neverPasses(t, dir, cut)
		got, state, err := Read(filepath.Join(dir, JournalFile))
		if err != nil {
			t.Fatalf("cut at byte %d: %v", cut, err)
		}
		torn := cut > 0 && whole[cut-1] != '\n'
		if said := strings.Contains(strings.Join(state.Doubts, "; "), "is cut"); said != torn {
			t.Fatalf("cut at byte %d: %q", cut, state.Doubts)
		}
		if n, want := len(slices.Collect(got.Samples)), max(0, bytes.Count(whole[:cut], []byte{'\n'})-1); n != want {
			t.Fatalf("cut at byte %d: %d samples, want %d", cut, n, want)
		}
	})
}

func TestAChangedTailIsNamedByRow(t *testing.T) {
	record := gaps(t)
	record.Events = record.Events[:len(record.Events)-2]
	for name, r := range map[string]struct {
		change func([]byte) []byte
		want   string
	}{
		"an outcome":      {swap(",bad,refused,", ",good,refused,"), "tails[0].sha256: stored"},
		"a row no more":   {swap("shop,,0,10000,good,,\n", "shop,,0,ten,good,,\n"), "samples.000000.csv: tampered with: row 3: has a time"},
		"another monitor": {swap("alert,,", "alarm,,"), `which is no monitor of the drill`},
		"no header":       {swap("monitor,", "Monitor,"), "does not begin with the names of the columns"},
	} {
		dir := t.TempDir()
		evidenceOf(t, dir, record)
		tamper(t, dir, tailName(0), r.change)
		v, err := Verify(dir)
		if err != nil || v.Verdict == Pass || !strings.Contains(strings.Join(v.Differences, "\n"), r.want) {
			t.Errorf("%s: %v, %q, %v, want %q", name, v.Verdict, v.Differences, err, r.want)
		}
	}
}

// forge changes the rows of the only block and, if it is told, has the journal tell of them.
func forge(t *testing.T, dir string, told bool, change func([]byte) []byte) {
	t.Helper()
	forgeBytes(t, dir, told, zipped(t, change(unzip(t, filepath.Join(dir, SamplesFile)))))
}

func zipped(t *testing.T, rows []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func forgeBytes(t *testing.T, dir string, told bool, block []byte) {
	t.Helper()
	tamper(t, dir, SamplesFile, func([]byte) []byte { return block })
	if !told {
		return
	}
	sum := sha256.Sum256(block)
	tamper(t, dir, JournalFile, func(raw []byte) []byte {
		return relinkedWith(t, raw, func(l *line) {
			if l.Block != nil {
				l.Block.Size, l.Block.SHA256 = int64(len(block)), hex.EncodeToString(sum[:])
			}
			if l.End != nil {
				l.End.Size = int64(len(block))
			}
		})
	})
}

func TestChangedSamplesAreNamedByRow(t *testing.T) {
	for name, r := range map[string]struct {
		change       func([]byte) []byte
		want, forged string
	}{
		"an outcome":        {swap(",bad,refused,", ",good,refused,"), "block 0 was changed (rows 1 to 240)", "checks[0].slots.bad: stored 4, derived 3"},
		"a row that is odd": {swap("shop,,0,10000,good,,\n", "shop,,0,010000,good,,\n"), "row 2 has a time", "row 2 has a time"},
		"a row less":        {swap("shop,,0,10000,good,,\n", ""), "after row 239, 1 rows are missing", "after row 239, 1 rows are missing"},
		"a row more":        {func(b []byte) []byte { return append(b, "shop,1000,0,0,good,,\n"...) }, "row 241 is one more", "row 241 is one more"},
		"half a row":        {func(b []byte) []byte { return b[:len(b)-1] }, "its last row has no end", "its last row has no end"},
		"no header":         {swap(rowHeader, ""), "names of the columns", "names of the columns"},
		"nothing":           {func([]byte) []byte { return nil }, "names of the columns", "names of the columns"},
		"an endless row":    {swap("shop,,", "shop"+strings.Repeat("x", 2*maxRow)), "longer than it may be", "longer than it may be"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, told := range []bool{false, true} {
				dir := t.TempDir()
				evidenceOf(t, dir, aDrill(t))
				forge(t, dir, told, r.change)
				v, err := Verify(dir)
				want := r.want
				if told {
					want = r.forged
				}
				if err != nil || v.Verdict == Pass || !strings.Contains(strings.Join(v.Differences, "\n"), want) {
					t.Errorf("told %v: %v, %q, %v, want %q", told, v.Verdict, v.Differences, err, want)
				}
			}
		})
	}
}

// TestABlockIsOneMember: what is behind it in the same block would not be read.
func TestABlockIsOneMember(t *testing.T) {
	dir := t.TempDir()
	evidenceOf(t, dir, aDrill(t))
	path := filepath.Join(dir, SamplesFile)
	forgeBytes(t, dir, true, slices.Concat(zipped(t, unzip(t, path)), zipped(t, []byte("shop,1000,0,0,bad,,\n"))))
	v, err := Verify(dir)
	if err != nil || v.Verdict == Pass || !strings.Contains(strings.Join(v.Differences, "\n"), "something follows its samples") {
		t.Errorf("%v, %q, %v", v.Verdict, v.Differences, err)
	}
}

// TestATailBesideAWholeRecord: a record that was closed has none, so one that has is not whole.
func TestATailBesideAWholeRecord(t *testing.T) {
	dir := t.TempDir()
	evidenceOf(t, dir, aDrill(t))
	for name, want := range map[string]bool{tailName(0): true, tailName(1): false, tailName(2): false, "samples.1.csv": true} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(rowHeader+"shop,1000,0,0,bad,,\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, state, err := Read(filepath.Join(dir, JournalFile))
		if err != nil || state.Complete != want {
			t.Errorf("%s: complete %v, %q, %v", name, state.Complete, state.Doubts, err)
		}
		if v, err := Verify(dir); err != nil || (len(v.Differences) == 0) != want || (v.Verdict == Pass) != want {
			t.Errorf("%s: %v, %q, %v", name, v.Verdict, v.Differences, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// TestClosedWhileABlockIsCompressed closes a journal right after a block was handed over, with samples after it and without.
func TestClosedWhileABlockIsCompressed(t *testing.T) {
	for round := range 20 {
		dir := t.TempDir()
		record := gaps(t)
		j := recording(t, dir, record, 1)
		j.mu.Lock()
		j.block.since = time.Now().Add(-blockEvery)
		j.mu.Unlock()
		if err := j.Event(Event{At: ms(13_000), Kind: Fact}); err != nil { // on disk, and the block is being compressed
			t.Fatal(err)
		}
		last := int64(len(slices.Collect(record.Samples)))
		if round%2 == 0 {
			last++
			if err := j.Sample(sampleOf("shop", '+', 1000)); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		got, state, err := Read(filepath.Join(dir, JournalFile))
		if err != nil || len(state.Doubts) > 0 || state.Samples.Rows != last || int64(len(slices.Collect(got.Samples))) != last {
			t.Fatalf("%q, %+v, %v, want %d rows", state.Doubts, state.Samples, err, last)
		}
	}
}
