package scenarios

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/gamedayhq/gameday/probes"
)

// monitorsPage returns what the scenario reference says of monitors.
func monitorsPage(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/scenarios.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "\n## monitors\n")
	page, _, ends := strings.Cut(after, "\n## ")
	if !found || !ends {
		t.Fatal("docs/scenarios.md has no section on monitors")
	}
	return page
}

// The example in the reference is read without a mistake, and puts every question.
func TestTheReferencesExampleOfMonitors(t *testing.T) {
	_, after, _ := strings.Cut(monitorsPage(t), "```yaml\n")
	example, _, found := strings.Cut(after, "```")
	if !found {
		t.Fatal("there is no example")
	}
	text := "apiVersion: gameday.dev/v1alpha1\nkind: Scenario\nmetadata: {name: a-test}\nspec:\n  why: A test.\n  steps: [{name: a step, wait: 1s}]\n" +
		"  objectives: [{availability: {of: checkout, during: a step, atLeast: 99%}}]\n  " + strings.ReplaceAll(example, "\n", "\n  ")
	s, err := Parser{Kinds: OwnKinds()}.Parse("docs/scenarios.md", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	put := map[string]bool{}
	for _, m := range s.Monitors {
		put[questionKey(m.Ask)] = true
	}
	for _, key := range questionKeys() {
		if !put[key] {
			t.Errorf("the example puts no %s", key)
		}
	}
	if info := s.Drill().Monitors[0]; info.CanFail == "" || !strings.Contains(info.Probe, "shop.example") {
		t.Errorf("the evidence would say %+v", info)
	}
	// Each field is in the example too, so that it is seen to be read.
	for _, kind := range questionKinds() {
		for _, name := range fieldNames(reflect.TypeOf(kind.form)) {
			if !regexp.MustCompile(`\b` + name + `:`).MatchString(example) {
				t.Errorf("the example has no %s of %s", name, kind.key)
			}
		}
	}
}

// Every field of every question is named in the reference.
func TestTheReferenceNamesEveryField(t *testing.T) {
	page := monitorsPage(t)
	for _, kind := range questionKinds() {
		if !regexp.MustCompile("(?m)^### .*\\b" + kind.key + "\\b").MatchString(page) {
			t.Errorf("the reference has no section on %s", kind.key)
		}
		for _, name := range fieldNames(reflect.TypeOf(kind.form)) {
			if !strings.Contains(page, "`"+name+"`") {
				t.Errorf("the reference does not name %s of %s", name, kind.key)
			}
		}
	}
}

// fieldNames returns the names of a form's fields in a file, those below them among them.
func fieldNames(form reflect.Type) []string {
	var names []string
	switch form.Kind() {
	case reflect.Pointer, reflect.Map:
		return fieldNames(form.Elem())
	case reflect.Struct:
	default:
		return nil
	}
	if form == reflect.TypeFor[probes.Secret]() {
		return nil
	}
	for i := range form.NumField() {
		field := form.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name != "" && name != "-" {
			names = append(names, name)
		}
		if field.IsExported() {
			names = append(names, fieldNames(field.Type)...)
		}
	}
	return names
}
