package cluster

import "github.com/gamedayhq/gameday/suites/lab/machine"

// Mounts are the mounts of a cluster's machine.
func Mounts(c Cluster) []machine.Mount { return c.mounts() }
