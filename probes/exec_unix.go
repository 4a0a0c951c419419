//go:build unix

package probes

import (
	"os/exec"
	"syscall"
)

// ownGroup gives the command a process group of its own, and kills the group when its time is over.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
