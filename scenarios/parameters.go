package scenarios

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

var placePattern = regexp.MustCompile(`\$\{([^}]*)\}`)

// fill puts the parameters' values into the ${name} places of a file: its own (spec.parameters) unless the caller gives
// another value. It returns the values used. Only values of the YAML tree are filled, so a value can never change the
// file's structure. Aliases are refused: one place, one line.
func (d *decoder) fill(root *yaml.Node, given map[string]string) map[string]string {
	values := d.parameters(root)
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if _, known := values[name]; !known {
			d.mistake(nil, "spec.parameters", "has no parameter %q, but a value was given for it; known: %s",
				name, strings.Join(slices.Sorted(maps.Keys(values)), ", "))
			continue
		}
		values[name] = given[name]
	}
	d.fillNode(root, "", values)
	if len(values) == 0 {
		return nil
	}
	return values
}

func (d *decoder) parameters(root *yaml.Node) map[string]string {
	values := map[string]string{}
	node := find(root, "spec.parameters")
	if spec := child(root, "spec"); spec == nil || child(spec, "parameters") == nil {
		return values
	}
	if node.Kind != yaml.MappingNode {
		return values // the struct decoder says so
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		values[node.Content[i].Value] = node.Content[i+1].Value
	}
	return values
}

func (d *decoder) fillNode(node *yaml.Node, path string, values map[string]string) {
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Tag == "!!merge" {
				d.mistake(node.Content[i], path, "merge keys (<<) are not read: write the fields out")
			}
			d.fillNode(node.Content[i+1], join(path, node.Content[i].Value), values)
		}
	case yaml.SequenceNode:
		for _, element := range node.Content {
			d.fillNode(element, path, values)
		}
	case yaml.AliasNode:
		d.mistake(node, path, "aliases (*%s) are not read: write the value out", node.Value)
		*node = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: node.Line}
	case yaml.ScalarNode:
		d.fillScalar(node, path, values)
	}
}

func (d *decoder) fillScalar(node *yaml.Node, path string, values map[string]string) {
	filled := placePattern.ReplaceAllStringFunc(node.Value, func(place string) string {
		name := place[2 : len(place)-1]
		value, known := values[name]
		if !known {
			d.mistake(node, path, "no parameter %q: name it under spec.parameters with a standard value", name)
		}
		return value
	})
	if filled == node.Value {
		return
	}
	node.Value = filled
	if node.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
		node.Tag = "" // a plain place may become a number
		node.Tag = node.ShortTag()
	}
}
