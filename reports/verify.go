package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
)

// Verification is what a second look at an evidence gives.
type Verification struct {
	Verdict     Verdict  `json:"verdict"` // as the journal gives it; never pass when anything differs
	Checks      []Check  `json:"checks"`  // derived from the journal
	Differences []string `json:"differences,omitempty"`
}

// maxDifferences bounds how many differences are listed.
const maxDifferences = 100

// Verify reads the journal in a folder and the samples beside it, judges it again, and compares the outcome with the evidence that is stored there. It
// lists every difference: a journal that was changed, by its line; a value of the evidence, by its path. An error means that
// it could not look.
func Verify(dir string) (Verification, error) {
	record, state, err := Read(filepath.Join(dir, JournalFile))
	var tampered *TamperError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Verification{Verdict: Inconclusive, Differences: []string{JournalFile + ": is missing, so nothing can be judged again"}}, nil
	case errors.Is(err, ErrNoHeader):
		return Verification{Verdict: Inconclusive, Differences: []string{JournalFile + ": " + err.Error()}}, nil
	case errors.As(err, &tampered):
		return Verification{Verdict: Inconclusive, Differences: []string{tampered.File + ": tampered with: " + tampered.Error()}}, nil
	case err != nil:
		return Verification{}, fmt.Errorf("verify: %w", err)
	}
	derived := Derive(record, state)
	v := Verification{Verdict: derived.Verdict, Checks: derived.Checks}
	v.Differences, err = compare(dir, derived)
	if err != nil {
		return Verification{}, fmt.Errorf("verify: %w", err)
	}
	if len(v.Differences) > 0 {
		v.Verdict = Worst(v.Verdict, Inconclusive)
	}
	return v, nil
}

// compare lists how the stored evidence differs from the derived one.
func compare(dir string, derived Evidence) ([]string, error) {
	want, err := encode(derived)
	if err != nil {
		return nil, err
	}
	stored, err := load(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return []string{EvidenceFile + ": is missing"}, nil
	}
	if err != nil {
		return nil, err
	}
	if bytes.Equal(stored, want) {
		return nil, nil
	}
	a, err := generic(stored)
	if err != nil {
		return []string{fmt.Sprintf("%s: is not readable: %v", EvidenceFile, err)}, nil
	}
	b, err := generic(want)
	if err != nil {
		return nil, err
	}
	var d differ
	d.compare("", a, b)
	if len(d.found) == 0 {
		return []string{fmt.Sprintf("%s: is written differently at byte %d, though it reads the same", EvidenceFile, firstDifference(stored, want))}, nil
	}
	if d.more > 0 {
		d.found = append(d.found, fmt.Sprintf("and %d more differences", d.more))
	}
	return d.found, nil
}

func generic(raw []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if decoder.More() {
		return nil, errors.New("something follows the value")
	}
	return value, nil
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// differ collects the paths at which two JSON values differ.
type differ struct {
	found []string
	more  int
}

func (d *differ) note(format string, args ...any) {
	if len(d.found) == maxDifferences {
		d.more++
		return
	}
	d.found = append(d.found, fmt.Sprintf(format, args...))
}

func (d *differ) compare(path string, stored, derived any) {
	switch s := stored.(type) {
	case map[string]any:
		if other, ok := derived.(map[string]any); ok {
			d.compareMaps(path, s, other)
			return
		}
	case []any:
		if other, ok := derived.([]any); ok {
			d.compareLists(path, s, other)
			return
		}
	default:
		if scalar(stored) && scalar(derived) && stored == derived {
			return
		}
	}
	d.note("%s: stored %s, derived %s", orWhole(path), show(stored), show(derived))
}

func (d *differ) compareMaps(path string, stored, derived map[string]any) {
	keys := map[string]bool{}
	for key := range stored {
		keys[key] = true
	}
	for key := range derived {
		keys[key] = true
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		at := key
		if path != "" {
			at = path + "." + key
		}
		s, inStored := stored[key]
		v, inDerived := derived[key]
		switch {
		case !inStored:
			d.note("%s: stored nothing, derived %s", at, show(v))
		case !inDerived:
			d.note("%s: stored %s, derived nothing", at, show(s))
		default:
			d.compare(at, s, v)
		}
	}
}

func (d *differ) compareLists(path string, stored, derived []any) {
	for i := range max(len(stored), len(derived)) {
		at := path + "[" + strconv.Itoa(i) + "]"
		switch {
		case i >= len(stored):
			d.note("%s: stored nothing, derived %s", at, show(derived[i]))
		case i >= len(derived):
			d.note("%s: stored %s, derived nothing", at, show(stored[i]))
		default:
			d.compare(at, stored[i], derived[i])
		}
	}
}

// scalar tells values that can be compared.
func scalar(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return false
	default:
		return true
	}
}

func orWhole(path string) string {
	if path == "" {
		return EvidenceFile
	}
	return path
}

// show writes a value, cut to what a line can hold.
func show(v any) string {
	const most = 200
	raw, err := marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	if text := []rune(string(raw)); len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(raw)
}
