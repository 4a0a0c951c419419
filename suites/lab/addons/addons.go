// Package addons renders what a cluster of the lab runs beside Kubernetes itself,
// each by its own installer, and applies it. It knows no machines: a client of
// the API is all it works on.
package addons

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/template"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Addon is a set of objects that belong together.
type Addon struct {
	Name    string
	Version string
	Objects []*unstructured.Unstructured
}

//go:embed files
var files embed.FS

// CoreDNS is the cluster's name service at the address that every pod is told.
func CoreDNS(version, image string, address netip.Addr) (Addon, error) {
	t, err := template.ParseFS(files, "files/coredns.yaml")
	if err != nil {
		return Addon{}, fmt.Errorf("read the manifests of CoreDNS: %w", err)
	}
	var text bytes.Buffer
	if err := t.Execute(&text, struct {
		Image   string
		Address netip.Addr
	}{image, address}); err != nil {
		return Addon{}, fmt.Errorf("fill in the manifests of CoreDNS: %w", err)
	}
	objects, err := decode(text.Bytes())
	return Addon{Name: "coredns", Version: version, Objects: objects}, err
}

// FromObjects makes an add-on of typed objects.
func FromObjects(name, version string, objects []client.Object) (Addon, error) {
	addon := Addon{Name: name, Version: version}
	for _, object := range objects {
		// Through JSON and not the converter, so that what a field leaves out stays out.
		raw, err := json.Marshal(object)
		if err != nil {
			return addon, fmt.Errorf("encode %s of %s: %w", object.GetName(), name, err)
		}
		u := &unstructured.Unstructured{}
		if err := u.UnmarshalJSON(raw); err != nil {
			return addon, fmt.Errorf("decode %s of %s: %w", object.GetName(), name, err)
		}
		// An empty status is the server's to write, and null times are no times.
		unstructured.RemoveNestedField(u.Object, "status")
		unstructured.RemoveNestedField(u.Object, "metadata", "creationTimestamp")
		unstructured.RemoveNestedField(u.Object, "spec", "template", "metadata", "creationTimestamp")
		addon.Objects = append(addon.Objects, u)
	}
	return addon, nil
}

// decode reads a stream of YAML documents or JSON objects; lists are taken apart.
func decode(text []byte) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for {
		u := &unstructured.Unstructured{}
		err := decoder.Decode(&u.Object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read manifest %d: %w", len(objects)+1, err)
		}
		switch {
		case len(u.Object) == 0:
		case u.IsList():
			if err := u.EachListItem(func(item runtime.Object) error {
				objects = append(objects, item.(*unstructured.Unstructured))
				return nil
			}); err != nil {
				return nil, fmt.Errorf("read manifest %d: %w", len(objects)+1, err)
			}
		default:
			objects = append(objects, u)
		}
	}
}

// split takes an image reference apart into registry, repository and tag.
func split(image string) (registry, repository, tag string, err error) {
	registry, rest, found := strings.Cut(image, "/")
	repository, tag, tagged := strings.Cut(rest, ":")
	if !found || !tagged {
		return "", "", "", fmt.Errorf("image %q: want registry/repository:tag", image)
	}
	return registry, repository, tag, nil
}
