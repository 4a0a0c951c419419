//go:build unix

package probes

import (
	"errors"
	"net"
	"syscall"
	"time"
)

// quiet tells a connection on which nothing was said since it was used last, not even that it ends.
func quiet(conn net.Conn) bool {
	raw, ok := conn.(syscall.Conn)
	if !ok || conn.SetReadDeadline(time.Time{}) != nil {
		return false
	}
	connection, err := raw.SyscallConn()
	if err != nil {
		return false
	}
	nothing := false
	err = connection.Read(func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT) //nolint:gosec // a file's number is small
		nothing = errors.Is(err, syscall.EAGAIN)
		return true
	})
	return err == nil && nothing
}
