package fidelity

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// delta is one difference: a value in the backup, at the target, or both.
type delta struct {
	path            []string // map keys, and list elements in square brackets
	want, got       any
	hasWant, hasGot bool
	semantic        bool
}

// walker walks two values side by side. It makes no path until there is a difference.
type walker struct {
	pair  *pair
	path  []string
	found func(*delta)
}

func (w *walker) report(want, got any, hasWant, hasGot bool) {
	w.found(&delta{path: slices.Clone(w.path), want: want, got: got, hasWant: hasWant, hasGot: hasGot})
}

func (w *walker) push(segment string) { w.path = append(w.path, segment) }
func (w *walker) pop()                { w.path = w.path[:len(w.path)-1] }

func (w *walker) last() string {
	if len(w.path) == 0 {
		return ""
	}
	return w.path[len(w.path)-1]
}

// values compares two values; null is the same as none.
func (w *walker) values(want, got any) {
	switch {
	case want == nil && got == nil:
		return
	case want == nil || got == nil:
		w.oneSided(want, got)
		return
	}
	switch x := want.(type) {
	case map[string]any:
		if y, ok := got.(map[string]any); ok {
			w.maps(x, y)
			return
		}
	case []any:
		if y, ok := got.([]any); ok {
			w.lists(x, y)
			return
		}
	default:
		if want == got || comparable2(got) && w.means(want, got) {
			return
		}
	}
	w.report(want, got, true, true)
}

// comparable2 is false for what == panics on when both sides are of it.
func comparable2(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return false
	}
	return true
}

// transparent are the maps whose absence is the absence of their entries, so that a rule about an entry can explain it.
var transparent = []string{"metadata", "labels", "annotations", "spec", "matchLabels", "template", "claimRef"}

func (w *walker) oneSided(want, got any) {
	side := want
	if want == nil {
		side = got
	}
	switch x := side.(type) {
	case map[string]any:
		if len(x) > 0 && len(w.path) > 0 && slices.Contains(transparent, w.last()) {
			if want == nil {
				w.maps(nil, x)
			} else {
				w.maps(x, nil)
			}
			return
		}
	case []any:
		if len(x) > 0 && (keyOf(w.path) != nil || isSet(w.last())) {
			if want == nil {
				w.lists(nil, x)
			} else {
				w.lists(x, nil)
			}
			return
		}
	}
	w.report(want, got, want != nil, got != nil)
}

func (w *walker) maps(want, got map[string]any) {
	top := len(w.path) <= 1
	for key, x := range want {
		w.push(key)
		if !top || !w.pair.prune(w.path, x, got[key]) {
			w.values(x, got[key])
		}
		w.pop()
	}
	for key, y := range got {
		if _, both := want[key]; both {
			continue
		}
		w.push(key)
		if !top || !w.pair.prune(w.path, nil, y) {
			w.values(nil, y)
		}
		w.pop()
	}
}

// lists compares by merge key where Kubernetes merges so, without order where the list is a set, else place by place.
func (w *walker) lists(want, got []any) {
	var key func(any) string
	if key = keyOf(w.path); key == nil && isSet(w.last()) {
		key = canonical
	}
	if key == nil {
		for i := range max(len(want), len(got)) {
			var x, y any
			if i < len(want) {
				x = want[i]
			}
			if i < len(got) {
				y = got[i]
			}
			w.push(fmt.Sprintf("[%d]", i))
			w.values(x, y)
			w.pop()
		}
		return
	}
	wantKeys, wants := keyed(want, key)
	gotKeys, gots := keyed(got, key)
	for _, k := range wantKeys {
		w.push(k)
		w.values(wants[k], gots[k])
		w.pop()
	}
	for _, k := range gotKeys {
		if _, both := wants[k]; !both {
			w.push(k)
			w.values(nil, gots[k])
			w.pop()
		}
	}
	w.order(wantKeys, gotKeys, want)
}

// order reports another order of what is in both lists, where order has a meaning: init containers run one after another, and a
// variable sees only those before it.
func (w *walker) order(want, got []string, values []any) {
	switch w.last() {
	case "initContainers":
	case "env":
		if !slices.ContainsFunc(values, func(v any) bool {
			m, _ := v.(map[string]any)
			return strings.Contains(textAt(m, "value"), "$(")
		}) {
			return
		}
	default:
		return
	}
	both := func(these, those []string) string {
		var out []string
		for _, k := range these {
			if slices.Contains(those, k) {
				out = append(out, k)
			}
		}
		return strings.Join(out, "")
	}
	if x, y := both(want, got), both(got, want); x != y {
		w.push("(order)")
		w.report(x, y, true, true)
		w.pop()
	}
}

// keyed gives each element its key in brackets; a second one with the same key gets a number, so that it shows.
func keyed(list []any, key func(any) string) ([]string, map[string]any) {
	order := make([]string, 0, len(list))
	byKey := make(map[string]any, len(list))
	for _, v := range list {
		k := "[" + key(v) + "]"
		for n := 2; ; n++ {
			if _, twice := byKey[k]; !twice {
				break
			}
			k = fmt.Sprintf("[%s#%d]", key(v), n)
		}
		order = append(order, k)
		byKey[k] = v
	}
	return order, byKey
}

// written is the path as people read it: spec.containers[web].image, metadata.annotations["a/b"].
func written(path []string) string {
	var out strings.Builder
	for _, s := range path {
		switch {
		case strings.HasPrefix(s, "[") || s == "(order)":
			out.WriteString(s)
		case strings.ContainsAny(s, "./[]\"* "):
			fmt.Fprintf(&out, "[%q]", s)
		default:
			if out.Len() > 0 {
				out.WriteByte('.')
			}
			out.WriteString(s)
		}
	}
	return out.String()
}

// canonical is a value's text with its maps in order.
func canonical(v any) string {
	switch x := v.(type) {
	case map[string]any:
		var out strings.Builder
		for _, k := range slices.Sorted(maps.Keys(x)) {
			fmt.Fprintf(&out, "%q:%s,", k, canonical(x[k]))
		}
		return out.String()
	case []any:
		var out strings.Builder
		for _, e := range x {
			out.WriteString(canonical(e) + ",")
		}
		return out.String()
	case string:
		return x
	}
	return fmt.Sprint(v)
}
