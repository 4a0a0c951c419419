package probes

import "time"

// alarm wakes an engine's loop. It may ring too early, or once too often: the loop reads the clock.
//
// It is two timers, and the first to ring counts. A timer of Go's is looked at whenever a goroutine gives way, so it is right while
// the process is busy. While the process is idle the runtime sleeps for whole milliseconds, and a timer of Go's may ring one late:
// too late for a thousand slots a second. A timer of the kernel's then wakes the runtime at its very time, where there is one.
type alarm struct {
	timer  *time.Timer
	kernel <-chan struct{} // nil where there is none
	wakeup *kernelTimer    // nil where there is none
	at     time.Duration   // what it is set to, or never
}

func newAlarm() *alarm {
	a := &alarm{timer: time.NewTimer(time.Hour), at: never}
	a.timer.Stop()
	if a.wakeup = newKernelTimer(); a.wakeup != nil {
		a.kernel = a.wakeup.ring
	}
	return a
}

// set makes it ring at a time; what it was set to before is forgotten.
func (a *alarm) set(at, now time.Duration) {
	if at == a.at {
		return
	}
	a.at = at
	a.timer.Reset(at - now)
	if a.wakeup != nil {
		a.wakeup.set(at - now)
	}
}

// rang makes it ready to be set to any time.
func (a *alarm) rang() { a.at = never }

func (a *alarm) stop() {
	a.timer.Stop()
	if a.wakeup != nil {
		a.wakeup.stop()
	}
}
