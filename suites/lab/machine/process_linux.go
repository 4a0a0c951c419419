package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// process is one life of a pid: the pid alone could be somebody else's by now.
type process struct {
	PID       int    `json:"pid"`
	StartTime uint64 `json:"startTime"` // clock ticks since boot, field 22 of /proc/PID/stat
	BootID    string `json:"bootId"`
}

// identify reads which life the pid is in.
func identify(pid int) (process, error) {
	stat, err := readStat(pid)
	if err != nil {
		return process{}, err
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return process{}, fmt.Errorf("read boot id: %w", err)
	}
	return process{PID: pid, StartTime: stat.start, BootID: strings.TrimSpace(string(boot))}, nil
}

type stat struct {
	state string
	start uint64
}

func readStat(pid int) (stat, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, fmt.Errorf("look at process %d: %w", pid, err)
	}
	// The command's name is in parentheses and may hold anything; the rest follows the last one.
	fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	if len(fields) < 20 {
		return stat{}, fmt.Errorf("look at process %d: short stat line %q", pid, raw)
	}
	start, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return stat{}, fmt.Errorf("look at process %d: read start time: %w", pid, err)
	}
	return stat{state: fields[0], start: start}, nil
}

// alive says whether this life of the pid goes on. A zombie is dead: nothing but
// its exit status is left of it.
func (p process) alive() bool {
	now, err := identify(p.PID)
	if err != nil || now != p {
		return false
	}
	s, err := readStat(p.PID)
	return err == nil && s.state != "Z" && s.state != "X"
}

// end sends SIGTERM, then SIGKILL after the grace, and returns once the process is gone.
// For a PID 1 that is once everything in its PID namespace is gone.
func (p process) end(ctx context.Context, grace time.Duration) error {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open process %d: %w", p.PID, err)
	}
	defer unix.Close(fd) //nolint:errcheck // a descriptor without data
	// The descriptor is bound to one life; if it is not ours, ours is over.
	if !p.alive() {
		return nil
	}
	soft, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	if err := sendTo(fd, p.PID, unix.SIGTERM); err != nil {
		return err
	}
	if gone, err := awaitExit(soft, fd); gone || err != nil {
		return err
	}
	if err := sendTo(fd, p.PID, unix.SIGKILL); err != nil {
		return err
	}
	gone, err := awaitExit(ctx, fd)
	if err != nil {
		return err
	}
	if !gone {
		state := "unknown"
		if s, err := readStat(p.PID); err == nil {
			state = s.state
		}
		return fmt.Errorf("end process %d: still there in state %s after SIGKILL: %w", p.PID, state, ctx.Err())
	}
	return nil
}

func sendTo(fd, pid int, s unix.Signal) error {
	if err := unix.PidfdSendSignal(fd, s, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("send %s to process %d: %w", unix.SignalName(s), pid, err)
	}
	return nil
}

// awaitExit returns true when the process of the descriptor has ended, false when ctx did.
func awaitExit(ctx context.Context, fd int) (bool, error) {
	const slice = 100 // ms between looks at ctx
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, slice)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return false, fmt.Errorf("wait for a process: %w", err)
		}
		if n > 0 {
			return true, nil
		}
		if ctx.Err() != nil {
			return false, nil //nolint:nilerr // it did not end in time, which is the answer
		}
	}
}

// findMachines looks for the PID 1 of the machine in dir by its command line. It
// is how a machine is found whose record was lost.
func findMachines(dir string) ([]process, error) {
	own, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return nil, fmt.Errorf("read own PID namespace: %w", err)
	}
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var found []process
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue // it ended since the list was made
		}
		argv := strings.Split(strings.TrimRight(string(raw), "\x00"), "\x00")
		if len(argv) != 4 || argv[1] != "lab" || argv[2] != "machine" || argv[3] != specPath(dir) {
			continue
		}
		ns, err := os.Readlink(filepath.Join(filepath.Dir(path), "ns/pid"))
		if err != nil || ns == own {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			return nil, fmt.Errorf("read process id: %w", err)
		}
		if p, err := identify(pid); err == nil && p.alive() {
			found = append(found, p)
		}
	}
	return found, nil
}

// addHostPIDs fills in what only the host can see. It leaves out what it cannot find.
func (s *Status) addHostPIDs(dir string) {
	rec, err := readRecord(dir)
	if err != nil || rec.Process == nil || !rec.Process.alive() {
		return
	}
	s.PID = rec.Process.PID
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*/children", s.PID))
	if err != nil {
		return
	}
	host := map[int]int{}
	for _, list := range lists {
		raw, err := os.ReadFile(list)
		if err != nil {
			continue
		}
		for _, field := range strings.Fields(string(raw)) {
			if inside, ok := pidInside(field); ok {
				host[inside], _ = strconv.Atoi(field)
			}
		}
	}
	for i := range s.Parts {
		s.Parts[i].HostPID = host[s.Parts[i].PID]
	}
}

// pidInside reads the innermost pid of a process.
func pidInside(pid string) (int, bool) {
	raw, err := os.ReadFile(filepath.Join("/proc", pid, "status"))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "NSpid:"); ok {
			pids := strings.Fields(rest)
			inside, err := strconv.Atoi(pids[len(pids)-1])
			return inside, err == nil && len(pids) > 1
		}
	}
	return 0, false
}
