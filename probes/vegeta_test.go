package probes_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/gamedayhq/gameday/probes"
	"github.com/gamedayhq/gameday/reports"
)

// targetEnv makes this test binary the server that is asked, in a process of its own: what it costs is not what is measured.
const targetEnv = "GAMEDAY_BENCH_TARGET"

func TestMain(m *testing.M) {
	if os.Getenv(targetEnv) != "" {
		serveTarget()
		return
	}
	os.Exit(m.Run())
}

// serveTarget answers each request with a few bytes, until its input ends.
func serveTarget() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(listener.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Fprintln(os.Stderr, http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "here\n")
	})))
}

// startTarget starts the server and returns its URL.
func startTarget(b *testing.B) string {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), targetEnv+"=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatalf("the target did not start: %v", err)
	}
	return "http://" + strings.TrimSpace(address) + "/"
}

// attack is what one side did in one run.
type attack struct {
	due    int             // how many questions the rate and the time make
	good   int             // how many were answered well
	missed int             // how many were not put
	onTime int             // how many were put within onTime and answered well
	late   []time.Duration // how late each was put
	took   time.Duration
	cpu    time.Duration // of this process
}

// onTime is how late a question may be put to say something of its time. A monitor gives up a slot that is later; vegeta asks all the same.
const onTime = 10 * time.Millisecond

// asker puts questions to a URL at a rate for a time.
type asker func(b *testing.B, url string, rate int, during time.Duration) attack

var askers = []struct {
	name string
	ask  func(keep bool) asker
}{{"gameday", gameday}, {"vegeta", byVegeta}}

// gameday asks as a drill does, with its journal.
func gameday(keep bool) asker {
	return func(b *testing.B, url string, rate int, during time.Duration) attack {
		probe, err := probes.HTTP{URL: url, KeepConnections: keep}.New()
		if err != nil {
			b.Fatal(err)
		}
		every := time.Second / time.Duration(rate)
		m := probes.Monitor{Name: "bench", Probe: probe, Every: every, Timeout: min(time.Second, 5000*every)}
		drill := reports.Drill{Name: "bench", Monitors: []reports.MonitorInfo{{Name: m.Name, Every: m.Every, Timeout: m.Timeout}}}
		journal, err := reports.Create(filepath.Join(b.TempDir(), reports.JournalFile), reports.Header{Run: "bench", Drill: drill})
		if err != nil {
			b.Fatal(err)
		}
		a := attack{late: make([]time.Duration, 0, during/every+1)}
		cpu, start := processorTime(b), time.Now()
		ctx, cancel := context.WithDeadline(b.Context(), start.Add(during-every/2))
		defer cancel()
		m.Run(ctx, start, func(s probes.Sample) {
			a.due++
			switch s.Outcome {
			case probes.Good:
				a.good++
				a.late = append(a.late, s.Late)
				if s.Late < onTime {
					a.onTime++
				}
			case probes.Missed:
				a.missed++
			case probes.Bad:
			}
			if err := journal.Sample(s); err != nil {
				b.Fatal(err)
			}
		})
		if err := journal.Close(); err != nil {
			b.Fatal(err)
		}
		a.took, a.cpu = time.Since(start), processorTime(b)-cpu
		return a
	}
}

// byVegeta asks with vegeta's library, which records nothing here.
func byVegeta(keep bool) asker {
	return func(b *testing.B, url string, rate int, during time.Duration) attack {
		a := attack{due: int(during.Seconds() * float64(rate))}
		target := vegeta.NewStaticTargeter(vegeta.Target{Method: http.MethodGet, URL: url})
		// Its own way to the server, but one that we can close: it leaves up to ten thousand connections open.
		way := &http.Transport{MaxIdleConnsPerHost: vegeta.DefaultConnections}
		defer way.CloseIdleConnections()
		attacker := vegeta.NewAttacker(vegeta.Client(&http.Client{Transport: way}), vegeta.KeepAlive(keep), vegeta.Timeout(time.Second))
		at, good := make([]time.Time, a.due), make([]bool, a.due)
		cpu, start := processorTime(b), time.Now()
		for result := range attacker.Attack(target, vegeta.ConstantPacer{Freq: rate, Per: time.Second}, during, "") {
			if result.Seq >= uint64(a.due) {
				continue
			}
			at[result.Seq] = result.Timestamp
			if good[result.Seq] = result.Error == ""; good[result.Seq] {
				a.good++
			}
		}
		a.took, a.cpu = time.Since(start), processorTime(b)-cpu
		for seq, t := range at {
			if t.IsZero() {
				a.missed++ // the time was over before it came to it
				continue
			}
			// Its first question is due after one interval, not at once.
			late := t.Sub(start) - time.Duration(seq+1)*time.Second/time.Duration(rate)
			a.late = append(a.late, late)
			if good[seq] && late < onTime {
				a.onTime++
			}
		}
		return a
	}
}

func (a attack) lateness(quantile float64) time.Duration {
	if len(a.late) == 0 {
		return 0
	}
	slices.Sort(a.late)
	return a.late[int(float64(len(a.late)-1)*quantile)]
}

// BenchmarkAsk puts questions at a steady rate. An operation is a question.
func BenchmarkAsk(b *testing.B) {
	url := startTarget(b)
	for _, rate := range []int{1000, 4000} {
		for _, keep := range []bool{false, true} {
			for _, by := range askers {
				b.Run(fmt.Sprintf("rate=%d/kept=%t/by=%s", rate, keep, by.name), func(b *testing.B) {
					b.ReportAllocs()
					a := by.ask(keep)(b, url, rate, time.Duration(b.N)*time.Second/time.Duration(rate))
					asked := float64(max(1, a.due-a.missed))
					b.ReportMetric(float64(a.cpu.Nanoseconds())/asked, "cpu-ns/ask")
					b.ReportMetric(float64(a.lateness(0.5).Nanoseconds()), "late-p50-ns")
					b.ReportMetric(float64(a.lateness(0.99).Nanoseconds()), "late-p99-ns")
					b.ReportMetric(float64(a.missed), "missed")
					b.ReportMetric(float64(a.due-a.missed-a.good), "bad")
				})
			}
		}
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

// BenchmarkHighestRate looks for the highest rate that is held: of a hundred questions that were due, 99 are put within 10 ms and
// answered well. It is run once, whatever b.N is, and says little on a machine that does other things.
func BenchmarkHighestRate(b *testing.B) {
	url := startTarget(b)
	for _, keep := range []bool{false, true} {
		for _, by := range askers {
			b.Run(fmt.Sprintf("kept=%t/by=%s", keep, by.name), func(b *testing.B) {
				holds := func(rate int) bool {
					for range 3 { // the machine may have been busy
						a := by.ask(keep)(b, url, rate, time.Second)
						if a.onTime*100 >= a.due*99 {
							return true
						}
					}
					return false
				}
				held, most := 0, 1000
				for holds(most) {
					held, most = most, most*2
				}
				for most-held > held/10+1 {
					if between := (held + most) / 2; holds(between) {
						held = between
					} else {
						most = between
					}
				}
				b.ReportMetric(float64(held), "asks/s")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// BenchmarkMemory keeps a drill's monitors and journal at work and looks at what lives on the heap at the end. An operation is a sample.
func BenchmarkMemory(b *testing.B) {
	for _, samples := range []int{10_000, 100_000, 400_000} {
		b.Run(fmt.Sprintf("samples=%d", samples), func(b *testing.B) {
			var most, last uint64
			for range b.N {
				const monitors, every = 10, time.Millisecond
				most, last = heapOf(b, monitors, every, time.Duration(samples/monitors)*every)
			}
			b.ReportMetric(float64(last), "live-B")
			b.ReportMetric(float64(most), "most-live-B")
		})
	}
}

// heapOf runs monitors with a journal and returns how much more was on the heap than before: the most, and what was there at the end.
func heapOf(b *testing.B, monitors int, every, during time.Duration) (most, last uint64) {
	b.Helper()
	var drill reports.Drill
	var all []probes.Monitor
	for i := range monitors {
		m := probes.Monitor{Name: fmt.Sprint(i), Probe: probes.Func(func(context.Context) error { return nil }), Every: every, Timeout: 100 * time.Millisecond}
		all = append(all, m)
		drill.Monitors = append(drill.Monitors, reports.MonitorInfo{Name: m.Name, Every: m.Every, Timeout: m.Timeout})
	}
	before := live()
	journal, err := reports.Create(filepath.Join(b.TempDir(), reports.JournalFile), reports.Header{Run: "bench", Drill: drill})
	if err != nil {
		b.Fatal(err)
	}
	start, sent := time.Now(), 0
	ctx, cancel := context.WithDeadline(b.Context(), start.Add(during))
	defer cancel()
	probes.Run(ctx, start, all, func(s probes.Sample) {
		if err := journal.Sample(s); err != nil {
			b.Fatal(err)
		}
		if sent++; sent%5000 == 0 {
			last = live() - min(before, live())
			most = max(most, last)
		}
	})
	if err := journal.Close(); err != nil {
		b.Fatal(err)
	}
	return most, last
}

// live is how much of the heap is in use.
func live() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
