package attest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/reports/bundle"
)

// OperatorFile is the attestation of who ran the drill, inside the folder of evidence.
const OperatorFile = bundle.AttestationDir + "/operator.sigstore.json"

// sigstoreBundle is the Sigstore bundle v0.3 of an envelope that was signed by a key.
type sigstoreBundle struct {
	MediaType            string        `json:"mediaType"`
	VerificationMaterial material      `json:"verificationMaterial"`
	DSSEEnvelope         dsse.Envelope `json:"dsseEnvelope"`
}

type material struct {
	PublicKey struct {
		Hint string `json:"hint"`
	} `json:"publicKey"`
	TlogEntries []json.RawMessage `json:"tlogEntries"`
	Timestamps  *timestamps       `json:"timestampVerificationData,omitempty"`
}

type timestamps struct {
	RFC3161 []signedTimestamp `json:"rfc3161Timestamps"`
}

type signedTimestamp struct {
	SignedTimestamp []byte `json:"signedTimestamp"` // DER of the server's answer
}

// Signer signs closed folders of evidence.
type Signer struct {
	Key *Key
	// TimestampURL is an RFC 3161 server that stamps the signature; none when empty.
	TimestampURL string
}

// Sign attests the result of a drill over its manifest and what a reader sees first.
func (s Signer) Sign(ctx context.Context, dir string, ev reports.Evidence) error {
	subjects, err := subjectsOf(dir)
	if err != nil {
		return fmt.Errorf("sign evidence: %w", err)
	}
	statement := Statement{Type: StatementType, Subject: subjects, PredicateType: TestResultType, Predicate: testResult(ev)}
	if err := s.write(ctx, filepath.Join(dir, filepath.FromSlash(OperatorFile)), statement); err != nil {
		return fmt.Errorf("sign evidence: %w", err)
	}
	return nil
}

// Review attests that a reviewer has checked the evidence. Who calls it has done so: see the caller's verification.
func (s Signer) Review(ctx context.Context, dir, reviewer string, properties []string) (string, error) {
	subjects, err := subjectsOf(dir)
	if err != nil {
		return "", fmt.Errorf("sign review: %w", err)
	}
	review := Review{TimeCreated: time.Now().UTC().Truncate(time.Second), Properties: properties}
	review.Verifier.ID = reviewer
	statement := Statement{Type: StatementType, Subject: subjects, PredicateType: ReviewType, Predicate: review}
	name := reviewFile(s.Key.ID())
	if err := s.write(ctx, filepath.Join(dir, filepath.FromSlash(name)), statement); err != nil {
		return "", fmt.Errorf("sign review: %w", err)
	}
	return name, nil
}

// subjectsOf are the manifest, which stands for all files, and the two files that a reader opens first.
func subjectsOf(dir string) ([]Resource, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // it was only read
	var out []Resource
	for _, name := range []string{bundle.ManifestFile, reports.EvidenceFile, reports.ReportFile} {
		file, err := bundle.Hash(root, name)
		if errors.Is(err, os.ErrNotExist) && name != bundle.ManifestFile {
			continue // the manifest says that it is missing
		}
		if err != nil {
			return nil, err
		}
		out = append(out, Resource{Name: name, Digest: map[string]string{"sha256": file.SHA256}})
	}
	return out, nil
}

func (s Signer) write(ctx context.Context, path string, statement Statement) error {
	payload, err := json.Marshal(statement)
	if err != nil {
		return err
	}
	signer, err := dsse.NewEnvelopeSigner(keySigner{s.Key})
	if err != nil {
		return err
	}
	envelope, err := signer.SignPayload(ctx, payloadType, payload)
	if err != nil {
		return err
	}
	b := sigstoreBundle{MediaType: bundleMediaType, DSSEEnvelope: *envelope}
	b.VerificationMaterial.PublicKey.Hint = s.Key.ID()
	b.VerificationMaterial.TlogEntries = []json.RawMessage{}
	if s.TimestampURL != "" {
		signature, err := base64.StdEncoding.DecodeString(envelope.Signatures[0].Sig)
		if err != nil {
			return err
		}
		stamp, err := requestTimestamp(ctx, s.TimestampURL, signature)
		if err != nil {
			return err
		}
		b.VerificationMaterial.Timestamps = &timestamps{RFC3161: []signedTimestamp{{stamp}}}
	}
	raw, err := b.encode()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return reports.Replace(path, raw)
}

// encode writes the bundle in its one form.
func (b *sigstoreBundle) encode() ([]byte, error) {
	raw, err := json.Marshal(b)
	return append(raw, '\n'), err
}

// reviewFile names the review by a key.
func reviewFile(keyID string) string {
	return fmt.Sprintf("%s/review-%.16s.sigstore.json", bundle.AttestationDir, keyID)
}
