// Package build makes the lab's server binaries: Kubernetes, etcd, Chaos Mesh,
// Velero and their companions, compiled from Go modules of pinned versions.
//
// Nothing but the Go module proxy is asked. Each upstream has a pin, a folder
// with the go.mod and go.sum of a module that requires it; the pins are inside
// the gameday binary, so they travel without its source. The sums are complete:
// every download is checked against them, and no checksum database is needed.
//
//	pin + target + toolchain --> key --> <cache>/bin/<key>/<name> there? done
//	                                     else: lock pin, write work folder,
//	                                     go build, sync, rename into place
//
// A binary is in the cache whole or not at all, so a killed build needs no
// clean-up and two builders do not disturb each other. The package does not
// know what the binaries are for.
package build
