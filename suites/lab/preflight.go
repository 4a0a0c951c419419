package lab

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

var errLinux = errors.New("the lab needs Linux")

// NotHereError lists all that keeps a lab from running on this machine.
type NotHereError struct{ Problems []string }

func (e *NotHereError) Error() string {
	return "no lab can run here:\n  - " + strings.Join(e.Problems, "\n  - ") +
		"\nInstead of the lab, drills can aim at any cluster that has Chaos Mesh and Velero: gameday run --context NAME scenario.yaml"
}

// freeDisk is what a lab takes on disk from nothing: build cache, images twice,
// and what the clusters write.
const freeDisk = 6 << 30

// preflight finds all that is missing at once, but for what Up installs itself.
func (l Layout) preflight() error {
	if runtime.GOOS != "linux" {
		return &NotHereError{[]string{errLinux.Error() + ": this is " + runtime.GOOS}}
	}
	var problems []string
	note := func(found []string, err error) {
		problems = append(problems, found...)
		if err != nil {
			problems = append(problems, err.Error())
		}
	}
	if os.Geteuid() != 0 {
		problems = append(problems, "it makes namespaces, mounts and a bridge, which only root may: run it by sudo")
	}
	note(l.noSpace())
	note(l.subnetTaken())
	note(l.portsTaken())
	if missing := missingPackages(); len(missing) > 0 {
		names := strings.Join(missing, " ")
		switch {
		case !there("apt-get"):
			problems = append(problems, "this is no Debian, so install yourself what these of its packages bring: "+names)
		case len(problems) > 0:
			problems = append(problems, "these Debian packages are missing, which it installs itself once the rest is mended: "+names)
		}
	}
	if len(problems) > 0 {
		return &NotHereError{problems}
	}
	return nil
}

// noSpace looks at the disks of the state and of the cache, unless a lab is there
// already and takes no more.
func (l Layout) noSpace() (problems []string, err error) {
	if _, err := os.Stat(l.markPath()); err == nil {
		return nil, nil
	}
	for _, dir := range []string{l.Dir, l.Cache} {
		var stat syscall.Statfs_t
		if err := syscall.Statfs(existing(dir), &stat); err != nil {
			return problems, fmt.Errorf("look how much space %s has: %w", dir, err)
		}
		if free := stat.Bavail * uint64(stat.Bsize); free < freeDisk {
			problems = append(problems, fmt.Sprintf("%s has %.1f GiB free of the %d GiB it takes", dir, float64(free)/(1<<30), freeDisk>>30))
		}
	}
	return problems, nil
}

// existing is the folder, or the nearest above it that is there.
func existing(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil || dir == "/" {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

func (l Layout) subnetTaken() (problems []string, err error) {
	found, err := overlapping(l.Subnet, l.Bridge())
	if len(found) > 0 {
		problems = append(problems, fmt.Sprintf("the lab's subnet %s overlaps with %s: choose another by GAMEDAY_LAB_SUBNET=10.N.0.0/16",
			l.Subnet, strings.Join(found, ", ")))
	}
	return problems, err
}

// portsTaken looks for servers that listen on the depot's ports, either on the
// lab's address or on every address. The depot's own are no problem.
func (l Layout) portsTaken() (problems []string, err error) {
	if _, err := os.Stat(l.markPath()); err == nil {
		return nil, nil
	}
	ports := l.depot().Ports()
	ours := []int{ports.Store, ports.Prometheus, ports.Alertmanager, ports.FrontDoor, ports.Metrics, ports.Targets}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return problems, fmt.Errorf("look which ports are taken: %w", err)
		}
		for line := range strings.Lines(string(text)) {
			at, ok := listener(line)
			if ok && slices.Contains(ours, int(at.Port())) && (at.Addr().IsUnspecified() || at.Addr().Unmap() == l.Address()) {
				problems = append(problems, fmt.Sprintf("another program listens on %s: end it (ss -ltnp 'sport = :%d' names it)", at, at.Port()))
			}
		}
	}
	return problems, nil
}

// listener reads a line of /proc/net/tcp: number, local address in hexadecimal,
// remote address, state, where 0A means that it listens.
func listener(line string) (netip.AddrPort, bool) {
	fields := strings.Fields(line)
	if len(fields) < 4 || fields[3] != "0A" {
		return netip.AddrPort{}, false
	}
	address, port, ok := strings.Cut(fields[1], ":")
	raw, err := hex.DecodeString(address)
	number, errPort := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || errPort != nil {
		return netip.AddrPort{}, false
	}
	for word := range slices.Chunk(raw, 4) { // each word is in the order of the processor
		slices.Reverse(word)
	}
	at, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(at, uint16(number)), ok
}
