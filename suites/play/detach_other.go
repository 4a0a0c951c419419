//go:build !unix

package play

import "os/exec"

// detach does nothing where there are no sessions.
func detach(*exec.Cmd) {}
