package probes

import "strings"

// carrying is what carries headers: names and values in turn.
func carrying(pairs ...string) Access {
	a := Access{Headers: map[string]Secret{}}
	for i := 0; i+1 < len(pairs); i += 2 {
		a.Headers[pairs[i]] = Secret{Value: pairs[i+1]}
	}
	return a
}

// trusting accepts any certificate.
func trusting(a Access) Access {
	a.TLS = &TLSConfig{InsecureSkipVerify: true}
	return a
}

// begins says whether a text is the one that is wanted, or begins with it and goes on after a colon.
func begins(got, want string) bool {
	return got == want || want != "" && strings.HasPrefix(got, want+": ")
}
