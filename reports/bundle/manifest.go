// Package bundle closes a drill's evidence: a manifest names every file with its size and digest, so that nothing can be
// changed, added or left out unseen; the folder also goes into one tar.
//
// The manifest is written last and in one step. A folder without one is not closed: whoever reads it sees that.
package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gowebpki/jcs"

	"github.com/gamedayhq/gameday/reports"
)

// Names in a closed folder. The attestations are about the manifest, so they are not in it.
const (
	ManifestFile   = "manifest.json"
	AttestationDir = "attestation"
	SchemaManifest = "gameday.dev/manifest/v1alpha1"
)

// Bounds of what is read of a bundle.
const (
	maxManifest = 64 << 20
	maxFiles    = 100_000
)

// Manifest names all that belongs to a drill's evidence. Its file is canonical JSON (RFC 8785), so that the same manifest has
// the same digest whoever writes it.
type Manifest struct {
	Schema  string    `json:"schema"`
	Run     string    `json:"run"`
	Drill   string    `json:"drill"`
	Verdict string    `json:"verdict"` // for orientation; what counts is judged again
	Files   []File    `json:"files"`   // by path, ascending
	Missing []Missing `json:"missing"` // what would be expected and is not there, with the reason
	// Previous is the drill before this one in the same folder of evidence: a chain that shows when one was taken away.
	Previous *Link `json:"previous,omitempty"`
}

// File is one file of the evidence.
type File struct {
	Path      string `json:"path"` // with slashes, inside the folder
	Size      int64  `json:"size"` // bytes
	SHA256    string `json:"sha256"`
	MediaType string `json:"mediaType"`
}

// Missing is a file that would be expected and is not there.
type Missing struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// Link names the manifest of another drill.
type Link struct {
	Run    string `json:"run"`
	SHA256 string `json:"sha256"`
}

var mediaTypes = map[string]string{
	".json": "application/json", ".ndjson": "application/x-ndjson", ".html": "text/html", ".csv": "text/csv",
	".gz": "application/gzip", ".yaml": "application/yaml", ".md": "text/markdown", ".tar": "application/x-tar",
}

func mediaType(name string) string {
	if known, ok := mediaTypes[path.Ext(name)]; ok {
		return known
	}
	return "application/octet-stream"
}

// encode writes the manifest in its canonical form.
func (m Manifest) encode() ([]byte, error) {
	raw, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return jcs.Transform(raw)
}

// Read reads the manifest of a closed folder and its digest. It does not look at the files: see [Check].
func Read(dir string) (Manifest, string, error) {
	raw, err := readBounded(filepath.Join(dir, ManifestFile), maxManifest)
	if err != nil {
		return Manifest{}, "", fmt.Errorf("read manifest: %w", err)
	}
	var head struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return Manifest{}, "", fmt.Errorf("read manifest: %s is not JSON: %w", ManifestFile, err)
	}
	if head.Schema != SchemaManifest {
		return Manifest{}, "", fmt.Errorf("read manifest: schema is %q, and this gameday knows %s: use one that is as new", head.Schema, SchemaManifest)
	}
	var m Manifest
	if err := reports.DecodeStrict(raw, &m); err != nil {
		return Manifest{}, "", fmt.Errorf("read manifest: %w", err)
	}
	if canonical, err := m.encode(); err != nil || !bytes.Equal(canonical, raw) {
		return Manifest{}, "", errors.Join(errors.New("read manifest: it is not in canonical form (RFC 8785), so it is not as it was written"), err)
	}
	return m, digest(raw), nil
}

func digest(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

func readBounded(name string, most int64) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(file, most+1))
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	if int64(len(raw)) > most {
		return nil, fmt.Errorf("%s is larger than %d bytes", filepath.Base(name), most)
	}
	return raw, nil
}

// walk lists the files of a folder by their paths, ascending, and what is in it that is no plain file.
func walk(dir string) (names, odd []string, err error) {
	err = filepath.WalkDir(dir, func(full string, entry fs.DirEntry, err error) error {
		if err != nil || full == dir {
			return err
		}
		inside, err := filepath.Rel(dir, full)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(inside)
		switch {
		case entry.Type().IsRegular():
			names = append(names, name)
		case !entry.IsDir():
			odd = append(odd, name)
		}
		if len(names)+len(odd) > maxFiles {
			return fmt.Errorf("it holds more than %d files", maxFiles)
		}
		return nil
	})
	slices.Sort(names)
	return names, odd, err
}

// Hash describes a file of the folder, and never through a link.
func Hash(root *os.Root, name string) (File, error) {
	info, err := root.Lstat(filepath.FromSlash(name))
	if err != nil {
		return File{}, err
	}
	if !info.Mode().IsRegular() {
		return File{}, fmt.Errorf("%s is no plain file", name)
	}
	file, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		return File{}, err
	}
	sum := sha256.New()
	size, err := io.Copy(sum, file)
	if err := errors.Join(err, file.Close()); err != nil {
		return File{}, err
	}
	return File{Path: name, Size: size, SHA256: hex.EncodeToString(sum.Sum(nil)), MediaType: mediaType(name)}, nil
}

// own tells the names that a manifest does not speak of.
func own(name string) bool {
	return name == ManifestFile || strings.HasPrefix(name, AttestationDir+"/")
}
