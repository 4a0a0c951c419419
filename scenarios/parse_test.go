package scenarios

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-multierror"
)

var update = flag.Bool("update", false, "write the expected mistakes anew")

// Each file in testdata/invalid breaks rules; the mistakes that must be found stand in the .want file beside it.
func TestParseSaysEveryMistake(t *testing.T) {
	paths, err := filepath.Glob("testdata/invalid/*.yaml")
	if err != nil || len(paths) < 10 {
		t.Fatalf("found %d files: %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parser{Kinds: OwnKinds()}.Parse(filepath.Base(path), text)
			if err == nil {
				t.Fatal("no mistake found")
			}
			want := strings.TrimSuffix(path, ".yaml") + ".want"
			if *update {
				if err := os.WriteFile(want, []byte(err.Error()+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			expected, err2 := os.ReadFile(want)
			if err2 != nil {
				t.Fatal(err2)
			}
			if diff := cmp.Diff(string(expected), err.Error()+"\n"); diff != "" {
				t.Errorf("mistakes (-want +got):\n%s", diff)
			}
		})
	}
}

const valid = `apiVersion: gameday.dev/v1alpha1
kind: Scenario
metadata: {name: a-test, labels: {tier: low}}
spec:
  why: A test.
  parameters: {url: "http://127.0.0.1:1", pace: 250ms}
  monitors:
  - {name: buyers, every: "${pace}", timeout: 1s, http: {url: "${url}/x", status: 200}}
  baseline: 3s
  steps:
  - {name: a step, wait: 2s, hold: 1s}
  stopWhen:
  - availability: {of: buyers, over: 10s, below: 50%}
  objectives:
  - availability: {of: buyers, during: a step, atLeast: 99.9%}
`

func TestParseReadsAScenario(t *testing.T) {
	s, err := Parser{Kinds: OwnKinds(), Parameters: map[string]string{"url": "http://127.0.0.1:2"}}.Parse("dir/a.yaml", []byte(valid))
	if err != nil {
		t.Fatal(err)
	}
	m := s.Monitors[0]
	if m.Every != 250*time.Millisecond || !strings.Contains(s.Drill().Monitors[0].Probe, "http://127.0.0.1:2/x") {
		t.Errorf("monitor %+v asks %s: the parameters are not filled in", m, s.Drill().Monitors[0].Probe)
	}
	if s.Baseline != 3*time.Second || s.Settle != DefaultSettle || s.Steps[0].Timeout != DefaultStepTimeout {
		t.Errorf("times %v %v %v", s.Baseline, s.Settle, s.Steps[0].Timeout)
	}
	if s.Source.Name != "a.yaml" || s.Source.Text != valid || s.Source.Parameters["url"] != "http://127.0.0.1:2" {
		t.Errorf("source %+v", s.Source)
	}
}

func TestParseGivesMistakesOneByOne(t *testing.T) {
	text := strings.ReplaceAll(valid, "settle", "setle")
	text = strings.Replace(text, "hold: 1s", "hodl: 1s, holt: 1s", 1)
	_, err := Parser{Kinds: OwnKinds()}.Parse("a.yaml", []byte(text))
	var all *multierror.Error
	if !errors.As(err, &all) || len(all.Errors) != 2 {
		t.Fatalf("got %v, want two mistakes", err)
	}
	var first *Mistake
	if !errors.As(all.Errors[0], &first) || first.Line != 11 || first.Path != "spec.steps[0].hodl" {
		t.Errorf("first mistake %+v, want line 11 and the path of hodl", first)
	}
}

// No text, however strange, makes the parser panic, and what it accepts is valid.
func FuzzParse(f *testing.F) {
	f.Add([]byte(valid))
	paths, err := filepath.Glob("testdata/invalid/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parser{Kinds: OwnKinds()}.Parse("fuzz.yaml", text)
		if (s == nil) == (err == nil) {
			t.Fatalf("scenario %v with error %v", s, err)
		}
		if s != nil && s.Validate() != nil {
			t.Errorf("accepted, but not valid: %v", s.Validate())
		}
	})
}
