package attest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/digitorus/timestamp"
)

// stampServer is a time-stamp server of our own, with a certificate that its roots vouch for.
func stampServer(t *testing.T, change func(*timestamp.Timestamp)) (url string, roots *x509.CertPool) {
	t.Helper()
	key := ecKey(t, elliptic.P256())
	certificate := stampCertificate(t, key)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		query, err := timestamp.ParseRequest(raw)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		stamp := &timestamp.Timestamp{
			HashAlgorithm: query.HashAlgorithm, HashedMessage: query.HashedMessage, Nonce: query.Nonce,
			Time: time.Now(), Policy: asn1.ObjectIdentifier{1, 2, 3}, AddTSACertificate: true, SerialNumber: big.NewInt(1),
		}
		if change != nil {
			change(stamp)
		}
		answer, err := stamp.CreateResponseWithOpts(certificate, key, crypto.SHA256)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(answer)
	}))
	t.Cleanup(server.Close)
	path := filepath.Join(t.TempDir(), "roots.pem")
	must(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw}), 0o644))
	roots, err := LoadRoots(path)
	must(t, err)
	return server.URL, roots
}

func stampCertificate(t *testing.T, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	usage, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}}) // time stamping, and RFC 3161 wants it critical
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "stamps"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		BasicConstraintsValid: true, IsCA: true,
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: usage}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	certificate, err := x509.ParseCertificate(der)
	must(t, err)
	return certificate
}

func TestTimestamp(t *testing.T) {
	url, roots := stampServer(t, nil)
	key := newTestKey(t)
	dir := signed(t, "pass", Signer{Key: key, TimestampURL: url})
	v := Verifier{Operators: public(t, key), Roots: roots}
	s := check(t, v, dir)
	if len(s.Problems) > 0 || time.Since(s.Stamped).Abs() > time.Hour {
		t.Errorf("stamped %v, problems %q", s.Stamped, s.Problems)
	}
	_, strangers := stampServer(t, nil)
	if s := check(t, Verifier{Operators: v.Operators, Roots: strangers}, dir); !strings.Contains(strings.Join(s.Problems, "\n"), "does not hold") {
		t.Errorf("a server that nobody trusts: %q", s.Problems)
	}
	if s := check(t, v, signed(t, "pass", Signer{Key: key})); !strings.Contains(strings.Join(s.Problems, "\n"), "no time stamp") {
		t.Errorf("no stamp where one is asked for: %q", s.Problems)
	}
	if s := check(t, Verifier{Operators: v.Operators}, dir); !strings.Contains(strings.Join(s.Notes, "\n"), "--tsa-roots") {
		t.Errorf("no roots given: notes %q", s.Notes)
	}
}

// A stamp of another signature, put into a bundle that is otherwise right, does not hold: it is not part of what is signed.
func TestTimestampOfAnotherSignature(t *testing.T) {
	url, roots := stampServer(t, nil)
	key := newTestKey(t)
	one, two := signed(t, "pass", Signer{Key: key, TimestampURL: url}), signed(t, "fail", Signer{Key: key, TimestampURL: url})
	mine, _, _, err := open(t.Context(), one, OperatorFile, public(t, key))
	must(t, err)
	theirs, _, _, err := open(t.Context(), two, OperatorFile, public(t, key))
	must(t, err)
	mine.VerificationMaterial.Timestamps = theirs.VerificationMaterial.Timestamps
	raw, err := mine.encode()
	must(t, err)
	put(t, one, OperatorFile, string(raw))
	s := check(t, Verifier{Operators: public(t, key), Roots: roots}, one)
	if !strings.Contains(strings.Join(s.Problems, "\n"), "stamps something else") {
		t.Errorf("found %q", s.Problems)
	}
}

func TestTimestampServersThatMisbehave(t *testing.T) {
	another, _ := stampServer(t, func(s *timestamp.Timestamp) { s.HashedMessage[0] ^= 1 })
	replay, _ := stampServer(t, func(s *timestamp.Timestamp) { s.Nonce = big.NewInt(7) })
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	t.Cleanup(broken.Close)
	noise := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) }))
	t.Cleanup(noise.Close)
	for what, row := range map[string][2]string{
		"stamps something else": {another, "stamps something else"},
		"replays":               {replay, "nonce is not ours"},
		"answers an error":      {broken.URL, "418"},
		"answers noise":         {noise.URL, "time-stamp"},
		"is not there":          {"http://127.0.0.1:1", "refused"},
	} {
		_, err := requestTimestamp(t.Context(), row[0], []byte("signature"))
		if err == nil || !strings.Contains(err.Error(), row[1]) {
			t.Errorf("a server that %s: %v, want %q", what, err, row[1])
		}
	}
}
