package reports

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gamedayhq/gameday/probes"
)

// seeds returns the stored files of a name.
func seeds(f *testing.F, name string) [][]byte {
	f.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "evidence", "*", name))
	if err != nil || len(paths) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	var out [][]byte
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		out = append(out, raw)
	}
	return out
}

// FuzzJournal reads any bytes as a journal: no panic, no verdict that is none, no pass of what does not end in good order, and
// what is derived verifies.
func FuzzJournal(f *testing.F) {
	for _, seed := range seeds(f, JournalFile) {
		f.Add(seed[:min(len(seed), 6000)])
	}
	f.Add(journalOf(f, without(timelineOf(f, "B+2b STID+1-1+3URVE+1MZ", allKinds()...), "copy")))
	f.Fuzz(func(t *testing.T, raw []byte) {
		judgeBytes(t, raw)
		// Hardly any change leaves the chain whole: what the lines say is judged as well, linked anew.
		judgeBytes(t, relinked(raw))
	})
}

func judgeBytes(t *testing.T, raw []byte) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, JournalFile)
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	record, state, err := Read(path)
	if err != nil {
		return
	}
	ev := Derive(record, state)
	if ev.Verdict != Pass && ev.Verdict != Inconclusive && ev.Verdict != Fail {
		t.Fatalf("verdict %v", ev.Verdict)
	}
	if ev.Verdict == Pass && !state.Complete {
		t.Fatal("a journal that is not complete passes")
	}
	if err := Write(dir, ev); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err != nil {
		t.Fatal(err)
	}
	if v, err := Verify(dir); err != nil || len(v.Differences) > 0 || v.Verdict != ev.Verdict {
		t.Fatalf("%+v, %v", v, err)
	}
}

// relinked writes the lines that can be read in a chain of their own.
func relinked(raw []byte) []byte {
	var c chain
	var out bytes.Buffer
	for text := range bytes.Lines(raw) {
		var l line
		if json.Unmarshal(text, &l) == nil && (l.Header != nil || c.n > 0) {
			_ = c.append(&out, l) // a line that cannot be written is left out
		}
	}
	return out.Bytes()
}

func allKinds() []Objective {
	var o Objectives
	if err := json.Unmarshal([]byte(allObjectives), &o); err != nil {
		return nil
	}
	return o
}

// FuzzRecord judges any header, event and sample in a chain that is whole, which random bytes would hardly ever be.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(allObjectives), "B+40b STID-4+36URVE+40MZ", []byte(`{"at":1,"kind":"fact","topic":"readback","data":{"ledger":"orders","found":[1]}}`), []byte(`{"monitor":"shop","slot":200,"due":20000000000,"outcome":"bad"}`))
	f.Add([]byte(`[{"availability":{"of":"shop","during":"whole","atLeast":0.5}}]`), "B+40bWAZ", []byte(`{"at":-5,"kind":"step.started","step":"break"}`), []byte(`{"monitor":"shop","slot":1,"due":9223372036854775807,"took":9223372036854775807,"outcome":"good"}`))
	f.Fuzz(func(t *testing.T, objectives []byte, drill string, event, sample []byte) {
		var o Objectives
		if json.Unmarshal(objectives, &o) != nil {
			return
		}
		if !playable(drill) {
			return
		}
		record := timelineOf(t, drill, o...)
		l := line{N: 1}
		if json.Unmarshal(event, &l.Event) == nil && l.Event != nil {
			record.Events = append(record.Events, *l.Event)
		}
		if json.Unmarshal(sample, &l.Sample) == nil && l.Sample != nil {
			samples := record.Samples
			odd := *l.Sample
			record.Samples = func(yield func(s probes.Sample) bool) {
				for s := range samples {
					if !yield(s) {
						return
					}
				}
				yield(odd)
			}
		}
		checks, verdict := Judge(record)
		if verdict != WorstOf(checks) || verdict == 0 {
			t.Fatalf("verdict %v", verdict)
		}
		for _, c := range checks {
			if c.Verdict == 0 || c.Verdict != Pass && c.Reason == "" {
				t.Fatalf("check %+v", c)
			}
			if c.Slots != nil && (c.Slots.Good < 0 || c.Slots.Missed < 0 || c.Slots.Due != c.Slots.Good+c.Slots.Bad+c.Slots.Missed) {
				t.Fatalf("slots %+v", c.Slots)
			}
		}
	})
}

// playable tells text that timelineOf reads, and that holds no thousands of slots.
func playable(drill string) bool {
	const slots = "+-._!"
	digits, countable := 0, false // a count stands behind a slot
	for _, c := range []byte(drill) {
		_, event := eventOf(c)
		switch {
		case c >= '0' && c <= '9' && countable && digits < 2:
			digits++
			continue
		case !event && !strings.ContainsRune(slots+" '", rune(c)):
			return false
		}
		digits, countable = 0, strings.ContainsRune(slots, rune(c))
	}
	return len(drill) <= 100
}

// FuzzObjectives: what can be read is written so that it reads the same.
func FuzzObjectives(f *testing.F) {
	f.Add([]byte(allObjectives))
	f.Add([]byte(`[{"availability":{"atLeast":1e-300}},{"recovery":{"within":"1h"}}]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var o Objectives
		if json.Unmarshal(raw, &o) != nil {
			return
		}
		first, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		var again Objectives
		if err := json.Unmarshal(first, &again); err != nil {
			t.Fatalf("%s: %v", first, err)
		}
		second, err := json.Marshal(again)
		if err != nil || string(first) != string(second) {
			t.Fatalf("%s became %s, %v", first, second, err)
		}
		for _, one := range o {
			one.Problems()
			Refs(one)
		}
	})
}

// FuzzVerify: any evidence.json beside a journal is either the one that is derived, or the difference is named.
func FuzzVerify(f *testing.F) {
	record := without(timelineOf(f, "B+2b STID+1-1+3URVE+1MZ", &Recovery{Of: "shop", After: "break", Within: limit(1000), Good: 3}), "copy")
	dir := f.TempDir()
	derived := evidenceOf(f, dir, record)
	want, err := encode(derived)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(want)
	for _, seed := range seeds(f, EvidenceFile) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, EvidenceFile), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		differences, err := compare(dir, derived)
		if err != nil {
			t.Fatal(err)
		}
		if same := string(raw) == string(want); same != (len(differences) == 0) {
			t.Fatalf("same %v, differences %q", same, differences)
		}
	})
}
