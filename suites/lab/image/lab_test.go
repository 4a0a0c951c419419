package image

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// content is that of a lab whose programs are small texts.
func content(t *testing.T) Content {
	t.Helper()
	dir := t.TempDir()
	c := Content{Programs: map[string]string{}, Self: filepath.Join(dir, "gameday"), SelfKey: "k1", Userland: filepath.Join(dir, "userland")}
	files := map[string]string{
		c.Self:                                 "gameday",
		filepath.Join(c.Userland, userlandTar): strings.Repeat("\x00", 1024), filepath.Join(c.Userland, busybox): "busybox",
		filepath.Join(c.Userland, userlandDigest): "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef\n",
	}
	for _, name := range []string{"coredns", "velero", "velero-restore-helper", "velero-plugin-for-aws", "chaos-controller-manager", "chaos-daemon", "chaos-daemon-helper"} {
		c.Programs[name] = filepath.Join(dir, name)
		files[c.Programs[name]] = name
	}
	for path, text := range files {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func refs(t *testing.T, c Content) map[string]string {
	t.Helper()
	images, err := LabImages(c)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, i := range images {
		all[i.Name] = mustRef(t, i)
	}
	return all
}

// changed are the names of the images that a change gave another name.
func changed(t *testing.T, before, after map[string]string) []string {
	t.Helper()
	var names []string
	for name, ref := range before {
		if after[name] != ref {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestLabImagesChangeOnlyWithWhatIsInThem(t *testing.T) {
	c := content(t)
	before := refs(t, c)
	if len(before) != 9 {
		t.Fatalf("the lab has the images %v, want nine", before)
	}
	if again := refs(t, c); len(changed(t, before, again)) != 0 {
		t.Errorf("names differ without a change: %v and %v", before, again)
	}
	rewrite := func(path string) {
		t.Helper()
		if err := os.WriteFile(path, []byte("another build"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rewrite(c.Self)
	if got := changed(t, before, refs(t, c)); len(got) != 0 {
		t.Errorf("another build of gameday changed %v", got)
	}
	rewrite(c.Programs["chaos-daemon-helper"])
	if got := changed(t, before, refs(t, c)); !slices.Equal(got, []string{ChaosDaemon}) {
		t.Errorf("another chaos-daemon-helper changed %v", got)
	}
	before = refs(t, c)
	rewrite(c.Programs["velero-restore-helper"])
	if got := changed(t, before, refs(t, c)); !slices.Equal(got, []string{Velero}) {
		t.Errorf("another velero-restore-helper changed %v", got)
	}
	before = refs(t, c)
	c.SelfKey = "k2"
	if got := changed(t, before, refs(t, c)); !slices.Equal(got, []string{Provisioner, Shop}) {
		t.Errorf("another shop changed %v", got)
	}
}

func TestLabImagesCanBeWritten(t *testing.T) {
	images, err := LabImages(content(t))
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, t.TempDir(), images...)
}

func TestLabImagesSayWhatIsMissing(t *testing.T) {
	c := content(t)
	delete(c.Programs, "velero-restore-helper")
	if _, err := LabImages(c); err == nil || !strings.Contains(err.Error(), "velero-restore-helper is missing") {
		t.Errorf("got %v", err)
	}
}
