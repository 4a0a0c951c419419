package attest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
)

// Key signs. Its kinds are Ed25519, and ECDSA on P-256 over SHA-256.
type Key struct {
	signer    crypto.Signer
	id        string
	Generated bool // made by this harness: it shows that nothing was changed since, not who ran the drill
}

// PublicKey checks what its key signed.
type PublicKey struct {
	key crypto.PublicKey
	id  string
}

// ID is the SHA-256 of the key in its usual encoding (PKIX, DER), in hexadecimal.
func (k *Key) ID() string { return k.id }

// ID is as that of the key that signs.
func (k *PublicKey) ID() string { return k.id }

// Public returns the key's public half.
func (k *Key) Public() (*PublicKey, error) { return newPublicKey(k.signer.Public()) }

// ErrPassword says that a key file is encrypted and the password does not open it.
var ErrPassword = errors.New("the password does not open the key")

// LoadKey reads a private key from a PEM file: PKCS #8, SEC 1, or a key file of cosign's, for which password is asked.
func LoadKey(path string, password func() ([]byte, error)) (*Key, error) {
	block, err := readPEM(path)
	if err != nil {
		return nil, fmt.Errorf("load key: %w", err)
	}
	der := block.Bytes
	switch block.Type {
	case "PRIVATE KEY":
	case "EC PRIVATE KEY":
		key, err := x509.ParseECPrivateKey(der)
		if err != nil {
			return nil, fmt.Errorf("load key %s: %w", path, err)
		}
		return newKey(path, key)
	case "ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY":
		if der, err = decrypt(der, password); err != nil {
			return nil, fmt.Errorf("load key %s: %w", path, err)
		}
	default:
		return nil, fmt.Errorf("load key %s: it holds a %s, want a PRIVATE KEY (PKCS #8), an EC PRIVATE KEY, or a key file of cosign's", path, block.Type)
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("load key %s: %w", path, err)
	}
	return newKey(path, key)
}

func decrypt(sealed []byte, password func() ([]byte, error)) ([]byte, error) {
	if password == nil {
		return nil, fmt.Errorf("%w: there is none: set $COSIGN_PASSWORD", ErrPassword)
	}
	word, err := password()
	if err != nil {
		return nil, fmt.Errorf("ask for the key's password: %w", err)
	}
	der, err := encrypted.Decrypt(sealed, word)
	if err != nil {
		return nil, ErrPassword // the library's error adds nothing that may be shown
	}
	return der, nil
}

func newKey(path string, key any) (*Key, error) {
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("load key %s: a %T does not sign", path, key)
	}
	public, err := newPublicKey(signer.Public())
	if err != nil {
		return nil, fmt.Errorf("load key %s: %w", path, err)
	}
	return &Key{signer: signer, id: public.id}, nil
}

// LoadPublicKey reads a public key from a PEM file.
func LoadPublicKey(path string) (*PublicKey, error) {
	block, err := readPEM(path)
	if err != nil {
		return nil, fmt.Errorf("load public key: %w", err)
	}
	if block.Type != "PUBLIC KEY" {
		return nil, fmt.Errorf("load public key %s: it holds a %s, want a PUBLIC KEY", path, block.Type)
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("load public key %s: %w", path, err)
	}
	public, err := newPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("load public key %s: %w", path, err)
	}
	return public, nil
}

func newPublicKey(key crypto.PublicKey) (*PublicKey, error) {
	switch known := key.(type) {
	case ed25519.PublicKey:
	case *ecdsa.PublicKey:
		if known.Curve != elliptic.P256() {
			return nil, fmt.Errorf("ECDSA on %s is not supported: want P-256 or Ed25519", known.Curve.Params().Name)
		}
	default:
		return nil, fmt.Errorf("a %T is not supported: want Ed25519 or ECDSA on P-256", key)
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(der)
	return &PublicKey{key: key, id: hex.EncodeToString(sum[:])}, nil
}

func readPEM(path string) (*pem.Block, error) {
	const most = 1 << 20
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > most {
		return nil, fmt.Errorf("%s is no key: it has %d bytes", path, info.Size())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM block", path)
	}
	return block, nil
}

// EnsureKey loads the key at a path, or makes one there when there is none, with its public half beside it (.pub).
func EnsureKey(path string, password func() ([]byte, error)) (*Key, error) {
	_, err := os.Stat(path)
	if err == nil {
		key, err := LoadKey(path, password)
		if err == nil {
			_, err := os.Stat(path + ".generated")
			key.Generated = err == nil
		}
		return key, err
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("load key: %w", err)
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	key, err := newKey(path, private)
	if err != nil {
		return nil, err
	}
	key.Generated = true
	return key, key.store(path, private)
}

func (k *Key) store(path string, private ed25519.PrivateKey) error {
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	for _, file := range []struct {
		name string
		mode os.FileMode
		text []byte
	}{
		{path + ".generated", 0o644, []byte("made by gameday at its first use\n")},
		{path + ".pub", 0o644, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})},
		{path, 0o600, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})},
	} {
		if err := os.WriteFile(file.name, file.text, file.mode); err != nil {
			return fmt.Errorf("make a key: %w", err)
		}
	}
	return nil
}

// keySigner and keyVerifier are what the envelope's library takes.
type keySigner struct{ *Key }

// KeyID is empty: the bundle names the key, and cosign writes none either.
func (keySigner) KeyID() (string, error) { return "", nil }

// Sign signs the envelope's encoding.
func (k keySigner) Sign(_ context.Context, data []byte) ([]byte, error) {
	if _, ok := k.signer.Public().(ed25519.PublicKey); ok {
		return k.signer.Sign(rand.Reader, data, crypto.Hash(0))
	}
	sum := sha256.Sum256(data)
	return k.signer.Sign(rand.Reader, sum[:], crypto.SHA256)
}

type keyVerifier struct{ *PublicKey }

// KeyID is empty, as the signer's.
func (keyVerifier) KeyID() (string, error) { return "", nil }

// Public returns the key.
func (k keyVerifier) Public() crypto.PublicKey { return k.key }

var errSignature = errors.New("the signature is not by this key, or what it signs was changed")

// Verify checks a signature of the envelope's encoding.
func (k keyVerifier) Verify(_ context.Context, data, signature []byte) error {
	switch key := k.key.(type) {
	case ed25519.PublicKey:
		if ed25519.Verify(key, data, signature) {
			return nil
		}
	case *ecdsa.PublicKey:
		sum := sha256.Sum256(data)
		if ecdsa.VerifyASN1(key, sum[:], signature) {
			return nil
		}
	}
	return errSignature
}
