package live

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/gamedayhq/gameday/dr/fidelity"
)

// server is an API server with pods in two pages, and one group that may be out of order.
func server(t *testing.T, broken bool) Cluster {
	t.Helper()
	answers := map[string]string{
		"/api":                      `{"kind":"APIVersions","versions":["v1"]}`,
		"/apis":                     `{"kind":"APIGroupList","apiVersion":"v1","groups":[{"name":"shop.example.org","versions":[{"groupVersion":"shop.example.org/v1","version":"v1"}],"preferredVersion":{"groupVersion":"shop.example.org/v1","version":"v1"}}]}`,
		"/api/v1":                   `{"kind":"APIResourceList","groupVersion":"v1","resources":[{"name":"pods","kind":"Pod","namespaced":true,"verbs":["list"]},{"name":"pods/log","kind":"Pod","namespaced":true,"verbs":["list"]},{"name":"bindings","kind":"Binding","namespaced":true,"verbs":["create"]}]}`,
		"/apis/shop.example.org/v1": `{"kind":"APIResourceList","groupVersion":"shop.example.org/v1","resources":[{"name":"carts","kind":"Cart","namespaced":true,"verbs":["list"]}]}`,
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case broken && strings.HasPrefix(r.URL.Path, "/apis/"):
			w.WriteHeader(http.StatusServiceUnavailable)
		case answers[r.URL.Path] != "":
			_, _ = w.Write([]byte(answers[r.URL.Path]))
		case r.URL.Path == "/api/v1/namespaces/shop/pods":
			page := map[string]any{"kind": "PodList", "apiVersion": "v1", "metadata": map[string]any{"continue": "more"}, "items": []any{pod("a")}}
			if r.URL.Query().Get("continue") == "more" {
				page["metadata"], page["items"] = map[string]any{}, []any{pod("b")}
			}
			_ = json.NewEncoder(w).Encode(page)
		default:
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	t.Cleanup(s.Close)
	c, err := Connect(&rest.Config{Host: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func pod(name string) map[string]any {
	return map[string]any{"kind": "Pod", "apiVersion": "v1", "metadata": map[string]any{"name": name, "namespace": "shop"}}
}

func TestEveryPageIsYielded(t *testing.T) {
	c := server(t, false)
	resources, err := c.Resources(t.Context())
	if err != nil || len(resources) != 2 {
		t.Fatalf("%v %v", resources, err)
	}
	var names string
	pods := fidelity.Resource{Version: "v1", Name: "pods", Kind: "Pod", Namespaced: true}
	err = c.List(t.Context(), pods, []string{"shop"}, func(o map[string]any) error {
		names += o["metadata"].(map[string]any)["name"].(string)
		return nil
	})
	if err != nil || names != "ab" {
		t.Errorf("%q %v", names, err)
	}
	if err := c.List(t.Context(), pods, []string{"other"}, func(map[string]any) error { return nil }); err == nil || !strings.Contains(err.Error(), "other") {
		t.Errorf("a list that is forbidden: %v", err)
	}
}

func TestAGroupThatDoesNotAnswerIsAnError(t *testing.T) {
	if _, err := server(t, true).Resources(t.Context()); err == nil {
		t.Error("a group that is out of order passes for one without resources")
	}
}
