package attest

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	ita "github.com/in-toto/attestation/go/v1"
	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/reports/bundle"
)

func pemFile(t *testing.T, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func pkcs8(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func ecKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newTestKey(t *testing.T) *Key {
	t.Helper()
	key, err := EnsureKey(filepath.Join(t.TempDir(), "keys", "key.pem"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func public(t *testing.T, keys ...*Key) (out []*PublicKey) {
	t.Helper()
	for _, k := range keys {
		p, err := k.Public()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

// signed returns a closed and signed folder made of stored evidence.
func signed(t *testing.T, name string, signer Signer) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.CopyFS(dir, os.DirFS("../testdata/evidence/"+name)); err != nil {
		t.Fatal(err)
	}
	ev, err := reports.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, reports.ReportFile), []byte("<p>report"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Close(dir, ev, bundle.Closing{}); err != nil {
		t.Fatal(err)
	}
	if err := signer.Sign(t.Context(), dir, ev); err != nil {
		t.Fatal(err)
	}
	return dir
}

func check(t *testing.T, v Verifier, dir string) Signed {
	t.Helper()
	s, err := v.Check(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Every kind of key file signs, and what it signed holds.
func TestKeyFiles(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec := ecKey(t, elliptic.P256())
	sec1, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := encrypted.Encrypt(pkcs8(t, ec), []byte("word"))
	if err != nil {
		t.Fatal(err)
	}
	word := func() ([]byte, error) { return []byte("word"), nil }
	for what, path := range map[string]string{
		"Ed25519":             pemFile(t, "PRIVATE KEY", pkcs8(t, ed)),
		"P-256":               pemFile(t, "PRIVATE KEY", pkcs8(t, ec)),
		"P-256 of openssl":    pemFile(t, "EC PRIVATE KEY", sec1),
		"cosign's, encrypted": pemFile(t, "ENCRYPTED SIGSTORE PRIVATE KEY", sealed),
		"cosign's, older":     pemFile(t, "ENCRYPTED COSIGN PRIVATE KEY", sealed),
	} {
		key, err := LoadKey(path, word)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		dir := signed(t, "pass", Signer{Key: key})
		if s := check(t, Verifier{Operators: public(t, key)}, dir); len(s.Problems) > 0 || s.Operator != key.ID() {
			t.Errorf("%s: by %q, problems %q", what, s.Operator, s.Problems)
		}
	}
	p384 := pemFile(t, "PRIVATE KEY", pkcs8(t, ecKey(t, elliptic.P384())))
	for what, row := range map[string]struct {
		path string
		word func() ([]byte, error)
		want string
	}{
		"wrong password":     {pemFile(t, "ENCRYPTED SIGSTORE PRIVATE KEY", sealed), func() ([]byte, error) { return []byte("no"), nil }, "password"},
		"no password":        {pemFile(t, "ENCRYPTED SIGSTORE PRIVATE KEY", sealed), nil, "COSIGN_PASSWORD"},
		"another curve":      {p384, nil, "P-384"},
		"a certificate":      {pemFile(t, "CERTIFICATE", []byte("x")), nil, "want a PRIVATE KEY"},
		"not what it says":   {pemFile(t, "PRIVATE KEY", []byte("x")), nil, "load key"},
		"no such file":       {"/nowhere/key", nil, "no such file"},
		"no PEM":             {"attest_test.go", nil, "no PEM"},
		"a key that is half": {pemFile(t, "EC PRIVATE KEY", sec1[:20]), nil, "load key"},
	} {
		if _, err := LoadKey(row.path, row.word); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", what, err, row.want)
		}
	}
}

// A key that was made at first use is found again, and still says so.
func TestEnsureKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gameday", "key.pem")
	one, err := EnsureKey(path, nil)
	if err != nil || !one.Generated {
		t.Fatalf("first use: %+v, %v", one, err)
	}
	two, err := EnsureKey(path, nil)
	if err != nil || two.ID() != one.ID() || !two.Generated {
		t.Errorf("second use: %+v, %v", two, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %v: %v", info.Mode(), err)
	}
	half, err := LoadPublicKey(path + ".pub")
	if err != nil || half.ID() != one.ID() {
		t.Errorf("the public half: %v", err)
	}
}

// The statement is valid by in-toto's own library, and no drill that did not pass is PASSED.
func TestStatement(t *testing.T) {
	key := newTestKey(t)
	for name, want := range map[string]string{"pass": "PASSED", "fail": "FAILED", "inconclusive": "FAILED", "aborted": "FAILED", "killed": "FAILED"} {
		dir := signed(t, name, Signer{Key: key})
		b, statement, _, err := open(t.Context(), dir, OperatorFile, public(t, key))
		if err != nil {
			t.Fatal(err)
		}
		payload, err := b.DSSEEnvelope.DecodeB64Payload()
		if err != nil {
			t.Fatal(err)
		}
		var theirs ita.Statement
		if err := protojson.Unmarshal(payload, &theirs); err != nil {
			t.Fatal(err)
		}
		if err := theirs.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		raw, err := json.Marshal(statement.Predicate)
		if err != nil {
			t.Fatal(err)
		}
		var result TestResult
		if err := json.Unmarshal(raw, &result); err != nil || result.Result != want {
			t.Errorf("%s: result %q, want %q: %v", name, result.Result, want, err)
		}
		if want == "FAILED" && len(result.FailedTests) == 0 {
			t.Errorf("%s: FAILED without a failed test", name)
		}
	}
}

func TestCheckNamesWhatIsWrong(t *testing.T) {
	operator, other := newTestKey(t), newTestKey(t)
	file := filepath.FromSlash(OperatorFile)
	for what, row := range map[string]struct {
		change func(t *testing.T, dir string)
		want   string
	}{
		"signed by another":  {func(t *testing.T, dir string) { sign(t, other, dir, TestResultType, nil) }, "was not signed by any"},
		"another predicate":  {func(t *testing.T, dir string) { sign(t, operator, dir, "https://example.com/x", nil) }, "its predicate is"},
		"about nothing":      {func(t *testing.T, dir string) { sign(t, operator, dir, TestResultType, []Resource{}) }, "not about manifest.json"},
		"about another file": {func(t *testing.T, dir string) { sign(t, operator, dir, TestResultType, elsewhere("manifest.json")) }, "about another manifest.json"},
		"about outside":      {func(t *testing.T, dir string) { sign(t, operator, dir, TestResultType, elsewhere("../x")) }, "no file of the evidence"},
		"no attestation":     {func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, file))) }, "not signed"},
		"no JSON":            {func(t *testing.T, dir string) { put(t, dir, OperatorFile, "x") }, "no Sigstore bundle"},
		"a manifest changed": {func(t *testing.T, dir string) { put(t, dir, bundle.ManifestFile, "{}") }, "about another manifest.json"},
		"a space more":       {func(t *testing.T, dir string) { change(t, dir, OperatorFile, `{"mediaType"`, `{ "mediaType"`) }, "not in the form"},
		"an older media type": {
			func(t *testing.T, dir string) { change(t, dir, OperatorFile, "v0.3+json", "v0.2+json") }, "its media type is",
		},
		"another payload type": {
			func(t *testing.T, dir string) { change(t, dir, OperatorFile, "vnd.in-toto", "vnd.out-toto") }, "its payload is",
		},
		"another key named": {
			func(t *testing.T, dir string) { change(t, dir, OperatorFile, operator.ID(), other.ID()) }, "it names the key",
		},
		"two signatures": {
			func(t *testing.T, dir string) {
				change(t, dir, OperatorFile, `"signatures":[`, `"signatures":[{"keyid":"","sig":"AA=="},`)
			}, "2 signatures",
		},
		"something added": {func(t *testing.T, dir string) { put(t, dir, bundle.AttestationDir+"/note.txt", "x") }, "it was added"},
		"a link": {
			func(t *testing.T, dir string) {
				must(t, os.Rename(filepath.Join(dir, file), filepath.Join(dir, file+".x")))
				must(t, os.Symlink(filepath.Join(dir, file+".x"), filepath.Join(dir, file)))
			}, "no plain file",
		},
	} {
		t.Run(what, func(t *testing.T) {
			dir := signed(t, "pass", Signer{Key: operator})
			row.change(t, dir)
			s := check(t, Verifier{Operators: public(t, operator)}, dir)
			if !strings.Contains(strings.Join(s.Problems, "\n"), row.want) {
				t.Errorf("found %q, want %q", s.Problems, row.want)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), []byte(text), 0o644))
}

func change(t *testing.T, dir, name, old, now string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
	must(t, err)
	text := strings.Replace(string(raw), old, now, 1)
	if text == string(raw) {
		t.Fatalf("%s does not hold %q", name, old)
	}
	put(t, dir, name, text)
}

func elsewhere(name string) []Resource {
	return []Resource{{Name: name, Digest: map[string]string{"sha256": strings.Repeat("0", 64)}}}
}

// sign writes a valid attestation of something else.
func sign(t *testing.T, key *Key, dir, predicate string, subjects []Resource) {
	t.Helper()
	if subjects == nil {
		found, err := subjectsOf(dir)
		must(t, err)
		subjects = found
	}
	statement := Statement{Type: StatementType, Subject: subjects, PredicateType: predicate, Predicate: TestResult{}}
	must(t, Signer{Key: key}.write(t.Context(), filepath.Join(dir, filepath.FromSlash(OperatorFile)), statement))
}

func TestReview(t *testing.T) {
	operator, reviewer, stranger := newTestKey(t), newTestKey(t), newTestKey(t)
	dir := signed(t, "pass", Signer{Key: operator})
	both := Verifier{Operators: public(t, operator), Reviewers: public(t, reviewer)}
	if s := check(t, both, dir); !strings.Contains(strings.Join(s.Problems, "\n"), "no review") {
		t.Errorf("without a review: %q", s.Problems)
	}
	_, err := Signer{Key: stranger}.Review(t.Context(), dir, "https://example.com/stranger", []string{"GAMEDAY_VERIFIED"})
	must(t, err)
	if s := check(t, both, dir); !strings.Contains(strings.Join(s.Problems, "\n"), "no review by a key that was given") {
		t.Errorf("with a stranger's review: %q", s.Problems)
	}
	_, err = Signer{Key: reviewer}.Review(t.Context(), dir, "https://example.com/me", []string{"GAMEDAY_VERIFIED"})
	must(t, err)
	if s := check(t, both, dir); len(s.Problems) > 0 || s.Reviewer != reviewer.ID() {
		t.Errorf("with the review: by %q, %q", s.Reviewer, s.Problems)
	}
	if s := check(t, Verifier{Operators: public(t, operator)}, dir); len(s.Problems) > 0 || len(s.Notes) != 2 {
		t.Errorf("without the reviewer's key: problems %q, notes %q, want two notes", s.Problems, s.Notes)
	}
	alone := signed(t, "pass", Signer{Key: operator})
	_, err = Signer{Key: operator}.Review(t.Context(), alone, "https://example.com/me", nil)
	must(t, err)
	own := Verifier{Operators: public(t, operator), Reviewers: public(t, operator)}
	if s := check(t, own, alone); !strings.Contains(strings.Join(s.Problems, "\n"), "nobody reviews their own drill") {
		t.Errorf("a review of one's own: %q", s.Problems)
	}
}

func TestUnsignedIsSaid(t *testing.T) {
	dir := signed(t, "pass", Signer{Key: newTestKey(t)})
	if s := check(t, Verifier{}, dir); len(s.Problems) > 0 || !slices.ContainsFunc(s.Notes, func(n string) bool { return strings.Contains(n, "--key") }) {
		t.Errorf("no key given: problems %q, notes %q", s.Problems, s.Notes)
	}
	must(t, os.RemoveAll(filepath.Join(dir, bundle.AttestationDir)))
	if s := check(t, Verifier{}, dir); !slices.Contains(s.Notes, "the evidence is not signed") {
		t.Errorf("not signed: notes %q", s.Notes)
	}
}

func TestSignRefusesWhatIsNotClosed(t *testing.T) {
	err := Signer{Key: newTestKey(t)}.Sign(t.Context(), t.TempDir(), reports.Evidence{})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("signing an open folder: %v", err)
	}
}
