package dr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

// notes is a journal in memory.
type notes struct {
	mu     sync.Mutex
	start  time.Time
	events []reports.Event
}

func (n *notes) Event(event reports.Event) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.events = append(n.events, event)
	return nil
}

func (n *notes) Start() time.Time { return n.start }

func (n *notes) markers(t *testing.T) []reports.Marker {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []reports.Marker
	for _, event := range n.events {
		if event.Topic != reports.TopicMarker {
			continue
		}
		var marker reports.Marker
		if err := json.Unmarshal(event.Data, &marker); err != nil {
			t.Fatal(err)
		}
		out = append(out, marker)
	}
	slices.SortFunc(out, func(a, b reports.Marker) int { return int(a.Number - b.Number) })
	return out
}

// shop keeps orders in memory, as an application with a paged list.
type shop struct {
	mu     sync.Mutex
	orders []map[string]any
	broken bool
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if r.Method == http.MethodPost {
		var order map[string]any
		if err := json.NewDecoder(r.Body).Decode(&order); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		order["id"] = len(s.orders) + 1
		s.orders = append(s.orders, order)
		w.WriteHeader(http.StatusCreated)
		return
	}
	var after int
	if text := r.URL.Query().Get("after"); text != "" {
		if _, err := fmt.Sscan(text, &after); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
	}
	page := s.orders[min(after, len(s.orders)):min(after+3, len(s.orders))]
	if page == nil {
		page = []map[string]any{}
	}
	_ = json.NewEncoder(w).Encode(page)
}

func (s *shop) setBroken(broken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = broken
}

func setUp(t *testing.T) (*shop, string, *notes, scenarios.Env) {
	t.Helper()
	s := &shop{}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	journal := &notes{start: time.Now()}
	env := scenarios.Env{Run: "a-run", Step: "a step", Journal: journal, Tasks: scenarios.NewTasks(t.Context())}
	return s, server.URL, journal, env
}

func writer(url string) *Write {
	return &Write{
		Ledger: "orders", Every: reports.Duration(5 * time.Millisecond), For: reports.Duration(50 * time.Millisecond),
		HTTP: HTTP{URL: url, Body: `{"item": "tea", "key": "{key}"}`},
	}
}

func readBack(t *testing.T, url string, env scenarios.Env, journal *notes) reports.ReadBack {
	t.Helper()
	reader := &ReadBack{Ledger: "orders", HTTP: HTTP{URL: url}, After: &Page{Param: "after", Field: "id"}}
	if err := reader.Do(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	last := journal.events[len(journal.events)-1]
	var found reports.ReadBack
	if err := json.Unmarshal(last.Data, &found); err != nil || last.Topic != reports.TopicReadBack {
		t.Fatalf("last event %+v: %v", last, err)
	}
	return found
}

func TestWhatWasWrittenIsReadBack(t *testing.T) {
	s, url, journal, env := setUp(t)
	s.orders = append(s.orders, map[string]any{"id": 1, "key": "another-run-orders-7"})
	for range 2 { // the second goes on where the first ended
		if err := writer(url).Do(t.Context(), env); err != nil {
			t.Fatal(err)
		}
	}
	found := readBack(t, url, env, journal)
	want := make([]int64, 20)
	for i := range want {
		want[i] = int64(i + 1)
	}
	if !slices.Equal(found.Found, want) || found.Others != 1 {
		t.Errorf("found %v and %d others, want 1 to 20 and 1", found.Found, found.Others)
	}
	for i, marker := range journal.markers(t) {
		if marker.Number != int64(i+1) || marker.Acked <= marker.Sent || marker.Key != fmt.Sprintf("a-run-orders-%d", i+1) {
			t.Errorf("marker %+v", marker)
		}
	}
}

func TestALostMarkerIsNotFound(t *testing.T) {
	s, url, journal, env := setUp(t)
	if err := writer(url).Do(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	s.orders[3]["key"] = "gone"
	if found := readBack(t, url, env, journal); len(found.Found) != 9 {
		t.Errorf("found %v, want 9 of 10", found.Found)
	}
}

func TestAnUnacknowledgedMarkerIsRecorded(t *testing.T) {
	s, url, journal, env := setUp(t)
	s.broken = true
	err := writer(url).Do(t.Context(), env)
	if !errors.Is(err, scenarios.ErrVoid) || !strings.Contains(err.Error(), "status 503") {
		t.Errorf("got %v, want that the drill is void and why", err)
	}
	for _, marker := range journal.markers(t) {
		if marker.Acked != 0 || marker.Reason != "status 503" {
			t.Errorf("marker %+v", marker)
		}
	}
}

func TestAReadBackWaitsForTheApplication(t *testing.T) {
	s, url, journal, env := setUp(t)
	background := writer(url)
	background.For, background.Background = 0, true
	if err := background.Do(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	for len(journal.markers(t)) < 5 {
		time.Sleep(time.Millisecond)
	}
	s.setBroken(true)
	time.AfterFunc(100*time.Millisecond, func() { s.setBroken(false) })
	found := readBack(t, url, env, journal)
	acked := 0
	for _, marker := range journal.markers(t) {
		if marker.Acked > 0 {
			acked++
		}
	}
	if acked < 5 || len(found.Found) != acked {
		t.Errorf("found %d of %d acknowledged", len(found.Found), acked)
	}
}

func TestAReadBackEndsWithItsTime(t *testing.T) {
	s, url, _, env := setUp(t)
	s.broken = true
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := (&ReadBack{Ledger: "orders", HTTP: HTTP{URL: url}}).Do(ctx, env)
	if err == nil || !strings.Contains(err.Error(), "status 503") {
		t.Errorf("got %v, want the last error in it", err)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for want, action := range map[string]scenarios.Problems{
		"write.ledger":                 &Write{Ledger: "Orders!", For: 1, HTTP: HTTP{URL: "http://x", Body: "{key}"}},
		"write.for: is missing":        &Write{Ledger: "orders", HTTP: HTTP{URL: "http://x", Body: "{key}"}},
		"write.http.body: has no {key": &Write{Ledger: "orders", For: 1, HTTP: HTTP{URL: "http://x"}},
		"write.http.url":               &Write{Ledger: "orders", For: 1, HTTP: HTTP{URL: "x", Body: "{key}"}},
		"readBack.after: wants both":   &ReadBack{Ledger: "orders", HTTP: HTTP{URL: "http://x"}, After: &Page{Param: "after"}},
		"lose.namespace: is empty":     &Lose{},
		`"kube-system" is protected`:   &Lose{Namespace: "kube-system"},
		`"velero" is protected`:        &Lose{Namespace: "velero"},
	} {
		if got := strings.Join(action.Problems(), "\n"); !strings.Contains(got, want) {
			t.Errorf("%+v: %q, want %q", action, got, want)
		}
	}
	if got := (&Lose{Namespace: "shop"}).Bound(scenarios.BlastRadius{}); len(got) != 1 {
		t.Errorf("a namespace outside the blast radius may be lost: %v", got)
	}
}
