package reports

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"github.com/gamedayhq/gameday/probes"
)

// maxTail bounds what is read of the files of samples that are not compressed: a drill leaves less than a tenth of it.
const maxTail = 256 << 20

// tailFile is a file of the newest samples, in memory.
type tailFile struct {
	name   string
	number int64
	raw    []byte
	rows   []byte // whole ones, without the header
}

// readTails reads what samples a folder holds that are not compressed, by their numbers.
func readTails(dir string) ([]tailFile, error) {
	entries, err := os.ReadDir(dir) // by name, and so by number
	if err != nil {
		return nil, err
	}
	var out []tailFile
	left := int64(maxTail)
	for _, entry := range entries {
		var t tailFile
		if _, err := fmt.Sscanf(entry.Name(), "samples.%d.csv", &t.number); err != nil || entry.Name() != tailName(t.number) {
			continue
		}
		t.name = entry.Name()
		t.raw, err = readMost(filepath.Join(dir, t.name), left)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was compressed meanwhile
		}
		if err != nil {
			return nil, err
		}
		left -= int64(len(t.raw))
		out = append(out, t)
	}
	return out, nil
}

func readMost(path string, most int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(file, most+1))
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	if int64(len(raw)) > most {
		return nil, fmt.Errorf("%s: the samples that are not compressed are more than %d bytes", filepath.Base(path), maxTail)
	}
	return raw, nil
}

// storedSamples are the samples beside a journal: the compressed blocks that it tells of, and the tails after them.
type storedSamples struct {
	path     string
	monitors []MonitorInfo
	blocks   []blockLine // that are believed
	tails    []tailFile  // the same
	before   int64       // rows before the first of these blocks
	told     []blockLine // that the journal tells of
}

// check holds the files against what the journal tells. What cannot be believed is left out, and named by the error.
func (f *storedSamples) check(state *State, end *endLine, tails []tailFile) error {
	told := f.blocks
	f.told, f.blocks = told, nil
	state.Samples = &SamplesDigest{Path: SamplesFile, Blocks: int64(len(told)), Rows: endOf(told).Rows}
	follow, err := f.takeTails(state, int64(len(told)), tails)
	rest, blockErr := f.checkBlocks(state.Samples, told)
	switch {
	case blockErr != nil:
		return blockErr
	case err != nil:
		return err
	case end != nil && rest > 0:
		return &TamperError{File: SamplesFile, What: fmt.Sprintf("%d bytes follow the last block of samples", rest)}
	case rest > 0:
		state.Doubts = append(state.Doubts, fmt.Sprintf("the last %d bytes of %s are in no block that the journal tells of", rest, SamplesFile))
	}
	f.tails = follow
	return nil
}

// checkBlocks hashes the file, believes the blocks that are as told, and returns how many bytes follow the last one.
func (f *storedSamples) checkBlocks(digest *SamplesDigest, told []blockLine) (rest int64, err error) {
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, &TamperError{File: SamplesFile, What: "it is missing"}
	}
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	whole, buffer := sha256.New(), make([]byte, 128<<10)
	var wrong error
	for i, b := range told {
		n, sum, err := hashSome(io.LimitReader(file, b.Size), whole, buffer)
		digest.Size += n
		if err != nil {
			return 0, err
		}
		switch {
		case n < b.Size && wrong == nil:
			wrong = f.changed(i, b, fmt.Sprintf("it ends at byte %d, within block %d", digest.Size, b.Number))
		case sum != b.SHA256 && wrong == nil:
			wrong = f.changed(i, b, fmt.Sprintf("block %d was changed", b.Number))
		}
		if wrong == nil {
			f.blocks = append(f.blocks, b)
		}
	}
	rest, _, err = hashSome(file, whole, buffer)
	digest.Size += rest
	digest.SHA256 = hex.EncodeToString(whole.Sum(nil))
	return rest, errors.Join(wrong, err)
}

// hashSome hashes what can be read, also into the hash of the whole.
func hashSome(from io.Reader, whole hash.Hash, buffer []byte) (n int64, sum string, err error) {
	part := sha256.New()
	// Only a Reader, for a file would be copied through a new buffer each time.
	n, err = io.CopyBuffer(io.MultiWriter(part, whole), struct{ io.Reader }{from}, buffer)
	return n, hex.EncodeToString(part.Sum(nil)), err
}

// changed names the rows of a block that is not as told, and the first that is not as a drill writes it, if there is one.
func (f *storedSamples) changed(i int, b blockLine, what string) error {
	first := endOf(f.blocks).Rows + 1
	err := &TamperError{File: SamplesFile, What: what + fmt.Sprintf(" (rows %d to %d)", first, first+b.Rows-1)}
	if i == len(f.told)-1 {
		b.Size = mostRows // to the end of the file
	}
	alone := storedSamples{path: f.path, monitors: f.monitors, blocks: []blockLine{b}, before: first - 1}
	for s := range alone.all() {
		if s.Outcome == 0 {
			err.What += ": " + s.Detail
		}
	}
	return err
}

// takeTails finds the tails that follow the blocks and checks their rows.
func (f *storedSamples) takeTails(state *State, blocks int64, tails []tailFile) (follow []tailFile, err error) {
	for _, t := range tails {
		want := blocks + int64(len(follow))
		if t.number < blocks {
			continue // its rows are in a block: the drill was cut short before it was removed
		}
		sum := sha256.Sum256(t.raw)
		state.Tails = append(state.Tails, FileDigest{
			Path: t.name, SHA256: hex.EncodeToString(sum[:]), Size: int64(len(t.raw)), Lines: int64(bytes.Count(t.raw, []byte{'\n'})),
		})
		if t.number != want {
			state.Doubts = append(state.Doubts, fmt.Sprintf("%s follows no samples: %s is missing", t.name, tailName(want)))
			continue
		}
		state.Doubts = append(state.Doubts, "the newest samples were not compressed yet when the record ended: see "+t.name)
		torn, err := t.check(f.monitors)
		if err != nil {
			return follow, err
		}
		if torn {
			state.Doubts = append(state.Doubts, "the last row of "+t.name+" is cut")
		}
		follow = append(follow, t)
	}
	return follow, nil
}

// check finds the whole rows of a tail and reads each.
func (t *tailFile) check(monitors []MonitorInfo) (torn bool, err error) {
	if len(t.raw) < len(rowHeader) && bytes.HasPrefix([]byte(rowHeader), t.raw) {
		return len(t.raw) > 0, nil
	}
	rows, ok := bytes.CutPrefix(t.raw, []byte(rowHeader))
	if !ok {
		return false, &TamperError{File: t.name, What: "it does not begin with the names of the columns"}
	}
	t.rows = rows[:bytes.LastIndexByte(rows, '\n')+1]
	reader, n := newRowReader(monitors), int64(0)
	for row := range bytes.Lines(t.rows) {
		n++
		if _, wrong := reader.read(row[:len(row)-1]); wrong != "" {
			t.rows = nil
			return false, &TamperError{File: t.name, Line: n, What: wrong}
		}
	}
	return len(t.rows) < len(rows), nil
}

// all yields the samples: each monitor's in the order in which they were recorded. One that cannot be read is yielded as one
// without an outcome, which the judge counts against the record, and is the last: what was not read is never passed over.
func (f *storedSamples) all() iter.Seq[probes.Sample] {
	stored := *f
	return func(yield func(probes.Sample) bool) {
		reader := newRowReader(stored.monitors)
		if !stored.unpack(reader, yield) {
			return
		}
		for _, t := range stored.tails {
			reader.restart()
			for row := range bytes.Lines(t.rows) {
				s, wrong := reader.read(row[:len(row)-1])
				if wrong != "" {
					s = probes.Sample{Detail: t.name + ": a row " + wrong}
				}
				if !yield(s) || wrong != "" {
					return
				}
			}
		}
	}
}
