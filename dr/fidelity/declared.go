package fidelity

import (
	"fmt"
	"strings"
)

// Declared is a rule of the operator's own: a webhook's sidecar, a certificate that is issued anew. What it covers counts as
// explained by the operator, under the id "op/<name>".
type Declared struct {
	Name string `json:"name"`
	Why  string `json:"why"` // stands in the result as the rule's source
	// Kinds are those that the rule is about: Deployment, or Deployment.apps.
	Kinds []string `json:"kinds"`
	// Path is the field: spec.template.spec.containers[istio-proxy], metadata.annotations["a/b"]. A star stands for any text within
	// one segment, ** at the end for all below. Without a path the rule is about whole objects, as Object says.
	Path string `json:"path,omitempty"`
	// Object is "absent" for objects that need not come back, "extra" for those that may be there without being in the backup.
	Object string `json:"object,omitempty"`
	// Namespaces (of the backup) and Names narrow the rule; a star stands for any text.
	Namespaces []string `json:"namespaces,omitempty"`
	Names      []string `json:"names,omitempty"`
}

// Problems says what is wrong with the rule. A rule that would silence everything is refused.
func (d Declared) Problems() []string {
	var out []string
	if d.Name == "" {
		out = append(out, "name: is empty, want a name to stand in the result")
	}
	if strings.TrimSpace(d.Why) == "" {
		out = append(out, "why: is empty, want the reason that an auditor reads")
	}
	if len(d.Kinds) == 0 {
		out = append(out, "kinds: is empty, want the kinds that the rule is about")
	}
	for _, k := range d.Kinds {
		if strings.Contains(k, "*") || k == "" {
			out = append(out, fmt.Sprintf("kinds: %q is no kind", k))
		}
	}
	switch {
	case (d.Path == "") == (d.Object == ""):
		out = append(out, "path: want either a path, or object: absent or extra")
	case d.Object != "" && d.Object != "absent" && d.Object != "extra":
		out = append(out, fmt.Sprintf("object: is %q, want absent or extra", d.Object))
	case d.Object != "" && len(d.Names) == 0:
		out = append(out, "names: is empty, want the names of the objects (a star stands for any text)")
	}
	if d.Path != "" {
		switch first := parsePattern(d.Path); {
		case len(first) == 0 || strings.Contains(first[0], "*"), len(first) == 2 && first[1] == "**":
			out = append(out, fmt.Sprintf("path: %q covers too much, want a field", d.Path))
		}
	}
	return out
}

func (d Declared) names(ns, name string) bool {
	return anyMatch(d.Namespaces, ns) && anyMatch(d.Names, name)
}

func anyMatch(patterns []string, s string) bool {
	for _, p := range patterns {
		if matchText(p, s) {
			return true
		}
	}
	return len(patterns) == 0
}

func (d Declared) field() *rule {
	return &rule{
		id: "op/" + d.Name, class: Operator, source: operatorSource + d.Why, kinds: d.Kinds, paths: []string{d.Path}, by: "operator",
		when: func(p *pair, _ *delta) bool { return d.names(p.ns, p.name) },
	}
}

func (d Declared) object() *objectRule {
	r := &objectRule{id: "op/" + d.Name, source: operatorSource + d.Why, kinds: d.Kinds, by: "operator"}
	match := func(_ *comparison, s *subject) bool { return d.names(s.ns, s.name) }
	if d.Object == "absent" {
		r.absent = match
	} else {
		r.extra = match
	}
	return r
}
