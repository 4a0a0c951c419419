package machine

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestHostSettings(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("changing kernel settings needs root")
	}
	const path = "/proc/sys/kernel/keys/root_maxkeys"
	read := func() int {
		t.Helper()
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(raw)))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before, dir := read(), t.TempDir()
	if err := RestoreHostSettings(dir); err != nil {
		t.Errorf("restore without a record: %v", err)
	}
	if err := SaveHostSettings(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strconv.Itoa(before+1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := SaveHostSettings(dir); err != nil {
		t.Errorf("second save: %v", err)
	}
	if err := RestoreHostSettings(dir); err != nil {
		t.Error(err)
	}
	if now := read(); now != before {
		t.Errorf("setting is %d, want %d as before", now, before)
	}
	if _, err := os.Stat(settingsPath(dir)); !os.IsNotExist(err) {
		t.Errorf("record stays: %v", err)
	}
}
