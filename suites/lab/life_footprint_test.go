//go:build lab && linux

package lab_test

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gamedayhq/gameday/suites/lab"
)

// footprint is all that a lab could leave on the host.
func (b bench) footprint() []string {
	b.t.Helper()
	var all []string
	add := func(kind string, lines ...string) {
		for _, line := range lines {
			if strings.TrimSpace(line) != "" {
				all = append(all, kind+" "+strings.TrimSpace(line))
			}
		}
	}
	output := func(argv ...string) []string {
		out, err := exec.CommandContext(b.t.Context(), argv[0], argv[1:]...).Output()
		if err != nil {
			b.t.Fatalf("%s: %v", strings.Join(argv, " "), err)
		}
		return strings.Split(string(out), "\n")
	}
	links, err := os.ReadDir("/sys/class/net")
	if err != nil {
		b.t.Fatal(err)
	}
	for _, link := range links {
		if !b.foreign(link.Name()) {
			add("link", link.Name())
		}
	}
	for _, line := range output("iptables-save") {
		if !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, ":") {
			add("iptables", line)
		}
	}
	for _, path := range []string{"/proc/net/route", "/proc/self/mounts"} {
		text, err := os.ReadFile(path)
		if err != nil {
			b.t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if name, _, _ := strings.Cut(line, "\t"); !b.foreign(name) {
				add(path, line)
			}
		}
	}
	for _, name := range []string{"vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops", "fs/inotify/max_user_instances"} {
		value, err := os.ReadFile("/proc/sys/" + name)
		if err != nil {
			b.t.Fatal(err)
		}
		add(name, string(value))
	}
	add("cgroup", b.cgroups()...)
	for _, pattern := range []string{"/run/netns/*", "/var/run/netns/*", b.options.Dir + "*", "/var/lib/kubelet", "/var/lib/cni", "/lib/modules", "/usr/sbin/policy-rc.d"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			b.t.Fatal(err)
		}
		add("file", found...)
	}
	for pid := range processes(b.t, b.options.Dir) {
		add("process", strconv.Itoa(pid))
	}
	return all
}

// foreign says that a link belongs to another lab, or to a test of machines. The
// names of this lab's links hold a digest of its folder.
func (b bench) foreign(link string) bool {
	own := fmt.Sprintf("gd-%x", sha256.Sum256([]byte(b.options.Dir)))[:len("gd-")+4]
	ours := strings.HasPrefix(link, own)
	return !ours && (strings.HasPrefix(link, "gd-") || strings.HasPrefix(link, "gdt-") || link == "gameday0")
}

// cgroups are those of this lab's machines, which hold a digest of the machine's
// folder; what is below them comes and goes with the pods.
func (b bench) cgroups() (found []string) {
	b.t.Helper()
	own := map[string]bool{}
	for _, name := range []string{lab.Primary, lab.Standby, lab.Depot, "unpack"} {
		sum := sha256.Sum256([]byte(filepath.Join(b.options.Dir, name)))
		own[fmt.Sprintf("%s-%x", name, sum[:4])] = true
	}
	err := filepath.WalkDir("/sys/fs/cgroup", func(path string, entry fs.DirEntry, err error) error {
		// A group may end while it is looked at; that is no error here.
		if err == nil && entry.IsDir() && filepath.Base(filepath.Dir(path)) == "gameday-lab" {
			if own[entry.Name()] {
				found = append(found, path)
			}
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return found
}

// processes are those with the word in their command line, but for this test and its children.
func processes(t *testing.T, word string) map[int]string {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	found := map[int]string{}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		line, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "cmdline"))
		if err == nil && strings.Contains(string(line), word) {
			found[pid] = strings.ReplaceAll(string(line), "\x00", " ")
		}
	}
	return found
}

// differences are what is in one footprint only. Other programs come and go on the
// machine; what is not the lab's kind of name in a shared list is theirs.
func differences(before, after []string) (found []string) {
	for _, line := range after {
		if !slices.Contains(before, line) {
			found = append(found, "left: "+line)
		}
	}
	for _, line := range before {
		if !slices.Contains(after, line) {
			found = append(found, "gone: "+line)
		}
	}
	return found
}
