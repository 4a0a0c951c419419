package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// joinScript moves a command into the machine's cgroups: entering a cgroup namespace
// changes what a process sees, not where it is counted.
const joinScript = `for procs in /sys/fs/cgroup/init/cgroup.procs /sys/fs/cgroup/*/cgroup.procs; do
	case $procs in
	*/\*/*) ;;
	/sys/fs/cgroup/init/*) if [ -e "$procs" ]; then echo $$ >"$procs" || exit; break; fi ;;
	*) echo $$ >"$procs" || exit ;;
	esac
done
exec "$@"`

// Command prepares a command that will run in the machine's namespaces, for the
// caller to connect and start.
func Command(ctx context.Context, dir string, argv ...string) (*exec.Cmd, error) {
	dir, err := realDir(dir)
	if err != nil {
		return nil, err
	}
	if len(argv) == 0 {
		return nil, errors.New("run in machine: no command given")
	}
	rec, err := readRecord(dir)
	if err != nil {
		return nil, err
	}
	if rec.Process == nil || !rec.Process.alive() {
		return nil, fmt.Errorf("run %s in machine: no machine runs in %s", argv[0], dir)
	}
	args := []string{"--target", strconv.Itoa(rec.Process.PID), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"}
	if rec.Spec.Cgroup {
		args = append(args, "sh", "-c", joinScript, "sh")
	}
	cmd := exec.CommandContext(ctx, "nsenter", append(args, argv...)...)
	cmd.Env = partEnv
	return cmd, nil
}

// Run runs a command in the machine's namespaces and returns its standard output.
func Run(ctx context.Context, dir string, argv ...string) ([]byte, error) {
	cmd, err := Command(ctx, dir, argv...)
	if err != nil {
		return nil, err
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.Bytes(), fmt.Errorf("run %s in machine: %w: %s", strings.Join(argv, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.Bytes(), nil
}
