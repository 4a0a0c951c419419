package reports

import (
	"fmt"
	"iter"
	"runtime"
	"testing"
	"time"

	"github.com/gamedayhq/gameday/probes"
)

// longDrill is a drill of two monitors and four objectives whose samples are made as they are asked for, so that what is
// measured is the judge and not a slice. One slot in a thousand is bad, one in five thousand missed.
func longDrill(samples int64) Record {
	slots := samples / 2
	end := time.Duration(slots) * every
	record := recordOf([]Event{
		{Kind: BaselineStarted},
		{At: 40 * every, Kind: BaselineEnded},
		{At: 50 * every, Kind: StepStarted, Step: "break"},
		{At: 51 * every, Kind: StepDone, Step: "break"},
		{At: end - 60*every, Kind: UndoStarted, Step: "break"},
		{At: end - 50*every, Kind: UndoDone, Step: "break"},
		{At: end - 50*every, Kind: StepEnded, Step: "break"},
		{At: end, Kind: MonitorsStopped},
		{At: end, Kind: DrillEnded},
	}, nil,
		avail(during("break"), 0.99),
		&Latency{Of: "shop", Window: during("break"), Quantile: 0.99, AtMost: limit(50)},
		&Outage{Of: "cart", Window: during("whole"), Longest: duration(time.Second)},
		&Recovery{Of: "cart", After: "break", From: FromEnd, Within: limit(5000)})
	record = without(record, "copy")
	record.Header.Drill.Monitors = append(record.Header.Drill.Monitors,
		MonitorInfo{Name: "cart", Probe: "GET /cart", Every: every, Timeout: every})
	record.Samples = longSamples(slots)
	return record
}

func longSamples(slots int64) iter.Seq[probes.Sample] {
	return func(yield func(probes.Sample) bool) {
		for slot := range slots {
			s := probes.Sample{
				Monitor: "shop", Slot: slot, Due: time.Duration(slot) * every, Outcome: probes.Good,
				Took: tookGood + time.Duration(slot*7919%40_000_000),
			}
			switch {
			case slot < 50:
			case slot%5000 == 0:
				s.Outcome, s.Reason = probes.Missed, probes.ReasonLate
			case slot%1000 == 0:
				s.Outcome, s.Reason = probes.Bad, probes.ReasonRefused
			}
			if !yield(s) {
				return
			}
			s.Monitor = "cart"
			if !yield(s) {
				return
			}
		}
	}
}

func BenchmarkJudge(b *testing.B) {
	for _, samples := range []int64{1_000_000, 10_000_000} {
		record := longDrill(samples)
		b.Run(fmt.Sprintf("samples=%d", samples), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Judge(record)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(int64(b.N)*samples), "ns/sample")
		})
	}
	b.Run("generator-alone=1000000", func(b *testing.B) {
		for b.Loop() {
			for s := range longSamples(500_000) {
				if s.Slot < 0 {
					b.Fatal("no slot is negative")
				}
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*1_000_000), "ns/sample")
	})
}

// TestTheJudgesMemoryDoesNotGrowWithTheRecord judges a short and a long record, and compares what was allocated.
func TestTheJudgesMemoryDoesNotGrowWithTheRecord(t *testing.T) {
	allocated := func(samples int64) uint64 {
		record := longDrill(samples)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		checks, _ := Judge(record)
		runtime.ReadMemStats(&after)
		for _, c := range checks {
			if c.Kind == "availability" && c.Slots.Good < samples/3 {
				t.Fatalf("the long window was not judged: %+v", c)
			}
		}
		return after.TotalAlloc - before.TotalAlloc
	}
	allocated(20_000) // what is made once
	short, long := allocated(20_000), allocated(1_000_000)
	if slack := uint64(64 << 10); long > short+slack {
		t.Errorf("%d bytes for 20 thousand samples, %d for a million", short, long)
	}
}
