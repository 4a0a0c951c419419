package safety

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

// KindHarness heads a harness's configuration file.
const KindHarness = "Harness"

// Config is what whoever runs gameday lays down for all its drills: what a scenario's author cannot lift. The zero value forbids
// nothing beyond what every drill is forbidden.
type Config struct {
	Namespace  string            `json:"namespace,omitempty"` // of gameday's own objects in a cluster; [DefaultNamespace] unless said
	Lease      reports.Duration  `json:"lease,omitempty"`     // how long a drill counts as alive after its last heartbeat; [DefaultLease] unless said
	Ceiling    scenarios.Ceiling `json:"ceiling,omitempty"`
	Production Production        `json:"production,omitempty"`
}

// Production says which clusters are production beyond those that are labelled so, and who may approve a drill there.
type Production struct {
	Contexts  []string `json:"contexts,omitempty"`  // kubeconfig contexts, as patterns such as prod-*
	Approvers []string `json:"approvers,omitempty"` // PEM files of the public keys (Ed25519) that approve, relative to the configuration
	Runner    string   `json:"runner,omitempty"`    // PEM file of the public key of whoever runs drills: it cannot approve

	approvers []ed25519.PublicKey
}

const maxConfig = 1 << 20

// ReadConfig reads a configuration file, strictly, and the keys that it names. The error holds every mistake.
func ReadConfig(path string) (Config, error) {
	var c Config
	text, err := readBounded(path)
	if err != nil {
		return c, fmt.Errorf("read the harness's configuration: %w", err)
	}
	if err := scenarios.DecodeSpec(path, text, KindHarness, &c); err != nil {
		return c, err
	}
	var errs []error
	note := func(field, format string, args ...any) {
		errs = append(errs, &scenarios.Mistake{File: path, Path: "spec." + field, Text: fmt.Sprintf(format, args...)})
	}
	for _, problem := range c.Ceiling.Problems() {
		note("ceiling", "%s", problem)
	}
	if c.Lease != 0 && c.Lease.D() < 6*time.Second {
		note("lease", "is %v, want at least 6s: a heartbeat every sixth of it must have time", c.Lease.D())
	}
	for _, pattern := range c.Production.Contexts {
		if _, err := filepath.Match(pattern, ""); err != nil {
			note("production.contexts", "%q: %v", pattern, err)
		}
	}
	var runner ed25519.PublicKey
	if c.Production.Runner != "" {
		if runner, err = readPublicKey(beside(path, c.Production.Runner)); err != nil {
			note("production.runner", "%v", err)
		}
	}
	for i, file := range c.Production.Approvers {
		key, err := readPublicKey(beside(path, file))
		switch {
		case err != nil:
			note(fmt.Sprintf("production.approvers[%d]", i), "%v", err)
		case runner != nil && runner.Equal(key):
			note(fmt.Sprintf("production.approvers[%d]", i), "%s is the runner's own key: nobody approves what he runs", file)
		default:
			c.Production.approvers = append(c.Production.approvers, key)
		}
	}
	return c, errors.Join(errs...)
}

func beside(path, file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(filepath.Dir(path), file)
}

func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(file, maxConfig+1))
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	if len(text) > maxConfig {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxConfig)
	}
	return text, nil
}
