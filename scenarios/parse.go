package scenarios

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gamedayhq/gameday/reports"
)

// Parser reads scenario files.
type Parser struct {
	Kinds      Kinds             // the actions that a step can name
	Parameters map[string]string // values for the file's ${name} places instead of its own
}

// maxFile bounds a scenario file; the largest real one has a hundredth of it.
const maxFile = 1 << 20

// ParseFile reads a scenario from a file. The error holds every mistake of it, each a [*Mistake].
func (p Parser) ParseFile(path string) (*Scenario, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read scenario: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("read scenario: %w", err)
	}
	return p.Parse(path, text)
}

// Parse reads a scenario from a text; name stands for it in errors. The error holds every mistake of it, each a [*Mistake].
func (p Parser) Parse(name string, text []byte) (*Scenario, error) {
	d := &decoder{file: name}
	root := d.document(text)
	if root == nil {
		return nil, d.mistakes.ErrorOrNil()
	}
	used := d.fill(root, p.Parameters)
	var f file
	d.into(root, "", reflect.ValueOf(&f).Elem())
	s := d.scenario(root, &f, p.Kinds)
	if err := d.mistakes.ErrorOrNil(); err != nil {
		d.mistakes.ErrorFormat = listMistakes
		return nil, d.mistakes
	}
	sum := sha256.Sum256(text)
	s.Source = reports.Source{Name: filepath.Base(name), SHA256: hex.EncodeToString(sum[:]), Text: string(text), Parameters: used}
	return s, nil
}

// document returns the one mapping of a YAML text, or nil after noting what is wrong.
func (d *decoder) document(text []byte) *yaml.Node {
	if len(text) > maxFile {
		d.mistake(nil, "", "is larger than %d bytes: this is no scenario", maxFile)
		return nil
	}
	reader := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	if err := reader.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			d.mistake(nil, "", "is empty: a scenario begins with apiVersion: %s and kind: %s", APIVersion, KindScenario)
		} else {
			d.mistake(nil, "", "is not YAML: %v", err)
		}
		return nil
	}
	if err := reader.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		d.mistake(nil, "", "holds more than one document: write each scenario into a file of its own")
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		d.mistake(root, "", "is %s, want the fields apiVersion, kind, metadata and spec", nodeWord(root))
		return nil
	}
	return root
}

// file is the form of a scenario file.
type file struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name   string            `json:"name"`
		Labels map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		Why         string             `json:"why"`
		Controls    []string           `json:"controls"`
		Parameters  map[string]string  `json:"parameters"`
		BlastRadius BlastRadius        `json:"blastRadius"`
		Monitors    []*yaml.Node       `json:"monitors"`
		Baseline    reports.Duration   `json:"baseline"`
		Steps       []*yaml.Node       `json:"steps"`
		Seed        *uint64            `json:"seed"`
		Settle      reports.Duration   `json:"settle"`
		StopWhen    []reports.StopWhen `json:"stopWhen"`
		Objectives  []*yaml.Node       `json:"objectives"`
	} `json:"spec"`
}

func (d *decoder) scenario(root *yaml.Node, f *file, kinds Kinds) *Scenario {
	s := &Scenario{
		Name: f.Metadata.Name, Labels: f.Metadata.Labels, Why: f.Spec.Why, Controls: f.Spec.Controls,
		BlastRadius: f.Spec.BlastRadius, Baseline: f.Spec.Baseline.D(), Settle: f.Spec.Settle.D(), StopWhen: f.Spec.StopWhen,
		Seed: f.Spec.Seed,
	}
	if f.APIVersion != APIVersion {
		d.mistake(find(root, "apiVersion"), "apiVersion", "is %q, want %s", f.APIVersion, APIVersion)
	}
	if f.Kind != KindScenario {
		d.mistake(find(root, "kind"), "kind", "is %q, want %s", f.Kind, KindScenario)
	}
	for i, m := range f.Spec.Monitors {
		s.Monitors = append(s.Monitors, d.monitor(m, fmt.Sprintf("spec.monitors[%d]", i)))
	}
	for i, node := range f.Spec.Steps {
		s.Steps = append(s.Steps, d.step(node, fmt.Sprintf("spec.steps[%d]", i), kinds))
	}
	for i, node := range f.Spec.Objectives {
		if objective := d.objective(node, fmt.Sprintf("spec.objectives[%d]", i)); objective != nil {
			s.Objectives = append(s.Objectives, objective)
		}
	}
	s.defaults()
	for _, problem := range s.problems() {
		d.mistake(find(root, problem.path), problem.path, "%s", problem.text)
	}
	return s
}

// step reads a step: its own fields, and one key that names the action.
func (d *decoder) step(node *yaml.Node, path string, kinds Kinds) Step {
	var own struct {
		Name    string           `json:"name"`
		Hold    reports.Duration `json:"hold"`
		Timeout reports.Duration `json:"timeout"`
		Undoes  string           `json:"undoes"`
		Repeat  int              `json:"repeat"`
	}
	ownNode, rest := split(node, "name", "hold", "timeout", "undoes", "repeat")
	d.into(ownNode, path, reflect.ValueOf(&own).Elem())
	step := Step{Name: own.Name, Hold: own.Hold.D(), Timeout: own.Timeout.D(), Undoes: own.Undoes, Repeat: own.Repeat}
	key, value := d.one(rest, path, slices.Sorted(slices.Values(append(sortedKeys(kinds), ways...))))
	if key == "" {
		return step
	}
	if slices.Contains(ways, key) {
		step.Group = d.group(value, join(path, key), kinds)
		return step
	}
	step.Action = kinds[key](&Payload{decoder: d, node: value, path: join(path, key), before: d.count()})
	return step
}

// group reads the steps of a group: a list, or of a random one the list and how many.
func (d *decoder) group(node *yaml.Node, path string, kinds Kinds) *Group {
	way := path[strings.LastIndex(path, ".")+1:]
	group := &Group{Way: Way(way)}
	if strings.Count(path, "[") > maxDepth {
		d.mistake(node, path, "is a group in more than %d groups: write a scenario that can be followed", maxDepth-1)
		return group
	}
	var steps []*yaml.Node
	if group.Way == ByChance {
		var own struct {
			Of   []*yaml.Node `json:"of"`
			Pick int          `json:"pick"`
		}
		d.into(node, path, reflect.ValueOf(&own).Elem())
		steps, group.Pick, path = own.Of, own.Pick, join(path, "of")
	} else {
		d.into(node, path, reflect.ValueOf(&steps).Elem())
	}
	for i, one := range steps {
		group.Of = append(group.Of, d.step(one, fmt.Sprintf("%s[%d]", path, i), kinds))
	}
	return group
}

// split parts a mapping in two: the named keys, and the others.
func split(node *yaml.Node, names ...string) (named, others *yaml.Node) {
	if node.Kind != yaml.MappingNode {
		return node, node
	}
	named = &yaml.Node{Kind: yaml.MappingNode, Line: node.Line}
	others = &yaml.Node{Kind: yaml.MappingNode, Line: node.Line}
	for i := 0; i+1 < len(node.Content); i += 2 {
		part := others
		if slices.Contains(names, node.Content[i].Value) {
			part = named
		}
		part.Content = append(part.Content, node.Content[i], node.Content[i+1])
	}
	return named, others
}

func (d *decoder) objective(node *yaml.Node, path string) reports.Objective {
	key, value := d.one(node, path, reports.ObjectiveKinds())
	if key == "" {
		return nil
	}
	objective, err := reports.NewObjective(key)
	if err != nil {
		d.mistake(node, path, "%v", err)
		return nil
	}
	before := d.count()
	d.into(value, join(path, key), reflect.ValueOf(objective).Elem())
	if d.count() != before {
		return nil
	}
	return objective
}

func sortedKeys(kinds Kinds) []string {
	names := make([]string, 0, len(kinds))
	for name := range kinds {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func listMistakes(mistakes []error) string {
	out := ""
	for i, mistake := range mistakes {
		if i > 0 {
			out += "\n"
		}
		out += mistake.Error()
	}
	return out
}
