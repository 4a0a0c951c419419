package reports_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gamedayhq/gameday/probes"
	"github.com/gamedayhq/gameday/reports"
)

// outageOf judges what a monitor saw and returns the check of its longest outage, and whether it saw any.
func outageOf(t *testing.T, m probes.Monitor, end time.Duration, samples []probes.Sample) (check reports.Check, seen bool) {
	t.Helper()
	never := 1_000_000
	record := reports.Record{
		Header: reports.Header{Drill: reports.Drill{
			Monitors:   []reports.MonitorInfo{{Name: m.Name, Every: m.Every, Timeout: m.Timeout}},
			Objectives: reports.Objectives{&reports.Outage{Of: m.Name, Window: reports.Window{During: "whole"}, Count: &never}},
		}},
		Events: []reports.Event{
			{Kind: reports.BaselineStarted},
			{Kind: reports.BaselineEnded, At: m.Every},
			{Kind: reports.MonitorsStopped, At: end},
			{Kind: reports.DrillEnded, At: end},
		},
		Samples: slices.Values(samples),
	}
	checks, _ := reports.Judge(record)
	i := slices.IndexFunc(checks, func(c reports.Check) bool { return c.Kind == "outage" })
	if i < 0 || checks[i].Slots == nil || checks[i].Slots.Due == 0 {
		t.Fatalf("the outage is not judged: %+v", checks)
	}
	return checks[i], checks[i].Interval != nil
}

// logUniform returns a time between two, as likely to be in one tenfold range as in another.
func logUniform(rng *rand.Rand, low, high time.Duration) time.Duration {
	return time.Duration(float64(low) * math.Pow(float64(high)/float64(low), rng.Float64()))
}

// shop is a server in fake time that is down once. How it fails and how long the way to it and back takes is up to chance.
type shop struct {
	start          time.Time
	down, up       time.Duration
	silent         bool // while it is down nothing is answered; otherwise it refuses
	wayIn, wayBack time.Duration
	dice           sync.Mutex
	rng            *rand.Rand
}

// ask is answered by what the server is when the question arrives.
func (s *shop) ask(ctx context.Context) error {
	travel := func(most time.Duration) {
		if most > 0 {
			s.dice.Lock()
			takes := time.Duration(s.rng.Int64N(int64(most)))
			s.dice.Unlock()
			time.Sleep(takes)
		}
	}
	travel(s.wayIn)
	arrived := time.Since(s.start)
	if arrived >= s.down && arrived < s.up {
		if s.silent {
			<-ctx.Done()
			return ctx.Err()
		}
		travel(s.wayBack)
		return &probes.Failure{Reason: probes.ReasonRefused}
	}
	travel(s.wayBack)
	return nil
}

// A server is down a thousand times, from 20 ms to 60 s, at any phase. None that is longer than an interval is missed, and each
// lasts as long as the judge says: at least Lo, at most Hi.
func TestOutagesOfAThousandServersAreMeasured(t *testing.T) {
	const ms = time.Millisecond
	campaigns, unseen := 1000, 0
	var widest float64
	for seed := range uint64(campaigns) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 11))
			lasts := logUniform(rng, 20*ms, 60*time.Second)
			m := probes.Monitor{Name: "shop", Every: logUniform(rng, max(10*ms, lasts/2000), 2*time.Second)}
			m.Timeout = logUniform(rng, m.Every/4, 4*m.Every)
			s := &shop{start: time.Now(), silent: rng.IntN(2) == 0, rng: rng}
			s.down = 3*m.Every + time.Duration(rng.Int64N(int64(10*m.Every)))
			s.up = s.down + lasts
			if rng.IntN(2) == 0 { // otherwise the way takes no time
				s.wayIn, s.wayBack = m.Timeout/3, m.Timeout/3
			}
			end := s.up + 5*m.Every + m.Timeout
			ctx, cancel := context.WithTimeout(t.Context(), end)
			defer cancel()
			m.Probe = probes.Func(s.ask)
			var samples []probes.Sample
			m.Run(ctx, s.start, func(sample probes.Sample) { samples = append(samples, sample) })
			check, seen := outageOf(t, m, end, samples)
			told := fmt.Sprintf("seed %d: down for %v from %v, asked every %v, timeout %v, silent %v, way %v: %s", seed, lasts, s.down, m.Every, m.Timeout, s.silent, s.wayIn, check.Got)
			switch {
			case !seen && lasts > m.Every+s.wayIn:
				t.Error("missed: ", told)
			case !seen:
				unseen++
			case lasts < check.Interval.Lo || lasts > check.Interval.Hi:
				t.Errorf("%v is not from %v to %v: %s", lasts, check.Interval.Lo, check.Interval.Hi, told)
			default:
				// The width follows from the slots around the edges: two, and the answers to them.
				width := check.Interval.Hi - check.Interval.Lo
				if most := 4*m.Every + 2*m.Timeout; width > most {
					t.Errorf("the bounds are %v apart, more than %v: %s", width, most, told)
				}
				widest = max(widest, float64(width)/float64(m.Every))
			}
		})
	}
	t.Logf("%d outages, %d of them shorter than an interval and not seen; the bounds were at most %.1f intervals apart", campaigns, unseen, widest)
	if unseen == 0 || unseen > campaigns/3 {
		t.Errorf("%d outages were not seen: the campaign tries too little", unseen)
	}
}

// The same with connections, few times: a port that refuses.
func TestOutagesOfARealServerAreMeasured(t *testing.T) {
	const ms = time.Millisecond
	rng := rand.New(rand.NewPCG(1, 12))
	address := free(t)
	seen := 0
	for range 12 {
		lasts := logUniform(rng, 20*ms, 500*ms)
		m := probes.Monitor{Name: "shop", Every: 5 * ms, Timeout: time.Second}
		probe, err := probes.TCP{Address: address}.New()
		if err != nil {
			t.Fatal(err)
		}
		m.Probe = probe
		listener := accepting(t, address)
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		// How long it was down, at least and at most: the kernel does it at some time within the calls.
		var least, most time.Duration
		time.AfterFunc(50*ms+time.Duration(rng.Int64N(int64(m.Every))), func() {
			defer cancel()
			before := time.Now()
			_ = listener.Close() // from here on it refuses
			closed := time.Now()
			time.Sleep(lasts)
			opens := time.Now()
			listener = accepting(t, address)
			least, most = opens.Sub(closed), time.Since(before)
			time.Sleep(100 * ms)
		})
		var samples []probes.Sample
		m.Run(ctx, start, func(s probes.Sample) { samples = append(samples, s) })
		check, saw := outageOf(t, m, time.Since(start), samples)
		_ = listener.Close() // the next round opens it anew
		told := fmt.Sprintf("down for %v to %v: %s", least, most, check.Got)
		switch {
		case !saw && least > longestSilence(samples):
			t.Error("missed: ", told)
		case saw && (most < check.Interval.Lo || least > check.Interval.Hi):
			t.Errorf("not from %v to %v: %s", check.Interval.Lo, check.Interval.Hi, told)
		case saw:
			seen++
		}
		t.Log(told)
	}
	if seen == 0 {
		t.Error("no outage was seen: the machine was too busy to ask, or nothing was asked")
	}
}

// longestSilence is the longest time in which no question was under way.
func longestSilence(samples []probes.Sample) time.Duration {
	var longest, last time.Duration
	for _, s := range samples {
		if s.Outcome != probes.Missed {
			longest, last = max(longest, s.Due+s.Took-last), s.Due+s.Late
		}
	}
	return longest
}

// free returns the address of a port that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// accepting listens on the address and takes all connections.
func accepting(t *testing.T, address string) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Error(err)
		return nil
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				if !strings.Contains(err.Error(), "use of closed") {
					t.Error(err)
				}
				return
			}
			_ = conn.Close() // that it was taken is the answer
		}
	}()
	return listener
}
