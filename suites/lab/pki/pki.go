// Package pki makes the certificates of one cluster of the lab: an authority of
// its own, and what that authority signed. Nothing here outlives the lab.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gamedayhq/gameday/suites/lab/folder"
)

const (
	lifetime = 365 * 24 * time.Hour
	// renewal is how long before its end a certificate is replaced by the next `up`.
	renewal = 30 * 24 * time.Hour
)

// Authority signs the certificates of one cluster. Its folder has ca.crt and ca.key.
type Authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Request is a certificate to be signed.
type Request struct {
	File          string // stem: File.crt and File.key in the authority's folder
	CommonName    string
	Organizations []string
	Hosts         []string // names and addresses of a server; none: a client
}

// Open reads the authority in a folder, or makes one there.
func Open(dir, name string) (*Authority, error) {
	a := &Authority{dir: dir}
	cert, key, err := a.read("ca")
	switch {
	case err == nil && fresh(cert):
		a.cert, a.key = cert, key
		return a, nil
	case err == nil || errors.Is(err, fs.ErrNotExist):
	default:
		return nil, fmt.Errorf("open the authority of %s: %w", name, err)
	}
	template := template(pkix.Name{CommonName: "gameday lab " + name})
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, fmt.Errorf("make the authority of %s: %w", name, err)
	}
	a.cert = template
	if a.cert, err = a.sign("ca", template, a.key); err != nil {
		return nil, fmt.Errorf("make the authority of %s: %w", name, err)
	}
	return a, nil
}

// Issue makes sure that the certificate is there and says whether it is new. One
// that still holds and says the same is kept.
func (a *Authority) Issue(r Request) (issued bool, err error) {
	cert, _, err := a.read(r.File)
	if err == nil && fresh(cert) && a.signed(cert, r) {
		return false, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("issue %s: %w", r.File, err)
	}
	template := template(pkix.Name{CommonName: r.CommonName, Organization: r.Organizations})
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if len(r.Hosts) > 0 {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	template.DNSNames, template.IPAddresses = split(r.Hosts)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return false, fmt.Errorf("issue %s: %w", r.File, err)
	}
	if _, err := a.sign(r.File, template, key); err != nil {
		return false, fmt.Errorf("issue %s: %w", r.File, err)
	}
	return true, nil
}

// Path is where a file of the authority's folder lies: ca.crt, File.crt, File.key.
func (a *Authority) Path(name string) string { return filepath.Join(a.dir, name) }

// SigningKey makes sure that a key pair is there which signs tokens rather than
// certificates: File.key and File.pub.
func (a *Authority) SigningKey(file string) error {
	if _, err := os.Stat(a.Path(file + ".pub")); err == nil {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make signing key %s: %w", file, err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("make signing key %s: %w", file, err)
	}
	if err := a.writeKey(file, key); err != nil {
		return err
	}
	// The public half is written last: it says that the pair is whole.
	return a.write(file+".pub", &pem.Block{Type: "PUBLIC KEY", Bytes: public}, 0o644)
}

func template(subject pkix.Name) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		Subject:   subject,
		NotBefore: now.Add(-time.Hour), // a clock that is set back a little must not void them
		NotAfter:  now.Add(lifetime),
	}
}

func fresh(cert *x509.Certificate) bool {
	return time.Now().Add(renewal).Before(cert.NotAfter)
}

func (a *Authority) signed(cert *x509.Certificate, r Request) bool {
	names, addresses := split(r.Hosts)
	return cert.CheckSignatureFrom(a.cert) == nil &&
		cert.Subject.CommonName == r.CommonName &&
		slices.Equal(cert.Subject.Organization, r.Organizations) &&
		slices.Equal(cert.DNSNames, names) &&
		slices.EqualFunc(cert.IPAddresses, addresses, net.IP.Equal)
}

func split(hosts []string) (names []string, addresses []net.IP) {
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			addresses = append(addresses, ip)
		} else {
			names = append(names, host)
		}
	}
	return names, addresses
}

// sign signs and stores; the certificate is written after its key, so that a
// pair that is cut short has no certificate and is made again.
func (a *Authority) sign(file string, template *x509.Certificate, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(a.Path(file + ".crt")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := a.writeKey(file, key); err != nil {
		return nil, err
	}
	if err := a.write(file+".crt", &pem.Block{Type: "CERTIFICATE", Bytes: der}, 0o644); err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func (a *Authority) writeKey(file string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode key %s: %w", file, err)
	}
	return a.write(file+".key", &pem.Block{Type: "EC PRIVATE KEY", Bytes: der}, 0o600)
}

func (a *Authority) write(name string, block *pem.Block, mode fs.FileMode) error {
	_, err := folder.Write(a.Path(name), pem.EncodeToMemory(block), mode)
	return err
}

func (a *Authority) read(file string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	cert, err := a.block(file + ".crt")
	if err != nil {
		return nil, nil, err
	}
	key, err := a.block(file + ".key")
	if err != nil {
		return nil, nil, err
	}
	parsed, err := x509.ParseCertificate(cert.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("read certificate %s: %w", file, err)
	}
	signer, err := x509.ParseECPrivateKey(key.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("read key %s: %w", file, err)
	}
	return parsed, signer, nil
}

func (a *Authority) block(name string) (*pem.Block, error) {
	raw, err := os.ReadFile(a.Path(name))
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, fmt.Errorf("read %s: not PEM", a.Path(name))
	}
	return block, nil
}
