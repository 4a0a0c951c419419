package chaosmesh

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/gamedayhq/gameday/scenarios"
)

// manifest is a whole chaos object, as people already have them: in the scenario file, or in a file of its own.
type manifest struct{ raw json.RawMessage }

// maxManifest bounds a manifest's file, far above any real one.
const maxManifest = 1 << 20

// object decodes the manifest strictly into the typed object. Its name and status count for nothing: the object is named after
// the drill. Labels and annotations are kept.
func (m manifest) object(p *scenarios.Payload) v1alpha1.InnerObject {
	raw, name := []byte(m.raw), "manifest"
	var path string
	if json.Unmarshal(m.raw, &path) == nil {
		read, err := readManifest(p.Folder(), path)
		if err != nil {
			p.Mistake("manifest", "%v", err)
			return nil
		}
		raw = read
		name = path
	}
	var head struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		p.Mistake("manifest", "%s is no object of Kubernetes: %v", name, err)
		return nil
	}
	if want := v1alpha1.SchemeGroupVersion.String(); head.APIVersion != want {
		p.Mistake("manifest.apiVersion", "is %q in %s, want %s", head.APIVersion, name, want)
		return nil
	}
	object := spawn(p, "manifest.kind", head.Kind)
	if object == nil {
		return nil
	}
	strictly(p, "manifest.", raw, object)
	if object.IsPaused() {
		p.Mistake("manifest.metadata.annotations", "%s: true in %s: a paused fault injects nothing, take the annotation away", v1alpha1.PauseAnnotationKey, name)
	}
	*object.GetStatus() = v1alpha1.ChaosStatus{}
	clean, _ := object.DeepCopyObject().(v1alpha1.InnerObject)
	clean.SetResourceVersion("")
	clean.SetUID("")
	clean.SetOwnerReferences(nil)
	clean.SetFinalizers(nil)
	clean.SetManagedFields(nil)
	return clean
}

// readManifest reads the one object of a YAML or JSON file, as JSON.
func readManifest(folder, path string) ([]byte, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(folder, path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxManifest+1))
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	if len(text) > maxManifest {
		return nil, fmt.Errorf("%s is larger than %d bytes: this is no chaos object", path, maxManifest)
	}
	raw, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, fmt.Errorf("%s is not YAML: %w", path, err)
	}
	objects := 0
	documents := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), len(text)+1)
	for {
		var one map[string]any
		if err := documents.Decode(&one); err != nil {
			break // the end; what is no YAML was refused above
		}
		if len(one) > 0 {
			objects++
		}
	}
	if objects != 1 {
		return nil, fmt.Errorf("%s holds %d objects, want one: write each fault into a step of its own", path, objects)
	}
	return raw, nil
}
