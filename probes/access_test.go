package probes

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
