package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// mirror is where this machine has its packages from.
type mirror struct {
	uri, suite string
	components []string
	keyring    string // empty: debootstrap knows the release's own
	proxy      string
}

// codename reads the release's name from an os-release file.
func codename(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("find the release of Debian: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "VERSION_CODENAME="); ok {
			return strings.Trim(name, `"'`), nil
		}
	}
	return "", fmt.Errorf("find the release of Debian: %s has no VERSION_CODENAME", file)
}

// findMirror asks apt, which knows all ways of writing sources down.
func findMirror(ctx context.Context, release string) (mirror, error) {
	targets, err := exec.CommandContext(ctx, "apt-get", "indextargets",
		"--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Identifier: Packages").Output()
	if err != nil {
		return mirror{}, fmt.Errorf("ask apt for its sources: %w", err)
	}
	found, err := parseTargets(string(targets), release)
	if err != nil {
		return mirror{}, err
	}
	proxy, err := exec.CommandContext(ctx, "apt-config", "dump", "--format", "%v", "Acquire::http::Proxy").Output()
	if err != nil {
		return mirror{}, fmt.Errorf("ask apt for its proxy: %w", err)
	}
	found.proxy = strings.TrimSpace(string(proxy))
	found.keyring, err = findKeyring(os.DirFS("/etc/apt"), found.uri)
	return found, err
}

func parseTargets(targets, release string) (mirror, error) {
	var found mirror
	for line := range strings.Lines(targets) {
		words := strings.Fields(line)
		if len(words) != 3 || words[1] != release || !strings.HasPrefix(words[0], "http") {
			continue
		}
		if found.uri == "" {
			found = mirror{uri: words[0], suite: release}
		}
		if words[0] == found.uri && !slices.Contains(found.components, words[2]) {
			found.components = append(found.components, words[2])
		}
	}
	if found.uri == "" {
		return mirror{}, fmt.Errorf("apt has no http source for the release %s; it has: %q", release, targets)
	}
	return found, nil
}

// signedBy is the key of a source, in a stanza ("Signed-By: FILE") or in a
// one-line entry ("[signed-by=FILE]").
var signedBy = regexp.MustCompile(`(?i)\bsigned-by(?::\s*|=)(/[^\s\],]+)`)

// findKeyring looks up which key is said to sign a source: apt does not tell.
func findKeyring(etc fs.FS, uri string) (string, error) {
	var keyring string
	err := fs.WalkDir(etc, ".", func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || entry.IsDir() {
			return err
		}
		separator := "\n"
		switch filepath.Ext(path) {
		case ".sources":
			separator = "\n\n"
		case ".list":
		default:
			return nil
		}
		text, err := fs.ReadFile(etc, path)
		if err != nil {
			return err
		}
		for source := range strings.SplitSeq(string(text), separator) {
			match := signedBy.FindStringSubmatch(source)
			if match != nil && keyring == "" && names(source, uri) {
				keyring = match[1]
			}
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("find the key of %s: %w", uri, err)
	}
	return keyring, nil
}

// names says whether a source has this address, with or without a slash at its end.
func names(source, uri string) bool {
	return slices.ContainsFunc(strings.Fields(source), func(word string) bool {
		return strings.TrimSuffix(word, "/") == strings.TrimSuffix(uri, "/")
	})
}
