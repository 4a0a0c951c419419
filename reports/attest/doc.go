// Package attest signs a closed bundle of evidence and checks such signatures, in forms that other tools read: an in-toto
// statement about the manifest, in a DSSE envelope, in a Sigstore bundle, signed by a key that the operator holds.
//
// Sources: in-toto attestation framework, Statement v1 and the predicates test-result v0.1 and svr v0.1; DSSE v1;
// Sigstore bundle v0.3; RFC 3161 for time stamps.
package attest
