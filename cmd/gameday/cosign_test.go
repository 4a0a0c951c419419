package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/gamedayhq/gameday/reports/attest"
	"github.com/gamedayhq/gameday/reports/bundle"
	"github.com/gamedayhq/gameday/suites/play"
)

// TestCosign has cosign verify sealed evidence offline, with the command that VERIFY.md tells, and refuse it when it was changed.
func TestCosign(t *testing.T) {
	cosign := os.Getenv("COSIGN")
	if cosign == "" {
		t.Skip("$COSIGN names no cosign: run make cosign")
	}
	dir := t.TempDir()
	ed := filepath.Join(dir, "ed25519.pem")
	if _, err := attest.EnsureKey(ed, nil); err != nil {
		t.Fatal(err)
	}
	ec := filepath.Join(dir, "p256.pem")
	writeP256(t, ec)
	for _, path := range []string{ed, ec} {
		key, err := attest.LoadKey(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		evidence := filepath.Join(t.TempDir(), "pass")
		if err := os.CopyFS(evidence, os.DirFS("../../reports/testdata/evidence/pass")); err != nil {
			t.Fatal(err)
		}
		ev, err := play.Conclude(evidence)
		if err != nil {
			t.Fatal(err)
		}
		if err := (play.Sealing{Key: key}).Seal(t.Context(), evidence, ev); err != nil {
			t.Fatal(err)
		}
		verify := func(predicate string) error {
			cmd := exec.CommandContext(t.Context(), cosign, "verify-blob-attestation", "--bundle", attest.OperatorFile, "--key", path+".pub",
				"--type", predicate, "--insecure-ignore-tlog", "--check-claims", bundle.ManifestFile)
			cmd.Dir = evidence
			out, err := cmd.CombinedOutput()
			t.Logf("%s, %s: %s", filepath.Base(path), predicate, out)
			return err
		}
		if err := verify(attest.TestResultType); err != nil {
			t.Errorf("%s: cosign does not verify what gameday signed: %v", filepath.Base(path), err)
		}
		if verify("https://example.com/another") == nil {
			t.Errorf("%s: cosign takes another predicate", filepath.Base(path))
		}
		rework(t, filepath.Join(evidence, bundle.ManifestFile), func(b []byte) []byte { b[10] ^= 1; return b })
		if verify(attest.TestResultType) == nil {
			t.Errorf("%s: cosign takes a manifest that was changed", filepath.Base(path))
		}
	}
}

func writeP256(t *testing.T, path string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{path: {Type: "PRIVATE KEY", Bytes: secret}, path + ".pub": {Type: "PUBLIC KEY", Bytes: public}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
