package probes

import "time"

// ClockStep is how the wall clock was set.
type ClockStep struct {
	By  time.Duration `json:"by"`  // ahead, or back if negative
	Off time.Duration `json:"off"` // how far it is from where it would be without this step and those before
}

// Clock looks whether the wall clock is set. Samples and events are timed by the monotonic clock, which nobody sets, so that changes
// none of them; but who lays them beside the logs of other machines must know of it.
//
// It is not safe for concurrent use.
type Clock struct {
	// Start is when it began to look, with its monotonic reading.
	Start time.Time
	// Wall reads the wall clock; the machine's unless said.
	Wall func() time.Time

	off     time.Duration // of the wall clock against the monotonic one, when it was looked at last
	stepped time.Duration // all steps together
}

// stepAtLeast is what counts as a step. A clock that is kept right by being run faster or slower (RFC 5905: at most half a
// millisecond a second) stays below it from one look to the next, if it is looked at each second.
const stepAtLeast = 20 * time.Millisecond

// looks is how often the clocks are read to tell a step from a pause of this process between the two readings.
const looks = 3

// Look compares the clocks and returns the step since it last did, if there was one. A machine that slept looks the same: its
// monotonic clock may have stood still.
func (c *Clock) Look() (ClockStep, bool) {
	off := c.offset()
	for range looks - 1 {
		if again := c.offset(); (again - c.off).Abs() < (off - c.off).Abs() {
			off = again
		}
	}
	by := off - c.off
	c.off = off
	if by.Abs() < stepAtLeast {
		return ClockStep{}, false
	}
	c.stepped += by
	return ClockStep{By: by, Off: c.stepped}, true
}

// offset is how far the wall clock is ahead of where the monotonic one says that it should be.
func (c *Clock) offset() time.Duration {
	now := time.Now()
	wall := now
	if c.Wall != nil {
		wall = c.Wall()
	}
	// Without their monotonic readings two times are compared by the wall clock.
	return wall.Round(0).Sub(c.Start.Round(0)) - now.Sub(c.Start)
}
