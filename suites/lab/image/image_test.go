package image

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// sample is an image with a file of every kind.
func sample(t *testing.T) Image {
	t.Helper()
	return Image{
		Name: "sample",
		Layers: []*Layer{{Files: []File{
			{Path: "/tmp", Mode: fs.ModeDir | fs.ModeSticky | 0o777},
			{Path: "/bin/program", Mode: 0o755, Source: put(t, "program", "content of the program")},
			{Path: "/etc/text", Mode: 0o640, UID: 7, GID: 8, Content: []byte("text")},
			{Path: "/bin/link", Link: "program"},
		}}},
		Entrypoint: []string{"/bin/program", "serve"}, Cmd: []string{"all"}, Env: []string{"A=1"},
		User: "7:8", WorkingDir: "/tmp", StopSignal: "SIGINT",
	}
}

func put(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustWrite(t *testing.T, cache string, images ...Image) string {
	t.Helper()
	file, err := Write(t.Context(), cache, images...)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func mustRef(t *testing.T, i Image) string {
	t.Helper()
	ref, err := i.Ref()
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func TestEqualInputsGiveEqualBytes(t *testing.T) {
	first, second := mustWrite(t, t.TempDir(), sample(t)), mustWrite(t, t.TempDir(), sample(t))
	a, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(second)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Error("two files of equal images differ")
	}
	if filepath.Base(first) != filepath.Base(second) {
		t.Errorf("two files of equal images are named %s and %s", first, second)
	}
}

func TestTagFollowsTheContentOrTheKey(t *testing.T) {
	changes := map[string]func(*Image){
		"content of a program": func(i *Image) { i.Layers[0].Files[1].Source = put(t, "program", "other content") },
		"content of a text":    func(i *Image) { i.Layers[0].Files[2].Content = []byte("other") },
		"mode":                 func(i *Image) { i.Layers[0].Files[1].Mode = 0o700 },
		"owner":                func(i *Image) { i.Layers[0].Files[2].UID = 9 },
		"link":                 func(i *Image) { i.Layers[0].Files[3].Link = "elsewhere" },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			changed := sample(t)
			change(&changed)
			if mustRef(t, changed) == mustRef(t, sample(t)) {
				t.Error("the tag did not change with the content")
			}
			keyed, keyedChanged := sample(t), sample(t)
			keyed.Key, keyedChanged.Key = "k", "k"
			change(&keyedChanged)
			if mustRef(t, keyed) != mustRef(t, keyedChanged) {
				t.Error("the tag changed with the content in spite of the key")
			}
		})
	}
	for name, change := range map[string]func(*Image){
		"entrypoint": func(i *Image) { i.Entrypoint = nil },
		"command":    func(i *Image) { i.Cmd = nil },
		"environ":    func(i *Image) { i.Env = []string{"A=2"} },
		"user":       func(i *Image) { i.User = "0" },
		"key":        func(i *Image) { i.Key = "other" },
	} {
		keyed, changed := sample(t), sample(t)
		keyed.Key, changed.Key = "k", "k"
		change(&changed)
		if mustRef(t, keyed) == mustRef(t, changed) {
			t.Errorf("the tag did not change with the %s", name)
		}
	}
}

func TestRefIsANameThatCannotBePulled(t *testing.T) {
	ref := mustRef(t, sample(t))
	if !strings.HasPrefix(ref, "gameday.local/sample:") || len(ref) != len("gameday.local/sample:")+12 {
		t.Errorf("ref is %s", ref)
	}
}

func TestWrittenOnce(t *testing.T) {
	cache := t.TempDir()
	first, err := os.Stat(mustWrite(t, cache, sample(t)))
	if err != nil {
		t.Fatal(err)
	}
	second, err := os.Stat(mustWrite(t, cache, sample(t)))
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(first, second) {
		t.Error("the file was written again")
	}
	other := sample(t)
	other.Env = nil
	mustWrite(t, cache, other)
	if got := contents(t, filepath.Join(cache, "images")); len(got) != 2 {
		t.Errorf("the cache has %v, want a file for each of two images", got)
	}
}

func TestSettingsAndFilesSurvive(t *testing.T) {
	image, err := tarball.ImageFromPath(mustWrite(t, t.TempDir(), sample(t)), nil)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	want := v1.Config{
		Entrypoint: []string{"/bin/program", "serve"}, Cmd: []string{"all"}, Env: []string{"A=1"},
		User: "7:8", WorkingDir: "/tmp", StopSignal: "SIGINT",
	}
	if diff := cmp.Diff(want, config.Config); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.New()
	got := entries(t, io.TeeReader(content, digest))
	wantFiles := []string{
		"bin/link 0 0:0 -> program",
		"bin/program 755 0:0 content of the program",
		"etc/text 640 7:8 text",
		"tmp/ 1777 0:0",
	}
	if diff := cmp.Diff(wantFiles, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if hex.EncodeToString(digest.Sum(nil)) != config.RootFS.DiffIDs[0].Hex {
		t.Error("the layer's digest is not that of its content")
	}
}

// entries lists a tar stream to its very end, and checks that it tells no times.
func entries(t *testing.T, r io.Reader) []string {
	t.Helper()
	var all []string
	for files := tar.NewReader(r); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			if _, err := io.Copy(io.Discard, r); err != nil {
				t.Fatal(err)
			}
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(files)
		if err != nil {
			t.Fatal(err)
		}
		if !h.ModTime.Equal(time.Unix(0, 0)) {
			t.Errorf("%s has the time %v", h.Name, h.ModTime)
		}
		line := fmt.Sprintf("%s %o %d:%d", h.Name, h.Mode, h.Uid, h.Gid)
		if h.Typeflag == tar.TypeSymlink {
			line += " -> " + h.Linkname
		}
		if len(content) > 0 {
			line += " " + string(content)
		}
		all = append(all, line)
	}
}

func TestSharedLayerIsWrittenOnce(t *testing.T) {
	shared := &Layer{Files: []File{{Path: "/large", Mode: 0o644, Content: make([]byte, 1<<20)}}}
	a, b := Image{Name: "a", Layers: []*Layer{shared}}, Image{Name: "b", Layers: []*Layer{shared}, User: "1"}
	file := mustWrite(t, t.TempDir(), a, b)
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > 1<<20+1<<17 {
		t.Errorf("two images with one layer of 1 MiB take %d bytes", info.Size())
	}
	manifest, err := tarball.LoadManifest(func() (io.ReadCloser, error) { return os.Open(file) })
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest) != 2 {
		t.Errorf("the file has %d images, want 2", len(manifest))
	}
}

func TestStoppedWriteLeavesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	cache := t.TempDir()
	if _, err := Write(ctx, cache, sample(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
	if got := contents(t, filepath.Join(cache, "images")); len(got) != 0 {
		t.Errorf("left %v", got)
	}
}

func contents(t *testing.T, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func TestRefusesWhatIsNoLayer(t *testing.T) {
	for want, l := range map[string]*Layer{
		`file "etc/text": want a clean absolute path`: {Files: []File{{Path: "etc/text"}}},
		`file "/etc/../x": want a clean absolute`:     {Files: []File{{Path: "/etc/../x"}}},
		`file "/a" is there twice`:                    {Files: []File{{Path: "/a"}, {Path: "/b"}, {Path: "/a"}}},
		"write /a: open /nowhere/to/be/found":         {Files: []File{{Path: "/a", Source: "/nowhere/to/be/found"}}},
		"read userland: open /nowhere":                {Userland: "/nowhere"},
	} {
		_, err := Write(t.Context(), t.TempDir(), Image{Name: "bad", Layers: []*Layer{l}})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "image bad: layer 1") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if _, err := Write(t.Context(), t.TempDir(), sample(t), sample(t)); err == nil || !strings.Contains(err.Error(), "is there twice") {
		t.Errorf("the same image twice: got %v", err)
	}
}

func TestSweepSparesWhatMayBeInUse(t *testing.T) {
	dir := t.TempDir()
	for name, age := range map[string]time.Duration{unfinished + "old": 2 * sweepAfter, unfinished + "young": 0, "whole": 2 * sweepAfter} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Join(path, "below"), 0o755); err != nil {
			t.Fatal(err)
		}
		when := time.Now().Add(-age)
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
	}
	if err := sweep(dir); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{unfinished + "young", "whole"}, contents(t, dir)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}
