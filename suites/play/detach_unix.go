//go:build unix

package play

import (
	"os/exec"
	"syscall"
)

// detach puts a process into a session of its own: no signal of the drill's terminal reaches it.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
