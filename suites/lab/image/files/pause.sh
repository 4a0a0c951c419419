#!/bin/sh
# pause COMMAND ARGUMENT...: stops until SIGCONT, then becomes the command. Chaos
# Mesh's daemon moves the process into the target's cgroup meanwhile; it looks at
# the process's name to see whether it still pauses, so this file keeps its name.
kill -STOP $$
exec "$@"
