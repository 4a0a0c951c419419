package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// packages bring the programs that are not built. Each is known by a program, or by
// the absolute path of a file.
var packages = []struct{ name, program string }{
	{"containerd", "containerd"},
	{"runc", "runc"},
	{"containernetworking-plugins", "/usr/lib/cni/ptp"},
	{"iptables", "iptables"},
	{"prometheus", "prometheus"},
	{"prometheus-alertmanager", "prometheus-alertmanager"},
	{"haproxy", "haproxy"},
	{"debootstrap", "debootstrap"},
	{"util-linux", "nsenter"},
	{"gcc", "gcc"}, // chaos-daemon is partly C
	{"libc6-dev", "/usr/include/stdio.h"},
}

func missingPackages() []string {
	var missing []string
	for _, p := range packages {
		if !there(p.program) {
			missing = append(missing, p.name)
		}
	}
	return missing
}

// there also looks where root's PATH may not lead, when it became root by `su`.
func there(program string) bool {
	if _, err := exec.LookPath(program); err == nil {
		return true
	}
	candidates := []string{program}
	if !filepath.IsAbs(program) {
		candidates = []string{"/usr/sbin/" + program, "/sbin/" + program}
	}
	return slices.ContainsFunc(candidates, func(path string) bool {
		_, err := os.Stat(path)
		return err == nil
	})
}

// installMissing installs Debian packages and says which.
func installMissing(ctx context.Context) (err error) {
	// One that was killed while it installed left its policy behind.
	if err := letServicesUp(); err != nil {
		return err
	}
	missing := missingPackages()
	if len(missing) == 0 {
		return nil
	}
	names := strings.Join(missing, " ")
	fmt.Fprintln(os.Stderr, "installing Debian packages:", names)
	free, err := keepServicesDown()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, free()) }()
	install := append([]string{"install", "--yes", "--no-install-recommends"}, missing...)
	out, err := apt(ctx, install...)
	if err != nil {
		// The lists of a fresh machine are empty or old.
		if out, err = apt(ctx, "update"); err == nil {
			out, err = apt(ctx, install...)
		}
	}
	if err != nil {
		return fmt.Errorf("install Debian packages %s: %w: %s", names, err, tail(out))
	}
	return disable(ctx, missing)
}

func apt(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "apt-get", append([]string{"-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"}, args...)...)
	cmd.Env = append(cmd.Environ(), "DEBIAN_FRONTEND=noninteractive")
	return cmd.CombinedOutput()
}

func tail(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}

const (
	policyPath = "/usr/sbin/policy-rc.d"
	policyText = "#!/bin/sh\n# gameday lab: no service starts while it installs packages\nexit 101\n"
)

// keepServicesDown forbids packages to start their services: the lab runs these
// programs itself. A policy that is there already is left alone.
func keepServicesDown() (free func() error, err error) {
	text, err := os.ReadFile(policyPath)
	switch {
	case err == nil && string(text) != policyText:
		return func() error { return nil }, nil
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("keep services from starting: %w", err)
	}
	if err := os.WriteFile(policyPath, []byte(policyText), 0o755); err != nil {
		return nil, fmt.Errorf("keep services from starting: %w", err)
	}
	return letServicesUp, nil
}

// letServicesUp takes the lab's own policy away, also one that an Up left behind
// which was killed while it installed.
func letServicesUp() error {
	text, err := os.ReadFile(policyPath)
	if errors.Is(err, os.ErrNotExist) || err == nil && string(text) != policyText {
		return nil
	}
	if err != nil {
		return fmt.Errorf("let services start again: %w", err)
	}
	if err := os.Remove(policyPath); err != nil {
		return fmt.Errorf("let services start again: %w", err)
	}
	return nil
}

// disable keeps the services of packages that were just installed from starting
// with the machine, on the same ports as the lab's.
func disable(ctx context.Context, installed []string) error {
	systemctl, err := exec.LookPath("systemctl")
	if err != nil {
		return nil //nolint:nilerr // without systemd nothing starts them
	}
	for _, name := range []string{"containerd", "prometheus", "prometheus-alertmanager", "haproxy"} {
		if !slices.Contains(installed, name) {
			continue
		}
		if out, err := exec.CommandContext(ctx, systemctl, "disable", name+".service").CombinedOutput(); err != nil {
			return fmt.Errorf("disable the service of package %s: %w: %s", name, err, tail(out))
		}
	}
	return nil
}
