package probes

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Access is what a question to a web server carries to be let in. It is part of each such question.
type Access struct {
	Headers     map[string]Secret `json:"headers,omitempty"` // Host names the virtual host
	BasicAuth   *BasicAuth        `json:"basicAuth,omitempty"`
	BearerToken *Secret           `json:"bearerToken,omitempty"`
	TLS         *TLSConfig        `json:"tls,omitempty"`
}

// BasicAuth is a user's name and password (RFC 7617).
type BasicAuth struct {
	Username string `json:"username"`
	Password Secret `json:"password"`
}

// TLSConfig says how a TLS connection is made. The zero value trusts whom the machine trusts, and asks for the host that is dialed.
type TLSConfig struct {
	CA         *Secret `json:"ca,omitempty"`         // the certificates that are trusted, as PEM, instead of the machine's
	Cert       *Secret `json:"cert,omitempty"`       // our certificate, as PEM
	Key        *Secret `json:"key,omitempty"`        // and its key
	ServerName string  `json:"serverName,omitempty"` // that the certificate must be for, instead of the host that is dialed
	// InsecureSkipVerify accepts any certificate.
	InsecureSkipVerify bool `json:"insecureSkipVerify,omitempty"`
}

func (a Access) problems() []string {
	var problems []string
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	for _, name := range slices.Sorted(maps.Keys(a.Headers)) {
		value := a.Headers[name]
		if !isToken(name) {
			add("headers: %q is no header name", name)
		}
		if !isHeaderValue(value.Value) {
			add("headers: the value of %s holds a control character", name)
		}
		if value.Value == "" && (value.FromFile != "" || value.FromEnv != "" || value.FromSecret != nil) {
			problems = append(problems, value.problems("headers: the value of "+name)...)
		}
		if http.CanonicalHeaderKey(name) == "Authorization" && (a.BasicAuth != nil || a.BearerToken != nil) {
			add("headers: %s stands beside basicAuth or bearerToken: keep one of them", name)
		}
	}
	if a.BasicAuth != nil {
		if a.BasicAuth.Username == "" || strings.Contains(a.BasicAuth.Username, ":") {
			add("basicAuth.username: must be there and hold no colon")
		}
		problems = append(problems, a.BasicAuth.Password.problems("basicAuth.password")...)
	}
	if a.BearerToken != nil {
		problems = append(problems, a.BearerToken.problems("bearerToken")...)
		if a.BasicAuth != nil {
			add("bearerToken: stands beside basicAuth: keep one of them")
		}
	}
	return append(problems, prefixed("tls.", a.TLS.problems())...)
}

// words says which names are carried; of what they hold, nothing.
func (a Access) words() string {
	var b strings.Builder
	if len(a.Headers) > 0 {
		fmt.Fprintf(&b, " with headers %s", strings.Join(slices.Sorted(maps.Keys(a.Headers)), ", "))
	}
	if a.BasicAuth != nil {
		fmt.Fprintf(&b, " as user %s", a.BasicAuth.Username)
	}
	if a.BearerToken != nil {
		b.WriteString(" with a bearer token")
	}
	return b.String()
}

// header returns the header that carries it all, and the virtual host if one is named.
func (a Access) header(v *vault) (header http.Header, host string) {
	header = http.Header{"User-Agent": {"gameday"}}
	for _, name := range slices.Sorted(maps.Keys(a.Headers)) {
		value := ""
		if a.Headers[name] != (Secret{}) {
			value = v.read("headers."+name, a.Headers[name])
		}
		if !isHeaderValue(value) {
			v.wrong = append(v.wrong, fmt.Errorf("headers.%s: what %s holds has a control character", name, a.Headers[name]))
			continue
		}
		if http.CanonicalHeaderKey(name) == "Host" {
			host = value
			continue
		}
		header.Set(name, value)
	}
	if a.BasicAuth != nil {
		password := v.read("basicAuth.password", a.BasicAuth.Password)
		request := http.Request{Header: header}
		request.SetBasicAuth(a.BasicAuth.Username, password)
		v.hide(strings.TrimPrefix(header.Get("Authorization"), "Basic "))
	}
	if a.BearerToken != nil {
		token := v.read("bearerToken", *a.BearerToken)
		if !isHeaderValue(token) {
			v.wrong = append(v.wrong, fmt.Errorf("bearerToken: what %s holds has a control character", a.BearerToken))
		}
		header.Set("Authorization", "Bearer "+token)
	}
	return header, host
}

// problems says what is wrong with it; nothing is wrong with none.
func (c *TLSConfig) problems() []string {
	if c == nil {
		return nil
	}
	var problems []string
	for _, part := range []struct {
		field string
		text  *Secret
	}{{"ca", c.CA}, {"cert", c.Cert}, {"key", c.Key}} {
		if part.text != nil {
			problems = append(problems, part.text.problems(part.field)...)
		}
	}
	switch {
	case c.Cert != nil && c.Key == nil:
		problems = append(problems, "key: is missing: a certificate of ours needs its key")
	case c.Key != nil && c.Cert == nil:
		problems = append(problems, "cert: is missing: a key needs its certificate")
	}
	if c.CA != nil && c.InsecureSkipVerify {
		problems = append(problems, "insecureSkipVerify: stands beside ca, which would not be looked at: keep one of them")
	}
	return problems
}

// config makes the configuration; without any, the standard one.
func (c *TLSConfig) config(v *vault) *tls.Config {
	if c == nil {
		return &tls.Config{MinVersion: tls.VersionTLS12}
	}
	out := &tls.Config{
		ServerName: c.ServerName, MinVersion: tls.VersionTLS12,
		InsecureSkipVerify: c.InsecureSkipVerify, //nolint:gosec // asked for by name
	}
	if c.CA != nil {
		out.RootCAs = x509.NewCertPool()
		if !out.RootCAs.AppendCertsFromPEM([]byte(v.read("tls.ca", *c.CA))) && v.err() == nil {
			v.wrong = append(v.wrong, fmt.Errorf("tls.ca: %s holds no certificate in PEM", c.CA))
		}
	}
	if c.Cert != nil && c.Key != nil {
		cert, key := v.read("tls.cert", *c.Cert), v.read("tls.key", *c.Key)
		pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
		if err != nil && v.err() == nil {
			// crypto/tls tells of the form only, but of whatever it was given.
			v.wrong = append(v.wrong, fmt.Errorf("tls.cert: %s and %s are no pair: %w", c.Cert, c.Key, errors.New(v.censor().Replace(err.Error()))))
		}
		out.Certificates = []tls.Certificate{pair}
	}
	return out
}

func prefixed(prefix string, problems []string) []string {
	out := make([]string, 0, len(problems))
	for _, problem := range problems {
		out = append(out, prefix+problem)
	}
	return out
}
