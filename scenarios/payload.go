package scenarios

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Kinds are the actions that a file can name: the key of a step, and how what stands under it becomes an action. An action
// whose payload has mistakes is nil.
type Kinds map[string]func(payload *Payload) Action

// Payload is what stands under an action's key in a file.
type Payload struct {
	decoder *decoder
	node    *yaml.Node
	path    string
	before  int // mistakes when this payload began
}

// Into decodes the payload into the struct that v points at, by its json tags. It reports false when there were mistakes.
func (p *Payload) Into(v any) bool {
	p.decoder.into(p.node, p.path, reflect.ValueOf(v).Elem())
	return p.OK()
}

// JSON returns the payload as JSON, or nil after noting the mistake.
func (p *Payload) JSON() []byte {
	raw, err := nodeJSON(p.node)
	if err != nil {
		p.decoder.mistake(p.node, p.path, "%v", err)
		return nil
	}
	return raw
}

// Mistake notes that something is wrong at a path below the payload: "spec.mode", "spec.selector.namespaces[0]".
func (p *Payload) Mistake(below, format string, args ...any) {
	p.decoder.mistake(find(p.node, below), join(p.path, below), format, args...)
}

// Folder is the folder of the file that the payload stands in: paths in it are relative to that.
func (p *Payload) Folder() string { return filepath.Dir(p.decoder.file) }

// OK reports whether the payload had no mistake so far.
func (p *Payload) OK() bool { return p.decoder.count() == p.before }

func (d *decoder) count() int {
	if d.mistakes == nil {
		return 0
	}
	return len(d.mistakes.Errors)
}

// find returns the node at a path below node, or the deepest one on the way there.
func find(node *yaml.Node, path string) *yaml.Node {
	path = strings.NewReplacer("[", ".", "]", "").Replace(path)
	for key := range strings.SplitSeq(path, ".") {
		next := child(node, key)
		if next == nil {
			return node
		}
		node = next
	}
	return node
}

func child(node *yaml.Node, key string) *yaml.Node {
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == key {
				return node.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		for i, element := range node.Content {
			if fmt.Sprint(i) == key {
				return element
			}
		}
	}
	return nil
}

// one returns the single key of a mapping that is among the known ones, or notes the mistake.
func (d *decoder) one(node *yaml.Node, path string, known []string) (key string, value *yaml.Node) {
	if node.Kind != yaml.MappingNode {
		d.mistake(node, path, "is %s, want one of: %s", nodeWord(node), strings.Join(known, ", "))
		return "", nil
	}
	var found []string
	for i := 0; i+1 < len(node.Content); i += 2 {
		name := node.Content[i].Value
		if !slices.Contains(known, name) {
			d.mistake(node.Content[i], join(path, name), "unknown field; known here: %s", strings.Join(known, ", "))
			continue
		}
		found = append(found, name)
		key, value = name, node.Content[i+1]
	}
	if len(found) == 1 {
		return key, value
	}
	if len(found) > 1 {
		d.mistake(node, path, "has %s, want only one of them", strings.Join(found, " and "))
	} else if len(node.Content) == 0 {
		d.mistake(node, path, "is empty, want one of: %s", strings.Join(known, ", "))
	}
	return "", nil
}
