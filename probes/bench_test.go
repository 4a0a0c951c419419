package probes

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// BenchmarkMonitor runs monitors against a probe that answers at once: what is measured is the engine. An operation is a slot.
func BenchmarkMonitor(b *testing.B) {
	for _, test := range []struct {
		monitors int
		every    time.Duration
	}{{1, time.Millisecond}, {10, time.Millisecond}, {1000, time.Second}, {1, 100 * time.Microsecond}} {
		b.Run(fmt.Sprintf("%dx%v", test.monitors, test.every), func(b *testing.B) {
			b.ReportAllocs()
			start := time.Now()
			perMonitor := max(b.N/test.monitors, 1)
			ctx, cancel := context.WithDeadline(b.Context(), start.Add(time.Duration(perMonitor-1)*test.every))
			defer cancel()
			var all sync.WaitGroup
			late := make([][]time.Duration, test.monitors)
			missed := make([]int, test.monitors)
			for i := range test.monitors {
				all.Go(func() {
					late[i] = make([]time.Duration, 0, perMonitor)
					m := Monitor{Name: "m", Probe: Func(func(context.Context) error { return nil }), Every: test.every, Timeout: 100 * time.Millisecond}
					m.Run(ctx, start, func(s Sample) {
						if s.Outcome != Good {
							missed[i]++
							return
						}
						late[i] = append(late[i], s.Late)
					})
				})
			}
			all.Wait()
			asked, lost := slices.Concat(late...), 0
			for _, n := range missed {
				lost += n
			}
			slices.Sort(asked)
			if len(asked) > 0 {
				b.ReportMetric(float64(asked[len(asked)*99/100]), "late-p99-ns")
			}
			b.ReportMetric(float64(len(asked))/b.Elapsed().Seconds(), "asked/s")
			b.ReportMetric(100*float64(lost)/float64(lost+len(asked)), "missed-%")
		})
	}
}
