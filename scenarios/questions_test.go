package scenarios

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/gamedayhq/gameday/probes"
	"github.com/gamedayhq/gameday/probes/kubernetes"
	"github.com/gamedayhq/gameday/reports"
)

// clusterWith is a cluster that holds the Secret shop/db.
func clusterWith(password string) client.WithWatch {
	return fake.NewClientBuilder().WithObjects(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db"}, Data: map[string][]byte{"password": []byte(password)},
	}).Build()
}

func TestMonitorsGetTheirSecretsFromTheCluster(t *testing.T) {
	ref := func(cluster, key string) probes.Secret {
		return probes.Secret{FromSecret: &probes.SecretRef{Cluster: cluster, Namespace: "shop", Name: "db", Key: key}}
	}
	clusters := Clusters{"": clusterWith("pl4nted"), "standby": clusterWith("other pl4nted")}
	ca := ref("", "password")
	given := probes.HTTP{URL: "http://127.0.0.1:1", Access: probes.Access{
		Headers:   map[string]probes.Secret{"X-Key": ref("standby", "password"), "X-Open": {Value: "open"}},
		BasicAuth: &probes.BasicAuth{Username: "me", Password: ref("", "password")},
		TLS:       &probes.TLSConfig{CA: &ca},
	}}
	if _, err := given.New(); err == nil || !strings.Contains(err.Error(), "no cluster was given") {
		t.Fatalf("unfilled: got %v", err)
	}
	got, err := ready(t.Context(), []Monitor{{Name: "m", Ask: given}}, clusters)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := got[0].Ask.New(); err == nil || strings.Contains(err.Error(), "no cluster was given") || !strings.Contains(err.Error(), "no certificate in PEM") {
		t.Errorf("filled: got %v, want only that a password is no certificate", err)
	}
	if _, err := given.New(); err == nil || !strings.Contains(err.Error(), "headers.X-Key") {
		t.Errorf("the scenario's own question was changed: %v", err)
	}
	for want, ask := range map[string]Question{
		`monitor "m": read key "token" of Secret shop/db: the Secret has no such key`:        probes.SQL{DSN: ref("", "token")},
		`monitor "m": read key "password" of Secret shop/db in cluster "far": the drill kno`: probes.SQL{DSN: ref("far", "password")},
		`monitor "m": the drill knows no cluster "far"`:                                      kubernetes.Object{Cluster: "far"},
		`monitor "m" asks nothing: give it a probe`:                                          nil,
	} {
		_, err := ready(t.Context(), []Monitor{{Name: "m", Ask: ask}}, clusters)
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "pl4nted") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// A drill whose monitors carry secrets from everywhere leaves none of them in its folder.
func TestNoSecretReachesTheEvidence(t *testing.T) {
	t.Setenv("GAMEDAY_TEST_TOKEN", "pl4nted-in-env")
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("pl4nted-in-file"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := `apiVersion: gameday.dev/v1alpha1
kind: Scenario
metadata: {name: a-test}
spec:
  why: A test.
  baseline: 300ms
  settle: 1ms
  monitors:
  - name: buyers
    timeout: 200ms
    http:
      url: "http://127.0.0.1:1/"
      headers: {X-Token: {fromEnv: GAMEDAY_TEST_TOKEN}, X-Key: {fromFile: "` + file + `"}}
      basicAuth: {username: me, password: {fromSecret: {namespace: shop, name: db, key: password}}}
  - name: orders
    exec: {command: [/bin/sh, -c, 'echo "$TOKEN"; exit 1'], env: {TOKEN: {fromEnv: GAMEDAY_TEST_TOKEN}}}
  - name: stock
    sql: {driver: postgres, dsn: {fromEnv: GAMEDAY_TEST_TOKEN}, query: select 1}
  steps:
  - {name: a step, wait: 1ms}
  objectives:
  - availability: {of: buyers, during: baseline, atLeast: 50%}
`
	t.Setenv("GAMEDAY_TEST_TOKEN", "host=127.0.0.1 port=1 user=u password=pl4nted-in-env")
	s, err := Parser{Kinds: OwnKinds()}.Parse("a.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := (Runner{Run: "r", Dir: dir, Clusters: Clusters{"": clusterWith("pl4nted-in-cluster")}}).Play(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	ev, err := reports.Conclude(dir)
	if err != nil || ev.Verdict != reports.Inconclusive {
		t.Fatalf("verdict %v (%v), want inconclusive", ev.Verdict, err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) < 2 {
		t.Fatalf("files %v: %v", files, err)
	}
	for _, path := range files {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(raw), "pl4nted") {
			t.Errorf("%s holds a secret:\n%s", path, raw)
		}
	}
}

// What an API that is silent says of an object is nothing, also in a whole drill.
func TestAMonitorOfAnObjectIsPutToItsCluster(t *testing.T) {
	asked := 0
	cluster := interceptor.NewClient(clusterWith("x"), interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
			if asked++; asked > 1 {
				return errors.New("gone")
			}
			return c.Get(ctx, key, o, options...)
		},
	})
	q := kubernetes.Object{Cluster: "standby", APIVersion: "v1", Kind: "Secret", Namespace: "shop", Name: "db"}
	got, err := ready(t.Context(), []Monitor{{Name: "m", Ask: q}}, Clusters{"standby": cluster})
	if err != nil {
		t.Fatal(err)
	}
	probe, err := got[0].Ask.New()
	if err != nil {
		t.Fatal(err)
	}
	first, second := probe.Probe(t.Context()), probe.Probe(t.Context())
	if first != nil || !errors.Is(second, probes.ErrNotAsked) {
		t.Errorf("got %v and then %v, want good and then not asked", first, second)
	}
}

func TestEveryQuestionIsWholeInAFile(t *testing.T) {
	for _, kind := range questionKinds() {
		if got := questionKey(kind.form); got != kind.key {
			t.Errorf("%T has the key %q, want %q", kind.form, got, kind.key)
		}
		if _, ok := kind.form.(probes.Falsifier); !ok {
			t.Errorf("%s cannot be proved able to be answered badly", kind.key)
		}
		if _, ok := kind.form.(fmt.Stringer); !ok {
			t.Errorf("%s does not say in words what it asks", kind.key)
		}
		if len(kind.form.Problems()) == 0 {
			t.Errorf("%s: an empty one has no mistake", kind.key)
		}
	}
}
