package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gowebpki/jcs"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/reports/attest"
	"github.com/gamedayhq/gameday/reports/bundle"
	"github.com/gamedayhq/gameday/suites/play"
)

var (
	edits  = flag.Int("edits", 200, "how many random edits the tamper campaign makes")
	update = flag.Bool("update", false, "write the campaign's table into docs/reliability.md")
)

// sealed is a folder of evidence, closed and signed, and what its checker needs.
type sealed struct {
	parent, dir string
	key         *attest.Key
	verifier    attest.Verifier
}

// newSealed seals two stored drills one after the other, so that the second has a chain, and returns the second.
func newSealed(t *testing.T) sealed {
	t.Helper()
	key, err := attest.EnsureKey(filepath.Join(t.TempDir(), "key.pem"), nil)
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.Public()
	if err != nil {
		t.Fatal(err)
	}
	s := sealed{parent: t.TempDir(), key: key, verifier: attest.Verifier{Operators: []*attest.PublicKey{public}}}
	for _, name := range []string{"fail", "pass"} {
		s.dir = filepath.Join(s.parent, name)
		if err := os.CopyFS(s.dir, os.DirFS("../../reports/testdata/evidence/"+name)); err != nil {
			t.Fatal(err)
		}
		ev, err := play.Conclude(s.dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := (play.Sealing{Operator: "somebody", Key: key}).Seal(t.Context(), s.dir, ev); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// damage is one way to change sealed evidence. It may decline, when the choice fell on nothing that it could change.
type damage struct {
	name string
	do   func(t *testing.T, r *rand.Rand, s sealed, dir string) bool
}

func damages() []damage {
	return []damage{
		{"a byte of a file changed", flipByte},
		{"a byte of a file left out", dropByte},
		{"a byte put in", addByte},
		{"a file cut", cutFile},
		{"a file removed", removeFile},
		{"a file added", addFile},
		{"a file renamed", renameFile},
		{"two files swapped", swapFiles},
		{"the manifest in another order", reorderManifest},
		{"the manifest made to fit a changed file", refitManifest},
		{"another predicate, validly signed", otherPredicate},
		{"an older link of the chain", olderChain},
		{"signed by another key", otherKey},
		{"the signature of another drill", otherSignature},
	}
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func pick(t *testing.T, r *rand.Rand, dir string) string {
	t.Helper()
	all := files(t, dir)
	return all[r.IntN(len(all))]
}

func rework(t *testing.T, path string, change func([]byte) []byte) bool {
	t.Helper()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	after := change(bytes.Clone(before))
	if err := os.WriteFile(path, after, 0o644); err != nil {
		t.Fatal(err)
	}
	return !bytes.Equal(before, after)
}

func flipByte(t *testing.T, r *rand.Rand, _ sealed, dir string) bool {
	return rework(t, pick(t, r, dir), func(b []byte) []byte {
		b[r.IntN(len(b))] ^= byte(1 << r.IntN(8))
		return b
	})
}

func dropByte(t *testing.T, r *rand.Rand, _ sealed, dir string) bool {
	return rework(t, pick(t, r, dir), func(b []byte) []byte {
		at := r.IntN(len(b))
		return slices.Delete(b, at, at+1)
	})
}

func addByte(t *testing.T, r *rand.Rand, _ sealed, dir string) bool {
	return rework(t, pick(t, r, dir), func(b []byte) []byte { return slices.Insert(b, r.IntN(len(b)+1), byte(r.IntN(256))) })
}

func cutFile(t *testing.T, r *rand.Rand, _ sealed, dir string) bool {
	return rework(t, pick(t, r, dir), func(b []byte) []byte { return b[:r.IntN(len(b))] })
}

func removeFile(t *testing.T, r *rand.Rand, _ sealed, dir string) bool {
	if err := os.Remove(pick(t, r, dir)); err != nil {
		t.Fatal(err)
	}
	return true
}

func addFile(t *testing.T, r *rand.Rand, _ sealed, dir string) bool {
	where := []string{dir, filepath.Join(dir, "more"), filepath.Join(dir, bundle.AttestationDir)}[r.IntN(3)]
	if err := os.MkdirAll(where, 0o755); err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("added-%d.json", r.IntN(1000))
	if err := os.WriteFile(filepath.Join(where, name), []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	return true
}

func renameFile(t *testing.T, r *rand.Rand, _ sealed, dir string) bool {
	path := pick(t, r, dir)
	if err := os.Rename(path, path+"x"); err != nil {
		t.Fatal(err)
	}
	return true
}

func swapFiles(t *testing.T, r *rand.Rand, _ sealed, dir string) bool {
	one, two := pick(t, r, dir), pick(t, r, dir)
	if one == two {
		return false
	}
	for _, move := range [][2]string{{one, one + "x"}, {two, one}, {one + "x", two}} {
		if err := os.Rename(move[0], move[1]); err != nil {
			t.Fatal(err)
		}
	}
	return true
}

// reworkManifest changes the manifest and writes it in its canonical form, as a forger would.
func reworkManifest(t *testing.T, dir string, change func(m *bundle.Manifest)) {
	t.Helper()
	m, _, err := bundle.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	change(&m)
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if raw, err = jcs.Transform(raw); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, bundle.ManifestFile), raw, 0o644); err != nil {
		t.Fatal(err)
	}
}

func reorderManifest(t *testing.T, r *rand.Rand, _ sealed, dir string) bool {
	reworkManifest(t, dir, func(m *bundle.Manifest) {
		i := r.IntN(len(m.Files) - 1)
		m.Files[i], m.Files[i+1] = m.Files[i+1], m.Files[i]
	})
	return true
}

// refitManifest changes a file and has the whole folder closed anew: only the signature can tell.
func refitManifest(t *testing.T, r *rand.Rand, _ sealed, dir string) bool {
	path := filepath.Join(dir, []string{reports.JournalFile, reports.EvidenceFile, reports.ReportFile}[r.IntN(3)])
	ev, err := reports.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !flipAt(t, r, path) {
		return false
	}
	if _, err := bundle.Close(dir, ev, bundle.Closing{}); err != nil {
		t.Fatal(err)
	}
	return true
}

func flipAt(t *testing.T, r *rand.Rand, path string) bool {
	return rework(t, path, func(b []byte) []byte {
		b[r.IntN(len(b))] ^= 1
		return b
	})
}

func otherPredicate(t *testing.T, _ *rand.Rand, s sealed, dir string) bool {
	name, err := attest.Signer{Key: s.key}.Review(t.Context(), dir, "https://example.com/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, filepath.FromSlash(name)), filepath.Join(dir, filepath.FromSlash(attest.OperatorFile))); err != nil {
		t.Fatal(err)
	}
	return true
}

func olderChain(t *testing.T, r *rand.Rand, _ sealed, dir string) bool {
	reworkManifest(t, dir, func(m *bundle.Manifest) {
		m.Previous = []*bundle.Link{nil, {Run: "fail", SHA256: strings.Repeat("0", 64)}, {Run: "older", SHA256: m.Previous.SHA256}}[r.IntN(3)]
	})
	return true
}

func otherKey(t *testing.T, _ *rand.Rand, _ sealed, dir string) bool {
	key, err := attest.EnsureKey(filepath.Join(t.TempDir(), fmt.Sprint("key", len(dir))), nil)
	if err != nil {
		t.Fatal(err)
	}
	ev, err := reports.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := (attest.Signer{Key: key}).Sign(t.Context(), dir, ev); err != nil {
		t.Fatal(err)
	}
	return true
}

func otherSignature(t *testing.T, _ *rand.Rand, s sealed, dir string) bool {
	raw, err := os.ReadFile(filepath.Join(s.parent, "fail", filepath.FromSlash(attest.OperatorFile)))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(attest.OperatorFile)), raw, 0o644); err != nil {
		t.Fatal(err)
	}
	return true
}

// TestTamperCampaign makes random edits of sealed evidence. Each must be refused; the untouched one must hold, also as a tar.
func TestTamperCampaign(t *testing.T) {
	s := newSealed(t)
	var packed bytes.Buffer
	if err := bundle.WriteTar(s.dir, &packed); err != nil {
		t.Fatal(err)
	}
	mustHold(t, s, s.dir)
	mustHold(t, s, writeTemp(t, packed.Bytes()))
	const seed = 20260301
	r := rand.New(rand.NewPCG(seed, 1))
	tried, refused := map[string]int{}, map[string]int{}
	all := damages()
	for i := range *edits {
		kind := i % (len(all) + 1)
		if kind == len(all) {
			const name = "a tar cut or changed"
			tried[name]++
			if refuses(t, s, writeTemp(t, damageTar(r, packed.Bytes()))) {
				refused[name]++
			}
			continue
		}
		dir := filepath.Join(s.parent, "copy")
		if err := os.CopyFS(dir, os.DirFS(s.dir)); err != nil {
			t.Fatal(err)
		}
		if all[kind].do(t, r, s, dir) {
			tried[all[kind].name]++
			if refuses(t, s, dir) {
				refused[all[kind].name]++
			}
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	for name, n := range tried {
		if refused[name] != n {
			t.Errorf("%s: %d of %d refused", name, refused[name], n)
		}
	}
	if len(tried) != len(all)+1 {
		t.Errorf("%d kinds of damage were tried, want %d", len(tried), len(all)+1)
	}
	if *update {
		writeTable(t, seed, tried, refused)
	}
}

// damageTar cuts a tar or flips a bit of its content or of a name in it. Bits of a header that mean nothing to evidence, such as
// an owner, are left alone: a tar with another owner holds the same evidence.
func damageTar(r *rand.Rand, tar []byte) []byte {
	tar = bytes.Clone(tar)
	if r.IntN(2) == 0 {
		return tar[:r.IntN(len(tar))]
	}
	at := bytes.Index(tar, []byte("{"))
	tar[at+r.IntN(100)] ^= 1
	return tar
}

func writeTemp(t *testing.T, raw []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "drill.tar")
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustHold(t *testing.T, s sealed, name string) {
	t.Helper()
	v, err := verifyAny(t.Context(), name, s.verifier)
	if err != nil || len(v.Differences) > 0 || v.Verdict != reports.Pass || v.Signed.Operator != s.key.ID() {
		t.Fatalf("untouched evidence: verdict %v, signed by %q, differences %q: %v", v.Verdict, v.Signed.Operator, v.Differences, err)
	}
}

func refuses(t *testing.T, s sealed, name string) bool {
	t.Helper()
	v, err := verifyAny(t.Context(), name, s.verifier)
	if err != nil {
		t.Errorf("%s: could not look: %v", name, err)
		return false
	}
	return len(v.Differences) > 0 && v.Verdict != reports.Pass
}

func writeTable(t *testing.T, seed int, tried, refused map[string]int) {
	t.Helper()
	const path, begin, end = "../../docs/reliability.md", "<!-- tamper campaign -->\n", "<!-- end of tamper campaign -->\n"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no place for the table between %q and %q", path, begin, end)
	}
	var b strings.Builder
	total := 0
	b.WriteString("| what was done to sealed evidence | edits | refused |\n|---|---|---|\n")
	for _, d := range append(damages(), damage{name: "a tar cut or changed"}) {
		fmt.Fprintf(&b, "| %s | %d | %d |\n", d.name, tried[d.name], refused[d.name])
		total += tried[d.name]
	}
	fmt.Fprintf(&b, "\n%d edits, seed %d; the untouched folder and its tar were accepted.\n", total, seed)
	if err := os.WriteFile(path, []byte(head+begin+b.String()+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
