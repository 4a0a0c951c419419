package scenarios

import (
	"reflect"
)

// DecodeSpec reads a strict YAML document of gameday's API version: its kind must be the named one, and its spec is decoded into the
// struct that spec points to, by its json tags. name stands for the text in errors; the error holds every mistake, each a [*Mistake].
func DecodeSpec(name string, text []byte, kind string, spec any) error {
	d := &decoder{file: name}
	root := d.document(text)
	if root == nil {
		return d.mistakes.ErrorOrNil()
	}
	apiVersion, is := child(root, "apiVersion"), child(root, "kind")
	if apiVersion == nil || apiVersion.Value != APIVersion {
		d.mistake(apiVersion, "apiVersion", "want %s", APIVersion)
	}
	if is == nil || is.Value != kind {
		d.mistake(is, "kind", "want %s", kind)
	}
	named, others := split(root, "spec")
	_, unknown := split(others, "apiVersion", "kind", "metadata")
	for i := 0; i+1 < len(unknown.Content); i += 2 {
		d.mistake(unknown.Content[i], unknown.Content[i].Value, "unknown field; known here: apiVersion, kind, metadata, spec")
	}
	if len(named.Content) == 2 {
		d.into(named.Content[1], "spec", reflect.ValueOf(spec).Elem())
	} else {
		d.mistake(nil, "spec", "is missing")
	}
	if d.mistakes == nil {
		return nil
	}
	d.mistakes.ErrorFormat = listMistakes
	return d.mistakes
}
