package folder_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/gamedayhq/gameday/suites/lab/folder"
)

func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b")
	for _, row := range []struct {
		name    string
		content string
		changed bool
	}{
		{"a file that is not there is written", "one", true},
		{"the same content is no change", "one", false},
		{"other content replaces the whole file", "2", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			changed, err := folder.Write(path, []byte(row.content), 0o600)
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != row.content || changed != row.changed {
				t.Errorf("got %q, changed %v; want %q, changed %v", got, changed, row.content, row.changed)
			}
		})
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != fs.FileMode(0o600) {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	rest, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	if len(rest) != 1 {
		t.Errorf("left over: %v", rest)
	}
}

func TestWriteSaysWhatFailed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if _, err := folder.Write(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := folder.Write(filepath.Join(file, "below"), nil, 0o600); err == nil {
		t.Error("writing below a file succeeded")
	}
}
