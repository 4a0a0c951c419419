package play

import (
	"bytes"
	"encoding"
	"encoding/json"
	"flag"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"

	"github.com/gamedayhq/gameday/probes"
	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
	"github.com/gamedayhq/gameday/scenarios/library"
)

var update = flag.Bool("update", false, "write the schemas in docs/schemas anew")

const (
	schemaFolder  = "../../docs/schemas"
	storedFolders = "../../reports/testdata/evidence"
)

type object = map[string]any

// forms makes JSON Schemas of Go types.
type forms struct {
	// typed is true of what people type: any scalar may be the place of a parameter, and no field has to be there.
	typed bool
}

var placeholder = object{"type": "string", "pattern": `\$\{`}

// scalar is a form that a parameter's place may stand for.
func (f forms) scalar(form object) object {
	if !f.typed || form["type"] == "string" && form["pattern"] == nil && form["enum"] == nil {
		return form
	}
	return object{"anyOf": []any{form, placeholder}}
}

func (f forms) of(t reflect.Type) object {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return object{"type": "integer", "description": "nanoseconds"}
	case reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case reflect.TypeFor[reports.Duration]():
		return f.scalar(object{"type": "string", "pattern": `^-?([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$|^0$`})
	case reflect.TypeFor[reports.Ratio]():
		percent := object{"type": "string", "pattern": `^-?[0-9.]+%$`}
		if f.typed {
			return object{"anyOf": []any{percent, object{"type": "number"}, placeholder}}
		}
		return percent
	case reflect.TypeFor[reports.Verdict]():
		return object{"enum": []any{"pass", "fail", "inconclusive"}}
	case reflect.TypeFor[probes.Outcome]():
		return object{"enum": []any{"good", "bad", "missed"}}
	case reflect.TypeFor[reports.Objectives]():
		return f.objectives()
	case reflect.TypeFor[json.RawMessage]():
		return object{}
	}
	pointer := reflect.New(t).Interface()
	if _, isJSON := pointer.(json.Unmarshaler); isJSON {
		return object{}
	}
	if _, isText := pointer.(encoding.TextUnmarshaler); isText {
		return object{}
	}
	return f.ofKind(t)
}

func (f forms) ofKind(t reflect.Type) object {
	switch t.Kind() {
	case reflect.Pointer:
		return f.of(t.Elem())
	case reflect.Struct:
		return f.ofStruct(t)
	case reflect.Map:
		return object{"type": []any{"object", "null"}, "additionalProperties": f.of(t.Elem())}
	case reflect.Slice:
		return object{"type": []any{"array", "null"}, "items": f.of(t.Elem())}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return f.scalar(object{"type": "boolean"})
	case reflect.Int, reflect.Int32, reflect.Int64:
		return f.scalar(object{"type": "integer"})
	case reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return f.scalar(object{"type": "integer", "minimum": 0})
	case reflect.Float64:
		return f.scalar(object{"type": "number"})
	default:
		return object{}
	}
}

func (f forms) ofStruct(t reflect.Type) object {
	properties, required := object{}, []any{}
	for _, field := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" || name == "-" || !field.IsExported() {
			continue
		}
		properties[name] = f.of(field.Type)
		if !f.typed && !strings.Contains(options, "omit") {
			required = append(required, name)
		}
	}
	return closed(properties, required...)
}

// closed is an object with these properties and no others.
func closed(properties object, required ...any) object {
	out := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

// oneOf is an object with exactly one of the properties.
func oneOf(properties object) object {
	form := closed(properties)
	form["minProperties"], form["maxProperties"] = 1, 1
	return form
}

func (f forms) objectives() object {
	kinds := object{}
	for _, kind := range reports.ObjectiveKinds() {
		objective, err := reports.NewObjective(kind)
		if err != nil {
			continue // the kinds are those that there are
		}
		kinds[kind] = f.of(reflect.TypeOf(objective).Elem())
	}
	return object{"type": []any{"array", "null"}, "items": oneOf(kinds)}
}

// evidenceSchema is of evidence.json in all its versions.
func evidenceSchema() object {
	form := forms{}.of(reflect.TypeFor[reports.Evidence]())
	form["title"] = "What a drill leaves: evidence.json"
	form["properties"].(object)["schema"] = object{"enum": []any{"gameday.dev/evidence/v1alpha1", reports.SchemaEvidence}}
	return form
}

// journalSchema is of a line of journal.ndjson in all its versions.
func journalSchema() object {
	count, hash := object{"type": "integer", "minimum": 0}, object{"type": "string", "pattern": "^[0-9a-f]{64}$"}
	header := forms{}.of(reflect.TypeFor[reports.Header]())
	header["properties"].(object)["schema"] = object{"enum": []any{"gameday.dev/journal/v1alpha1", reports.SchemaJournal}}
	kinds := object{
		"header": header,
		"event":  forms{}.of(reflect.TypeFor[reports.Event]()),
		"block":  closed(object{"number": count, "rows": count, "offset": count, "size": count, "sha256": hash}, "number", "rows", "offset", "size", "sha256"),
		"end":    closed(object{"blocks": count, "rows": count, "size": count}, "blocks", "rows", "size"),
		"sample": forms{}.of(reflect.TypeFor[probes.Sample]()), // of the first version
	}
	kinds["n"], kinds["prev"] = count, object{"type": "string", "pattern": "^([0-9a-f]{64})?$"}
	form := closed(kinds, "n", "prev")
	form["minProperties"], form["maxProperties"] = 3, 3
	form["title"] = "A line of journal.ndjson"
	return form
}

// scenarioSchema is of a scenario's file. What stands under an action's key is left to gameday validate.
func scenarioSchema() object {
	f := forms{typed: true}
	text, duration := object{"type": "string"}, f.of(reflect.TypeFor[reports.Duration]())
	monitor := object{"name": text, "every": duration, "timeout": duration}
	for key, question := range scenarios.Questions() {
		monitor[key] = f.of(reflect.TypeOf(question))
	}
	step := object{"name": text, "hold": duration, "timeout": duration, "undoes": text, "repeat": f.of(reflect.TypeFor[int]())}
	for key := range Kinds() {
		step[key] = object{}
	}
	steps := object{"type": "array", "items": object{"$ref": "#/$defs/step"}}
	step["sequence"], step["parallel"] = steps, steps
	step["random"] = closed(object{"of": steps, "pick": f.of(reflect.TypeFor[int]())})
	texts := object{"type": "object", "additionalProperties": object{"type": []any{"string", "number", "boolean"}}}
	spec := closed(object{
		"why": text, "controls": object{"type": "array", "items": text}, "parameters": texts,
		"blastRadius": f.of(reflect.TypeFor[scenarios.BlastRadius]()),
		"monitors":    object{"type": "array", "items": closed(monitor, "name", "every")},
		"baseline":    duration, "settle": duration, "seed": f.of(reflect.TypeFor[uint64]()),
		"steps":      steps,
		"stopWhen":   f.of(reflect.TypeFor[[]reports.StopWhen]()),
		"objectives": f.objectives(),
	}, "monitors", "steps", "objectives")
	form := closed(object{
		"apiVersion": object{"const": scenarios.APIVersion},
		"kind":       object{"const": scenarios.KindScenario},
		"metadata":   closed(object{"name": text, "labels": texts}, "name"),
		"spec":       spec,
	}, "apiVersion", "kind", "metadata", "spec")
	form["title"] = "A scenario"
	form["$defs"] = object{"step": closed(step, "name")}
	return form
}

// schemas are the files of docs/schemas.
func schemas() map[string]object {
	out := map[string]object{
		"evidence.schema.json": evidenceSchema(), "journal-line.schema.json": journalSchema(), "scenario.schema.json": scenarioSchema(),
	}
	for _, form := range out {
		form["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	}
	return out
}

// TestSchemasAreWhatTheCodeReads holds docs/schemas to the types that are written and read.
func TestSchemasAreWhatTheCodeReads(t *testing.T) {
	for name, form := range schemas() {
		var want bytes.Buffer
		encoder := json.NewEncoder(&want)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(form); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(schemaFolder, name)
		if *update {
			if err := os.WriteFile(path, want.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%s is not what the code reads (%v): write it with go test ./suites/play -run Schemas -update", path, err)
		}
	}
}

func compiled(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	schema, err := compiler.Compile(filepath.Join(schemaFolder, name))
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func instance(t *testing.T, raw []byte) any {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func storedFiles(t *testing.T, name string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(storedFolders, "*", name))
	if err != nil || len(paths) < 10 {
		t.Fatalf("%d files: %v", len(paths), err)
	}
	out := map[string][]byte{}
	for _, path := range paths {
		if out[path], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestStoredEvidenceFitsItsSchema(t *testing.T) {
	schema := compiled(t, "evidence.schema.json")
	for path, raw := range storedFiles(t, reports.EvidenceFile) {
		if err := schema.Validate(instance(t, raw)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	lines := compiled(t, "journal-line.schema.json")
	for path, raw := range storedFiles(t, reports.JournalFile) {
		for line := range bytes.Lines(raw) {
			if err := lines.Validate(instance(t, line)); err != nil && bytes.HasSuffix(line, []byte{'\n'}) {
				t.Errorf("%s: %s: %v", path, line, err)
			}
		}
	}
}

// TestWhatIsWrongDoesNotFit changes stored files so that they are none.
func TestWhatIsWrongDoesNotFit(t *testing.T) {
	for name, r := range map[string]struct{ schema, file, old, with string }{
		"another version":       {"evidence.schema.json", reports.EvidenceFile, "evidence/v1alpha2", "evidence/v9"},
		"another verdict":       {"evidence.schema.json", reports.EvidenceFile, `"verdict": "pass"`, `"verdict": "passed"`},
		"no run":                {"evidence.schema.json", reports.EvidenceFile, `"run": "test",`, ``},
		"a field more":          {"evidence.schema.json", reports.EvidenceFile, `"run": "test",`, `"run": "test", "odd": 1,`},
		"a time as text":        {"evidence.schema.json", reports.EvidenceFile, `"ended": 12000000000`, `"ended": "12s"`},
		"a limit without unit":  {"evidence.schema.json", reports.EvidenceFile, `"within": "1s"`, `"within": "1"`},
		"no kind of objective":  {"evidence.schema.json", reports.EvidenceFile, `"recovery": {`, `"recover": {`},
		"no time of start":      {"evidence.schema.json", reports.EvidenceFile, `"2026-03-01T09:00:00Z"`, `"yesterday"`},
		"no hash":               {"journal-line.schema.json", reports.JournalFile, `"n":0,"prev":""`, `"n":0,"prev":"x"`},
		"no number":             {"journal-line.schema.json", reports.JournalFile, `"n":0,`, ``},
		"a line of two kinds":   {"journal-line.schema.json", reports.JournalFile, `"n":0,`, `"n":0,"end":{"blocks":0,"rows":0,"size":0},`},
		"a header without host": {"journal-line.schema.json", reports.JournalFile, `"harness":{`, `"harness":{"hostname":"x",`},
	} {
		raw, err := os.ReadFile(filepath.Join(storedFolders, "pass-v1alpha2", r.file))
		if err != nil {
			t.Fatal(err)
		}
		if r.file == reports.JournalFile {
			raw = raw[:bytes.IndexByte(raw, '\n')]
		}
		changed := bytes.Replace(raw, []byte(r.old), []byte(r.with), 1)
		if bytes.Equal(raw, changed) {
			t.Errorf("%s: nothing was changed", name)
		}
		if compiled(t, r.schema).Validate(instance(t, changed)) == nil {
			t.Errorf("%s: it fits", name)
		}
	}
}

func asJSON(t *testing.T, text []byte) any {
	t.Helper()
	raw, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	return instance(t, raw)
}

func TestScenariosFitTheirSchema(t *testing.T) {
	schema := compiled(t, "scenario.schema.json")
	for _, name := range library.Names() {
		text, err := library.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(asJSON(t, text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	text, err := library.Read("shop-survives-a-lost-pod")
	if err != nil {
		t.Fatal(err)
	}
	for old, with := range map[string]string{
		"kind: Scenario":      "kind: Experiment",
		"baseline:":           "base:",
		"every: 100ms":        "every: 100",
		"http: {":             "htp: {",
		"status: 200":         "statuses: 200",
		"atLeast:":            "atleast:",
		"- availability:":     "- available:",
		"steps:\n":            "steps: []\n  step:\n",
		"metadata:":           "metadata: {}\nmeta:",
		"blastRadius: {names": "blastRadius: {Names",
	} {
		changed := strings.Replace(string(text), old, with, 1)
		if changed == string(text) {
			t.Errorf("%q is not in the scenario", old)
			continue
		}
		if schema.Validate(asJSON(t, []byte(changed))) == nil {
			t.Errorf("%q instead of %q: it fits", with, old)
		}
	}
}

// TestWhatHasFormMistakesDoesNotFit: the files that the parser refuses for their form are refused by the schema as well.
func TestWhatHasFormMistakesDoesNotFit(t *testing.T) {
	schema := compiled(t, "scenario.schema.json")
	for _, name := range []string{"a-list", "another-kind", "unknown-fields", "questions", "values"} {
		file, err := os.Open(filepath.Join("../../scenarios/testdata/invalid", name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(file)
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		if schema.Validate(asJSON(t, text)) == nil {
			t.Errorf("%s: it fits", name)
		}
	}
	if keys := slices.Sorted(maps.Keys(Kinds())); len(keys) < 10 {
		t.Errorf("only %q are kinds of actions", keys)
	}
}
