//go:build !linux

package machine

import (
	"context"
	"errors"
	"os/exec"
)

var errLinux = errors.New("the lab needs Linux namespaces; elsewhere use any cluster with Chaos Mesh and Velero with --context")

// Main is PID 1 of a machine; it needs Linux.
func Main(context.Context, string) error { return errLinux }

// Start brings a machine up; it needs Linux.
func Start(context.Context, Spec) error { return errLinux }

// Stop takes a machine down; it needs Linux.
func Stop(context.Context, string) error { return errLinux }

// Command prepares a command inside of a machine; it needs Linux.
func Command(context.Context, string, ...string) (*exec.Cmd, error) { return nil, errLinux }

// Run runs a command inside of a machine; it needs Linux.
func Run(context.Context, string, ...string) ([]byte, error) { return nil, errLinux }

// EnsureBridge makes a bridge; it needs Linux.
func EnsureBridge(string, string) error { return errLinux }

// RemoveBridge removes a bridge; it needs Linux.
func RemoveBridge(string) error { return errLinux }

// SaveHostSettings records kernel settings; it needs Linux.
func SaveHostSettings(string) error { return errLinux }

// RestoreHostSettings puts kernel settings back; it needs Linux.
func RestoreHostSettings(string) error { return errLinux }

func controlPath(string) (string, func(), error) { return "", nil, errLinux }

func (s *Status) addHostPIDs(string) {}
