package reports

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gamedayhq/gameday/probes"
)

// tamper changes a file of an evidence.
func tamper(t testing.TB, dir, file string, change func([]byte) []byte) {
	t.Helper()
	path := filepath.Join(dir, file)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(slices.Clone(raw)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func swap(old, with string) func([]byte) []byte {
	return func(raw []byte) []byte { return bytes.Replace(raw, []byte(old), []byte(with), 1) }
}

func TestVerifyFindsEveryChange(t *testing.T) {
	for _, r := range []struct {
		name, file string
		change     func([]byte) []byte
		want       string
	}{
		{"nothing changed", EvidenceFile, func(b []byte) []byte { return b }, ""},
		{"the verdict", EvidenceFile, swap(`"verdict": "pass"`, `"verdict": "fail"`), `verdict: stored "fail", derived "pass"`},
		{"a check's verdict", EvidenceFile, swap("\"monitor\": \"shop\",\n      \"verdict\": \"pass\"", "\"monitor\": \"shop\",\n      \"verdict\": \"fail\""), `checks[0].verdict: stored "fail", derived "pass"`},
		{"a count", EvidenceFile, swap(`"good": 36`, `"good": 37`), `checks[0].slots.good: stored 37, derived 36`},
		{"a field more", EvidenceFile, swap(`"run": "test"`, `"run": "test", "signed": true`), `signed: stored true, derived nothing`},
		{"a field less", EvidenceFile, swap(`"run": "test",`, ``), `run: stored nothing, derived "test"`},
		{"an event less", EvidenceFile, func(b []byte) []byte {
			return bytes.Replace(b, []byte("    {\n      \"at\": 0,\n      \"kind\": \"baseline.started\"\n    },\n"), nil, 1)
		}, `timeline[0].`},
		{"another type", EvidenceFile, swap(`"complete": true`, `"complete": {}`), `complete: stored {}, derived true`},
		{"white space", EvidenceFile, swap(`"run": "test"`, `"run":  "test"`), "evidence.json: is written differently at byte"},
		{"one key twice", EvidenceFile, swap(`"run": "test"`, `"run": "other", "run": "test"`), "evidence.json: is written differently at byte"},
		{"not JSON", EvidenceFile, func([]byte) []byte { return []byte("pass") }, "evidence.json: is not readable"},
		{"empty", EvidenceFile, func([]byte) []byte { return nil }, "evidence.json: is not readable"},
		{"a list", EvidenceFile, func([]byte) []byte { return []byte("[]") }, "evidence.json: stored [], derived {"},

		{"the header in the journal", JournalFile, swap(`"run":"test"`, `"run":"best"`), "journal line 2: does not follow from the line before"},
		{"the last event of the journal", JournalFile, func(b []byte) []byte {
			return bytes.Replace(b, []byte(`"at":12000000000,"kind":"drill.ended"`), []byte(`"at":12000000001,"kind":"drill.ended"`), 1)
		}, "journal line 18: does not follow from the line before"},
		{"the last line of the journal", JournalFile, swap(`"end":{"blocks":1,"rows":240`, `"end":{"blocks":1,"rows":239`), "journal line 19: does not tell of the samples"},
		{"a journal without its last line", JournalFile, func(b []byte) []byte {
			return b[:bytes.LastIndexByte(b[:len(b)-1], '\n')+1]
		}, "complete: stored true, derived false"},
		{"a sample in the journal", JournalFile, func(b []byte) []byte {
			return relinkedWith(t, b, func(l *line) {
				if l.N == 3 {
					l.Event, l.Sample = nil, &probes.Sample{Monitor: "shop", Outcome: probes.Good}
				}
			})
		}, "journal line 4: holds what a journal of its version does not"},
		{"another offset of a block", JournalFile, func(b []byte) []byte {
			return relinkedWith(t, b, func(l *line) {
				if l.Block != nil {
					l.Block.Offset++
				}
			})
		}, "tells of a block of samples that does not follow"},
		{"samples cut", SamplesFile, func(b []byte) []byte { return b[:len(b)-1] }, "samples.csv.gz: tampered with: it ends at byte"},
		{"samples changed", SamplesFile, func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, "block 0 was changed (rows 1 to 240)"},
		{"samples that go on", SamplesFile, func(b []byte) []byte { return append(b, b...) }, "bytes follow the last block"},
		{"no samples", SamplesFile, func([]byte) []byte { return nil }, "it ends at byte 0, within block 0 (rows 1 to 240)"},
		{"a line less in the journal", JournalFile, func(b []byte) []byte { return without4(b) }, "journal line 4: has number 4, want 3"},
		{"a line twice in the journal", JournalFile, func(b []byte) []byte {
			lines := bytes.SplitAfter(b, []byte("\n"))
			return bytes.Join(slices.Insert(lines, 4, lines[3]), nil)
		}, "journal line 5: has number 3, want 4"},
		{"a second header in the journal", JournalFile, secondHeader, "is a second header"},
		{"another schema in the journal", JournalFile, swap("journal/v1alpha2", "journal/v9"), `journal line 1: has schema "gameday.dev/journal/v9"`},
		{"a field more in the journal", JournalFile, swap(`"event":{"at":`, `"event":{"odd":1,"at":`), `is not readable: json: unknown field "odd"`},
		{"garbage in the journal", JournalFile, swap(`"event":`, `"event"`), "is not readable"},
		{"a journal that begins with an event", JournalFile, func(b []byte) []byte {
			return bytes.Replace(b[bytes.IndexByte(b, '\n')+1:], []byte(`{"n":1,`), []byte(`{"n":0,`), 1)
		}, "journal line 1: does not follow"},
		{"a journal that goes on after its end", JournalFile, func(b []byte) []byte {
			var c chain
			lines := bytes.SplitAfter(b, []byte("\n"))
			c.n, c.prev = int64(len(lines)-1), hashLine(lines[len(lines)-2])
			out := bytes.NewBuffer(b)
			if err := c.append(out, line{Event: &Event{Kind: Fact}}); err != nil {
				t.Fatal(err)
			}
			return out.Bytes()
		}, "journal line 20: follows the end of the record"},
		{"a torn line after the end", JournalFile, func(b []byte) []byte { return append(b, `{"n":`...) }, "complete: stored true, derived false"},
		{"zeros after the end", JournalFile, func(b []byte) []byte { return append(b, 0, 0, 0) }, "complete: stored true, derived false"},
		{"an endless line", JournalFile, func(b []byte) []byte { return append(b, bytes.Repeat([]byte{'x'}, maxLine+2)...) }, "is longer than a line may be"},
		{"an empty journal", JournalFile, func([]byte) []byte { return nil }, "holds no whole header"},
	} {
		t.Run(r.name, func(t *testing.T) {
			dir := t.TempDir()
			evidenceOf(t, dir, aDrill(t))
			tamper(t, dir, r.file, r.change)
			v, err := Verify(dir)
			if err != nil {
				t.Fatal(err)
			}
			if r.want == "" {
				if len(v.Differences) > 0 || v.Verdict != Pass {
					t.Errorf("%v: %q", v.Verdict, v.Differences)
				}
				return
			}
			if !slices.ContainsFunc(v.Differences, func(d string) bool { return strings.Contains(d, r.want) }) {
				t.Errorf("differences %q, want one with %q", v.Differences, r.want)
			}
			if v.Verdict == Pass {
				t.Error("it passes")
			}
		})
	}
}

// relinkedWith changes lines of a journal and links it anew, as a forger would.
func relinkedWith(t testing.TB, raw []byte, change func(l *line)) []byte {
	t.Helper()
	var c chain
	var out bytes.Buffer
	for text := range bytes.Lines(raw) {
		var l line
		if err := DecodeStrict(text, &l); err != nil {
			t.Fatal(err)
		}
		change(&l)
		if err := c.append(&out, l); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

// without4 takes out the fourth line.
func without4(b []byte) []byte {
	return bytes.Join(slices.Delete(bytes.SplitAfter(b, []byte("\n")), 3, 4), nil)
}

// secondHeader puts the header behind itself, well linked.
func secondHeader(b []byte) []byte {
	first := b[:bytes.IndexByte(b, '\n')+1]
	second := bytes.Replace(first, []byte(`{"n":0,"prev":""`), []byte(`{"n":1,"prev":"`+hashLine(first)+`"`), 1)
	return slices.Concat(first, second)
}

func TestVerifyOfWhatIsMissing(t *testing.T) {
	for file, want := range map[string]string{
		EvidenceFile: "evidence.json: is missing",
		JournalFile:  "journal.ndjson: is missing",
		SamplesFile:  "samples.csv.gz: tampered with: it is missing",
	} {
		dir := t.TempDir()
		evidenceOf(t, dir, aDrill(t))
		if err := os.Remove(filepath.Join(dir, file)); err != nil {
			t.Fatal(err)
		}
		v, err := Verify(dir)
		if err != nil || v.Verdict == Pass || len(v.Differences) != 1 || !strings.HasPrefix(v.Differences[0], want) {
			t.Errorf("%s: %+v, %v", file, v, err)
		}
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, JournalFile), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(dir); err == nil {
		t.Error("a folder was read as a journal")
	}
}

func TestVerifyListsNoMoreThanAreRead(t *testing.T) {
	dir := t.TempDir()
	evidenceOf(t, dir, aDrill(t))
	tamper(t, dir, EvidenceFile, func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(`0`), []byte(`1`)) })
	v, err := Verify(dir)
	if err != nil || len(v.Differences) > maxDifferences+1 {
		t.Errorf("%d differences, %v", len(v.Differences), err)
	}
}

// small is a drill that passes and leaves little.
func small(t testing.TB) Record {
	t.Helper()
	return without(timelineOf(t, "B+2b STID+1-1+3URVE+1MZ", &Recovery{Of: "shop", After: "break", Within: limit(1000), Good: 3}), "copy")
}

// TestAJournalCutAtAnyByteNeverPasses cuts the journal of a drill that passes at every byte, with the whole evidence beside
// it and alone.
func TestAJournalCutAtAnyByteNeverPasses(t *testing.T) {
	for version, write := range map[string]func(testing.TB, string, Record) Evidence{"first": oldEvidenceOf, "newest": evidenceOf} {
		t.Run(version, func(t *testing.T) {
			dir := t.TempDir()
			if ev := write(t, dir, small(t)); ev.Verdict != Pass {
				t.Fatalf("the drill does not pass: %q", ev.Why)
			}
			cutAtAnyByte(t, filepath.Join(dir, JournalFile), func(cut int, whole []byte) {
				neverPasses(t, dir, cut)
				cutRecord, state, err := Read(filepath.Join(dir, JournalFile))
				if errors.Is(err, ErrNoHeader) {
					return
				}
				if err != nil {
					t.Fatalf("cut at byte %d: a cut is taken for tampering: %v", cut, err)
				}
				atNewline := whole[cut-1] == '\n'
				if state.Torn == atNewline || state.Complete {
					t.Fatalf("cut at byte %d: %+v", cut, state)
				}
				if ev := Derive(cutRecord, state); ev.Verdict == Pass {
					t.Fatalf("cut at byte %d: its own evidence passes", cut)
				}
			})
		})
	}
}

func cutAtAnyByte(t *testing.T, path string, look func(cut int, whole []byte)) {
	t.Helper()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := len(whole) - 1; cut >= 0; cut-- {
		if err := os.Truncate(path, int64(cut)); err != nil {
			t.Fatal(err)
		}
		look(cut, whole)
	}
}

func neverPasses(t *testing.T, dir string, cut int) {
	t.Helper()
	v, err := Verify(dir)
	if err != nil {
		t.Fatalf("cut at byte %d: %v", cut, err)
	}
	if v.Verdict == Pass || v.Verdict == 0 || len(v.Differences) == 0 {
		t.Fatalf("cut at byte %d: %v, %q", cut, v.Verdict, v.Differences)
	}
}

// TestSamplesCutAtAnyByteNeverPass: cut samples are named, and a drill is not concluded from them.
func TestSamplesCutAtAnyByteNeverPass(t *testing.T) {
	dir := t.TempDir()
	if ev := evidenceIn(t, dir, small(t), 2); ev.Verdict != Pass || ev.Samples.Blocks < 2 {
		t.Fatalf("%v, %+v", ev.Verdict, ev.Samples)
	}
	cutAtAnyByte(t, filepath.Join(dir, SamplesFile), func(cut int, _ []byte) {
		neverPasses(t, dir, cut)
		_, _, err := Read(filepath.Join(dir, JournalFile))
		var tampered *TamperError
		if !errors.As(err, &tampered) || tampered.File != SamplesFile || !strings.Contains(err.Error(), fmt.Sprintf("it ends at byte %d", cut)) {
			t.Fatalf("cut at byte %d: %v", cut, err)
		}
	})
}

// TestOneChangedByteIsFound changes every byte of a small evidence, one at a time.
func TestOneChangedByteIsFound(t *testing.T) {
	dir := t.TempDir()
	derived := evidenceOf(t, dir, without(timelineOf(t, "B+2bSMZ", avail(during("break"), 0.9)), "copy"))
	eachByteChanged(t, filepath.Join(dir, JournalFile), func(at int) {
		if v, err := Verify(dir); err != nil || len(v.Differences) == 0 || v.Verdict == Pass {
			t.Fatalf("journal, byte %d: %v, %v, nothing found", at, v.Verdict, err)
		}
	})
	eachByteChanged(t, filepath.Join(dir, SamplesFile), func(at int) {
		if v, err := Verify(dir); err != nil || len(v.Differences) == 0 || v.Verdict == Pass || !strings.HasPrefix(v.Differences[0], SamplesFile) {
			t.Fatalf("samples, byte %d: %+v, %v", at, v, err)
		}
	})
	eachByteChanged(t, filepath.Join(dir, EvidenceFile), func(at int) {
		if differences, err := compare(dir, derived); err != nil || len(differences) == 0 {
			t.Fatalf("evidence, byte %d: %v, nothing found", at, err)
		}
	})
}

func eachByteChanged(t *testing.T, path string, look func(at int)) {
	t.Helper()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		changed := slices.Clone(whole)
		changed[i] ^= 1
		if err := os.WriteFile(path, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		look(i)
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestARecordThatShrinksWhileItIsJudged: what was not read again is never passed over.
func TestARecordThatShrinksWhileItIsJudged(t *testing.T) {
	for file, r := range map[string]struct {
		write func(testing.TB, string, Record) Evidence
		want  string
	}{
		JournalFile: {oldEvidenceOf, "it became shorter"},
		SamplesFile: {evidenceOf, "block 0: decompress: unexpected EOF"},
	} {
		t.Run(file, func(t *testing.T) {
			dir := t.TempDir()
			r.write(t, dir, aDrill(t))
			record, state, err := Read(filepath.Join(dir, JournalFile))
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, file)
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path, info.Size()*9/10); err != nil {
				t.Fatal(err)
			}
			if ev := Derive(record, state); ev.Verdict == Pass || !strings.Contains(strings.Join(ev.Why, "\n"), r.want) {
				t.Errorf("%v: %q", ev.Verdict, ev.Why)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if ev := Derive(record, state); ev.Verdict == Pass {
				t.Errorf("%v: %q", ev.Verdict, ev.Why)
			}
		})
	}
}
