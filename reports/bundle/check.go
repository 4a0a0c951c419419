package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Checked is what a look at a closed folder gave.
type Checked struct {
	Manifest Manifest
	Digest   string   // of the manifest
	Problems []string // every way in which the folder is not what its manifest says
	Notes    []string // what could not be looked at here, in words
}

// Check compares a folder with its manifest: every file's size and digest, no file too few and none too many, nothing that is
// not a plain file, and the link to the drill before, where that one lies beside it. An error means that it could not look.
func Check(dir string) (Checked, error) {
	var c Checked
	m, sum, err := Read(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.problem("%s is missing: the evidence was never closed, or it was taken away", ManifestFile)
		return c, nil
	case err != nil:
		c.problem("%s: %v", ManifestFile, err)
		return c, nil
	}
	c.Manifest, c.Digest = m, sum
	root, err := os.OpenRoot(dir)
	if err != nil {
		return c, fmt.Errorf("check bundle: %w", err)
	}
	defer root.Close() //nolint:errcheck // it was only read
	if !c.paths() {
		return c, nil
	}
	names, odd, err := walk(dir)
	if err != nil {
		return c, fmt.Errorf("check bundle %s: %w", dir, err)
	}
	for _, name := range odd {
		c.problem("%s is no plain file: evidence has no links and no devices", name)
	}
	c.compare(root, names)
	return c, c.chain(dir)
}

func (c *Checked) problem(format string, args ...any) {
	const most = 1000
	if len(c.Problems) < most {
		c.Problems = append(c.Problems, fmt.Sprintf(format, args...))
	}
}

// paths refuses names that would lead out of the folder, and a list that no writer makes.
func (c *Checked) paths() bool {
	before := len(c.Problems)
	for i, f := range c.Manifest.Files {
		if !filepath.IsLocal(filepath.FromSlash(f.Path)) || strings.Contains(f.Path, "\\") || own(f.Path) {
			c.problem("%s: files[%d].path %q is no name that a manifest may hold", ManifestFile, i, f.Path)
		}
		if i > 0 && c.Manifest.Files[i-1].Path >= f.Path {
			c.problem("%s: files[%d].path %q is out of order or there twice", ManifestFile, i, f.Path)
		}
	}
	return len(c.Problems) == before
}

func (c *Checked) compare(root *os.Root, names []string) {
	for _, want := range c.Manifest.Files {
		got, err := Hash(root, want.Path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			c.problem("%s is missing", want.Path)
		case err != nil:
			c.problem("%s cannot be read: %v", want.Path, err)
		case got.Size != want.Size:
			c.problem("%s has %d bytes, the manifest says %d", want.Path, got.Size, want.Size)
		case got.SHA256 != want.SHA256:
			c.problem("%s was changed: its SHA-256 is %s, the manifest says %s", want.Path, got.SHA256, want.SHA256)
		case got.MediaType != want.MediaType:
			c.problem("%s is %s, the manifest says %s", want.Path, got.MediaType, want.MediaType)
		}
	}
	for _, name := range names {
		_, listed := slices.BinarySearchFunc(c.Manifest.Files, name, func(f File, name string) int { return strings.Compare(f.Path, name) })
		if !listed && !own(name) {
			c.problem("%s is in no manifest: it was added", name)
		}
	}
}

// chain follows the link to the drill before, where that one lies beside this one.
func (c *Checked) chain(dir string) error {
	previous := c.Manifest.Previous
	if previous == nil {
		return nil
	}
	if previous.Run == "" || previous.Run != filepath.Base(previous.Run) || !filepath.IsLocal(previous.Run) {
		c.problem("%s: previous.run %q is no name of a drill", ManifestFile, previous.Run)
		return nil
	}
	full, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("check bundle: %w", err)
	}
	_, sum, err := Read(filepath.Join(filepath.Dir(full), previous.Run))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.Notes = append(c.Notes, fmt.Sprintf("the drill before, %s, is not here, so the chain was not followed", previous.Run))
	case err != nil:
		c.problem("the drill before, %s: %v", previous.Run, err)
	case sum != previous.SHA256:
		c.problem("the drill before, %s, has another manifest (SHA-256 %s) than the chain says (%s)", previous.Run, sum, previous.SHA256)
	}
	return nil
}
