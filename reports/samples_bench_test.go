package reports

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/gamedayhq/gameday/probes"
)

var benchSamples = flag.Int64("samples", 2_000_000, "how many samples the benchmarks of re-judging have")

// lived makes samples as a real service leaves them: a question is put 80 µs after it was due and answered 4 ms later, both with
// the jitter of a log-normal distribution, one answer in a hundred ten times as late, one in two thousand refused or missed.
type lived struct{ r *rand.Rand }

func (l lived) sample(monitor string, slot int64) probes.Sample {
	s := probes.Sample{Monitor: monitor, Slot: slot, Due: time.Duration(slot) * every, Outcome: probes.Good}
	s.Late = time.Duration(80_000 * math.Exp(0.5*l.r.NormFloat64()))
	took := 4e6 * math.Exp(0.35*l.r.NormFloat64())
	switch n := l.r.IntN(4000); {
	case n < 40:
		took *= 10
	case slot < 100: // the baseline
	case n == 41:
		s.Outcome, s.Reason, s.Detail = probes.Bad, probes.ReasonRefused, "dial tcp 10.96.0.17:8080: connect: connection refused"
	case n == 42:
		s.Outcome, s.Reason, s.Detail = probes.Missed, probes.ReasonLate, fmt.Sprintf("the harness woke %v after the slot was due", time.Duration(took)+every)
		s.Late = 0
		return s
	}
	s.Took = s.Late + time.Duration(took)
	return s
}

// writeLived writes the record of a drill with ten monitors of ten samples a second each, in blocks as a drill would: whole
// minutes of it.
func writeLived(t testing.TB, dir string, samples int64) {
	t.Helper()
	record := longDrill(samples / 5)
	record.Header.Drill.Monitors = record.Header.Drill.Monitors[:1]
	for i := range 9 {
		record.Header.Drill.Monitors = append(record.Header.Drill.Monitors, MonitorInfo{Name: fmt.Sprint("service-", i), Every: every, Timeout: every})
	}
	record.Header.Drill.Objectives[2] = &Outage{Of: "service-3", Window: during("whole"), Longest: duration(time.Second)}
	record.Header.Drill.Objectives[3] = &Recovery{Of: "service-4", After: "break", From: FromEnd, Within: limit(5000)}
	var c chain
	var journal bytes.Buffer
	tell := func(l line) {
		if err := c.append(&journal, l); err != nil {
			t.Fatal(err)
		}
	}
	tell(line{Header: &record.Header})
	for _, e := range record.Events {
		tell(line{Event: &e})
	}
	file, err := os.Create(filepath.Join(dir, SamplesFile))
	if err != nil {
		t.Fatal(err)
	}
	disk := sampleFiles{dir: dir, file: file}
	full, l := newBlock(record.Header.Drill.Monitors, time.Time{}), lived{rand.New(rand.NewPCG(1, 2))}
	seal := func() {
		m := full.seal()
		full = full.successor()
		if m.err == nil {
			m.err = disk.keep(&m)
		}
		if m.err != nil {
			t.Fatal(m.err)
		}
		tell(line{Block: &m.blockLine})
	}
	const minute = int64(time.Minute / every)
	var b batch
	for slot := range samples / 10 {
		for _, m := range record.Header.Drill.Monitors {
			b.rows = b.rows[:0]
			if err := full.append(&b, l.sample(m.Name, slot)); err != nil {
				t.Fatal(err)
			}
		}
		if slot%minute == minute-1 {
			seal()
		}
	}
	if full.rows > 0 {
		seal()
	}
	tell(line{End: &endLine{Blocks: disk.blocks, Rows: disk.rows, Size: disk.size}})
	if err := disk.close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, JournalFile), journal.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestADayOfSamplesFitsIntoFiftyMegabytes measures how many bytes a sample takes, journal and all, over half an hour.
func TestADayOfSamplesFitsIntoFiftyMegabytes(t *testing.T) {
	const samples, day = 30 * 60 * 100, 24 * 60 * 60 * 100
	dir := t.TempDir()
	writeLived(t, dir, samples)
	if ev := concluded(t, dir); !ev.Complete || ev.Samples.Rows != samples {
		t.Fatalf("complete %v, %+v", ev.Complete, ev.Samples)
	}
	size := int64(0)
	for _, name := range []string{JournalFile, SamplesFile, EvidenceFile} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	perSample := float64(size) / samples
	t.Logf("%.2f bytes a sample, %.1f MB a day", perSample, perSample*day/1e6)
	if perSample*day > 50e6 {
		t.Error("a day does not fit")
	}
}

// TestReadingKeepsToItsMemory reads a short and a long record, and compares what was allocated: no more by two bytes
// a sample, of which the file itself has five.
func TestReadingKeepsToItsMemory(t *testing.T) {
	allocated := func(samples int64) uint64 {
		dir := t.TempDir()
		writeLived(t, dir, samples)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if v, err := Verify(dir); err != nil || v.Verdict == 0 {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	allocated(60_000)
	short, long := allocated(60_000), allocated(600_000)
	if slack := uint64(1_200_000); long > short+slack {
		t.Errorf("%d bytes for 60 thousand samples, %d for 600 thousand", short, long)
	}
}

// benchRecord writes a record once for the benchmarks.
func benchRecord(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	writeLived(b, dir, *benchSamples)
	return dir
}

// perSample reports what the benchmark measured for one sample.
func perSample(b *testing.B) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(int64(b.N)**benchSamples), "ns/sample")
}

// BenchmarkRejudging compares judging a record again, from its files to the evidence, with only reading and decompressing the
// file of its samples: by the same library, and by the standard one.
func BenchmarkRejudging(b *testing.B) {
	dir := benchRecord(b)
	b.Run("decompress", func(b *testing.B) {
		for b.Loop() {
			decompress(b, dir, func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) })
		}
		perSample(b)
	})
	b.Run("rejudge", func(b *testing.B) {
		for b.Loop() {
			record, state, err := Read(filepath.Join(dir, JournalFile))
			if err != nil {
				b.Fatal(err)
			}
			if ev := Derive(record, state); !ev.Complete || !slices.ContainsFunc(ev.Checks, func(c Check) bool { return c.Kind == "record" && c.Verdict == Pass }) {
				b.Fatalf("%+v", ev.Checks)
			}
		}
		perSample(b)
	})
	b.Run("parse", func(b *testing.B) {
		record, _, err := Read(filepath.Join(dir, JournalFile))
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			n := int64(0)
			for range record.Samples {
				n++
			}
			if n < *benchSamples*9/10 {
				b.Fatal(n)
			}
		}
		perSample(b)
	})
}

func decompress(b *testing.B, dir string, open func(io.Reader) (io.Reader, error)) {
	b.Helper()
	file, err := os.Open(filepath.Join(dir, SamplesFile))
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	reader, err := open(file)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, reader); err != nil {
		b.Fatal(err)
	}
}
