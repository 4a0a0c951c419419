package image

import (
	"archive/tar"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// digest is that of the layer's content.
func (l *Layer) digest() (string, error) {
	opened, err := l.open()
	if err != nil {
		return "", err
	}
	digest, err := opened.Digest()
	return digest.Hex, err
}

// open makes the layer readable. Whoever opens it again has the digest for nothing.
func (l *Layer) open() (*layer, error) {
	l.once.Do(func() { l.opened, l.err = l.check() })
	return l.opened, l.err
}

func (l *Layer) check() (*layer, error) {
	if l.Userland != "" {
		return userlandLayer(l.Userland)
	}
	files := slices.SortedFunc(slices.Values(l.Files), byPath)
	for n, f := range files {
		if !path.IsAbs(f.Path) || path.Clean(f.Path) != f.Path {
			return nil, fmt.Errorf("file %q: want a clean absolute path", f.Path)
		}
		if n > 0 && files[n-1].Path == f.Path {
			return nil, fmt.Errorf("file %q is there twice", f.Path)
		}
	}
	o := &layer{read: func() (io.ReadCloser, error) {
		reader, writer := io.Pipe()
		go func() { writer.CloseWithError(writeFiles(writer, files)) }()
		return reader, nil
	}}
	o.measure = sync.OnceValues(o.sum)
	return o, nil
}

func byPath(a, b File) int { return cmp.Compare(a.Path, b.Path) }

// userlandLayer trusts the digest that was written when the userland was made:
// reading a quarter of a gigabyte for it each time takes longer than the rest.
func userlandLayer(dir string) (*layer, error) {
	file := filepath.Join(dir, userlandTar)
	digest, err := os.ReadFile(filepath.Join(dir, userlandDigest))
	if err != nil {
		return nil, fmt.Errorf("read userland: %w", err)
	}
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("read userland: %w", err)
	}
	return &layer{
		read: func() (io.ReadCloser, error) { return os.Open(file) },
		measure: func() (extent, error) {
			return extent{digest: strings.TrimSpace(string(digest)), size: info.Size()}, nil
		},
	}, nil
}

// writeFiles writes files as a tar stream: owners and modes as given, no times.
func writeFiles(w io.Writer, files []File) error {
	t := tar.NewWriter(w)
	for _, f := range files {
		if err := writeFile(t, f); err != nil {
			return fmt.Errorf("write %s: %w", f.Path, err)
		}
	}
	return t.Close()
}

func writeFile(t *tar.Writer, f File) error {
	header := &tar.Header{
		Name: strings.TrimPrefix(f.Path, "/"), Mode: mode(f.Mode), Uid: f.UID, Gid: f.GID, ModTime: time.Unix(0, 0), Format: tar.FormatPAX,
	}
	switch {
	case f.Link != "":
		header.Typeflag, header.Linkname = tar.TypeSymlink, f.Link
		return t.WriteHeader(header)
	case f.Mode.IsDir():
		header.Typeflag = tar.TypeDir
		header.Name += "/"
		return t.WriteHeader(header)
	case f.Source == "":
		return writeContent(t, header, bytes.NewReader(f.Content), int64(len(f.Content)))
	}
	source, err := os.Open(f.Source)
	if err != nil {
		return err
	}
	info, err := source.Stat()
	if err == nil {
		err = writeContent(t, header, source, info.Size())
	}
	return errors.Join(err, source.Close())
}

func writeContent(t *tar.Writer, header *tar.Header, content io.Reader, size int64) error {
	header.Typeflag, header.Size = tar.TypeReg, size
	if err := t.WriteHeader(header); err != nil {
		return err
	}
	_, err := io.Copy(t, content)
	return err
}

// mode is a file's mode as tar has it.
func mode(m fs.FileMode) int64 {
	bits := int64(m.Perm())
	for flag, bit := range map[fs.FileMode]int64{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if m&flag != 0 {
			bits |= bit
		}
	}
	return bits
}

// layer is an uncompressed layer: importing it is then copying, not unzipping.
type layer struct {
	read    func() (io.ReadCloser, error)
	measure func() (extent, error)
}

type extent struct {
	digest string // hex, of sha256
	size   int64
}

var _ v1.Layer = (*layer)(nil)

func (l *layer) sum() (extent, error) {
	content, err := l.read()
	if err != nil {
		return extent{}, err
	}
	h := sha256.New()
	size, err := io.Copy(h, content)
	if err := errors.Join(err, content.Close()); err != nil {
		return extent{}, err
	}
	return extent{digest: hex.EncodeToString(h.Sum(nil)), size: size}, nil
}

// Digest is that of the content, which is not compressed.
func (l *layer) Digest() (v1.Hash, error) {
	e, err := l.measure()
	return v1.Hash{Algorithm: "sha256", Hex: e.digest}, err
}

// DiffID equals Digest.
func (l *layer) DiffID() (v1.Hash, error) { return l.Digest() }

// Size is the length of the content.
func (l *layer) Size() (int64, error) {
	e, err := l.measure()
	return e.size, err
}

// Compressed is the content, which is not compressed.
func (l *layer) Compressed() (io.ReadCloser, error) { return l.read() }

// Uncompressed is the content.
func (l *layer) Uncompressed() (io.ReadCloser, error) { return l.read() }

// MediaType says that the content is not compressed.
func (l *layer) MediaType() (types.MediaType, error) { return types.DockerUncompressedLayer, nil }
