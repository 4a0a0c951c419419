package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/gamedayhq/gameday/reports"
)

// The files that closing adds, beside what the drill wrote.
const (
	ScenarioFile     = "scenario.yaml"
	EnvironmentFile  = "environment.json"
	ParticipantsFile = "participants.json"
	FindingsFile     = "findings.json"
	HowToFile        = "VERIFY.md"
)

// Person is somebody who took part, and where the name is from: an auditor must know whether it was typed or proven.
type Person struct {
	Name   string `json:"name"`
	Source string `json:"source"` // "--operator", "$GAMEDAY_OPERATOR", "operating system"
	KeyID  string `json:"keyId,omitempty"`
}

// Participants are who took part in a drill. The reviewer is not among them: a review comes later, with a signature of its own.
type Participants struct {
	Operator Person  `json:"operator"`
	Approver *Person `json:"approver,omitempty"`
	// Key says what the operator's signature stands for, when there is one.
	Key string `json:"key,omitempty"`
}

// Closing is what is known of a drill beyond its record.
type Closing struct {
	Participants Participants
	Previous     *Link
}

// Close writes the files for readers and then the manifest over all files of the folder. A folder that was closed before is
// closed anew.
func Close(dir string, ev reports.Evidence, closing Closing) (Manifest, error) {
	m := Manifest{
		Schema: SchemaManifest, Run: ev.Run, Drill: ev.Drill.Name, Verdict: ev.Verdict.String(),
		Files: []File{}, Missing: []Missing{}, Previous: closing.Previous,
	}
	if err := os.Remove(filepath.Join(dir, ManifestFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return m, fmt.Errorf("close bundle: %w", err)
	}
	if err := writeFiles(dir, ev, closing); err != nil {
		return m, fmt.Errorf("close bundle: %w", err)
	}
	if ev.Scenario.Text == "" {
		m.Missing = append(m.Missing, Missing{ScenarioFile, "the scenario was written in Go, not read from a file"})
	}
	if err := m.list(dir); err != nil {
		return m, fmt.Errorf("close bundle: %w", err)
	}
	names := []string{reports.JournalFile, reports.EvidenceFile, reports.ReportFile}
	if ev.Samples != nil {
		names = append(names, reports.SamplesFile)
	}
	for _, expected := range names {
		if !slices.ContainsFunc(m.Files, func(f File) bool { return f.Path == expected }) {
			m.Missing = append(m.Missing, Missing{expected, "it was not there when the evidence was closed"})
		}
	}
	raw, err := m.encode()
	if err != nil {
		return m, fmt.Errorf("close bundle: %w", err)
	}
	return m, reports.Replace(filepath.Join(dir, ManifestFile), raw)
}

func (m *Manifest) list(dir string) error {
	names, odd, err := walk(dir)
	if err != nil {
		return err
	}
	if len(odd) > 0 {
		return fmt.Errorf("%s is no plain file: evidence has no links and no devices", odd[0])
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // it was only read
	for _, name := range names {
		if own(name) {
			continue
		}
		file, err := Hash(root, name)
		if err != nil {
			return err
		}
		m.Files = append(m.Files, file)
	}
	return nil
}

func writeFiles(dir string, ev reports.Evidence, closing Closing) error {
	files := map[string]any{
		EnvironmentFile: struct {
			Clusters map[string]map[string]string `json:"clusters"`
			Harness  reports.Harness              `json:"harness"`
		}{ev.Environment, ev.Harness},
		ParticipantsFile: closing.Participants,
		FindingsFile: struct {
			Verdict  reports.Verdict `json:"verdict"`
			Why      []string        `json:"why"`
			Findings []reports.Check `json:"findings"` // the checks that did not pass
		}{ev.Verdict, ev.Why, findings(ev.Checks)},
	}
	for name, value := range files {
		raw, err := json.MarshalIndent(value, "", "  ")
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := reports.Replace(filepath.Join(dir, name), append(raw, '\n')); err != nil {
			return err
		}
	}
	if ev.Scenario.Text != "" {
		if err := reports.Replace(filepath.Join(dir, ScenarioFile), []byte(ev.Scenario.Text)); err != nil {
			return err
		}
	}
	return reports.Replace(filepath.Join(dir, HowToFile), []byte(howTo))
}

func findings(checks []reports.Check) []reports.Check {
	out := []reports.Check{}
	for _, c := range checks {
		if c.Verdict != reports.Pass {
			out = append(out, c)
		}
	}
	return out
}

const howTo = "# How to check this evidence\n\n" +
	"With gameday, of any later version (exit code 0: it holds and the verdict is pass):\n\n" +
	"    gameday verify --key operator.pub DIR\n\n" +
	"That checks the signature, what it is about, the manifest, every file and that there is none too many, and judges the drill\n" +
	"again from the raw samples.\n\n" +
	"Without gameday. The signature, offline, by cosign:\n\n" +
	"    cosign verify-blob-attestation --bundle attestation/operator.sigstore.json --key operator.pub \\\n" +
	"      --type https://in-toto.io/attestation/test-result/v0.1 --insecure-ignore-tlog --check-claims manifest.json\n\n" +
	"The files, by jq and sha256sum; nothing but `manifest.json` and `attestation/` may be there beside them:\n\n" +
	"    jq -r '.files[] | .sha256 + \"  \" + .path' manifest.json | sha256sum -c\n\n" +
	"The public key must come from somebody you trust, not from this folder.\n"
