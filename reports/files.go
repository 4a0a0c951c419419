package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// maxEvidence bounds the size of an evidence file that is read.
const maxEvidence = 256 << 20

// Conclude reads the journal in a folder, judges it and writes the evidence beside it.
func Conclude(dir string) (Evidence, error) {
	record, state, err := Read(filepath.Join(dir, JournalFile))
	if err != nil {
		return Evidence{}, fmt.Errorf("conclude: %w", err)
	}
	ev := Derive(record, state)
	return ev, Write(dir, ev)
}

// Write writes the evidence into the folder: whole and synced, or not at all.
func Write(dir string, ev Evidence) error {
	raw, err := encode(ev)
	if err != nil {
		return fmt.Errorf("write evidence: %w", err)
	}
	if err := Replace(filepath.Join(dir, EvidenceFile), raw); err != nil {
		return fmt.Errorf("write evidence: %w", err)
	}
	return nil
}

// encode writes the evidence as it stands in the file.
func encode(ev Evidence) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(ev); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return buffer.Bytes(), nil
}

// Replace puts a file in place in one step: a reader sees the old one or the new one, also after a crash.
func Replace(path string, content []byte) (err error) {
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temp.Name()))
		}
	}()
	_, err = temp.Write(content)
	err = errors.Join(err, temp.Chmod(0o644), temp.Sync(), temp.Close())
	if err != nil {
		return err
	}
	if err = os.Rename(temp.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// Load reads the evidence in a folder as it stands there. It does not verify it: see [Verify].
func Load(dir string) (Evidence, error) {
	raw, err := load(dir)
	if err != nil {
		return Evidence{}, fmt.Errorf("load evidence: %w", err)
	}
	var ev Evidence
	if err := DecodeStrict(raw, &ev); err != nil {
		return Evidence{}, fmt.Errorf("load evidence %s: %w", filepath.Join(dir, EvidenceFile), err)
	}
	if ev.Schema != SchemaEvidence && ev.Schema != schemaEvidence1 {
		return Evidence{}, fmt.Errorf("load evidence %s: schema is %q, want %q", filepath.Join(dir, EvidenceFile), ev.Schema, SchemaEvidence)
	}
	return ev, nil
}

func load(dir string) ([]byte, error) {
	file, err := os.Open(filepath.Join(dir, EvidenceFile))
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(file, maxEvidence+1))
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	if len(raw) > maxEvidence {
		return nil, fmt.Errorf("%s is larger than an evidence may be (%d bytes)", EvidenceFile, maxEvidence)
	}
	return raw, nil
}
