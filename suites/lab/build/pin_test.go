package build

import (
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const toolchain = "go1.26.8\nlinux\namd64\n"

func TestKeyChangesWithEachByteOfAPin(t *testing.T) {
	target := Target{Name: "a", Pin: "p", Package: "x/a", Version: "v1"}
	files := map[string][]byte{"go.mod": []byte("module x\n"), "go.sum": []byte("s h1:x=\n"), "main.go": []byte("package main\n")}
	original := pin{name: "p", files: files}.key(target, toolchain)
	seen := map[string]string{original: "the original"}
	for name, content := range files {
		for i := range content {
			changed := maps.Clone(files)
			changed[name] = slices.Clone(content)
			changed[name][i] ^= 1
			key := pin{name: "p", files: changed}.key(target, toolchain)
			if seen[key] != "" {
				t.Fatalf("byte %d of %s changed and the key is that of %s", i, name, seen[key])
			}
			seen[key] = name
		}
	}
	if again := (pin{name: "p", files: maps.Clone(files)}).key(target, toolchain); again != original {
		t.Errorf("the same files have the keys %s and %s", original, again)
	}
}

func TestKeyChangesWithTargetAndToolchain(t *testing.T) {
	p := pin{name: "p", files: map[string][]byte{"go.mod": []byte("module x\n")}}
	base := Target{Name: "a", Pin: "p", Package: "x/a", Version: "v1", Ldflags: []string{"-X", "m.v=1"}}
	change := func(f func(*Target)) Target {
		changed := base
		changed.Ldflags = slices.Clone(base.Ldflags)
		f(&changed)
		return changed
	}
	keys := map[string]string{
		"base":       p.key(base, toolchain),
		"toolchain":  p.key(base, "go1.26.9\nlinux\namd64\n"),
		"name":       p.key(change(func(t *Target) { t.Name = "b" }), toolchain),
		"package":    p.key(change(func(t *Target) { t.Package = "x/b" }), toolchain),
		"version":    p.key(change(func(t *Target) { t.Version = "v2" }), toolchain),
		"ldflag":     p.key(change(func(t *Target) { t.Ldflags[1] = "m.v=2" }), toolchain),
		"cgo":        p.key(change(func(t *Target) { t.Cgo = true }), toolchain),
		"moved byte": p.key(change(func(t *Target) { t.Ldflags = []string{"-Xm", ".v=1"} }), toolchain),
		"more files": pin{name: "p", files: map[string][]byte{"go.mod": []byte("module x\n"), "go.sum": nil}}.key(base, toolchain),
	}
	if distinct := len(slices.Compact(slices.Sorted(maps.Values(keys)))); distinct != len(keys) {
		t.Errorf("%d different builds have %d keys: %v", len(keys), distinct, keys)
	}
}

func TestTheTableIsWellFormed(t *testing.T) {
	c, err := shipped()
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	names := map[string]bool{}
	for _, target := range c.targets {
		if names[target.Name] {
			t.Errorf("%s is there twice", target.Name)
		}
		names[target.Name] = true
		used[target.Pin] = true
		if target.Package == "" || target.Version == "" {
			t.Errorf("%s has package %q and version %q", target.Name, target.Package, target.Version)
		}
		p, err := readPin(c.pins, target.Pin)
		if err != nil {
			t.Errorf("%s: %v", target.Name, err)
			continue
		}
		if !regexp.MustCompile(`(?m)^module gameday\.lab/` + target.Pin + `$`).Match(p.files["go.mod"]) {
			t.Errorf("go.mod of pin %s is not of module gameday.lab/%s", target.Pin, target.Pin)
		}
		if required := version(p, target); required != target.Version {
			t.Errorf("%s says version %s, pin %s requires %q", target.Name, target.Version, target.Pin, required)
		}
	}
	entries, err := fs.ReadDir(c.pins, ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.IsDir() && !used[entry.Name()] {
			t.Errorf("no target uses pin %s", entry.Name())
		}
	}
}

// version is what the pin requires of the module that has the target's package.
// The package of etcd is the pin's own, over a module of etcd.
func version(p pin, target Target) string {
	of := target.Package
	if of == "gameday.lab/etcd" {
		of = "go.etcd.io/etcd/server/v3/etcdmain"
	}
	for module := of; module != "."; module = path.Dir(module) {
		line := regexp.MustCompile(`(?m)^\t?(?:require )?` + regexp.QuoteMeta(module) + ` (v\S+)`)
		if found := line.FindSubmatch(p.files["go.mod"]); found != nil {
			return string(found[1])
		}
	}
	return ""
}

func TestPinsNameNoLocalFolderOutsideOfThem(t *testing.T) {
	c, err := shipped()
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range c.targets {
		p, err := readPin(c.pins, target.Pin)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(p.files["go.mod"])) {
			_, to, replaced := strings.Cut(strings.TrimSpace(line), " => ")
			if !replaced || !strings.HasPrefix(to, ".") && !strings.HasPrefix(to, "/") {
				continue
			}
			if p.files[path.Join(to, "go.mod")] == nil {
				t.Errorf("pin %s replaces by %s, which it does not have", target.Pin, to)
			}
		}
	}
}

func TestNamesThatAreNoTargets(t *testing.T) {
	c := catalog{targets: []Target{{Name: "a"}, {Name: "b"}}}
	_, err := c.pick([]string{"x", "a", "y"})
	if err == nil || err.Error() != "no target named x, y; there are a, b" {
		t.Errorf("got %v", err)
	}
	picked, err := c.pick([]string{"b", "a", "b"})
	if err != nil || len(picked) != 2 || picked[0].Name != "a" || picked[1].Name != "b" {
		t.Errorf("picked %v, %v", picked, err)
	}
}
