package fidelity

import "strings"

// Class says in what way a rule explains.
type Class string

// The classes of rules.
const (
	Drop     Class = "drop"      // the server's own bookkeeping: no part of what a backup promises
	Map      Class = "map"       // rewritten as asked
	Semantic Class = "semantic"  // other words, same meaning
	Allowed  Class = "allowed"   // Velero or a controller makes it anew
	AbsentOK Class = "absent-ok" // the object need not be at the target
	ExtraOK  Class = "extra-ok"  // the object may be at the target without being in the backup
	Operator Class = "declared"  // the operator says so
)

// rule explains differences in fields. A rule about whole objects is an objectRule.
type rule struct {
	id     string
	class  Class
	source string
	kinds  []string // Kind, or Kind.group; all if there are none
	paths  []string // patterns; any of them
	when   func(*pair, *delta) bool
	by     string

	patterns [][]string
}

// objectRule explains an object that is on one side only.
type objectRule struct {
	id     string
	source string
	kinds  []string
	absent func(*comparison, *subject) bool // nil: never explains an absence
	extra  func(*comparison, *subject) bool // nil: never explains an extra object
	by     string
}

// subject is one object that is on one side only.
type subject struct {
	resource Resource
	object   map[string]any
	ns, name string
}

func (s *subject) text(path ...string) string { return textAt(s.object, path...) }

// forKind reports whether a list of kinds names the kind.
func forKind(kinds []string, kind, group string) bool {
	if len(kinds) == 0 {
		return true
	}
	for _, k := range kinds {
		name, of, grouped := strings.Cut(k, ".")
		if name == kind && (!grouped || of == group) {
			return true
		}
	}
	return false
}

// parsePattern reads a path as written prints it. A star in a segment stands for any text, ** at the end for all below.
func parsePattern(s string) []string {
	var out []string
	for s != "" {
		switch {
		case s[0] == '.':
			s = s[1:]
		case strings.HasPrefix(s, `["`):
			end := strings.Index(s, `"]`)
			if end < 0 {
				return append(out, s)
			}
			out, s = append(out, s[2:end]), s[end+2:]
		case s[0] == '[':
			end := strings.IndexByte(s, ']')
			if end < 0 {
				return append(out, s)
			}
			out, s = append(out, s[:end+1]), s[end+1:]
		default:
			end := strings.IndexAny(s, ".[")
			if end < 0 {
				end = len(s)
			}
			out, s = append(out, s[:end]), s[end:]
		}
	}
	return out
}

func matchPath(pattern, path []string) bool {
	for i, p := range pattern {
		if p == "**" && i == len(pattern)-1 {
			return true
		}
		if i >= len(path) || !matchText(p, path[i]) {
			return false
		}
	}
	return len(pattern) == len(path)
}

// matchText matches a text with stars.
func matchText(pattern, s string) bool {
	before, after, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == s
	}
	if !strings.HasPrefix(s, before) {
		return false
	}
	s = s[len(before):]
	for {
		part, rest, more := strings.Cut(after, "*")
		if !more {
			return strings.HasSuffix(s, part)
		}
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s, after = s[i+len(part):], rest
	}
}

func (r *rule) compile() {
	for _, p := range r.paths {
		r.patterns = append(r.patterns, parsePattern(p))
	}
}

func (r *rule) explains(p *pair, d *delta) bool {
	for _, pattern := range r.patterns {
		if matchPath(pattern, d.path) {
			return r.when == nil || r.when(p, d)
		}
	}
	return false
}

const operatorSource = "declared in the scenario: "
