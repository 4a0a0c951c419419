package probes

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"
)

// BenchmarkRun runs monitors against a probe that answers at once: what is measured is the engine. An operation is a slot.
func BenchmarkRun(b *testing.B) {
	for _, test := range []struct {
		monitors int
		every    time.Duration
	}{{1, time.Millisecond}, {10, time.Millisecond}, {1000, time.Second}, {1, 100 * time.Microsecond}} {
		b.Run(fmt.Sprintf("%dx%v", test.monitors, test.every), func(b *testing.B) {
			b.ReportAllocs()
			var monitors []Monitor
			for i := range test.monitors {
				monitors = append(monitors, Monitor{Name: fmt.Sprint(i), Probe: Func(func(context.Context) error { return nil }), Every: test.every, Timeout: 100 * time.Millisecond})
			}
			perMonitor := max(b.N/test.monitors, 1)
			late, missed := make([]time.Duration, 0, perMonitor*test.monitors), 0
			start, before := time.Now(), processorTime(b)
			ctx, cancel := context.WithDeadline(b.Context(), start.Add(time.Duration(perMonitor-1)*test.every))
			defer cancel()
			Run(ctx, start, monitors, func(s Sample) {
				if s.Outcome == Good {
					late = append(late, s.Late)
				} else {
					missed++
				}
			})
			slots := float64(len(late) + missed)
			b.ReportMetric(float64(processorTime(b)-before)/slots, "cpu-ns/slot")
			b.ReportMetric(slots/b.Elapsed().Seconds(), "slots/s")
			b.ReportMetric(100*float64(missed)/slots, "missed-%")
			slices.Sort(late)
			if len(late) > 0 {
				b.ReportMetric(float64(late[len(late)/2]), "late-p50-ns")
				b.ReportMetric(float64(late[len(late)*99/100]), "late-p99-ns")
			}
		})
	}
}

// processorTime is what the process has used of its processors.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
