package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/gamedayhq/gameday/"

// picture says which rooms of the project a room may import: the one direction in which a drill's data flows. A room stands for
// all below it that are not named themselves.
var picture = map[string][]string{
	"probes":               {},
	"reports":              {"probes"},
	"reports/html":         {"probes", "reports"},
	"reports/reportstest":  {"reports"},
	"reports/bundle":       {"reports"},
	"reports/attest":       {"reports", "reports/bundle"},
	"reports/junit":        {"reports"},
	"reports/ctrf":         {"reports"},
	"reports/markdown":     {"reports"},
	"reports/github":       {"reports"},
	"reports/prometheus":   {"reports"},
	"probes/kubernetes":    {"probes"},
	"scenarios":            {"probes", "probes/kubernetes", "reports"},
	"scenarios/safety":     {"reports", "scenarios"},
	"scenarios/library":    {},
	"scenarios/chaosmesh":  {"reports", "scenarios"},
	"scenarios/kubernetes": {"reports", "scenarios"},
	"dr":                   {"reports", "scenarios"},
	"dr/velero":            {"reports", "scenarios"},
	"dr/fidelity":          {},
	"dr/fidelity/live":     {"dr/fidelity"},
	"suites/play":          {"reports", "reports/html", "reports/attest", "reports/bundle", "scenarios", "scenarios/chaosmesh", "scenarios/kubernetes", "scenarios/safety", "dr", "dr/velero"},
	"suites":               {"probes", "reports", "scenarios", "scenarios/library", "suites/play"},
	"suites/lab":           {"scenarios"},
	"suites/gameday":       {"reports", "scenarios/library", "suites", "suites/lab", "suites/play"},
	"cmd/gameday": {
		"probes", "reports", "reports/html", "reports/junit", "reports/ctrf", "reports/markdown", "reports/github", "reports/prometheus",
		"reports/attest", "reports/bundle",
		"scenarios", "scenarios/library", "scenarios/safety", "suites/play", "suites/lab",
	},
	"docs": {},
}

// outside says which foreign packages only some rooms may import.
var outside = map[string][]string{
	"k8s.io/":                         {"probes/kubernetes", "scenarios", "scenarios/safety", "scenarios/chaosmesh", "scenarios/kubernetes", "dr", "dr/velero", "dr/fidelity", "dr/fidelity/live", "suites/play", "suites/lab"},
	"sigs.k8s.io/":                    {"probes/kubernetes", "scenarios", "scenarios/safety", "scenarios/chaosmesh", "scenarios/kubernetes", "dr", "dr/velero", "dr/fidelity", "dr/fidelity/live", "suites/play", "suites/lab", "cmd/gameday"},
	"github.com/chaos-mesh/":          {"scenarios/chaosmesh"},
	"github.com/vmware-tanzu/velero/": {"dr/velero"},
	"github.com/onsi/":                {"suites", "suites/gameday"},
	"testing":                         {},
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = "../.."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var packages []goPackage
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// room returns the named room that a package is in.
func room(path string) string {
	for path != "." && path != "" {
		if _, named := picture[path]; named {
			return path
		}
		path = filepath.Dir(path)
	}
	return ""
}

func TestImportsPointOneWay(t *testing.T) {
	packages := listPackages(t)
	if len(packages) < 10 {
		t.Fatalf("only %d packages seen: the test looks in the wrong place", len(packages))
	}
	for _, p := range packages {
		for _, problem := range importProblems(p) {
			t.Error(problem)
		}
	}
}

func importProblems(p goPackage) []string {
	from := room(strings.TrimPrefix(p.ImportPath, module))
	if from == "" {
		return []string{p.ImportPath + " is in no room of the picture: add it"}
	}
	var out []string
	for _, path := range p.Imports {
		if inside, ok := strings.CutPrefix(path, module); ok {
			if to := room(inside); to != from && !slices.Contains(picture[from], to) {
				out = append(out, from+" must not import "+to)
			}
			continue
		}
		for prefix, rooms := range outside {
			if (path == prefix || strings.HasSuffix(prefix, "/") && strings.HasPrefix(path, prefix)) && !slices.Contains(rooms, from) {
				out = append(out, from+" must not import "+path)
			}
		}
	}
	return out
}

// The test above must be able to fail.
func TestImportPictureRefuses(t *testing.T) {
	for _, p := range []goPackage{
		{module + "probes", []string{module + "reports"}},
		{module + "reports", []string{module + "scenarios"}},
		{module + "reports", []string{"k8s.io/api/core/v1"}},
		{module + "scenarios", []string{module + "scenarios/chaosmesh"}},
		{module + "dr", []string{"testing"}},
		{module + "elsewhere", nil},
	} {
		if len(importProblems(p)) == 0 {
			t.Errorf("%s importing %v is not refused", p.ImportPath, p.Imports)
		}
	}
}

// Small files in rooms with a noun for a name (docs/README.md).
func TestRoomsStaySmall(t *testing.T) {
	seen := 0
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			name := entry.Name()
			if slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "misc"}, name) {
				t.Errorf("%s: a room's name says what it is about", path)
			}
			if strings.HasPrefix(name, ".") && name != ".." && name != "." {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) == ".go" && !strings.HasSuffix(path, "_test.go") {
			seen++
			if lines := countLines(t, path); lines > 400 {
				t.Errorf("%s has %d lines, want at most 400", path, lines)
			}
		}
		return nil
	})
	if err != nil || seen < 50 {
		t.Fatalf("walked %d files: %v", seen, err)
	}
}
