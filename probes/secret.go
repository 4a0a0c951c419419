package probes

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Secret is a text that must not be seen, or where it is to be found. It prints as where it is from, never as what it is. In JSON
// it is a text, or one of {"fromFile": …}, {"fromEnv": …}, {"fromSecret": {…}}.
type Secret struct {
	// Value is the text itself, for what is no secret and for Go: a scenario file is part of the evidence, so a value in it is seen.
	Value      string     `json:"-"`
	FromFile   string     `json:"fromFile,omitempty"`   // a path, from the working directory
	FromEnv    string     `json:"fromEnv,omitempty"`    // an environment variable of the harness
	FromSecret *SecretRef `json:"fromSecret,omitempty"` // a key of a Kubernetes Secret

	found *string // what a Kubernetes Secret held
}

// SecretRef names a key of a Kubernetes Secret.
type SecretRef struct {
	Cluster   string `json:"cluster,omitempty"` // the drill's own cluster unless said
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Key       string `json:"key"`
}

// String names the key, not what it holds.
func (r SecretRef) String() string {
	text := fmt.Sprintf("key %q of Secret %s/%s", r.Key, r.Namespace, r.Name)
	if r.Cluster != "" {
		text += fmt.Sprintf(" in cluster %q", r.Cluster)
	}
	return text
}

// Found returns the secret with what a Kubernetes Secret holds at the place that it names.
func (s Secret) Found(value string) Secret {
	s.found = &value
	return s
}

// String says where the secret is from.
func (s Secret) String() string {
	switch {
	case s.FromFile != "":
		return "file " + s.FromFile
	case s.FromEnv != "":
		return "environment variable " + s.FromEnv
	case s.FromSecret != nil:
		return s.FromSecret.String()
	case s.Value != "":
		return "a text that is not shown"
	default:
		return "nothing"
	}
}

// GoString keeps %#v from showing the secret.
func (s Secret) GoString() string { return "probes.Secret(" + s.String() + ")" }

// MarshalJSON writes where the secret is from; a value is not written.
func (s Secret) MarshalJSON() ([]byte, error) {
	if s.Value != "" {
		return json.Marshal("(not shown)")
	}
	type places Secret
	return json.Marshal(places(s))
}

// UnmarshalJSON reads a text or the place of one. Its errors do not repeat what was read.
func (s *Secret) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*s = Secret{Value: text}
		return nil
	}
	type places Secret
	var p places
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&p); err != nil {
		if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return fmt.Errorf("has the unknown field %s: %s", field, wantSecret)
		}
		return errors.New(wantSecret)
	}
	*s = Secret(p)
	return nil
}

const wantSecret = `want a text (quote it), or one of {fromFile: PATH}, {fromEnv: NAME}, {fromSecret: {namespace: …, name: …, key: …}}`

// problems says what is wrong with the secret.
func (s Secret) problems(field string) []string {
	given := 0
	for _, is := range []bool{s.Value != "", s.FromFile != "", s.FromEnv != "", s.FromSecret != nil} {
		if is {
			given++
		}
	}
	switch r := s.FromSecret; {
	case given != 1:
		return []string{fmt.Sprintf("%s: is from %d places: %s", field, given, wantSecret)}
	case r != nil && (r.Namespace == "" || r.Name == "" || r.Key == ""):
		return []string{field + ": fromSecret wants a namespace, a name and a key"}
	}
	return nil
}

// maxSecret bounds a secret that is read from a file.
const maxSecret = 1 << 20

// read returns what the secret is. One newline at its end is not part of it, since editors and tools add one.
func (s Secret) read() (string, error) {
	var text string
	switch {
	case s.FromFile != "":
		raw, err := readFile(s.FromFile)
		if err != nil {
			return "", err
		}
		text = string(raw)
	case s.FromEnv != "":
		text = os.Getenv(s.FromEnv)
	case s.FromSecret != nil && s.found == nil:
		return "", errors.New("no cluster was given to read it from")
	case s.FromSecret != nil:
		text = *s.found
	default:
		return s.Value, nil
	}
	text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	if text == "" {
		return "", errors.New("it is empty or not set")
	}
	return text, nil
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	if len(raw) > maxSecret {
		return nil, fmt.Errorf("it is longer than %d bytes", maxSecret)
	}
	return raw, nil
}

// vault reads secrets, and remembers them so that they can be kept out of all that is said.
type vault struct {
	known []string
	wrong []error
}

// read returns what a secret is; what is wrong with it is remembered.
func (v *vault) read(field string, s Secret) string {
	text, err := s.read()
	if err != nil {
		v.wrong = append(v.wrong, fmt.Errorf("%s: read %s: %w", field, s, err))
		return ""
	}
	// A short text that stands in the open is no secret, and its letters are part of much else: "1", "GET".
	const shortest = 6
	if s.Value == "" || len(text) >= shortest {
		v.hide(text)
	}
	return text
}

// hide keeps a text out of all that is said, in each form that errors give it.
func (v *vault) hide(text string) {
	if text == "" {
		return
	}
	quoted := strconv.Quote(text)
	for _, form := range []string{
		text, quoted[1 : len(quoted)-1], url.QueryEscape(text), url.PathEscape(text), url.UserPassword("", text).String()[1:],
		base64.StdEncoding.EncodeToString([]byte(text)),
	} {
		if !slices.Contains(v.known, form) {
			v.known = append(v.known, form)
		}
	}
}

// hideURL hides the password of a URL and the values of its query.
func (v *vault) hideURL(raw string) {
	u, err := url.Parse(raw)
	if err != nil {
		return // it is never asked
	}
	if password, ok := u.User.Password(); ok {
		v.hide(password)
	}
	for _, values := range u.Query() {
		for _, value := range values {
			v.read("url", Secret{Value: value})
		}
	}
}

// err returns what was wrong with the secrets.
func (v *vault) err() error { return errors.Join(v.wrong...) }

// censor returns what takes all known secrets out of a text: the longest first, as one may be part of another.
func (v *vault) censor() *strings.Replacer {
	known := slices.Clone(v.known)
	slices.SortStableFunc(known, func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 2*len(known))
	for _, text := range known {
		pairs = append(pairs, text, "(secret)")
	}
	return strings.NewReplacer(pairs...)
}

// seal keeps the known secrets out of what a probe says.
func (v *vault) seal(probe Probe) Probe {
	if len(v.known) == 0 {
		return probe
	}
	s := sealed{probe: probe, censor: v.censor()}
	if witness, ok := probe.(Witness); ok {
		return sealedWitness{sealed: s, name: s.censor.Replace(witness.Witness())}
	}
	return s
}
