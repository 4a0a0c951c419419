package fidelity

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"strings"
	"unicode/utf8"
)

// The ways in which a tarball is refused. None of their messages quotes an object's content.
var (
	ErrPath      = errors.New("a path leads out of the tarball, or is no plain file")
	ErrDuplicate = errors.New("a file is there twice")
	ErrTooLarge  = errors.New("more than the limits allow")
	ErrBomb      = errors.New("unpacks to far more than it holds")
	ErrTruncated = errors.New("ends early or is damaged")
	ErrNotJSON   = errors.New("a file is not a JSON object")
	ErrLayout    = errors.New("not the layout of a Velero backup")
	ErrCopies    = errors.New("the two copies of an object differ")
	ErrIdentity  = errors.New("an object is not the one that its path names")
)

const (
	preferredSuffix = "-preferredversion"
	bombFloor       = 64 << 20 // small tarballs may pack well
)

// counter counts and hashes the packed bytes.
type counter struct {
	from io.Reader
	sum  interface{ Write([]byte) (int, error) }
	n    int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.n += int64(n)
	if _, e := c.sum.Write(p[:n]); e != nil {
		return n, e
	}
	return n, err
}

// unpacked refuses to unpack more than the limits allow.
type unpacked struct {
	from   io.Reader
	packed *counter
	limits Limits
	n      int64
}

func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.from.Read(p)
	u.n += int64(n)
	if u.n > u.limits.Total {
		return 0, fmt.Errorf("%w: over %d bytes unpacked", ErrTooLarge, u.limits.Total)
	}
	if u.n > bombFloor && u.n/u.limits.Ratio > u.packed.n {
		return 0, fmt.Errorf("%w: %d bytes from %d", ErrBomb, u.n, u.packed.n)
	}
	return n, err
}

// place is where in the layout a file stands.
type place struct {
	resource, namespace, name string
	preferred                 bool // the copy under <version>-preferredversion
	other                     bool // a further version of the same object
}

func (p place) key() string { return p.namespace + "/" + p.name }

// readTarball reads all of it, to the check sum at its end.
func readTarball(ctx context.Context, from io.Reader, limits Limits) (*truth, error) {
	sum := sha256.New()
	packed := &counter{from: from, sum: sum}
	zip, err := gzip.NewReader(packed)
	if err != nil {
		return nil, fmt.Errorf("%w: no gzip: %w", ErrTruncated, err)
	}
	plain := &unpacked{from: zip, packed: packed, limits: limits}
	t := &truth{groups: map[string]*group{}, seed: maphash.MakeSeed(), limits: limits}
	if err := t.readFiles(ctx, tar.NewReader(plain)); err != nil {
		return nil, err
	}
	// tar ends before gzip does: the rest must be read for the check sum.
	if _, err := io.Copy(io.Discard, plain); err != nil {
		return nil, damaged("the end", err)
	}
	if _, err := io.Copy(io.Discard, packed); err != nil {
		return nil, damaged("the end", err)
	}
	t.backup.SHA256, t.backup.Bytes = hex.EncodeToString(sum.Sum(nil)), packed.n
	return t, t.complete()
}

func damaged(where string, err error) error {
	if errors.Is(err, ErrBomb) || errors.Is(err, ErrTooLarge) {
		return err
	}
	return fmt.Errorf("%s: %w: %w", where, ErrTruncated, err)
}

func (t *truth) readFiles(ctx context.Context, files *tar.Reader) error {
	var buffer bytes.Buffer
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return damaged(fmt.Sprintf("after %d files", t.backup.Files), err)
		}
		if err := checkName(header); err != nil {
			return err
		}
		if header.Typeflag == tar.TypeDir {
			continue
		}
		if t.backup.Files++; t.backup.Files > t.limits.Objects {
			return fmt.Errorf("%w: over %d files", ErrTooLarge, t.limits.Objects)
		}
		if header.Size > t.limits.Object {
			return fmt.Errorf("%q: %w: %d bytes, want at most %d", header.Name, ErrTooLarge, header.Size, t.limits.Object)
		}
		buffer.Reset()
		if _, err := io.Copy(&buffer, files); err != nil {
			return damaged(fmt.Sprintf("%q", header.Name), err)
		}
		if err := t.add(header.Name, buffer.Bytes()); err != nil {
			return fmt.Errorf("%q: %w", header.Name, err)
		}
	}
}

func checkName(h *tar.Header) error {
	name := strings.TrimSuffix(h.Name, "/")
	bad := name == "" || strings.HasPrefix(name, "/") || strings.ContainsAny(name, "\\\x00") || !utf8.ValidString(name)
	for part := range strings.SplitSeq(name, "/") {
		bad = bad || part == "" || part == "." || part == ".."
	}
	if bad || h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeDir {
		return fmt.Errorf("%q: %w", h.Name, ErrPath)
	}
	return nil
}

// parsePlace reads resources/<group-resource>/[<version>[-preferredversion]/]{cluster|namespaces/<ns>}/<name>.json.
func parsePlace(name string) (place, error) {
	parts := strings.Split(name, "/")
	var p place
	if len(parts) < 4 || parts[0] != "resources" {
		return p, ErrLayout
	}
	p.resource = parts[1]
	rest := parts[2:]
	if rest[0] != "cluster" && rest[0] != "namespaces" {
		p.preferred = strings.HasSuffix(rest[0], preferredSuffix)
		p.other = !p.preferred
		rest = rest[1:]
	}
	switch {
	case len(rest) == 2 && rest[0] == "cluster":
	case len(rest) == 3 && rest[0] == "namespaces":
		p.namespace = rest[1]
	default:
		return p, ErrLayout
	}
	var isJSON bool
	p.name, isJSON = strings.CutSuffix(rest[len(rest)-1], ".json")
	if !isJSON || p.name == "" {
		return p, ErrLayout
	}
	return p, nil
}

func (t *truth) add(name string, content []byte) error {
	if name == "metadata/version" {
		if t.backup.Format != "" {
			return ErrDuplicate
		}
		t.backup.Format = strings.TrimSpace(string(content))
		if major, _, _ := strings.Cut(t.backup.Format, "."); major != "1" || len(t.backup.Format) > 32 {
			return fmt.Errorf("%w: its version is %.32q, want 1.x", ErrLayout, t.backup.Format)
		}
		return nil
	}
	p, err := parsePlace(name)
	if err != nil {
		return err
	}
	trimmed := bytes.TrimSpace(content)
	if len(trimmed) == 0 || trimmed[0] != '{' || !json.Valid(trimmed) {
		return ErrNotJSON
	}
	return t.keep(p, trimmed)
}
