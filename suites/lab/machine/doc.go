// Package machine runs one machine of the lab: a process tree with namespaces of
// its own, supervised by its own PID 1 and steered through a unix socket.
//
// The teardown is the reason for the design. A machine's mounts, network
// interfaces, shared memory and processes belong to namespaces that nothing
// outside holds on to, so the end of PID 1, however it comes, ends all of it:
// the kernel kills what is left in the PID namespace, and the last process
// takes the other namespaces along. What namespaces do not cover is written to
// the machine's folder before it is made: the cgroups, the host's end of the
// network cable, the mount points. [Stop] removes these from that record.
//
//	Start (on the host)             PID 1 (inside)
//	  lock, heal, write record
//	  clone with new namespaces --> wait for "go"; the starter's death is the end
//	  record pid and start time
//	  cgroups, network cable
//	  "go" ------------------------> new cgroup namespace, exec itself again
//	                                 mounts, addresses, control socket
//	  <---------------------- "ok"   parts in order of need, until SIGTERM
//
// A restart is like a reboot of a machine: /run is empty again, disks are kept.
package machine
