package scenarios

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/gamedayhq/gameday/probes"
	"github.com/gamedayhq/gameday/reports"
)

// twin is a monitor's question put so that only a bad answer is right.
type twin struct {
	monitor string
	timeout time.Duration
	probe   probes.Probe // nil: the question has no such form
	how     string
}

// twins returns the falsified question of each monitor.
func twins(monitors []Monitor) []twin {
	out := make([]twin, 0, len(monitors))
	for _, m := range monitors {
		t := twin{monitor: m.Name, timeout: m.Timeout}
		if f, ok := m.Ask.(probes.Falsifier); ok {
			t.probe, t.how = f.Falsified()
		}
		out = append(out, t)
	}
	return out
}

// canFail says in words how a question is proved able to be answered badly, or nothing when it has no such form.
func canFail(q Question) string {
	f, ok := q.(probes.Falsifier)
	if !ok {
		return ""
	}
	_, how := f.Falsified()
	return how
}

// maxTwins is how many falsified questions are asked at once.
const maxTwins = 16

// proveMonitors asks each monitor's falsified question once, and records what came of it. A monitor that does not say bad then
// makes the drill void, before anything is touched: its good answers would prove nothing.
func (d *drill) proveMonitors(ctx context.Context) error {
	all := twins(d.asked)
	said := make([]probes.Sample, len(all))
	places := make(chan struct{}, maxTwins)
	var group sync.WaitGroup
	for i, t := range all {
		if t.probe == nil {
			continue
		}
		places <- struct{}{}
		group.Go(func() {
			said[i] = probes.Once(ctx, t.probe, t.timeout)
			<-places
		})
	}
	group.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx) // what was called off says nothing of the monitors
	}
	var unproven []string
	for i, t := range all {
		proof := t.proof(said[i])
		if err := d.env("").Fact(reports.TopicMonitorProof, proof, t.words(proof)); err != nil {
			return err
		}
		if !proof.Proven {
			unproven = append(unproven, fmt.Sprintf("monitor %q: %s", t.monitor, proof.Got))
		}
	}
	if len(unproven) > 0 {
		return fmt.Errorf("%w: a monitor was not seen to say bad when it had to: %s", ErrVoid, strings.Join(unproven, "; "))
	}
	return nil
}

// proof reads what came of the falsified question.
func (t twin) proof(said probes.Sample) reports.MonitorProof {
	proof := reports.MonitorProof{Monitor: t.monitor, How: t.how}
	if t.probe == nil {
		proof.Got = "not asked: its question cannot be put so that it must be bad: give it a method Falsified"
		return proof
	}
	parts := []string{said.Outcome.String()}
	for _, more := range []string{string(said.Reason), said.Detail} {
		if more != "" {
			parts = append(parts, more)
		}
	}
	proof.Proven, proof.Got = said.Outcome == probes.Bad, strings.Join(parts, ": ")
	return proof
}

func (t twin) words(proof reports.MonitorProof) string {
	if proof.Proven {
		return fmt.Sprintf("monitor %q can say bad: %s", t.monitor, proof.Got)
	}
	return fmt.Sprintf("monitor %q is not proved able to say bad: %s", t.monitor, proof.Got)
}
