//go:build !linux

package probes

import "time"

// kernelTimer is only known on Linux.
type kernelTimer struct{ ring chan struct{} }

func newKernelTimer() *kernelTimer { return nil }

func (*kernelTimer) set(time.Duration) {}
func (*kernelTimer) stop()             {}
