package attest

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"time"

	"github.com/digitorus/pkcs7"
	"github.com/digitorus/timestamp"
)

// timestampWithin bounds how long a time-stamp server may take.
const timestampWithin = 30 * time.Second

// requestTimestamp has a server stamp a signature (RFC 3161) and checks that the answer is about it.
func requestTimestamp(ctx context.Context, url string, signature []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timestampWithin, fmt.Errorf("no answer within %v", timestampWithin))
	defer cancel()
	nonce, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 64))
	if err != nil {
		return nil, fmt.Errorf("time-stamp: %w", err)
	}
	sum := sha256.Sum256(signature)
	query, err := (&timestamp.Request{HashAlgorithm: crypto.SHA256, HashedMessage: sum[:], Certificates: true, Nonce: nonce}).Marshal()
	if err != nil {
		return nil, fmt.Errorf("time-stamp: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(query))
	if err != nil {
		return nil, fmt.Errorf("time-stamp: %w", err)
	}
	request.Header.Set("Content-Type", "application/timestamp-query")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("time-stamp: %w", errors.Join(err, context.Cause(ctx)))
	}
	const most = 1 << 20
	raw, err := io.ReadAll(io.LimitReader(answer.Body, most))
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return nil, fmt.Errorf("time-stamp: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("time-stamp: %s answered %s", url, answer.Status)
	}
	stamp, err := parseTimestamp(raw, signature)
	if err != nil {
		return nil, fmt.Errorf("time-stamp: %s: %w", url, err)
	}
	if stamp.Nonce == nil || stamp.Nonce.Cmp(nonce) != 0 {
		return nil, fmt.Errorf("time-stamp: %s answered another question (its nonce is not ours)", url)
	}
	return raw, nil
}

func parseTimestamp(raw, signature []byte) (*timestamp.Timestamp, error) {
	stamp, err := timestamp.ParseResponse(raw)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(signature)
	if stamp.HashAlgorithm != crypto.SHA256 || !bytes.Equal(stamp.HashedMessage, sum[:]) {
		return nil, errors.New("it stamps something else")
	}
	return stamp, nil
}

// LoadRoots reads the certificates that time-stamp servers are trusted by.
func LoadRoots(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("load roots: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("load roots: %s holds no certificate", path)
	}
	return pool, nil
}

// checkTimestamp returns when the signature was stamped, by a server whose certificate leads to the roots.
func checkTimestamp(raw, signature []byte, roots *x509.CertPool) (time.Time, error) {
	stamp, err := parseTimestamp(raw, signature)
	if err != nil {
		return time.Time{}, err
	}
	message, err := pkcs7.Parse(stamp.RawToken)
	if err != nil {
		return time.Time{}, err
	}
	intermediates := x509.NewCertPool()
	for _, certificate := range message.Certificates {
		intermediates.AddCert(certificate)
	}
	return stamp.Time, message.VerifyWithOpts(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, CurrentTime: stamp.Time,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping},
	})
}
