package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/suites/lab/addons"
	"github.com/gamedayhq/gameday/suites/lab/machine"
)

// Line is one thing that the lab runs.
type Line struct {
	Machine string    `json:"machine"`
	Part    string    `json:"part"`
	Version string    `json:"version,omitempty"`
	State   string    `json:"state"`
	Ready   bool      `json:"ready"`
	Since   time.Time `json:"since,omitzero"`
	Log     string    `json:"log,omitempty"` // a file, or how to read it
}

// Status is all that the lab runs and how it is.
type Status struct {
	Ready  bool   `json:"ready"`
	Memory uint64 `json:"memoryBytes"`
	Lines  []Line `json:"parts"`
}

// statusLimit bounds a look at one machine or cluster, so that one that hangs does
// not hide the others.
const statusLimit = 10 * time.Second

// Status looks at everything the lab runs.
func (l *Lab) Status(ctx context.Context) (Status, error) {
	all := Status{Ready: true}
	for _, name := range []string{Primary, Standby, Depot} {
		lines := l.machineLines(ctx, name)
		if name != Depot && ready(lines) {
			lines = append(lines, l.clusterLines(ctx, name)...)
		}
		if name == Depot && ready(lines) {
			lines = append(lines, l.doorLine(ctx))
		}
		all.Ready = all.Ready && ready(lines)
		all.Lines = append(all.Lines, lines...)
	}
	memory, err := l.memory(ctx)
	all.Memory = memory
	return all, err
}

func ready(lines []Line) bool {
	for _, line := range lines {
		if !line.Ready {
			return false
		}
	}
	return true
}

func (l *Lab) machineLines(ctx context.Context, name string) []Line {
	ctx, cancel := context.WithTimeout(ctx, statusLimit)
	defer cancel()
	status, err := machine.Dial(l.layout.machine(name)).Status(ctx)
	if err != nil {
		return []Line{{Machine: name, Part: "machine", State: "down: " + brief(err)}}
	}
	var lines []Line
	for _, part := range status.Parts {
		state := string(part.State)
		if part.Paused {
			state = "paused"
		}
		if part.LastError != "" && !part.Up() {
			state += ": " + part.LastError
		}
		lines = append(lines, Line{
			Machine: name, Part: part.Name, Version: part.Version, State: state, Ready: part.Up(), Since: part.Since, Log: part.Log,
		})
	}
	return lines
}

// brief keeps the last of an error's parts, which says what was seen.
func brief(err error) string {
	parts := strings.Split(err.Error(), ": ")
	return parts[len(parts)-1]
}

func (l *Lab) clusterLines(ctx context.Context, name string) []Line {
	ctx, cancel := context.WithTimeout(ctx, statusLimit)
	defer cancel()
	api, err := l.layout.client(name)
	if err != nil {
		return []Line{{Machine: name, Part: "API", State: err.Error()}}
	}
	lines := []Line{nodeLine(ctx, api, name)}
	for _, one := range addonNames(name) {
		addon, err := l.layout.addon(name, one)
		if err != nil {
			lines = append(lines, Line{Machine: name, Part: one, State: "not installed: " + brief(err)})
			continue
		}
		lines = append(lines, l.addonLines(ctx, api, name, addon)...)
	}
	return lines
}

func nodeLine(ctx context.Context, api client.Client, name string) Line {
	line := Line{Machine: name, Part: "node", State: "not ready"}
	node := &corev1.Node{}
	if err := api.Get(ctx, client.ObjectKey{Name: name}, node); err != nil {
		line.State = err.Error()
		return line
	}
	line.Version = node.Status.NodeInfo.KubeletVersion
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			line.Ready, line.Since = condition.Status == corev1.ConditionTrue, condition.LastTransitionTime.Time
		}
	}
	if line.Ready {
		line.State = string(machine.Ready)
	}
	return line
}

func (l *Lab) addonLines(ctx context.Context, api client.Client, name string, addon addons.Addon) []Line {
	looked, err := addon.Look(ctx, api)
	var lines []Line
	for _, one := range looked {
		line := Line{Machine: name, Part: addon.Name + "/" + strings.ToLower(one.Kind), Version: addon.Version, State: one.Seen, Ready: one.Ready}
		if namespace, object, ok := strings.Cut(one.Name, "/"); ok && one.Kind != "BackupStorageLocation" {
			line.Log = fmt.Sprintf("kubectl --kubeconfig %s --context %s -n %s logs %s/%s", l.Kubeconfig(), name, namespace, strings.ToLower(one.Kind), object)
		}
		lines = append(lines, line)
	}
	if err != nil {
		lines = append(lines, Line{Machine: name, Part: addon.Name, Version: addon.Version, State: err.Error()})
	}
	return lines
}

// doorLine goes through the front door as a buyer does.
func (l *Lab) doorLine(ctx context.Context) Line {
	ctx, cancel := context.WithTimeout(ctx, statusLimit)
	defer cancel()
	line := Line{Machine: Depot, Part: "shop through the front door"}
	leads, err := l.layout.depot().Leads(ctx)
	if err != nil {
		line.State = err.Error()
		return line
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, l.layout.depot().FrontDoorURL()+"/readyz", nil)
	if err != nil {
		line.State = err.Error()
		return line
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		line.State = err.Error()
		return line
	}
	if err := response.Body.Close(); err != nil {
		line.State = err.Error()
		return line
	}
	line.State = "leads to " + leads + ", which answers " + response.Status
	line.Ready = response.StatusCode == http.StatusOK
	return line
}

// memory sums up what the processes of the lab take: each one's own, and its share
// of what several have in common.
func (l *Lab) memory(ctx context.Context) (uint64, error) {
	parents, err := parents()
	if err != nil {
		return 0, err
	}
	roots := map[int]bool{}
	for _, name := range []string{Primary, Standby, Depot} {
		status, err := machine.Dial(l.layout.machine(name)).Status(ctx)
		if err == nil && status.PID > 0 {
			roots[status.PID] = true
		}
	}
	var sum uint64
	for pid := range parents {
		for at := pid; at > 1; at = parents[at] {
			if roots[at] {
				sum += proportional(pid)
				break
			}
		}
	}
	return sum, nil
}

// parents says of each process which one is above it.
func parents() (map[int]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	found := map[int]int{}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // ended meanwhile
		}
		// The name is in parentheses and may hold anything; state and parent follow.
		rest := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(rest) < 2 {
			continue
		}
		if found[pid], err = strconv.Atoi(rest[1]); err != nil {
			return nil, fmt.Errorf("read process %d: %w", pid, err)
		}
	}
	return found, nil
}

// proportional is a process's share of memory, 0 when it ended meanwhile.
func proportional(pid int) uint64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "Pss:" {
			if kilobytes, err := strconv.ParseUint(fields[1], 10, 64); err == nil {
				return kilobytes << 10
			}
		}
	}
	return 0
}

// Encode is the status as JSON.
func (s Status) Encode() ([]byte, error) {
	text, err := json.MarshalIndent(s, "", "  ")
	return append(text, '\n'), errors.Join(err)
}
