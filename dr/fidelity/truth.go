package fidelity

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/klauspost/compress/s2"
	kjson "sigs.k8s.io/json"
)

// truth is the backup: all its objects, packed, by group-resource.
type truth struct {
	backup Backup
	groups map[string]*group
	seed   maphash.Seed
	limits Limits
	kept   int64
	copies bool // the layout has a second copy of each object
	buffer []byte
}

type group struct {
	resource   Resource // as the first object has it
	objects    map[string]*entry
	namespaces map[string]bool
}

type entry struct {
	packed           []byte
	sum, second      uint64
	plain, preferred bool
	found            bool // at the target
}

func (t *truth) keep(p place, content []byte) error {
	g := t.groups[p.resource]
	if g == nil {
		g = &group{objects: map[string]*entry{}, namespaces: map[string]bool{}}
		t.groups[p.resource] = g
	}
	if p.other { // a further version of the same object is not a further object
		return nil
	}
	e := g.objects[p.key()]
	if e == nil {
		e = &entry{}
		g.objects[p.key()] = e
	}
	sum := maphash.Bytes(t.seed, content)
	if p.preferred {
		if e.preferred {
			return ErrDuplicate
		}
		e.preferred, e.second, t.copies = true, sum, true
		return nil
	}
	if e.plain {
		return ErrDuplicate
	}
	e.plain, e.sum = true, sum
	g.namespaces[p.namespace] = true
	t.buffer = s2.Encode(t.buffer[:cap(t.buffer)], content)
	e.packed = bytes.Clone(t.buffer)
	if t.kept += int64(len(e.packed)); t.kept > t.limits.Kept {
		return fmt.Errorf("%w: over %d bytes of objects, compressed", ErrTooLarge, t.limits.Kept)
	}
	return nil
}

// complete checks what only shows once all was read, and learns each group's kind from one of its objects.
func (t *truth) complete() error {
	if t.backup.Format == "" {
		return fmt.Errorf("metadata/version: %w: there is no such file", ErrLayout)
	}
	for _, name := range t.names() {
		g := t.groups[name]
		for key, e := range g.objects {
			if t.copies && (!e.plain || !e.preferred || e.sum != e.second) {
				return fmt.Errorf("%s %s: %w", name, key, ErrCopies)
			}
		}
		if len(g.objects) == 0 {
			return fmt.Errorf("%s: %w: only further versions of its objects", name, ErrLayout)
		}
		first := slices.Min(keys(g.objects))
		object, err := t.get(name, first)
		if err != nil {
			return err
		}
		g.resource.Name, g.resource.Group, _ = strings.Cut(name, ".")
		apiVersion, _ := object["apiVersion"].(string)
		group, version, grouped := strings.Cut(apiVersion, "/")
		if !grouped {
			group, version = "", apiVersion
		}
		if group != g.resource.Group {
			return fmt.Errorf("%s %s: %w: its apiVersion is %.64q", name, first, ErrIdentity, apiVersion)
		}
		g.resource.Version = version
		g.resource.Kind, _ = object["kind"].(string)
		g.resource.Namespaced = !g.namespaces[""]
	}
	return nil
}

// get unpacks an object and checks that it is the one that its path names.
func (t *truth) get(resource, key string) (map[string]any, error) {
	g := t.groups[resource]
	if g == nil || g.objects[key] == nil {
		return nil, nil
	}
	content, err := s2.Decode(t.buffer[:cap(t.buffer)], g.objects[key].packed)
	if err != nil {
		return nil, fmt.Errorf("unpack %s %s: %w", resource, key, err)
	}
	t.buffer = content
	object, err := decode(content)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", resource, key, err)
	}
	kind, _ := object["kind"].(string)
	apiVersion, _ := object["apiVersion"].(string)
	if textAt(object, "metadata", "namespace")+"/"+textAt(object, "metadata", "name") != key || kind == "" || apiVersion == "" {
		return nil, fmt.Errorf("%s %s: %w", resource, key, ErrIdentity)
	}
	return object, nil
}

// decode reads JSON as Kubernetes does: whole numbers stay whole, a key that is there twice is refused.
func decode(content []byte) (map[string]any, error) {
	var object map[string]any
	strict, err := kjson.UnmarshalStrict(content, &object)
	if err != nil || len(strict) > 0 || object == nil {
		return nil, ErrNotJSON // the decoder's words could quote the object
	}
	return object, nil
}

func (t *truth) has(resource, key string) bool {
	g := t.groups[resource]
	return g != nil && g.objects[key] != nil
}

func (t *truth) names() []string {
	out := keys(t.groups)
	slices.Sort(out)
	return out
}

func keys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	return out
}

// at walks down maps.
func at(object map[string]any, path ...string) any {
	var v any = object
	for _, key := range path {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	return v
}

func textAt(object map[string]any, path ...string) string {
	s, _ := at(object, path...).(string)
	return s
}
