package machine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/go-multierror"
)

// hostSettings are the kernel's settings for the whole host that a lab changes: a
// kubelet sets the first six, and the last two must hold for several of them.
var hostSettings = []string{
	"vm/overcommit_memory",
	"vm/panic_on_oom",
	"kernel/panic",
	"kernel/panic_on_oops",
	"kernel/keys/root_maxkeys",
	"kernel/keys/root_maxbytes",
	"fs/inotify/max_user_instances",
	"fs/inotify/max_user_watches",
}

func settingsPath(dir string) string { return filepath.Join(dir, "host-settings.json") }

// SaveHostSettings records kernel settings in the lab's folder before the first
// machine starts. A record that is there is kept: it is the older truth.
func SaveHostSettings(dir string) error {
	if _, err := os.Stat(settingsPath(dir)); err == nil {
		return nil
	}
	values := map[string]string{}
	for _, name := range hostSettings {
		raw, err := os.ReadFile(filepath.Join("/proc/sys", name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // not every kernel has all of them
		}
		if err != nil {
			return fmt.Errorf("read kernel setting: %w", err)
		}
		values[name] = strings.TrimSpace(string(raw))
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make lab folder: %w", err)
	}
	return writeJSON(settingsPath(dir), values)
}

// RestoreHostSettings puts the recorded settings back and forgets them; without a
// record there is nothing to do.
func RestoreHostSettings(dir string) error {
	raw, err := os.ReadFile(settingsPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read recorded kernel settings: %w", err)
	}
	values := map[string]string{}
	if err := json.Unmarshal(raw, &values); err != nil {
		return fmt.Errorf("decode %s: %w", settingsPath(dir), err)
	}
	var bad *multierror.Error
	for name, value := range values {
		path := filepath.Join("/proc/sys", filepath.Clean("/"+name))
		now, err := os.ReadFile(path)
		if err == nil && strings.TrimSpace(string(now)) == value {
			continue
		}
		if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
			bad = multierror.Append(bad, fmt.Errorf("restore kernel setting %s to %s: %w", name, value, err))
		}
	}
	if err := bad.ErrorOrNil(); err != nil {
		return err
	}
	if err := os.Remove(settingsPath(dir)); err != nil {
		return fmt.Errorf("forget kernel settings: %w", err)
	}
	return nil
}
