package safety

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

func newKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// pemFile writes a key as openssl does, and returns its path.
func pemFile(t *testing.T, dir, name string, key any) string {
	t.Helper()
	var der []byte
	var err error
	kind := "PUBLIC KEY"
	if private, ok := key.(ed25519.PrivateKey); ok {
		kind = "PRIVATE KEY"
		der, err = x509.MarshalPKCS8PrivateKey(private)
	} else {
		der, err = x509.MarshalPKIXPublicKey(key)
	}
	if err != nil {
		t.Fatal(err)
	}
	return textFile(t, dir, name, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
}

func textFile(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestProductionNeedsAnApproval(t *testing.T) {
	dir, approver, stranger := t.TempDir(), newKey(t), newKey(t)
	pemFile(t, dir, "approver.pub.pem", approver.Public())
	config, err := ReadConfig(textFile(t, dir, "harness.yaml", `{apiVersion: gameday.dev/v1alpha1, kind: Harness,
spec: {production: {contexts: [prod-*], approvers: [approver.pub.pem]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	scenario := &scenarios.Scenario{Name: "drill", Source: reports.Source{SHA256: "aa", Parameters: map[string]string{"namespace": "shop"}}}
	approved := func(change func(a *Approval, s *scenarios.Scenario), key ed25519.PrivateKey, until time.Duration) string {
		s := *scenario
		a, err := Approve(&s, time.Now().Add(until), key)
		if err != nil {
			t.Fatal(err)
		}
		if change != nil {
			change(&a, &s)
		}
		text, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		return textFile(t, t.TempDir(), "approval.json", string(text))
	}
	for what, row := range map[string]struct {
		label, context, approval string
		want                     string
	}{
		"no production":                 {"", "staging", "", ""},
		"labelled, and no approval":     {"production", "staging", "", "needs an approval"},
		"by its context":                {"", "prod-eu", "", "needs an approval"},
		"approved":                      {"production", "", approved(nil, approver, time.Hour), ""},
		"approved by a stranger":        {"production", "", approved(nil, stranger, time.Hour), "signed by no key"},
		"an approval that ended":        {"production", "", approved(nil, approver, -time.Hour), "it ended at"},
		"an end that was moved":         {"production", "", approved(func(a *Approval, _ *scenarios.Scenario) { a.Statement.Until = time.Now().Add(time.Hour) }, approver, -time.Hour), "changed after it was signed"},
		"of another text":               {"production", "", otherApproval(t, approver, reports.Source{SHA256: "bb", Parameters: scenario.Source.Parameters}), "approves the text"},
		"of other parameters":           {"production", "", otherApproval(t, approver, reports.Source{SHA256: "aa", Parameters: map[string]string{"namespace": "bank"}}), "approves the parameters"},
		"an approval that is not there": {"production", "", filepath.Join(dir, "none"), "no such file"},
		"an approval that is none":      {"production", "", textFile(t, dir, "x", "{}"), "schema"},
	} {
		t.Run(what, func(t *testing.T) {
			system := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kube-system", Labels: map[string]string{LabelEnvironment: row.label}}}
			env, record := envOf("drill", fake.NewClientBuilder().WithObjects(system).Build())
			delete(env.Clusters, "same")
			guard := Environment{
				Production: config.Production, Scenario: scenario, Approval: row.approval,
				Environment: []map[string]string{{"cluster": "target", "context": row.context}},
			}
			_, err := guard.Enter(t.Context(), env, noStop(t))
			if (row.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want %q", err, row.want)
			}
			if wantFact := err == nil && row.label != ""; record.has(reports.Fact, TopicApproval, "approved until") != wantFact {
				t.Errorf("recorded %v, want the approval there: %v", record.events, wantFact)
			}
		})
	}
}

func otherApproval(t *testing.T, key ed25519.PrivateKey, source reports.Source) string {
	t.Helper()
	a, err := Approve(&scenarios.Scenario{Name: "drill", Source: source}, time.Now().Add(time.Hour), key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	return textFile(t, t.TempDir(), "approval.json", string(text))
}

func TestConfigTellsAllMistakesAtOnce(t *testing.T) {
	dir, runner := t.TempDir(), newKey(t)
	pemFile(t, dir, "runner.pub.pem", runner.Public())
	pemFile(t, dir, "private.pem", runner)
	_, err := ReadConfig(textFile(t, dir, "harness.yaml", `apiVersion: gameday.dev/v1alpha1
kind: Harness
spec:
  lease: 1s
  ceiling: {maxPods: 120%}
  production: {contexts: ["["], runner: runner.pub.pem, approvers: [runner.pub.pem, private.pem, none.pem]}
`))
	for _, want := range []string{
		"spec.lease: is 1s", `maxPods: is "120%"`, `production.contexts: "["`, "nobody approves what he runs", "PUBLIC KEY", "no such file",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v\nwant %q in it", err, want)
		}
	}
	for text, want := range map[string]string{
		"{apiVersion: gameday.dev/v1alpha1, kind: Harness, spec: {ceilling: {}}}":  "spec.ceilling: unknown field",
		"{apiVersion: gameday.dev/v1alpha1, kind: Scenario, spec: {}}":             "want Harness",
		"{apiVersion: gameday.dev/v1alpha1, kind: Harness}":                        "spec: is missing",
		"{apiVersion: gameday.dev/v1alpha1, kind: Harness, spec: {}, ceiling: {}}": "ceiling: unknown field",
		"{apiVersion: gameday.dev/v1, kind: Harness, spec: {}}":                    "want gameday.dev/v1alpha1",
	} {
		if _, err := ReadConfig(textFile(t, dir, "bad.yaml", text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestManifestIsFilledWithNamesOnly(t *testing.T) {
	text, err := Manifest("gameday", "registry.example/gameday:v1")
	if err != nil || !strings.Contains(string(text), "image: registry.example/gameday:v1\n") || strings.Contains(string(text), "{{") {
		t.Errorf("%v\n%s", err, text)
	}
	for _, row := range [][2]string{{"a\nb", "x"}, {"gameday", "x\nkind: y"}, {"Gameday", "x"}, {"gameday", ""}} {
		if _, err := Manifest(row[0], row[1]); err == nil {
			t.Errorf("%q is taken", row)
		}
	}
}
