package fidelity

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// file is one file of a tarball.
type file struct{ name, content string }

func pack(files ...file) []byte {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	archive := tar.NewWriter(zip)
	for _, f := range files {
		_ = archive.WriteHeader(&tar.Header{Name: f.name, Size: int64(len(f.content)), Mode: 0o644, Typeflag: tar.TypeReg})
		_, _ = archive.Write([]byte(f.content))
	}
	_ = archive.Close()
	_ = zip.Close()
	return out.Bytes()
}

var version = file{"metadata/version", "1.1.0\n"}

// filesOf are the two copies that Velero writes of an object.
func filesOf(resource string, o map[string]any) []file {
	content, _ := json.Marshal(o)
	where := "cluster/"
	if ns := textAt(o, "metadata", "namespace"); ns != "" {
		where = "namespaces/" + ns + "/"
	}
	_, v, grouped := strings.Cut(textAt(o, "apiVersion"), "/")
	if !grouped {
		v = textAt(o, "apiVersion")
	}
	name := textAt(o, "metadata", "name") + ".json"
	return []file{
		{"resources/" + resource + "/" + where + name, string(content)},
		{"resources/" + resource + "/" + v + "-preferredversion/" + where + name, string(content)},
	}
}

// world is a cluster of decoded objects.
type world struct {
	resources []Resource
	objects   map[string][]map[string]any // by group-resource
}

func (w world) Resources(context.Context) ([]Resource, error) { return w.resources, nil }

func (w world) List(_ context.Context, r Resource, namespaces []string, yield func(map[string]any) error) error {
	for _, o := range w.objects[r.GroupResource()] {
		if r.Namespaced && !slices.Contains(namespaces, textAt(o, "metadata", "namespace")) {
			continue
		}
		if err := yield(copied(o)); err != nil {
			return err
		}
	}
	return nil
}

func copied(o map[string]any) map[string]any {
	content, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	out, err := decode(content)
	if err != nil {
		panic(err)
	}
	return out
}

func (w world) copy() world {
	out := world{resources: slices.Clone(w.resources), objects: map[string][]map[string]any{}}
	for r, list := range w.objects {
		for _, o := range list {
			out.objects[r] = append(out.objects[r], copied(o))
		}
	}
	return out
}

// find returns an object of the world.
func (w world) find(t testing.TB, resource, name string) map[string]any {
	t.Helper()
	for _, o := range w.objects[resource] {
		if textAt(o, "metadata", "name") == name {
			return o
		}
	}
	t.Fatalf("no %s %s in the world", resource, name)
	return nil
}

func (w world) drop(resource, name string) {
	w.objects[resource] = slices.DeleteFunc(w.objects[resource], func(o map[string]any) bool { return textAt(o, "metadata", "name") == name })
}

func (w world) tarball() []byte {
	files := []file{version}
	for _, r := range slices.Sorted(maps.Keys(w.objects)) {
		for _, o := range w.objects[r] {
			files = append(files, filesOf(r, o)...)
		}
	}
	return pack(files...)
}

func parseWorld(t testing.TB, text string) world {
	t.Helper()
	w := world{objects: map[string][]map[string]any{}}
	for doc := range strings.SplitSeq(text, "\n---\n") {
		content, err := yaml.YAMLToJSON([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		o, err := decode(content)
		if err != nil {
			t.Fatalf("%v: %s", err, doc)
		}
		group, v, grouped := strings.Cut(textAt(o, "apiVersion"), "/")
		if !grouped {
			group, v = "", textAt(o, "apiVersion")
		}
		kind := textAt(o, "kind")
		plural := strings.ToLower(kind) + "s"
		switch {
		case strings.HasSuffix(kind, "ss"):
			plural = strings.ToLower(kind) + "es"
		case strings.HasSuffix(kind, "cy"):
			plural = strings.TrimSuffix(strings.ToLower(kind), "y") + "ies"
		case kind == "Endpoints":
			plural = "endpoints"
		}
		r := Resource{Group: group, Version: v, Name: plural, Kind: kind, Namespaced: textAt(o, "metadata", "namespace") != ""}
		if !slices.Contains(w.resources, r) {
			w.resources = append(w.resources, r)
		}
		meta := o["metadata"].(map[string]any)
		meta["uid"], meta["resourceVersion"] = "uid-"+kind+textAt(o, "metadata", "name"), "17"
		meta["creationTimestamp"] = "2026-01-02T03:04:05Z"
		meta["managedFields"] = []any{map[string]any{"manager": "kubectl", "operation": "Update"}}
		w.objects[r.GroupResource()] = append(w.objects[r.GroupResource()], o)
	}
	return w
}

// restored is what a faithful restore makes of a world, without a mapping: new identities, Velero's labels, no status of before.
func restored(w world) world {
	out := w.copy()
	for r, list := range out.objects {
		for i, o := range list {
			meta := o["metadata"].(map[string]any)
			meta["uid"], meta["resourceVersion"] = fmt.Sprintf("new-%s-%d", r, i), "99"
			meta["creationTimestamp"] = "2026-02-02T03:04:05Z"
			if r != "namespaces" {
				labels, _ := meta["labels"].(map[string]any)
				if labels == nil {
					labels = map[string]any{}
					meta["labels"] = labels
				}
				labels["velero.io/restore-name"], labels["velero.io/backup-name"] = "drill", "nightly"
			}
			if r != "persistentvolumeclaims" && r != "persistentvolumes" {
				delete(o, "status")
			}
		}
	}
	for _, o := range out.objects["services"] {
		spec := o["spec"].(map[string]any)
		if spec["clusterIP"] != "None" {
			spec["clusterIP"], spec["clusterIPs"] = "10.9.9.9", []any{"10.9.9.9"}
		}
	}
	return out
}

func compared(t testing.TB, backup, target world, o Options) Result {
	t.Helper()
	if o.Key == nil {
		o.Key = []byte("0123456789abcdef")
	}
	r, err := Compare(t.Context(), bytes.NewReader(backup.tarball()), target, o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Population != r.Same+r.Explained+r.Changed+r.Lost {
		t.Fatalf("%d objects, but %d same + %d explained + %d changed + %d lost", r.Population, r.Same, r.Explained, r.Changed, r.Lost)
	}
	return r
}

func text(t testing.TB, v any) string {
	t.Helper()
	out, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
