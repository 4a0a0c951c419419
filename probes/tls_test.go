package probes

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// authority signs certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func newAuthority(t *testing.T, lasts time.Duration) *authority {
	t.Helper()
	a := &authority{key: newKey(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-240 * time.Hour),
		NotAfter: time.Now().Add(lasts), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(raw); err != nil {
		t.Fatal(err)
	}
	a.pem = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}))
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign returns a certificate that lasts so long, for shop.test and for clients, and it and its key in PEM.
func (a *authority) sign(t *testing.T, lasts time.Duration) (pair tls.Certificate, cert, key string) {
	t.Helper()
	private := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "shop"}, NotBefore: time.Now().Add(-240 * time.Hour),
		NotAfter: time.Now().Add(lasts), DNSNames: []string{"shop.test"}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, a.cert, &private.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}))
	key = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return tls.Certificate{Certificate: [][]byte{raw, a.cert.Raw}, PrivateKey: private}, cert, key
}

// secureServer serves HTTP with a certificate, and says as whom it was asked.
func secureServer(t *testing.T, config *tls.Config) string {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s as %s by %d", r.Proto, r.TLS.ServerName, len(r.TLS.PeerCertificates))
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = config
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "https://")
}

func TestTLSLooksAtTheCertificates(t *testing.T) {
	const day = 24 * time.Hour
	a, short, other := newAuthority(t, 100*day), newAuthority(t, 5*day), newAuthority(t, 100*day)
	serve := func(a *authority, lasts time.Duration) string {
		pair, _, _ := a.sign(t, lasts)
		return secureServer(t, &tls.Config{Certificates: []tls.Certificate{pair}})
	}
	trust := func(a *authority) TLSConfig {
		return TLSConfig{CA: &Secret{Value: a.pem}, ServerName: "shop.test"}
	}
	as := trust(a)
	as.ServerName = "bank.test"
	for name, test := range map[string]struct {
		config TLS
		want   Reason
	}{
		"good for longer than wanted":                 {TLS{Address: serve(a, 11*day), DaysLeft: 10, TLSConfig: trust(a)}, "good"},
		"good for less than wanted":                   {TLS{Address: serve(a, 9*day), DaysLeft: 10, TLSConfig: trust(a)}, ReasonExpiry},
		"good for an hour less than wanted":           {TLS{Address: serve(a, 10*day-time.Hour), DaysLeft: 10, TLSConfig: trust(a)}, ReasonExpiry},
		"good now":                                    {TLS{Address: serve(a, time.Hour), TLSConfig: trust(a)}, "good"},
		"run out":                                     {TLS{Address: serve(a, -time.Hour), TLSConfig: trust(a)}, ReasonExpiry},
		"run out, and accepted":                       {TLS{Address: serve(a, -time.Hour), TLSConfig: TLSConfig{InsecureSkipVerify: true}}, ReasonExpiry},
		"its authority runs out sooner":               {TLS{Address: serve(short, 50*day), DaysLeft: 10, TLSConfig: trust(short)}, ReasonExpiry},
		"another vouches for it":                      {TLS{Address: serve(a, 50*day), TLSConfig: trust(other)}, ReasonTLS},
		"it is for somebody else":                     {TLS{Address: serve(a, 50*day), TLSConfig: as}, ReasonTLS},
		"it is not for the host that is dialed":       {TLS{Address: serve(a, 50*day), TLSConfig: TLSConfig{CA: &Secret{Value: a.pem}}}, ReasonTLS},
		"nobody is trusted to vouch for it":           {TLS{Address: serve(a, 50*day)}, ReasonTLS},
		"whoever vouches for it":                      {TLS{Address: serve(a, 50*day), DaysLeft: 10, TLSConfig: TLSConfig{InsecureSkipVerify: true}}, "good"},
		"whoever vouches for it, but not for so long": {TLS{Address: serve(short, 50*day), DaysLeft: 10, TLSConfig: TLSConfig{InsecureSkipVerify: true}}, ReasonExpiry},
		"a closed port":                               {TLS{Address: closedPort(t)}, ReasonRefused},
		"no TLS":                                      {TLS{Address: servePlain(t)}, ReasonTLS},
		"no answer":                                   {TLS{Address: serveNobody(t)}, ReasonTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			if err := ask(t, test.want == ReasonTimeout, test.config); reasonOf(err) != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func servePlain(t *testing.T) string  { return serve(t, says("hello, this is no TLS\r\n", false)) }
func serveNobody(t *testing.T) string { return serve(t, nil) }

// With our certificate, over each protocol, to whom it is for.
func TestQuestionsSpeakTLSAsConfigured(t *testing.T) {
	a := newAuthority(t, time.Hour)
	server, cert, key := a.sign(t, time.Hour)
	clients := x509.NewCertPool()
	clients.AddCert(a.cert)
	address := secureServer(t, &tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients})
	full := &TLSConfig{CA: &Secret{Value: a.pem}, Cert: &Secret{Value: cert}, Key: &Secret{Value: key}, ServerName: "shop.test"}
	anonymous := *full
	anonymous.Cert, anonymous.Key = nil, nil
	web := func(c *TLSConfig, http2 bool, want string) HTTP {
		return HTTP{URL: "https://" + address, Access: Access{TLS: c}, HTTP2: http2, BodyRegexp: want}
	}
	for name, test := range map[string]struct {
		config interface{ New() (Probe, error) }
		want   Reason
	}{
		"http":                     {web(full, false, "^HTTP/1.1 as shop.test by 1$"), "good"},
		"http over HTTP/2":         {web(full, true, "^HTTP/2.0 as shop.test by 1$"), "good"},
		"http without certificate": {web(&anonymous, false, ""), ReasonTLS},
		"tcp":                      {TCP{Address: address, TLS: full, Send: "GET / HTTP/1.0\r\n\r\n", Expect: "as shop.test by 1"}, "good"},
		"tcp without TLS":          {TCP{Address: address, Send: "GET / HTTP/1.0\r\n\r\n", Expect: "as shop.test by 1"}, ReasonBody},
		"tcp without certificate":  {TCP{Address: address, TLS: &anonymous, Send: "GET / HTTP/1.0\r\n\r\n", Expect: "as"}, ReasonTLS},
	} {
		t.Run(name, func(t *testing.T) {
			if err := ask(t, false, test.config); reasonOf(err) != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

// A server that does not speak HTTP/2 is bad for a question that wants it.
func TestHTTP2IsSpokenOrNothing(t *testing.T) {
	plain := webServer(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) })
	both := httptest.NewUnstartedServer(plain.Config.Handler)
	both.Config.Protocols = new(http.Protocols)
	both.Config.Protocols.SetHTTP1(true)
	both.Config.Protocols.SetUnencryptedHTTP2(true)
	both.Start()
	t.Cleanup(both.Close)
	for name, test := range map[string]struct {
		config HTTP
		bad    bool
	}{
		"known beforehand":                   {HTTP{URL: both.URL, HTTP2: true, BodyRegexp: "HTTP/2.0"}, false},
		"known beforehand, kept connections": {HTTP{URL: both.URL, HTTP2: true, KeepConnections: true, BodyRegexp: "HTTP/2.0"}, false},
		"not asked for":                      {HTTP{URL: both.URL, BodyRegexp: "HTTP/1.1"}, false},
		"not spoken":                         {HTTP{URL: plain.URL, HTTP2: true}, true},
		"not agreed on":                      {HTTP{URL: tlsServer(t, &tls.Config{NextProtos: []string{"http/1.1"}}), HTTP2: true, Access: trusting(Access{})}, true},
	} {
		t.Run(name, func(t *testing.T) {
			err := ask(t, false, test.config)
			if o, reason, detail := outcome(err); (o == Bad) != test.bad || o == Missed || o == Bad && reason == ReasonTimeout {
				t.Errorf("got %v %s %s, want bad: %v", o, reason, detail, test.bad)
			}
			t.Log(err)
		})
	}
}

func TestAConnectionOfTheHandshakeIsClosed(t *testing.T) {
	closed := make(chan error, 1)
	address := serve(t, func(conn net.Conn) {
		_, err := io.Copy(io.Discard, conn)
		closed <- err
	})
	if err := ask(t, true, TLS{Address: address}); reasonOf(err) != ReasonTimeout {
		t.Fatalf("got %v, want timeout", err)
	}
	<-closed
}
