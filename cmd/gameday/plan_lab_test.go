//go:build lab

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/gamedayhq/gameday/scenarios"
	"github.com/gamedayhq/gameday/scenarios/library"
	"github.com/gamedayhq/gameday/suites/lab"
)

// watched stands before the API servers of the lab, lets through what changes nothing, and notes all else.
type watched struct {
	mu     sync.Mutex
	calls  map[string]int // by method and path
	dry    int            // writes that were dry runs
	writes []string       // that were none; refused
}

// harmlessPosts are written to and keep nothing: they are questions.
var harmlessPosts = []string{"/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"}

func (w *watched) note(r *http.Request) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls[r.Method]++
	dry := slices.Equal(r.URL.Query()["dryRun"], []string{"All"})
	switch {
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		return true
	case dry && !slices.Contains(harmlessPosts, r.URL.Path):
		w.dry++
		return true
	case r.Method == http.MethodPost && slices.Contains(harmlessPosts, r.URL.Path):
		return true
	}
	w.writes = append(w.writes, r.Method+" "+r.URL.String())
	return false
}

// watchLab returns a kubeconfig that leads to the lab through what watches.
func watchLab(t *testing.T) (*watched, string) {
	t.Helper()
	there, err := lab.Open(lab.Options{})
	if err != nil {
		t.Fatalf("start the lab with: gameday lab up: %v", err)
	}
	w := &watched{calls: map[string]int{}}
	servers := map[string]string{}
	for _, name := range []string{lab.Primary, lab.Standby} {
		config, err := there.Config(name)
		if err != nil {
			t.Fatal(err)
		}
		transport, err := rest.TransportFor(config)
		if err != nil {
			t.Fatal(err)
		}
		host, err := url.Parse(config.Host)
		if err != nil {
			t.Fatal(err)
		}
		proxy := httputil.NewSingleHostReverseProxy(host)
		proxy.Transport, proxy.FlushInterval = transport, -1
		server := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
			if !w.note(r) {
				http.Error(answer, "a preview must not write", http.StatusForbidden)
				return
			}
			proxy.ServeHTTP(answer, r)
		}))
		t.Cleanup(server.Close)
		servers[name] = server.URL
	}
	var b strings.Builder
	b.WriteString("apiVersion: v1\nkind: Config\nusers: [{name: nobody, user: {}}]\nclusters:\n")
	for name, server := range servers {
		fmt.Fprintf(&b, "- {name: %s, cluster: {server: %q}}\n", name, server)
	}
	b.WriteString("contexts:\n")
	for name := range servers {
		fmt.Fprintf(&b, "- {name: %s, context: {cluster: %s, user: nobody}}\n", name, name)
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return w, path
}

// The plan of every shipped scenario is made through a proxy that lets no write through but dry runs.
func TestAPlanWritesNothing(t *testing.T) {
	w, kubeconfig := watchLab(t)
	args := append([]string{"plan", "-o", "json", "--kubeconfig", kubeconfig, "--context", lab.Primary, "--cluster", "standby=" + lab.Standby}, library.Names()...)
	code, out, errs := gameday(t, args...)
	if len(w.writes) > 0 {
		t.Errorf("the plan wrote: %v", w.writes)
	}
	if code == exitUsage || w.dry == 0 {
		t.Errorf("exit %d, %d dry runs: %s", code, w.dry, errs)
	}
	decoder := json.NewDecoder(strings.NewReader(out))
	seen := map[string]bool{}
	for {
		var p scenarios.Preview
		if err := decoder.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		seen[p.Scenario] = true
		if p.Schema != scenarios.SchemaPreview || p.Outlook == "" || len(p.Missing) > 0 {
			t.Errorf("%s: schema %q, outlook %q, missing %v", p.Scenario, p.Schema, p.Outlook, p.Missing)
		}
		targets := 0
		for _, step := range p.Steps {
			targets += len(step.Targets)
		}
		if p.Outlook == scenarios.WouldRun && targets == 0 {
			t.Errorf("%s would run, and on nothing: %+v", p.Scenario, p.Steps)
		}
		t.Logf("%s %s, %d targets, %v to %v", p.Scenario, p.Outlook, targets, p.AtLeast.D(), p.AtMost.D())
	}
	if got, want := slices.Sorted(maps.Keys(seen)), slices.Sorted(slices.Values(library.Names())); !slices.Equal(got, want) {
		t.Errorf("planned %v, want %v", got, want)
	}
	t.Logf("%d scenarios: calls %v, %d of them dry runs", len(seen), w.calls, w.dry)
}

// The test above must be able to fail.
func TestThatWritesAreSeen(t *testing.T) {
	w, kubeconfig := watchLab(t)
	code, _, errs := gameday(t, "lever", "engage", "--kubeconfig", kubeconfig, "--context", lab.Primary)
	if code != exitHarness || len(w.writes) == 0 || !strings.Contains(errs, "must not write") {
		t.Errorf("exit %d, wrote %v: %s", code, w.writes, errs)
	}
}
