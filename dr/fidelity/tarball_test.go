package fidelity

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"strings"
	"testing"
)

const settings = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"namespace":"shop","name":"a"},"data":{"k":"planted-4711"}}`

func plain(name string) file {
	return file{"resources/configmaps/namespaces/shop/" + name + ".json", settings}
}

func link() []byte {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	archive := tar.NewWriter(zip)
	_ = archive.WriteHeader(&tar.Header{Name: "resources/configmaps/namespaces/shop/a.json", Linkname: "/etc/passwd", Typeflag: tar.TypeSymlink})
	_ = archive.Close()
	_ = zip.Close()
	return out.Bytes()
}

func TestHostileTarballsAreRefusedByName(t *testing.T) {
	good := pack(version, plain("a"))
	preferred := file{"resources/configmaps/v1-preferredversion/namespaces/shop/a.json", settings}
	edited := file{preferred.name, strings.Replace(settings, "4711", "4712", 1)}
	damaged := bytes.Clone(good)
	damaged[len(damaged)-6] ^= 1 // the check sum
	for name, row := range map[string]struct {
		content []byte
		want    error
	}{
		"a path that leads out":       {pack(version, file{"resources/../../etc/passwd", "{}"}), ErrPath},
		"an absolute path":            {pack(version, file{"/etc/passwd", "{}"}), ErrPath},
		"a link":                      {link(), ErrPath},
		"an object twice":             {pack(version, plain("a"), plain("a")), ErrDuplicate},
		"the version twice":           {pack(version, version), ErrDuplicate},
		"a copy twice":                {pack(version, preferred, preferred), ErrDuplicate},
		"copies that differ":          {pack(version, plain("a"), edited), ErrCopies},
		"a copy missing":              {pack(version, preferred), ErrCopies},
		"cut short":                   {good[:len(good)/2], ErrTruncated},
		"cut in the check sum":        {good[:len(good)-3], ErrTruncated},
		"a bit flipped":               {damaged, ErrTruncated},
		"nothing":                     {nil, ErrTruncated},
		"no gzip":                     {[]byte("hello"), ErrTruncated},
		"no JSON":                     {pack(version, file{plain("a").name, `{"data": planted-4711}`}), ErrNotJSON},
		"a list":                      {pack(version, file{plain("a").name, `[]`}), ErrNotJSON},
		"a key twice":                 {pack(version, file{plain("a").name, `{"kind":"A","kind":"B"}`}), ErrNotJSON},
		"a giant object":              {pack(version, file{plain("a").name, strings.Repeat(" ", 2<<20) + settings}), ErrTooLarge},
		"too many objects":            {pack(version, plain("a"), plain("b"), plain("c"), plain("d"), plain("e")), ErrTooLarge},
		"a bomb":                      {bomb(), ErrBomb},
		"no version":                  {pack(plain("a")), ErrLayout},
		"a version of another layout": {pack(file{"metadata/version", "2.0.0"}, plain("a")), ErrLayout},
		"another tree":                {pack(version, file{"etc/a.json", "{}"}), ErrLayout},
		"a file of no kind":           {pack(version, file{"resources/configmaps/namespaces/shop/a.txt", "{}"}), ErrLayout},
		"another object at the path":  {pack(version, plain("b")), ErrIdentity},
		"another group":               {pack(version, file{"resources/configmaps.apps/namespaces/shop/a.json", settings}), ErrIdentity},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Limits: Limits{Object: 1 << 20, Objects: 4}}
			if name == "a bomb" {
				o.Limits = Limits{Ratio: 50}
			}
			_, err := Compare(t.Context(), bytes.NewReader(row.content), world{}, o)
			if !errors.Is(err, row.want) {
				t.Errorf("got %v, want %v", err, row.want)
			}
			if err != nil && strings.Contains(err.Error(), "planted") {
				t.Errorf("the error quotes the object: %v", err)
			}
		})
	}
	if _, err := Compare(t.Context(), bytes.NewReader(good), world{}, Options{}); err != nil {
		t.Errorf("the untouched one: %v", err)
	}
}

func bomb() []byte {
	files := []file{version}
	blank := strings.Repeat(" ", 7<<20) + settings
	for i := range 12 {
		files = append(files, file{"resources/configmaps/namespaces/shop" + string(rune('a'+i)) + "/a.json", blank})
	}
	return pack(files...)
}

func FuzzTarball(f *testing.F) {
	f.Add("resources/configmaps/namespaces/shop/a.json", settings, []byte(nil))
	f.Add("../x", "{}", []byte{1, 2, 3})
	f.Add("resources/a.b/v1/cluster/x.json", `{"apiVersion":"b/v1","kind":"A","metadata":{"name":"x"},"spec":[null,{}]}`, []byte(nil))
	named := []error{ErrPath, ErrDuplicate, ErrTooLarge, ErrBomb, ErrTruncated, ErrNotJSON, ErrLayout, ErrCopies, ErrIdentity}
	f.Fuzz(func(t *testing.T, name, content string, raw []byte) {
		tarball := pack(version, file{name, content})
		if len(raw) > 0 {
			tarball = raw
		}
		r, err := Compare(t.Context(), bytes.NewReader(tarball), world{}, Options{})
		if err == nil {
			if r.Population != r.Same+r.Explained+r.Changed+r.Lost {
				t.Errorf("the counts do not reconcile: %+v", r)
			}
			return
		}
		for _, n := range named {
			if errors.Is(err, n) {
				return
			}
		}
		t.Errorf("an error without a name: %v", err)
	})
}
