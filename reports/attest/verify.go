package attest

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/reports/bundle"
)

// Verifier says by whom evidence must be signed.
type Verifier struct {
	Operators []*PublicKey // one of them must have signed; none: signatures are not looked at
	Reviewers []*PublicKey // one of them must have reviewed it; none: no review is asked for
	// Roots are the certificates that time-stamp servers are trusted by; without, stamps are not looked at.
	Roots *x509.CertPool
}

// Signed is what the look at the attestations gave.
type Signed struct {
	Operator string    // the id of the key that signed the result
	Reviewer string    // the id of the key that signed the review
	Stamped  time.Time // when the operator's signature was stamped, by a trusted server
	Problems []string  // every way in which the attestations do not hold
	Notes    []string  // what was not looked at, in words
}

func (s *Signed) problem(format string, args ...any) {
	s.Problems = append(s.Problems, fmt.Sprintf(format, args...))
}

var reviewName = regexp.MustCompile("^" + bundle.AttestationDir + `/review-[0-9a-f]{16}\.sigstore\.json$`)

// maxAttestation bounds an attestation's file, and maxReviews how many of them are looked at.
const (
	maxAttestation = 16 << 20
	maxReviews     = 100
)

// Check checks the attestations of a closed folder, by a fixed order: form, signature, payload type, predicate type, subjects.
func (v Verifier) Check(ctx context.Context, dir string) (Signed, error) {
	var s Signed
	names, err := attestations(dir)
	if err != nil {
		return s, fmt.Errorf("check attestations: %w", err)
	}
	v.operator(ctx, dir, names, &s)
	v.review(ctx, dir, names, &s)
	return s, nil
}

// attestations lists the files of the folder, which holds nothing else.
func attestations(dir string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(dir, bundle.AttestationDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		names = append(names, bundle.AttestationDir+"/"+entry.Name())
	}
	return names, nil
}

func (v Verifier) operator(ctx context.Context, dir string, names []string, s *Signed) {
	there := slices.Contains(names, OperatorFile)
	switch {
	case len(v.Operators) == 0 && there:
		s.Notes = append(s.Notes, "the signature was not checked: give --key with the operator's public key")
		return
	case len(v.Operators) == 0:
		s.Notes = append(s.Notes, "the evidence is not signed")
		return
	case !there:
		s.problem("%s is missing: the evidence is not signed", OperatorFile)
		return
	}
	b, statement, key, err := open(ctx, dir, OperatorFile, v.Operators)
	if err != nil {
		s.problem("%s: %v", OperatorFile, err)
		return
	}
	s.Operator = key.ID()
	if statement.PredicateType != TestResultType {
		s.problem("%s: its predicate is %q, want %s", OperatorFile, statement.PredicateType, TestResultType)
	}
	s.subjects(dir, OperatorFile, statement)
	v.stamp(b, s)
}

func (v Verifier) stamp(b *sigstoreBundle, s *Signed) {
	stamps := b.VerificationMaterial.Timestamps
	switch {
	case v.Roots == nil && stamps != nil && len(stamps.RFC3161) > 0:
		s.Notes = append(s.Notes, "the time stamp was not checked: give --tsa-roots")
		return
	case v.Roots == nil:
		return
	case stamps == nil || len(stamps.RFC3161) == 0:
		s.problem("%s: it has no time stamp", OperatorFile)
		return
	}
	signature, err := base64.StdEncoding.DecodeString(b.DSSEEnvelope.Signatures[0].Sig)
	if err == nil {
		s.Stamped, err = checkTimestamp(stamps.RFC3161[0].SignedTimestamp, signature, v.Roots)
	}
	if err != nil {
		s.problem("%s: its time stamp does not hold: %v", OperatorFile, err)
	}
}

// review looks for a review by a trusted key that is not the operator's.
func (v Verifier) review(ctx context.Context, dir string, names []string, s *Signed) {
	var why []string
	for i, name := range names {
		if name == OperatorFile {
			continue
		}
		if i > maxReviews {
			s.problem("%s holds more than %d files", bundle.AttestationDir, maxReviews)
			return
		}
		if problem := form(dir, name); problem != "" {
			s.problem("%s: %s", name, problem)
			continue
		}
		if len(v.Reviewers) == 0 {
			s.Notes = append(s.Notes, name+" was not checked: give --reviewer-key")
			continue
		}
		_, statement, key, err := open(ctx, dir, name, v.Reviewers)
		switch {
		case err != nil:
			why = append(why, fmt.Sprintf("%s: %v", name, err))
			continue
		case statement.PredicateType != ReviewType:
			s.problem("%s: its predicate is %q, want %s", name, statement.PredicateType, ReviewType)
			continue
		case key.ID() == s.Operator:
			s.problem("%s: the reviewer's key is the operator's: nobody reviews their own drill", name)
			continue
		}
		s.Reviewer = key.ID()
		s.subjects(dir, name, statement)
	}
	if len(v.Reviewers) > 0 && s.Reviewer == "" {
		s.problem("no review by a key that was given: %v", why)
	}
}

// form says what is wrong with a review before any key is asked.
func form(dir, name string) string {
	if !reviewName.MatchString(name) {
		return "is no attestation: it was added"
	}
	raw, err := readPlain(dir, name)
	if err != nil {
		return err.Error()
	}
	b, err := decode(raw)
	if err != nil {
		return err.Error()
	}
	if name != reviewFile(b.VerificationMaterial.PublicKey.Hint) {
		return "it is not named after the key that it names"
	}
	return ""
}

// open reads an attestation and returns the statement that one of the keys has signed.
func open(ctx context.Context, dir, name string, keys []*PublicKey) (*sigstoreBundle, *Statement, *PublicKey, error) {
	raw, err := readPlain(dir, name)
	if err != nil {
		return nil, nil, nil, err
	}
	b, err := decode(raw)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, key := range keys {
		verifier, err := dsse.NewEnvelopeVerifier(keyVerifier{key})
		if err != nil {
			return nil, nil, nil, err
		}
		_, payload, err := verifier.VerifyAndDecode(ctx, &b.DSSEEnvelope)
		if err != nil {
			continue
		}
		var statement Statement
		if err := json.Unmarshal(payload, &statement); err != nil {
			return nil, nil, nil, fmt.Errorf("its payload is no statement: %w", err)
		}
		if statement.Type != StatementType {
			return nil, nil, nil, fmt.Errorf("its payload is %q, want %s", statement.Type, StatementType)
		}
		if b.VerificationMaterial.PublicKey.Hint != key.ID() {
			return nil, nil, nil, fmt.Errorf("it names the key %q and was signed by %s", b.VerificationMaterial.PublicKey.Hint, key.ID())
		}
		return b, &statement, key, nil
	}
	return nil, nil, nil, fmt.Errorf("it was not signed by any of the %d keys that were given, or it was changed", len(keys))
}

// decode reads an attestation in the one form that it is written in: two files that say the same would be two to keep apart.
func decode(raw []byte) (*sigstoreBundle, error) {
	var b sigstoreBundle
	if err := reports.DecodeStrict(raw, &b); err != nil {
		return nil, fmt.Errorf("is no Sigstore bundle: %w", err)
	}
	switch {
	case b.MediaType != bundleMediaType:
		return nil, fmt.Errorf("its media type is %q, want %s", b.MediaType, bundleMediaType)
	case len(b.DSSEEnvelope.Signatures) != 1:
		return nil, fmt.Errorf("it has %d signatures, want one", len(b.DSSEEnvelope.Signatures))
	case b.DSSEEnvelope.PayloadType != payloadType:
		return nil, fmt.Errorf("its payload is %q, want %s", b.DSSEEnvelope.PayloadType, payloadType)
	}
	if again, err := b.encode(); err != nil || !bytes.Equal(again, raw) {
		return nil, errors.Join(errors.New("it is not in the form that it is written in"), err)
	}
	for _, text := range []string{b.DSSEEnvelope.Payload, b.DSSEEnvelope.Signatures[0].Sig} {
		if _, err := base64.StdEncoding.Strict().DecodeString(text); err != nil {
			return nil, fmt.Errorf("it is not in the form that it is written in: %w", err)
		}
	}
	return &b, nil
}

// subjects checks each subject's digest, and that the manifest is one: it stands for all other files.
func (s *Signed) subjects(dir, name string, statement *Statement) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		s.problem("%s cannot be read: %v", dir, err)
		return
	}
	defer root.Close() //nolint:errcheck // it was only read
	manifest := false
	for _, subject := range statement.Subject {
		manifest = manifest || subject.Name == bundle.ManifestFile
		if !filepath.IsLocal(filepath.FromSlash(subject.Name)) {
			s.problem("%s: its subject %q is no file of the evidence", name, subject.Name)
			continue
		}
		got, err := bundle.Hash(root, subject.Name)
		want, ok := subject.Digest["sha256"]
		switch {
		case err != nil:
			s.problem("%s: its subject %s cannot be read: %v", name, subject.Name, err)
		case !ok || len(subject.Digest) != 1:
			s.problem("%s: its subject %s has no SHA-256, or more than that", name, subject.Name)
		case got.SHA256 != want:
			s.problem("%s: it is about another %s (SHA-256 %s, here %s)", name, subject.Name, want, got.SHA256)
		}
	}
	if !manifest {
		s.problem("%s: it is not about %s", name, bundle.ManifestFile)
	}
}

func readPlain(dir, name string) ([]byte, error) {
	path := filepath.Join(dir, filepath.FromSlash(name))
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxAttestation {
		return nil, errors.New("is no plain file of a sensible size")
	}
	return os.ReadFile(path)
}
