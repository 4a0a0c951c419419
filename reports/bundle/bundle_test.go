package bundle

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gamedayhq/gameday/reports"
)

// closed returns a closed folder made of stored evidence.
func closed(t *testing.T, name string, closing Closing) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.CopyFS(dir, os.DirFS("../testdata/evidence/"+name)); err != nil {
		t.Fatal(err)
	}
	ev, err := reports.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, reports.ReportFile), []byte("<p>report"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Close(dir, ev, closing); err != nil {
		t.Fatal(err)
	}
	return dir
}

func problems(t *testing.T, dir string) []string {
	t.Helper()
	c, err := Check(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c.Problems
}

func TestClosedFolderHolds(t *testing.T) {
	for _, name := range []string{"pass", "fail", "inconclusive", "aborted", "killed"} {
		dir := closed(t, name, Closing{Participants: Participants{Operator: Person{Name: "me", Source: "test"}}})
		if found := problems(t, dir); len(found) > 0 {
			t.Errorf("%s: %q", name, found)
		}
		m, sum, err := Read(dir)
		if err != nil || len(sum) != 64 || m.Verdict == "" {
			t.Errorf("%s: manifest %+v, digest %q: %v", name, m, sum, err)
		}
		if len(m.Missing) != 1 || m.Missing[0].Path != ScenarioFile {
			t.Errorf("%s: missing is %+v, want the scenario, which these drills do not have", name, m.Missing)
		}
	}
}

// Each way to change a folder is named.
func TestCheckNamesWhatIsWrong(t *testing.T) {
	for what, row := range map[string]struct {
		change func(t *testing.T, dir string)
		want   string
	}{
		"a byte":              {edit("evidence.json", func(b []byte) []byte { b[10] ^= 1; return b }), "evidence.json was changed"},
		"a byte more":         {edit("evidence.json", func(b []byte) []byte { return append(b, ' ') }), "evidence.json has"},
		"a file less":         {remove("journal.ndjson"), "journal.ndjson is missing"},
		"a file more":         {write("extra.txt", "x"), "extra.txt is in no manifest"},
		"a hidden file more":  {write(".extra", "x"), ".extra is in no manifest"},
		"a folder of files":   {write("more/extra.txt", "x"), "more/extra.txt is in no manifest"},
		"a link":              {link("extra", "/etc/passwd"), "extra is no plain file"},
		"a file made a link":  {relink("journal.ndjson"), "journal.ndjson"},
		"another name":        {rename("journal.ndjson", "journal2.ndjson"), "journal.ndjson is missing"},
		"no manifest":         {remove(ManifestFile), "manifest.json is missing"},
		"a manifest reworked": {edit(ManifestFile, func(b []byte) []byte { return append(b, '\n') }), "not in canonical form"},
		"a newer manifest":    {edit(ManifestFile, swap(SchemaManifest, "gameday.dev/manifest/v9")), "use one that is as new"},
		"half a manifest":     {edit(ManifestFile, func(b []byte) []byte { return b[:len(b)/2] }), "is not JSON"},
		"a path that leads out": {
			edit(ManifestFile, swap(`"path":"evidence.json"`, `"path":"../escape.json"`)), "no name that a manifest may hold",
		},
		"a path twice":  {edit(ManifestFile, swap(`"path":"findings.json"`, `"path":"evidence.json"`)), "out of order or there twice"},
		"a media type":  {edit(ManifestFile, swap(`"mediaType":"text/html"`, `"mediaType":"text/xxxx"`)), "report.html is text/html"},
		"unknown field": {edit(ManifestFile, swap(`"drill":`, `"drool":`)), "unknown field"},
	} {
		t.Run(what, func(t *testing.T) {
			dir := closed(t, "pass", Closing{})
			row.change(t, dir)
			found := problems(t, dir)
			if !strings.Contains(strings.Join(found, "\n"), row.want) {
				t.Errorf("found %q, want %q", found, row.want)
			}
		})
	}
}

func edit(name string, change func([]byte) []byte) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), change(raw), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func swap(old, now string) func([]byte) []byte {
	return func(b []byte) []byte { return bytes.Replace(b, []byte(old), []byte(now), 1) }
}

func remove(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func write(name, text string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func link(name, to string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// relink moves a file away and puts a link to it in its place: the content is right, and still it is no plain file.
func relink(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		away := filepath.Join(t.TempDir(), "away")
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(away, raw, 0o644); err != nil {
			t.Fatal(err)
		}
		remove(name)(t, dir)
		link(name, away)(t, dir)
	}
}

func rename(from, to string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
	}
}

// The chain is followed where the drill before lies beside.
func TestChain(t *testing.T) {
	parent := t.TempDir()
	first := filepath.Join(parent, "first")
	if err := os.CopyFS(first, os.DirFS(closed(t, "fail", Closing{}))); err != nil {
		t.Fatal(err)
	}
	_, sum, err := Read(first)
	if err != nil {
		t.Fatal(err)
	}
	second := filepath.Join(parent, "second")
	if err := os.CopyFS(second, os.DirFS(closed(t, "pass", Closing{Previous: &Link{Run: "first", SHA256: sum}}))); err != nil {
		t.Fatal(err)
	}
	if found := problems(t, second); len(found) > 0 {
		t.Errorf("a whole chain: %q", found)
	}
	edit(ManifestFile, swap(`"verdict":"fail"`, `"verdict":"pass"`))(t, first)
	if found := problems(t, second); len(found) != 1 || !strings.Contains(found[0], "another manifest") {
		t.Errorf("the drill before was changed: %q", found)
	}
	if err := os.RemoveAll(first); err != nil {
		t.Fatal(err)
	}
	c, err := Check(second)
	if err != nil || len(c.Problems) > 0 || len(c.Notes) != 1 {
		t.Errorf("the drill before is away: problems %q, notes %q: %v", c.Problems, c.Notes, err)
	}
}

func TestTarThereAndBack(t *testing.T) {
	dir := closed(t, "pass", Closing{})
	var one, two bytes.Buffer
	if err := WriteTar(dir, &one); err != nil {
		t.Fatal(err)
	}
	if err := WriteTar(dir, &two); err != nil || !bytes.Equal(one.Bytes(), two.Bytes()) {
		t.Errorf("two tars of one folder differ: %v", err)
	}
	back, err := Extract(bytes.NewReader(one.Bytes()), t.TempDir(), MaxTar)
	if err != nil {
		t.Fatal(err)
	}
	if found := problems(t, back); len(found) > 0 {
		t.Errorf("after the way there and back: %q", found)
	}
	edit("evidence.json", func(b []byte) []byte { b[10] ^= 1; return b })(t, dir)
	if err := WriteTar(dir, io.Discard); err == nil {
		t.Error("a folder that is not what its manifest says is packed")
	}
}

func TestHostileTars(t *testing.T) {
	entry := func(name string, kind byte, body string) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		h := &tar.Header{Name: name, Typeflag: kind, Size: int64(len(body)), Mode: 0o644}
		if kind != tar.TypeReg {
			h.Linkname, h.Size = "/etc/passwd", 0
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(body)[:h.Size]); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	whole := entry("run/a", tar.TypeReg, "x")
	twice := append(bytes.Clone(whole[:1024]), whole...)
	for what, row := range map[string]struct {
		tar  []byte
		want string
	}{
		"no tar":          {bytes.Repeat([]byte("x"), 2048), "no tar"},
		"empty":           {make([]byte, 1024), "empty"},
		"nothing":         {nil, "empty"},
		"out of it":       {entry("run/../../x", tar.TypeReg, "x"), "no name"},
		"absolute":        {entry("/etc/x", tar.TypeReg, "x"), "no name"},
		"no folder":       {entry("x", tar.TypeReg, "x"), "no name"},
		"a link":          {entry("run/x", tar.TypeSymlink, ""), "no plain file"},
		"a hard link":     {entry("run/x", tar.TypeLink, ""), "no plain file"},
		"a device":        {entry("run/x", tar.TypeChar, ""), "no plain file"},
		"twice":           {twice, "exists"},
		"two drills":      {append(bytes.Clone(whole[:1024]), entry("other/a", tar.TypeReg, "x")...), "two drills"},
		"too large":       {entry("run/a", tar.TypeReg, strings.Repeat("x", 100)), "more bytes than are allowed"},
		"cut in a file":   {whole[:600], "cut"},
		"cut at its end":  {whole[:1024], "cut before its end"},
		"cut in its end":  {whole[:1536], "cut"},
		"something after": {append(bytes.Clone(whole), 'x'), "follows"},
	} {
		_, err := Extract(bytes.NewReader(row.tar), t.TempDir(), 50)
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", what, err, row.want)
		}
	}
	if _, err := Extract(bytes.NewReader(whole), t.TempDir(), 50); err != nil {
		t.Errorf("the whole one: %v", err)
	}
}

func FuzzExtract(f *testing.F) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	_ = w.WriteHeader(&tar.Header{Name: "run/a", Size: 1, Mode: 0o644})
	_, _ = w.Write([]byte("x"))
	_ = w.Close()
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, raw []byte) {
		parent := t.TempDir()
		into := filepath.Join(parent, "into")
		if err := os.Mkdir(into, 0o755); err != nil {
			t.Fatal(err)
		}
		dir, err := Extract(bytes.NewReader(raw), into, 1<<20)
		if err == nil && !strings.HasPrefix(dir, into+string(filepath.Separator)) {
			t.Errorf("unpacked to %s", dir)
		}
		entries, err := os.ReadDir(parent)
		if err != nil || len(entries) != 1 {
			t.Errorf("something was written outside: %v, %v", entries, err)
		}
	})
}
