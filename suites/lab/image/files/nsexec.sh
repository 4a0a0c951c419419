#!/bin/sh
# nsexec [-l] [-n PATH] [-p PATH] [-m PATH] [-i PATH] -- COMMAND ARGUMENT...
# runs a command in the namespaces at the paths, as Chaos Mesh's daemon asks for it.
set -eu
own='' net='' pid='' mnt='' ipc=''
while getopts ln:p:m:i: option; do
	case $option in
	l) own=yes ;;
	n) net=$OPTARG ;;
	p) pid=$OPTARG ;;
	m) mnt=$OPTARG ;;
	i) ipc=$OPTARG ;;
	*) exit 64 ;;
	esac
done
shift $((OPTIND - 1))

# A program of this image inside another's mounts needs a loader trick that only
# the original has; the faults that ask for it (IOChaos, BlockChaos) are not in the lab.
if [ -n "$own" ] && [ -n "$mnt" ]; then
	echo "nsexec: cannot run $1 of this image in the mount namespace $mnt" >&2
	exit 64
fi

# With a process namespace nsenter stays as the parent, and it is the parent that
# the daemon terminates: the command must go with it.
if [ -z "$mnt" ]; then
	set -- setpriv --pdeathsig TERM "$@"
fi
exec nsenter ${net:+"--net=$net"} ${pid:+"--pid=$pid"} ${mnt:+"--mount=$mnt"} ${ipc:+"--ipc=$ipc"} -- "$@"
