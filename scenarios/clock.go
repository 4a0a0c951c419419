package scenarios

import (
	"context"
	"fmt"
	"time"

	"github.com/gamedayhq/gameday/probes"
	"github.com/gamedayhq/gameday/reports"
)

// lookAtClock is how often the wall clock is looked at.
const lookAtClock = time.Second

// watchClock notes each step of the wall clock until ctx ends. It changes nothing of the drill, whose times are monotonic.
func (d *drill) watchClock(ctx context.Context) {
	clock := probes.Clock{Start: d.Start(), Wall: d.wall}
	for {
		step, ok := clock.Look()
		if ok {
			if err := d.env("").Fact(reports.TopicClock, step, clockWords(step)); err != nil {
				return // the journal ends the drill itself
			}
		}
		if Sleep(ctx, lookAtClock) != nil {
			return
		}
	}
}

// clockWords tells a step to people.
func clockWords(step probes.ClockStep) string {
	direction := "ahead"
	if step.By < 0 {
		direction = "back"
	}
	return fmt.Sprintf("the wall clock was set %s by %v, or the machine slept; this drill's times are monotonic and do not change", direction, step.By.Abs().Round(time.Millisecond))
}
