//go:build !linux

package lab

import "net/netip"

func addRoute(string, netip.Prefix, netip.Addr) error { return errLinux }

func overlapping(netip.Prefix, string) ([]string, error) { return nil, errLinux }
