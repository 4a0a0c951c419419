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
	late   []time.Duration // how late each was put
	took   time.Duration
	cpu    time.Duration // of this process
}

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
		attacker := vegeta.NewAttacker(vegeta.KeepAlive(keep), vegeta.Timeout(time.Second))
		at := make([]time.Time, a.due)
		cpu, start := processorTime(b), time.Now()
		for result := range attacker.Attack(target, vegeta.ConstantPacer{Freq: rate, Per: time.Second}, during, "") {
			if result.Seq >= uint64(a.due) {
				continue
			}
			at[result.Seq] = result.Timestamp
			if result.Error == "" {
				a.good++
			}
		}
		a.took, a.cpu = time.Since(start), processorTime(b)-cpu
		for seq, t := range at {
			if t.IsZero() {
				a.missed++ // the time was over before it came to it
				continue
			}
			a.late = append(a.late, t.Sub(start)-time.Duration(seq)*time.Second/time.Duration(rate))
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
	for _, rate := range []int{100, 1000, 4000} {
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
