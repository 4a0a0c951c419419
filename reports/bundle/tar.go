package bundle

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// MaxTar bounds the bytes that a tar may unpack to.
const MaxTar = 64 << 30

// WriteTar writes a closed folder as one tar. The same folder gives the same bytes: names are sorted, times and owners are none.
func WriteTar(dir string, w io.Writer) error {
	checked, err := Check(dir)
	if err != nil {
		return err
	}
	if len(checked.Problems) > 0 {
		return fmt.Errorf("write tar: %s is not what its manifest says: %s", dir, checked.Problems[0])
	}
	names, _, err := walk(dir)
	if err != nil {
		return fmt.Errorf("write tar: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("write tar: %w", err)
	}
	defer root.Close() //nolint:errcheck // it was only read
	out := tar.NewWriter(w)
	for _, name := range names {
		if err := addFile(out, root, checked.Manifest.Run, name); err != nil {
			return fmt.Errorf("write tar: %s: %w", name, err)
		}
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("write tar: %w", err)
	}
	return nil
}

func addFile(out *tar.Writer, root *os.Root, run, name string) (err error) {
	file, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	header := &tar.Header{Name: run + "/" + name, Size: info.Size(), Mode: 0o644, Format: tar.FormatPAX, ModTime: time.Unix(0, 0)}
	if err := out.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.CopyN(out, file, info.Size())
	return err
}

// Extract unpacks a tar into an empty folder and returns the drill's folder in it. It refuses what [WriteTar] never writes:
// links, names that lead elsewhere, a name twice, more than one drill, an end that is cut, and more bytes than most.
func Extract(r io.Reader, into string, most int64) (string, error) {
	root, err := os.OpenRoot(into)
	if err != nil {
		return "", fmt.Errorf("extract tar: %w", err)
	}
	defer root.Close() //nolint:errcheck // every file in it was closed
	end := &tail{from: r}
	in := tar.NewReader(end)
	run, count := "", 0
	for {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", fmt.Errorf("extract tar: it is cut or no tar: %w", err)
		}
		if count++; count > maxFiles {
			return "", fmt.Errorf("extract tar: it holds more than %d files", maxFiles)
		}
		first, rest, nested := strings.Cut(header.Name, "/")
		switch {
		case header.Typeflag != tar.TypeReg:
			return "", fmt.Errorf("extract tar: %q is no plain file", header.Name)
		case !nested || rest == "" || !filepath.IsLocal(filepath.FromSlash(header.Name)) || strings.Contains(header.Name, "\\"):
			return "", fmt.Errorf("extract tar: %q is no name of a file of a drill", header.Name)
		case run != "" && first != run:
			return "", fmt.Errorf("extract tar: it holds two drills, %s and %s", run, first)
		}
		run = first
		if most -= header.Size; most < 0 {
			return "", fmt.Errorf("extract tar: it unpacks to more bytes than are allowed (%q is one too many)", header.Name)
		}
		if err := extractFile(in, root, header); err != nil {
			return "", fmt.Errorf("extract tar: %s: %w", header.Name, err)
		}
	}
	if run == "" {
		return "", errors.New("extract tar: it is empty")
	}
	if err := end.marker(); err != nil {
		return "", fmt.Errorf("extract tar: %w", err)
	}
	return filepath.Join(into, run), nil
}

func extractFile(in io.Reader, root *os.Root, header *tar.Header) error {
	name := filepath.FromSlash(header.Name)
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.CopyN(file, in, header.Size)
	return errors.Join(err, file.Close())
}

// tail keeps the last bytes that were read: archive/tar takes a file that is cut between two of its entries for a whole one.
type tail struct {
	from io.Reader
	last []byte
}

// endMarker is the length of the two empty blocks that end a tar.
const endMarker = 2 * 512

// Read passes the bytes on.
func (t *tail) Read(p []byte) (int, error) {
	n, err := t.from.Read(p)
	t.last = append(t.last, p[:n]...)
	if extra := len(t.last) - endMarker; extra > 0 {
		t.last = append(t.last[:0], t.last[extra:]...)
	}
	return n, err
}

// marker checks that the tar ended with its end marker and that nothing follows it.
func (t *tail) marker() error {
	if len(t.last) < endMarker || len(bytes.Trim(t.last, "\x00")) > 0 {
		return errors.New("it is cut before its end")
	}
	rest := make([]byte, 1)
	if n, err := io.ReadFull(t.from, rest); n > 0 {
		return errors.New("something follows its end")
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}
