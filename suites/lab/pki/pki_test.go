package pki_test

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"testing"

	"github.com/gamedayhq/gameday/suites/lab/pki"
)

func open(t *testing.T, dir string) *pki.Authority {
	t.Helper()
	a, err := pki.Open(dir, "test")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func issue(t *testing.T, a *pki.Authority, r pki.Request) bool {
	t.Helper()
	issued, err := a.Issue(r)
	if err != nil {
		t.Fatal(err)
	}
	return issued
}

func TestIssueKeepsWhatStillHolds(t *testing.T) {
	dir := t.TempDir()
	server := pki.Request{File: "server", CommonName: "kubernetes", Hosts: []string{"kubernetes.default", "10.0.0.1"}}
	if !issue(t, open(t, dir), server) {
		t.Error("the first certificate was not issued")
	}
	if issue(t, open(t, dir), server) {
		t.Error("a certificate that holds was issued again")
	}
	server.Hosts = append(server.Hosts, "10.0.0.2")
	if !issue(t, open(t, dir), server) {
		t.Error("a certificate with another address was not issued again")
	}
	for _, name := range []string{"ca.crt", "ca.key"} {
		if err := os.Remove(open(t, dir).Path(name)); err != nil {
			t.Fatal(err)
		}
	}
	if !issue(t, open(t, dir), server) {
		t.Error("a certificate of an authority that is gone was kept")
	}
}

func TestCertificateVerifies(t *testing.T) {
	a := open(t, t.TempDir())
	issue(t, a, pki.Request{File: "server", CommonName: "kubernetes", Hosts: []string{"kubernetes.default", "10.0.0.1"}})
	issue(t, a, pki.Request{File: "client", CommonName: "admin", Organizations: []string{"system:masters"}})
	roots := x509.NewCertPool()
	ca, err := os.ReadFile(a.Path("ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatal("ca.crt holds no certificate")
	}
	for _, row := range []struct {
		file, host string
		usage      x509.ExtKeyUsage
		good       bool
	}{
		{"server", "kubernetes.default", x509.ExtKeyUsageServerAuth, true},
		{"server", "10.0.0.1", x509.ExtKeyUsageServerAuth, true},
		{"server", "10.0.0.9", x509.ExtKeyUsageServerAuth, false},
		{"client", "", x509.ExtKeyUsageClientAuth, true},
		{"client", "", x509.ExtKeyUsageServerAuth, false},
	} {
		pair, err := tls.LoadX509KeyPair(a.Path(row.file+".crt"), a.Path(row.file+".key"))
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(pair.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		_, err = cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: row.host, KeyUsages: []x509.ExtKeyUsage{row.usage}})
		if (err == nil) != row.good {
			t.Errorf("%s for %q, usage %d: verified %v, want %v (%v)", row.file, row.host, row.usage, err == nil, row.good, err)
		}
	}
}

func TestSigningKeyIsKept(t *testing.T) {
	a := open(t, t.TempDir())
	read := func() string {
		if err := a.SigningKey("sa"); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(a.Path("sa.pub"))
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	if first := read(); first != read() {
		t.Error("the signing key changed: every token of the cluster would be void")
	}
}
