package probes

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// kernelTimer is a timer of the kernel's that the runtime's poller watches like a socket, and so wakes for at its very time.
type kernelTimer struct {
	fd   int
	file *os.File
	ring chan struct{} // holds one
	done chan struct{}
}

// newKernelTimer returns nil where the kernel's time is of no use: it gives no timer, or Go's clock is not the kernel's, as in tests
// that run in a time of their own.
func newKernelTimer() *kernelTimer {
	if !goKeepsTheKernelsTime() {
		return nil
	}
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil
	}
	file := os.NewFile(uintptr(fd), "timer")
	conn, err := file.SyscallConn()
	if err != nil {
		_ = file.Close() // nothing was written to it
		return nil
	}
	t := &kernelTimer{fd: fd, file: file, ring: make(chan struct{}, 1), done: make(chan struct{})}
	go func() {
		defer close(t.done)
		// The poller tells each expiry once, so nothing need be read: the function is called again at the next one. The error
		// is that the file was closed.
		_ = conn.Read(func(uintptr) bool {
			select {
			case t.ring <- struct{}{}:
			default: // it rings already
			}
			return false
		})
	}()
	return t
}

// goKeepsTheKernelsTime compares the two wall clocks.
func goKeepsTheKernelsTime() bool {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_REALTIME, &now); err != nil {
		return false
	}
	return time.Until(time.Unix(now.Unix())).Abs() < time.Hour
}

func (t *kernelTimer) set(in time.Duration) {
	// A zero would disarm it.
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(max(1, in.Nanoseconds()))}
	if err := unix.TimerfdSettime(t.fd, 0, &spec, nil); err != nil {
		panic(fmt.Sprintf("set a timer: %v", err)) // the kernel refuses only what is no timer
	}
}

func (t *kernelTimer) stop() {
	_ = t.file.Close() // its end is what is wanted
	<-t.done
}
