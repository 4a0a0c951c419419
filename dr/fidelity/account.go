package fidelity

import (
	"maps"
	"slices"
)

// rulesFor are the rules about a kind.
func (c *comparison) rulesFor(r Resource) []*rule {
	name := r.Kind + "." + r.Group
	rules, known := c.byKind[name]
	if !known {
		for _, candidate := range c.rules {
			if forKind(candidate.kinds, r.Kind, r.Group) {
				rules = append(rules, candidate)
			}
		}
		c.byKind[name] = rules
	}
	return rules
}

// prune explains what need not be walked: managed fields, and a status that was not asked for.
func (p *pair) prune(path []string, want, got any) bool {
	isStatus := len(path) == 1 && path[0] == "status"
	if !isStatus && (len(path) != 2 || path[1] != "managedFields" || path[0] != "metadata") || want == nil && got == nil {
		return false
	}
	d := &delta{path: path, want: want, got: got, hasWant: want != nil, hasGot: got != nil}
	for _, r := range p.c.rulesFor(p.res) {
		if (r.id == "ALL-3" || r.id == "ALL-7") && r.explains(p, d) {
			p.c.use(r, p, d)
			return true
		}
	}
	return false
}

// explain looks for a rule that covers a difference; without one the object is changed.
func (c *comparison) explain(p *pair, d *delta) {
	for _, r := range c.rulesFor(p.res) {
		if d.semantic && r.id != "ALL-16" {
			continue
		}
		if d.semantic || r.explains(p, d) {
			c.use(r, p, d)
			p.explained = p.explained || r.class != Drop
			return
		}
	}
	p.fields = append(p.fields, Field{Path: written(d.path), Want: c.shown(p, d, d.want, d.hasWant), Got: c.shown(p, d, d.got, d.hasGot)})
}

const examples = 3

func (c *comparison) use(r *rule, p *pair, d *delta) {
	u := c.uses[r.id]
	if u == nil {
		u = &RuleUse{ID: r.id, Class: r.class, Source: r.source, By: r.by}
		c.uses[r.id] = u
	}
	u.Fields++
	if p.counted[r.id] {
		return
	}
	if p.counted == nil {
		p.counted = map[string]bool{}
	}
	p.counted[r.id] = true
	if u.Objects++; len(u.Examples) < examples {
		u.Examples = append(u.Examples, p.object().String()+" "+written(d.path))
	}
}

// objectRule finds the rule about an object that is on one side only.
func (c *comparison) objectRule(s *subject, absent bool) *objectRule {
	for _, r := range c.objectRules {
		test := r.extra
		if absent {
			test = r.absent
		}
		if test != nil && forKind(r.kinds, s.resource.Kind, s.resource.Group) && test(c, s) {
			return r
		}
	}
	return nil
}

func (c *comparison) useObject(r *objectRule, s *subject, class Class) {
	id := r.id + " " + string(class)
	u := c.uses[id]
	if u == nil {
		u = &RuleUse{ID: r.id, Class: class, Source: r.source, By: r.by}
		c.uses[id] = u
	}
	if u.Objects++; len(u.Examples) < examples {
		u.Examples = append(u.Examples, Object{s.resource.GroupResource(), s.ns, s.name}.String())
	}
}

// gone accounts for an object of the backup that is not at the target.
func (c *comparison) gone(g *group, key, reason string) error {
	name := g.resource.GroupResource()
	object, err := c.truth.get(name, key)
	if err != nil {
		return err
	}
	s := &subject{resource: g.resource, object: object, ns: textAt(object, "metadata", "namespace"), name: textAt(object, "metadata", "name")}
	if r := c.objectRule(s, true); r != nil {
		c.result.Explained++
		c.useObject(r, s, AbsentOK)
		return nil
	}
	c.result.Lost++
	if len(c.result.LostObjects) < c.options.Limits.Listed {
		c.result.LostObjects = append(c.result.LostObjects, Loss{Object{name, s.ns, s.name}, reason})
	}
	return nil
}

// extra accounts for an object at the target that is not in the backup.
func (c *comparison) extra(s *subject) {
	if !s.resource.Namespaced && !c.options.WholeCluster {
		c.result.OutsideScope++
		return
	}
	if r := c.objectRule(s, false); r != nil {
		c.result.UnexpectedKnown++
		c.useObject(r, s, ExtraOK)
		return
	}
	c.result.Unexpected++
	if len(c.result.UnexpectedObjects) < c.options.Limits.Listed {
		c.result.UnexpectedObjects = append(c.result.UnexpectedObjects, Object{s.resource.GroupResource(), s.ns, s.name})
	}
}

func (c *comparison) find(f Finding) {
	c.result.FindingCount++
	if len(c.result.Findings) < c.options.Limits.Listed {
		c.result.Findings = append(c.result.Findings, f)
	}
}

func (c *comparison) finish() Result {
	r := &c.result
	for _, id := range slices.Sorted(maps.Keys(c.uses)) {
		r.Rules = append(r.Rules, *c.uses[id])
	}
	r.Omitted = Omitted{
		Changed: r.Changed - len(r.ChangedObjects), Lost: r.Lost - len(r.LostObjects),
		Unexpected: r.Unexpected - len(r.UnexpectedObjects), Findings: r.FindingCount - len(r.Findings),
	}
	return *r
}
