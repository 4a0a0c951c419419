package fidelity

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

const shownLength = 160 // bytes of a value that stand in the result

var secretName = regexp.MustCompile(`(?i)pass|secret|token|credential|private|apikey|api-key|auth|dsn|cert`)

// shown is a value as it may be read by anyone: a keyed hash where it is, or may be, secret.
func (c *comparison) shown(p *pair, d *delta, v any, has bool) string {
	if !has {
		return "absent"
	}
	text, err := json.Marshal(v)
	if err != nil {
		return "unreadable"
	}
	if secret(p, d.path) || composite(v) && p.kind == "Secret" {
		return c.seal(v, text)
	}
	if composite(v) && carriesSecrets(d.path) {
		return c.seal(v, text)
	}
	if len(text) > shownLength {
		return strings.ToValidUTF8(string(text[:shownLength]), "") + "…"
	}
	return string(text)
}

func composite(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return true
	}
	return false
}

// seal hashes a value; a Secret's text is decoded first, so that two spellings of the same bytes have the same hash.
func (c *comparison) seal(v any, text []byte) string {
	if s, ok := v.(string); ok {
		text = []byte(s)
		if plain, err := base64.StdEncoding.DecodeString(s); err == nil {
			text = plain
		}
	}
	mac := hmac.New(sha256.New, c.options.Key)
	mac.Write(text)
	return "hmac:" + hex.EncodeToString(mac.Sum(nil)[:16])
}

// secret reports whether a field may hold a secret: of a Secret all but its type, names and labels; data of ConfigMaps, values of
// variables, commands and arguments; what last-applied repeats; and any field whose name sounds so.
func secret(p *pair, path []string) bool {
	switch {
	case p.kind == "Secret":
		return path[0] != "type" && path[0] != "immutable" && path[0] != "kind" && path[0] != "apiVersion" &&
			(path[0] != "metadata" || len(path) > 1 && path[1] == "annotations")
	case p.kind == "ConfigMap" && (path[0] == "data" || path[0] == "binaryData"):
		return true
	}
	return slices.ContainsFunc(path, func(s string) bool {
		return s == lastApplied || s == "env" || s == "args" || s == "command" || s == "httpHeaders" || secretName.MatchString(s)
	})
}

// carriesSecrets reports whether a whole value below the path, such as a container, has such fields in it.
func carriesSecrets(path []string) bool {
	return path[0] == "spec" || path[0] == "data" || path[0] == "metadata"
}
