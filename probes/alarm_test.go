package probes

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestTheKernelsTimerRings(t *testing.T) {
	timer := newKernelTimer()
	if timer == nil {
		t.Skip("this system gives no timer of the kernel's")
	}
	for range 20 {
		select { // a ring before it is set is allowed
		case <-timer.ring:
		default:
		}
		set := time.Now()
		timer.set(3 * ms)
		for time.Since(set) < 3*ms {
			select {
			case <-timer.ring:
			case <-time.After(time.Minute):
				t.Fatal("it did not ring within a minute")
			}
		}
	}
	timer.stop()
}

func TestAFakeTimeHasNoKernelsTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if newKernelTimer() != nil {
			t.Error("the kernel's timer would never ring in a time that is not its own")
		}
	})
}
