package probes

import "time"

// alarm wakes an engine's loop. It may ring too early, or once too often: the loop reads the clock.
//
// While the process is idle Go's runtime sleeps for whole milliseconds, so that a timer of Go's may ring one late: too late for a
// thousand slots a second. A timer of the kernel's wakes the runtime at its very time, where there is one. While the process is busy
// the runtime looks rarely what the kernel has to tell, so there is a timer of Go's behind it.
type alarm struct {
	timer   *time.Timer
	timerAt time.Duration // what it is set to, or never

	kernel *kernelTimer // nil where there is none
	at     time.Duration
}

// behind is how long after the kernel's timer that of Go's may ring. The longer it is, the less often it is to be set anew, which is
// dear: it disturbs the runtime's sleep.
const behind = 5 * time.Millisecond

func newAlarm() *alarm {
	a := &alarm{timer: time.NewTimer(time.Hour), timerAt: never, kernel: newKernelTimer(), at: never}
	a.timer.Stop()
	return a
}

// set makes it ring at a time, or before.
func (a *alarm) set(at, now time.Duration) {
	latest := at
	if a.kernel != nil {
		latest += behind
		if at != a.at {
			a.at = at
			a.kernel.set(at - now)
		}
	}
	if a.timerAt < at || a.timerAt > latest {
		a.timerAt = latest
		a.timer.Reset(latest - now)
	}
}

// rings are the channels on which it rings; what rang is to be told to timerRang or kernelRang.
func (a *alarm) rings() (timer <-chan time.Time, kernel <-chan struct{}) {
	if a.kernel == nil {
		return a.timer.C, nil
	}
	return a.timer.C, a.kernel.ring
}

func (a *alarm) timerRang()  { a.timerAt = never }
func (a *alarm) kernelRang() { a.at = never }

func (a *alarm) stop() {
	a.timer.Stop()
	if a.kernel != nil {
		a.kernel.stop()
	}
}
