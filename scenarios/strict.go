package scenarios

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/hashicorp/go-multierror"
	"go.yaml.in/yaml/v3"
)

// Mistake is one thing that is wrong with a file.
type Mistake struct {
	File string // as given by the caller
	Line int    // 1 is the first; 0: the file as a whole
	Path string // spec.steps[0].hold
	Text string // what is wrong, and the mend
}

// Error returns file:line: path: text.
func (m *Mistake) Error() string {
	where := m.File
	if m.Line > 0 {
		where = fmt.Sprintf("%s:%d", m.File, m.Line)
	}
	if m.Path == "" {
		return where + ": " + m.Text
	}
	return where + ": " + m.Path + ": " + m.Text
}

// decoder reads YAML nodes into Go values by their json tags, refuses what it does not know, and collects every mistake.
type decoder struct {
	file     string
	mistakes *multierror.Error
}

func (d *decoder) mistake(node *yaml.Node, path, format string, args ...any) {
	line := 0
	if node != nil {
		line = node.Line
	}
	d.mistakes = multierror.Append(d.mistakes, &Mistake{File: d.file, Line: line, Path: path, Text: fmt.Sprintf(format, args...)})
}

// into decodes node into the value that v is.
func (d *decoder) into(node *yaml.Node, path string, v reflect.Value) {
	if v.Type() == reflect.TypeFor[*yaml.Node]() {
		v.Set(reflect.ValueOf(node))
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		d.into(node, path, v.Elem())
		return
	}
	if decodesItself(v) {
		d.viaJSON(node, path, v)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.intoStruct(node, path, v)
	case reflect.Map:
		d.intoMap(node, path, v)
	case reflect.Slice:
		d.intoSlice(node, path, v)
	default:
		d.viaJSON(node, path, v)
	}
}

func decodesItself(v reflect.Value) bool {
	pointer := v.Addr().Interface()
	_, isJSON := pointer.(json.Unmarshaler)
	_, isText := pointer.(encoding.TextUnmarshaler)
	return isJSON || isText
}

func (d *decoder) viaJSON(node *yaml.Node, path string, v reflect.Value) {
	raw, err := nodeJSON(node)
	if err != nil {
		d.mistake(node, path, "%v", err)
		return
	}
	if err := json.Unmarshal(raw, v.Addr().Interface()); err != nil {
		d.mistake(node, path, "%s", plain(err, v.Type(), string(raw)))
	}
}

// plain puts encoding/json's complaint of a wrong type into the words of a file's author.
func plain(err error, want reflect.Type, got string) string {
	if _, ok := err.(*json.UnmarshalTypeError); ok { //nolint:errorlint // json returns it bare
		return fmt.Sprintf("is %s, want %s", got, typeWord(want))
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}

func typeWord(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "text (quote it)"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint64:
		return "a whole number, none or more"
	default:
		return "a " + t.Kind().String()
	}
}

func (d *decoder) intoStruct(node *yaml.Node, path string, v reflect.Value) {
	fields := structFields(v)
	d.eachPair(node, path, func(key, value *yaml.Node) {
		field, known := fields[key.Value]
		if !known {
			d.unknown(key, path, fields)
			return
		}
		d.into(value, join(path, key.Value), field)
	})
}

func (d *decoder) unknown(key *yaml.Node, path string, fields map[string]reflect.Value) {
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	d.mistake(key, join(path, key.Value), "unknown field; known here: %s", strings.Join(names, ", "))
}

// structFields maps the json names of a struct's fields, those of embedded structs among them, to the fields.
func structFields(v reflect.Value) map[string]reflect.Value {
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name == "-":
		case field.Anonymous && name == "":
			for embedded, value := range structFields(v.Field(i)) {
				fields[embedded] = value
			}
		case field.IsExported() && name != "":
			fields[name] = v.Field(i)
		}
	}
	return fields
}

func (d *decoder) intoMap(node *yaml.Node, path string, v reflect.Value) {
	v.Set(reflect.MakeMap(v.Type()))
	d.eachPair(node, path, func(key, value *yaml.Node) {
		element := reflect.New(v.Type().Elem()).Elem()
		d.into(value, join(path, key.Value), element)
		v.SetMapIndex(reflect.ValueOf(key.Value).Convert(v.Type().Key()), element)
	})
}

func (d *decoder) intoSlice(node *yaml.Node, path string, v reflect.Value) {
	if node.Kind != yaml.SequenceNode {
		d.mistake(node, path, "is %s, want a list", nodeWord(node))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(node.Content), len(node.Content)))
	for i, element := range node.Content {
		d.into(element, fmt.Sprintf("%s[%d]", path, i), v.Index(i))
	}
}

// eachPair calls visit for each key of a mapping, once.
func (d *decoder) eachPair(node *yaml.Node, path string, visit func(key, value *yaml.Node)) {
	if node.Kind != yaml.MappingNode {
		d.mistake(node, path, "is %s, want fields", nodeWord(node))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if line, twice := seen[key.Value]; twice {
			d.mistake(key, join(path, key.Value), "stands here for the second time (first on line %d): keep one", line)
			continue
		}
		seen[key.Value] = key.Line
		visit(key, value)
	}
}

func nodeWord(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		if node.Tag == "!!null" {
			return "empty"
		}
		return fmt.Sprintf("%q", node.Value)
	default:
		return "of an unknown form"
	}
}

// nodeJSON renders a node as JSON.
func nodeJSON(node *yaml.Node) ([]byte, error) {
	var value any
	if err := node.Decode(&value); err != nil {
		return nil, fmt.Errorf("not readable: %w", err)
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("has no form in JSON: %w", err)
	}
	return raw, nil
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
