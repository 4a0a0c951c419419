package lab

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"sync"

	"github.com/gamedayhq/gameday/suites/lab/build"
)

// versions of programs, by name.
type versions map[string]string

var versionNumber = regexp.MustCompile(`\d+\.\d+[\w.+~-]*`)

// findVersions knows those of programs that were built, and asks those that came
// with packages.
func findVersions(ctx context.Context) (versions, error) {
	v := versions{}
	for _, target := range build.Targets() {
		v[target.Name] = target.Version
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	var failed error
	for name, argv := range map[string][]string{
		"containerd":   {"containerd", "--version"},
		"prometheus":   {"prometheus", "--version"},
		"alertmanager": {"prometheus-alertmanager", "--version"},
		"haproxy":      {"haproxy", "-v"},
	} {
		all.Go(func() {
			out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
			mu.Lock()
			defer mu.Unlock()
			v[name] = versionNumber.FindString(string(out))
			if err != nil {
				failed = fmt.Errorf("ask %s for its version: %w: %s", argv[0], err, out)
			}
		})
	}
	all.Wait()
	return v, failed
}

// depot names them as the depot's parts.
func (v versions) depot() map[string]string {
	return map[string]string{
		"s3": v["versitygw"], "prometheus": v["prometheus"], "alertmanager": v["alertmanager"], "front-door": v["haproxy"],
	}
}
