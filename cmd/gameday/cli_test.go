package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gamedayhq/gameday/reports"
)

// gameday runs the program in this process.
func gameday(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), args, streams{in: strings.NewReader(""), out: &stdout, err: &stderr})
	return code, stdout.String(), stderr.String()
}

func TestUsageMistakesExit64(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("apiVersion: gameday.dev/v1alpha1\nkind: Scenario\nspec: {wy: x}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for what, row := range map[string]struct {
		args []string
		want string
	}{
		"an unknown command":     {[]string{"rnu"}, `unknown command "rnu"`},
		"an unknown flag":        {[]string{"run", "--contxt", "x", "shop-survives-a-lost-pod"}, "unknown flag"},
		"no scenario":            {[]string{"run"}, "requires at least 1 arg"},
		"no such file":           {[]string{"run", "nowhere/x.yaml"}, "no such file"},
		"no such scenario":       {[]string{"validate", "nothing-of-the-kind"}, "there are: shop-"},
		"an invalid file":        {[]string{"validate", bad}, "bad.yaml:3: spec.wy: unknown field"},
		"a run of that file":     {[]string{"run", bad}, "bad.yaml:3: spec.wy: unknown field"},
		"a plan of that file":    {[]string{"plan", bad}, "bad.yaml:3: spec.wy: unknown field"},
		"another plan's output":  {[]string{"plan", "-o", "xml", "shop-survives-a-lost-pod"}, `--output is "xml"`},
		"rights of that file":    {[]string{"rbac", bad}, "bad.yaml:3: spec.wy: unknown field"},
		"no account":             {[]string{"rbac", "shop-survives-a-lost-pod", "--service-account", "x"}, `--service-account is "x"`},
		"another output":         {[]string{"run", "-o", "xml", "shop-survives-a-lost-pod"}, `--output is "xml"`},
		"an unknown parameter":   {[]string{"validate", "--set", "nope=1", "shop-survives-a-lost-pod"}, `no parameter "nope"`},
		"verify without folder":  {[]string{"verify"}, "requires at least 1 arg"},
		"version with arguments": {[]string{"version", "now"}, "unknown command"},
	} {
		t.Run(what, func(t *testing.T) {
			code, _, errs := gameday(t, row.args...)
			if code != exitUsage || !strings.Contains(errs, row.want) {
				t.Errorf("exit %d, said %q; want 64 and %q", code, errs, row.want)
			}
		})
	}
}

// Rights are those of one cluster: what another needs is said, and not mixed in.
func TestRBACPrintsTheRightsOfOneCluster(t *testing.T) {
	text := `apiVersion: gameday.dev/v1alpha1
kind: Scenario
metadata: {name: two}
spec:
  why: Losing a pod here and a node there is not noticed.
  blastRadius: {namespaces: [shop]}
  monitors: [{name: api, kubernetes: {apiVersion: v1, kind: Service, namespace: shop, name: api}}]
  steps:
  - {name: lose, delete: {namespace: shop, labels: {app: shop}}}
  - {name: cordon, cordon: {cluster: standby, nodes: {names: [node-1]}}}
  objectives: [{availability: {of: api, during: whole, atLeast: 99%}}]
`
	file := filepath.Join(t.TempDir(), "two.yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	code, own, errs := gameday(t, "rbac", file, "--service-account", "ci/runner")
	if code != exitPass {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for _, want := range []string{"It acts on the cluster standby as well", "kind: ServiceAccount", "namespace: ci", "- services\n", "- leases\n"} {
		if !strings.Contains(own, want) {
			t.Errorf("not printed: %q of\n%s", want, own)
		}
	}
	code, other, errs := gameday(t, "rbac", file, "--cluster", "standby")
	if code != exitPass || strings.Contains(other, "Binding") || strings.Contains(other, "- services\n") {
		t.Errorf("exit %d: %s\n%s", code, errs, other)
	}
	if strings.Contains(own, "node-1") || !strings.Contains(other, "- node-1\n") || !strings.Contains(other, "- leases\n") {
		t.Errorf("the rights of standby:\n%s", other)
	}
}

func TestShippedScenariosAreValid(t *testing.T) {
	code, out, errs := gameday(t, "validate", "shop-survives-a-lost-pod", "shop-recovers-from-a-cut-database", "shop-comes-back-from-its-backup")
	if code != exitPass || strings.Count(out, ": valid:") != 3 {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
}

func TestAClusterThatIsNotThereExits3(t *testing.T) {
	config := filepath.Join(t.TempDir(), "config")
	text := `{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}], users: [{name: u, user: {}}]}`
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, errs := gameday(t, "run", "--kubeconfig", config, "--out", t.TempDir(), "shop-survives-a-lost-pod")
	if code != exitHarness || !strings.Contains(errs, "127.0.0.1:1") {
		t.Errorf("exit %d, said %q; want 3 and the address", code, errs)
	}
}

func TestEveryCommandHasAnExample(t *testing.T) {
	for _, cmd := range rootCommand(streams{}).Commands() {
		if cmd.Hidden || cmd.Name() == "help" || cmd.Name() == "completion" {
			continue
		}
		if cmd.Example == "" || cmd.Short == "" {
			t.Errorf("%s: no example or no summary", cmd.CommandPath())
		}
	}
}

// Evidence of testdata is verified by the command as the library does.
func TestVerifyExitCodes(t *testing.T) {
	dirs, err := filepath.Glob("../../reports/testdata/evidence/*")
	if err != nil || len(dirs) < 3 {
		t.Fatalf("%d folders: %v", len(dirs), err)
	}
	for _, dir := range dirs {
		stored, err := reports.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		want := verdictCode(stored.Verdict)
		if code, out, errs := gameday(t, "verify", dir); code != want {
			t.Errorf("%s: exit %d, want %d\n%s%s", dir, code, want, out, errs)
		}
		tampered := t.TempDir()
		if err := os.CopyFS(tampered, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(tampered, "evidence.json")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.Replace(text, []byte(`"good": `), []byte(`"good": 1`), 1)
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		if code, out, _ := gameday(t, "verify", tampered); code != exitFail || !strings.Contains(out, ".good") {
			t.Errorf("%s tampered: exit %d, said %q; want 1 and the path", dir, code, out)
		}
	}
}

// A report is written of evidence that holds, and of no other.
func TestReport(t *testing.T) {
	const dir = "../../reports/testdata/evidence/inconclusive"
	for format := range formats {
		code, out, errs := gameday(t, "report", dir, "--format", format)
		if code != exitPass || !strings.Contains(out, "no target") && format != "prometheus" {
			t.Errorf("%s: exit %d, said %.200q %s", format, code, out, errs)
		}
	}
	file := filepath.Join(t.TempDir(), "junit.xml")
	if code, out, errs := gameday(t, "report", dir, "-f", "junit", "-o", file); code != exitPass || out != "" {
		t.Errorf("into a file: exit %d, said %q %s", code, out, errs)
	}
	if text, err := os.ReadFile(file); err != nil || !bytes.Contains(text, []byte(`errors="2"`)) {
		t.Errorf("the file holds %.200q: %v", text, err)
	}
	tampered := t.TempDir()
	if err := os.CopyFS(tampered, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(tampered, "evidence.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.ReplaceAll(text, []byte(`"inconclusive"`), []byte(`"pass"`)), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := gameday(t, "report", tampered, "-f", "junit"); code != exitFail || out != "" || !strings.Contains(errs, "does not hold") {
		t.Errorf("tampered: exit %d, wrote %q, said %q; want 1 and nothing written", code, out, errs)
	}
	if code, _, errs := gameday(t, "report", dir, "-f", "pdf"); code != exitUsage || !strings.Contains(errs, "junit") {
		t.Errorf("unknown format: exit %d, said %q", code, errs)
	}
}
