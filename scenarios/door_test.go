package scenarios

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gamedayhq/gameday/probes"
	"github.com/gamedayhq/gameday/reports"
)

// kept is a journal of tests.
type kept struct {
	mu     sync.Mutex
	events []reports.Event
}

func (k *kept) Event(event reports.Event) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.events = append(k.events, event)
	return nil
}
func (k *kept) Start() time.Time { return time.Now() }

func (k *kept) proof(t *testing.T, topic string) (proof reports.Proof) {
	t.Helper()
	for _, event := range k.events {
		if event.Topic == topic {
			if err := json.Unmarshal(event.Data, &proof); err != nil {
				t.Fatal(err)
			}
		}
	}
	return proof
}

// breakFile is a door that makes a file, whose undo removes it, and whose proof is a listing.
func breakFile(dir string) *ExecFault {
	file := filepath.Join(dir, "broken")
	return &ExecFault{Exec{
		Command: Command{Argv: []string{"touch", file}},
		UndoBy:  &ExecUndo{Command: Command{Argv: []string{"rm", "-f", file}}},
		Proof:   &Sign{Command: Command{Argv: []string{"ls", dir}}, Expect: "^broken", Within: reports.Duration(2 * time.Second)},
	}}
}

func TestACommandIsProvenAndUndone(t *testing.T) {
	dir := t.TempDir()
	journal := &kept{}
	env := Env{Run: "a-run", Step: "break", Journal: journal}
	ctx := t.Context()
	if problems := breakFile(dir).Problems(); len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, undo := range []string{"before", "first", "second"} {
		if undo == "first" {
			if err := errors.Join(breakFile(dir).Preflight(ctx, env), breakFile(dir).Do(ctx, env)); err != nil {
				t.Fatal(err)
			}
			if proof := journal.proof(t, reports.TopicInjected); !proof.Proven || !proof.Independent || proof.Detail != "broken" {
				t.Errorf("injected %+v, want by the sign", proof)
			}
			// Done already: the sign proves nothing any more.
			if err := breakFile(dir).Do(ctx, env); !errors.Is(err, ErrVoid) {
				t.Errorf("done again: %v, want a void drill", err)
			}
		}
		if err := breakFile(dir).Undo(ctx, env); err != nil { // as another process would, that has the scenario
			t.Fatalf("undo %s: %v", undo, err)
		}
		if proof := journal.proof(t, reports.TopicRecovered); !proof.Proven || !proof.Independent {
			t.Errorf("recovered %+v, want by the sign", proof)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("undo %s: left %v", undo, left)
		}
	}
}

func TestACommandThatDoesNothingIsNotInjected(t *testing.T) {
	fault := breakFile(t.TempDir())
	fault.Argv = []string{"true"}
	journal := &kept{}
	err := fault.Do(t.Context(), Env{Journal: journal})
	if !errors.Is(err, ErrVoid) || journal.proof(t, reports.TopicInjected).Proven {
		t.Errorf("got %v, want not injected: its exit status is no proof where a sign is named", err)
	}
}

func TestAnUndoThatDoesNothingIsNotRecovered(t *testing.T) {
	fault := breakFile(t.TempDir())
	fault.UndoBy.Argv = []string{"true"}
	journal := &kept{}
	env := Env{Journal: journal}
	if err := fault.Do(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	if err := fault.Undo(t.Context(), env); err == nil || journal.proof(t, reports.TopicRecovered).Proven {
		t.Errorf("got %v, want an error", err)
	}
}

func TestACommandHasNoShellAndLeavesNoSecret(t *testing.T) {
	t.Setenv("DOOR_KEY", "hunter2")
	t.Setenv("NOT_PASSED", "swordfish")
	journal := &kept{}
	command := Command{
		Argv: []string{"env"}, Pass: []string{"DOOR_KEY"},
		Env: map[string]string{"API_TOKEN": "opensesame", "PLAIN": "$(echo expanded) && true"},
	}
	words, err := command.ran(t.Context(), Env{Run: "a-run", Step: "look", Journal: journal})
	if err != nil || words == "" {
		t.Fatal(err)
	}
	text := string(journal.events[0].Data) + journal.events[0].Detail
	for _, secret := range []string{"hunter2", "swordfish", "opensesame"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in the evidence: %s", secret, text)
		}
	}
	for _, want := range []string{"GAMEDAY_RUN=a-run", "$(echo expanded)"} {
		if !strings.Contains(text, strings.ReplaceAll(want, "&", `&`)) {
			t.Errorf("no %q in %s", want, text)
		}
	}
}

func TestACommandsOutputIsBounded(t *testing.T) {
	ran, err := Command{Argv: []string{"seq", "100000"}}.run(t.Context(), Env{})
	if err != nil || len(ran.Output) > maxOutput || !strings.HasSuffix(ran.Output, "100000\n") || ran.Cut == 0 {
		t.Errorf("kept %d bytes, cut %d, ends %q (%v); want the end of it", len(ran.Output), ran.Cut, lastLine(ran.Output), err)
	}
}

func TestACommandThatHangsIsEnded(t *testing.T) {
	ctx, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, errors.New("not done in time"))
	defer cancel()
	ran, err := Command{Argv: []string{"sleep", "600"}}.run(ctx, Env{})
	if err == nil || !strings.Contains(err.Error(), "not done in time") || ran.Exit != -1 {
		t.Errorf("got %v, exit %d; want that its time was over", err, ran.Exit)
	}
}

func TestACommandThatFailsSaysWhatItWrote(t *testing.T) {
	_, err := Command{Argv: []string{"ls", "/no/such/folder"}}.run(t.Context(), Env{})
	if err == nil || !strings.Contains(err.Error(), "/no/such/folder") || !strings.Contains(err.Error(), "exit status") {
		t.Errorf("got %v, want the status and the last line", err)
	}
	missing := &Exec{Command: Command{Argv: []string{"no-such-program-anywhere"}}}
	if err := missing.Preflight(t.Context(), Env{}); err == nil {
		t.Error("a program that is not there is found")
	}
}

// feature is a service that breaks and mends by calls.
func feature(t *testing.T) (url string, broken *atomic.Bool) {
	t.Helper()
	broken = &atomic.Bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPut:
			broken.Store(true)
		case r.Method == http.MethodDelete:
			broken.Store(false)
		case broken.Load():
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, broken
}

func TestACallIsProvenAndUndone(t *testing.T) {
	url, broken := feature(t)
	text := fmt.Sprintf(`apiVersion: gameday.dev/v1alpha1
kind: Scenario
metadata: {name: a-test}
spec:
  why: A test.
  monitors: [{name: buyers, http: {url: %[1]q}}]
  steps:
  - name: break
    http:
      {method: PUT, url: %[1]q, headers: {Authorization: hunter2}, undo: {method: DELETE, url: %[1]q}, proof: {http: {url: %[1]q}, within: 2s}}
  objectives: [{availability: {of: buyers, during: break, atMost: 99%%}}]
`, url)
	s, err := Parser{Kinds: OwnKinds()}.Parse("a.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	fault, ok := s.Steps[0].Action.(Fault)
	if !ok {
		t.Fatalf("%T is no fault", s.Steps[0].Action)
	}
	journal := &kept{}
	env := Env{Run: "a-run", Step: "break", Journal: journal}
	if err := fault.Do(t.Context(), env); err != nil || !broken.Load() || !journal.proof(t, reports.TopicInjected).Independent {
		t.Errorf("done: %v, broken %v, proof %+v", err, broken.Load(), journal.proof(t, reports.TopicInjected))
	}
	if err := fault.Undo(t.Context(), env); err != nil || broken.Load() || !journal.proof(t, reports.TopicRecovered).Independent {
		t.Errorf("undone: %v, broken %v, proof %+v", err, broken.Load(), journal.proof(t, reports.TopicRecovered))
	}
	if strings.Contains(fmt.Sprint(journal.events)+fault.(Describer).Describe(), "hunter2") {
		t.Error("a header's value is in the evidence")
	}
}

func TestACallThatIsRefusedIsAnError(t *testing.T) {
	url, broken := feature(t)
	broken.Store(true)
	call := &Call{HTTP: probes.HTTP{Method: http.MethodGet, URL: url}}
	if err := call.Do(t.Context(), Env{Journal: &kept{}}); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("got %v, want the status", err)
	}
}
