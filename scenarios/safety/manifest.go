package safety

import (
	"bytes"
	_ "embed"
	"fmt"
	"regexp"
	"text/template"
)

//go:embed manifest.yaml
var manifest string

// What the manifest is filled with must be a name and a reference, and no more YAML.
var (
	namespacePattern = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	imagePattern     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}$`)
)

// Manifest returns the objects that let a watchdog stand in a cluster, as YAML.
func Manifest(namespace, image string) ([]byte, error) {
	if !namespacePattern.MatchString(namespace) {
		return nil, fmt.Errorf("namespace %q: want up to 63 small letters, digits and dashes", namespace)
	}
	if !imagePattern.MatchString(image) {
		return nil, fmt.Errorf("image %q: want a reference such as registry.example/gameday:v1", image)
	}
	parsed, err := template.New("manifest").Parse(manifest)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = parsed.Execute(&out, struct{ Namespace, Image string }{namespace, image})
	return out.Bytes(), err
}
