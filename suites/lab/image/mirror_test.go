package image

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestMirrorIsThatOfTheRelease(t *testing.T) {
	const targets = `http://security.example/debian-security/ bookworm-security main
file:/media/disc/ bookworm main
http://mirror.example/debian/ bookworm main
http://mirror.example/debian/ bookworm main
http://mirror.example/debian/ bookworm contrib
http://other.example/debian/ bookworm non-free
http://mirror.example/debian/ bookworm-updates main
`
	got, err := parseTargets(targets, "bookworm")
	if err != nil {
		t.Fatal(err)
	}
	want := mirror{uri: "http://mirror.example/debian/", suite: "bookworm", components: []string{"main", "contrib"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(mirror{})); diff != "" {
		t.Errorf("mirror (-want +got):\n%s", diff)
	}
	if _, err := parseTargets(targets, "trixie"); err == nil || !strings.Contains(err.Error(), "no http source for the release trixie") {
		t.Errorf("a release without a source: got %v", err)
	}
}

func TestKeyringIsThatOfTheMirror(t *testing.T) {
	etc := fstest.MapFS{
		"sources.list":                {Data: []byte("deb [arch=amd64 signed-by=/keys/old.gpg] http://old.example/debian bookworm main\ndeb http://bare.example/debian bookworm main\n")},
		"sources.list.d/new.sources":  {Data: []byte("Types: deb\nURIs: http://new.example/debian/\nSigned-By: /keys/new.gpg\n\nTypes: deb\nURIs: http://third.example/debian\nSuites: x\n")},
		"sources.list.d/off.disabled": {Data: []byte("URIs: http://off.example/debian\nSigned-By: /keys/off.gpg\n")},
	}
	for uri, want := range map[string]string{
		"http://old.example/debian/":   "/keys/old.gpg",
		"http://new.example/debian/":   "/keys/new.gpg",
		"http://bare.example/debian/":  "",
		"http://third.example/debian/": "",
		"http://off.example/debian/":   "",
	} {
		got, err := findKeyring(etc, uri)
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("the key of %s is %q, want %q", uri, got, want)
		}
	}
}

func TestCodename(t *testing.T) {
	for text, want := range map[string]string{
		"ID=debian\nVERSION_CODENAME=bookworm\n":        "bookworm",
		"VERSION_CODENAME=\"trixie\"\nUBUNTU_CODENAME=": "trixie",
	} {
		got, err := codename(put(t, "os-release", text))
		if err != nil || got != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	if _, err := codename(put(t, "os-release", "ID=other\n")); err == nil {
		t.Error("no error for a file without a codename")
	}
}
