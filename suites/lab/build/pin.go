package build

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// pin is a small module that fixes the versions and sums of an upstream.
type pin struct {
	name  string
	files map[string][]byte // by their path in the work folder, with slashes
}

func readPin(tree fs.FS, name string) (pin, error) {
	p := pin{name: name, files: map[string][]byte{}}
	err := fs.WalkDir(tree, name, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		inside := strings.TrimPrefix(file, name+"/")
		p.files[strings.TrimSuffix(inside, ".txt")], err = fs.ReadFile(tree, file)
		return err
	})
	if err != nil {
		return pin{}, fmt.Errorf("read pin %s: %w", name, err)
	}
	if p.files["go.mod"] == nil {
		return pin{}, fmt.Errorf("read pin %s: it has no go.mod.txt", name)
	}
	return p, nil
}

// key names what a build depends on. Each part goes in with its length, so that
// no two different lists of parts have the same key.
func (p pin) key(t Target, toolchain string) string {
	sum := sha256.New()
	add := func(parts ...string) {
		for _, part := range parts {
			fmt.Fprintf(sum, "%d:%s,", len(part), part)
		}
	}
	add(toolchain, t.Name, t.Pin, t.Package, t.Version)
	add(t.Ldflags...)
	if t.Cgo {
		add("cgo")
	}
	for _, name := range slices.Sorted(maps.Keys(p.files)) {
		add(name, string(p.files[name]))
	}
	return hex.EncodeToString(sum.Sum(nil))[:24]
}

// write lays the pin's files into a work folder.
func (p pin) write(dir string) error {
	for name, content := range p.files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("make the work folder of pin %s: %w", p.name, err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return fmt.Errorf("write pin %s: %w", p.name, err)
		}
	}
	return nil
}

// vouches tells whether the pin's go.sum has this sum of a module's files.
func (p pin) vouches(module, version, sum string) bool {
	return slices.ContainsFunc(bytes.Split(p.files["go.sum"], []byte("\n")), func(line []byte) bool {
		return string(line) == module+" "+version+" "+sum
	})
}
