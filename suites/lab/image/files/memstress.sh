#!/bin/sh
# memStress [--workers N] [--size SIZE] [stress-ng's options]: takes hold of memory,
# SIZE per worker, as Chaos Mesh's program of this name does.
set -eu
workers=1 size=256m
while [ $# -gt 0 ]; do
	case $1 in
	--workers) workers=$2 && shift 2 ;;
	--size) size=$2 && shift 2 ;;
	*) break ;;
	esac
done

# Chaos Mesh writes 256MB or 256MiB where stress-ng knows 256m only; and stress-ng
# shares the size out among the workers.
number=${size%%[!0-9]*}
unit=$(printf '%s' "${size#"$number"}" | tr 'A-Z' 'a-z')
unit=${unit%b}
unit=${unit%i}
case $number-$unit in
-*) echo "memStress: cannot read the size $size" >&2 && exit 64 ;;
*-% | *-[kmgt] | *-) ;;
*) echo "memStress: cannot read the size $size" >&2 && exit 64 ;;
esac
exec stress-ng --vm "$workers" --vm-bytes "$((number * workers))${unit:-b}" --vm-method zero-one --vm-keep --vm-hang 0 "$@"
