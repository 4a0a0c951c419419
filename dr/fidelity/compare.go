package fidelity

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// comparison is one run of Compare.
type comparison struct {
	truth   *truth
	options Options
	result  Result
	back    map[string]string // target's namespace to backup's

	rules       []*rule
	objectRules []*objectRule
	byKind      map[string][]*rule
	uses        map[string]*RuleUse

	kinds       map[string]string // group/Kind in the backup to group-resource
	selecting   map[string]bool   // Services of the backup with a selector
	services    map[string]bool   // all Services of the backup
	scaled      map[string]bool   // "Kind ns/name" whose replicas a scaler owns
	volumes     map[string]string // claim to the volume's key
	boundClaims map[string]bool   // claims at the target that are bound
	scope       []string          // namespaces at the target

	references references
}

// pair is an object of the backup with its counterpart.
type pair struct {
	c         *comparison
	res       Resource
	resource  string
	kind      string
	ns, name  string // in the backup
	want, got map[string]any
	builtin   bool // one of Kubernetes' own kinds, whose fields are known
	renamed   bool // matched by another name
	explained bool
	fields    []Field
	counted   map[string]bool // rules that were counted for this object
}

func (p *pair) object() Object { return Object{p.resource, p.ns, p.name} }

func newComparison(t *truth, o Options) *comparison {
	c := &comparison{
		truth: t, options: o, back: map[string]string{}, byKind: map[string][]*rule{}, uses: map[string]*RuleUse{},
		kinds: map[string]string{}, selecting: map[string]bool{}, services: map[string]bool{}, scaled: map[string]bool{},
		volumes: map[string]string{}, boundClaims: map[string]bool{},
	}
	for from, to := range o.NamespaceMapping {
		c.back[to] = from
	}
	c.rules, c.objectRules = fieldRules(), objectRules()
	for _, d := range o.Declared {
		if d.Path != "" {
			c.rules = append(c.rules, d.field())
		} else {
			c.objectRules = append(c.objectRules, d.object())
		}
	}
	for _, r := range c.rules {
		r.compile()
	}
	c.result = Result{Schema: Schema, Backup: t.backup}
	c.references.init()
	return c
}

// prepare learns from the backup what the rules need of other objects than the one at hand.
func (c *comparison) prepare() error {
	scope := map[string]bool{}
	for name, g := range c.truth.groups {
		c.kinds[g.resource.Group+"/"+g.resource.Kind] = name
		c.result.Population += len(g.objects)
		for ns := range g.namespaces {
			if ns != "" {
				scope[c.mapNamespace(ns)] = true
			}
		}
	}
	c.scope = slices.Sorted(maps.Keys(scope))
	for resource, learn := range map[string]func(key string, o map[string]any){
		"services": func(key string, o map[string]any) {
			c.services[key] = true
			selector, _ := at(o, "spec", "selector").(map[string]any)
			c.selecting[key] = len(selector) > 0
		},
		"horizontalpodautoscalers.autoscaling": c.learnScaler,
		"scaledobjects.keda.sh":                c.learnScaler,
		"persistentvolumes":                    func(key string, o map[string]any) { c.volumes[claimKey(o)] = key },
	} {
		g := c.truth.groups[resource]
		if g == nil {
			continue
		}
		for key := range g.objects {
			o, err := c.truth.get(resource, key)
			if err != nil {
				return err
			}
			learn(key, o)
		}
	}
	return nil
}

func (c *comparison) learnScaler(key string, o map[string]any) {
	ns, _, _ := strings.Cut(key, "/")
	kind := textAt(o, "spec", "scaleTargetRef", "kind")
	if kind == "" {
		kind = "Deployment" // KEDA's default
	}
	c.scaled[kind+" "+ns+"/"+textAt(o, "spec", "scaleTargetRef", "name")] = true
}

func (c *comparison) mapNamespace(ns string) string {
	if to := c.options.NamespaceMapping[ns]; to != "" {
		return to
	}
	return ns
}

func (c *comparison) backKey(ns string) string {
	if from := c.back[ns]; from != "" {
		return from
	}
	return ns
}

func (c *comparison) mapKey(key string) string {
	ns, name, _ := strings.Cut(key, "/")
	return c.mapNamespace(ns) + "/" + name
}

func (c *comparison) run(ctx context.Context, live Live) error {
	if err := c.prepare(); err != nil {
		return err
	}
	served, err := live.Resources(ctx)
	if err != nil {
		return fmt.Errorf("list what the target's API serves: %w", err)
	}
	versions := map[string][]Resource{}
	for _, r := range served {
		versions[r.GroupResource()] = append(versions[r.GroupResource()], r)
	}
	for _, name := range c.truth.names() {
		if err := c.group(ctx, live, name, versions[name]); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(versions)) {
		if err := c.others(ctx, live, versions[name][0]); err != nil {
			return err
		}
	}
	c.references.judge(c)
	return nil
}

// group compares all objects of a group-resource of the backup, at the backup's version.
func (c *comparison) group(ctx context.Context, live Live, name string, versions []Resource) error {
	g := c.truth.groups[name]
	reason := "absent"
	i := slices.IndexFunc(versions, func(r Resource) bool { return r.Version == g.resource.Version })
	switch {
	case passing(g.resource):
	case i < 0:
		reason = "api missing"
	default:
		scope := c.scope
		if !versions[i].Namespaced {
			scope = nil
		}
		err := live.List(ctx, versions[i], scope, func(o map[string]any) error { return c.observe(g, versions[i], o) })
		if err != nil {
			return fmt.Errorf("list %s at the target: %w", name, err)
		}
		c.references.listed[name] = true
	}
	var gone []string
	for key, e := range g.objects {
		if !e.found {
			gone = append(gone, key)
		}
	}
	slices.Sort(gone)
	for _, key := range gone {
		if err := c.gone(g, key, reason); err != nil {
			return err
		}
	}
	return nil
}

// passing are the resources that Velero never restores, and those of the moment: they are not asked for.
func passing(r Resource) bool {
	return slices.Contains(excluded, r.GroupResource()) || ofTheMoment(&subject{resource: r})
}

// others lists what the backup has no object of: for what is unexpected in its namespaces, and for what references name.
func (c *comparison) others(ctx context.Context, live Live, r Resource) error {
	name := r.GroupResource()
	_, known := c.truth.groups[name]
	if known || passing(r) || r.Namespaced && len(c.scope) == 0 || !r.Namespaced && !c.options.WholeCluster && !c.references.wants(name) {
		return nil
	}
	scope := c.scope
	if !r.Namespaced {
		scope = nil
	}
	err := live.List(ctx, r, scope, func(o map[string]any) error { return c.observe(nil, r, o) })
	if err != nil {
		return fmt.Errorf("list %s at the target: %w", name, err)
	}
	c.references.listed[name] = true
	return nil
}

// observe takes in one live object.
func (c *comparison) observe(g *group, r Resource, got map[string]any) error {
	ns, name := textAt(got, "metadata", "namespace"), textAt(got, "metadata", "name")
	c.references.there(r.GroupResource(), ns+"/"+name)
	key := c.backKey(ns) + "/" + name
	renamed := false
	switch {
	case r.Kind == "Namespace" && r.Group == "":
		key = "/" + c.backKey(name)
	case r.Kind == "PersistentVolumeClaim" && r.Group == "":
		c.boundClaims[ns+"/"+name] = textAt(got, "status", "phase") == "Bound"
	case r.Kind == "PersistentVolume" && r.Group == "" && g != nil && g.objects[key] == nil:
		claim := c.backKey(textAt(got, "spec", "claimRef", "namespace")) + "/" + textAt(got, "spec", "claimRef", "name")
		if other := c.volumes[claim]; other != "" && claim != "/" && textAt(got, "status", "phase") != "Released" {
			key, renamed = other, true
		}
	}
	if g == nil || g.objects[key] == nil {
		c.extra(&subject{resource: r, object: got, ns: ns, name: name})
		return nil
	}
	if g.objects[key].found {
		return fmt.Errorf("%s %s is at the target twice", r.GroupResource(), key)
	}
	want, err := c.truth.get(r.GroupResource(), key)
	if err != nil {
		return err
	}
	g.objects[key].found = true
	wantNS, wantName, _ := strings.Cut(key, "/")
	c.compare(&pair{
		c: c, res: r, resource: r.GroupResource(), kind: r.Kind, ns: wantNS, name: wantName, want: want, got: got, renamed: renamed, builtin: ownKind(r.Group),
	})
	return nil
}

// ownKind reports whether a group is Kubernetes' own.
func ownKind(group string) bool {
	return !strings.Contains(group, ".") || strings.HasSuffix(group, ".k8s.io") && !strings.HasPrefix(group, "gateway.") && !strings.HasPrefix(group, "snapshot.")
}

func (c *comparison) compare(p *pair) {
	w := walker{pair: p, found: func(d *delta) { c.explain(p, d) }}
	w.maps(p.want, p.got)
	if at(p.want, "metadata", "deletionTimestamp") == nil && at(p.got, "metadata", "deletionTimestamp") != nil && len(p.fields) == 0 {
		p.fields = append(p.fields, Field{Path: "metadata.deletionTimestamp", Want: "absent", Got: "present"})
	}
	label := textAt(p.got, "metadata", "labels", "velero.io/restore-name")
	if c.options.Restore != "" && label == "" && p.kind != "Namespace" && !c.mayBeExtra(p) {
		p.fields = append(p.fields, Field{Path: `metadata.labels["velero.io/restore-name"]`, Want: fmt.Sprintf("%q", c.options.Restore), Got: "absent"})
	}
	c.references.of(c, p)
	switch {
	case len(p.fields) > 0:
		c.result.Changed++
		if len(c.result.ChangedObjects) < c.options.Limits.Listed {
			c.result.ChangedObjects = append(c.result.ChangedObjects, p.change())
		}
	case p.explained:
		c.result.Explained++
	default:
		c.result.Same++
	}
}

// mayBeExtra: what a controller makes anyway need not carry the label of the restore.
func (c *comparison) mayBeExtra(p *pair) bool {
	return c.objectRule(&subject{resource: p.res, object: p.got, ns: p.ns, name: p.name}, false) != nil
}

const fieldsListed = 20

func (p *pair) change() Change {
	slices.SortFunc(p.fields, func(a, b Field) int { return strings.Compare(a.Path, b.Path) })
	out := Change{Object: p.object(), Fields: p.fields}
	if n := len(out.Fields); n > fieldsListed {
		out.Fields, out.Omitted = slices.Clip(out.Fields[:fieldsListed]), n-fieldsListed
	}
	return out
}
