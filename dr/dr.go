// Package dr holds the actions of disaster-recovery drills that need no backup tool: writing numbered markers through an
// application, reading them back, and losing a namespace.
//
// A marker is a write that the application acknowledged. The ledger of what was acknowledged is kept in the drill's journal,
// outside the failure domain, so that what came back can be held against it. The package judges nothing.
package dr

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

// Kinds are the actions of this package by the keys that a scenario file uses.
func Kinds() scenarios.Kinds {
	return scenarios.Kinds{
		"write":    decode[Write],
		"readBack": decode[ReadBack],
		"lose":     decode[Lose],
	}
}

// decode reads an action's payload by its json tags.
func decode[T any, P interface {
	*T
	scenarios.Action
}](p *scenarios.Payload,
) scenarios.Action {
	var action T
	if !p.Into(&action) {
		return nil
	}
	return P(&action)
}

// HTTP is a call to the application.
type HTTP struct {
	URL     string            `json:"url"`
	Method  string            `json:"method,omitempty"`  // POST to write, GET to read, unless said
	Headers map[string]string `json:"headers,omitempty"` // values reach no evidence
	// Body may hold the places {key} and {number}, which are filled for each marker.
	Body    string           `json:"body,omitempty"`
	Timeout reports.Duration `json:"timeout,omitempty"` // 5 s unless said
}

const defaultTimeout = 5 * time.Second

func (h HTTP) problems(under string) []string {
	var out []string
	if !strings.HasPrefix(h.URL, "http://") && !strings.HasPrefix(h.URL, "https://") {
		out = append(out, fmt.Sprintf("%s.url: is %q, want http://… or https://…", under, h.URL))
	}
	if h.Timeout < 0 {
		out = append(out, fmt.Sprintf("%s.timeout: is %v, want more than nothing", under, h.Timeout))
	}
	return out
}

func (h HTTP) timeout() time.Duration {
	if h.Timeout == 0 {
		return defaultTimeout
	}
	return h.Timeout.D()
}

func (h HTTP) method(standard string) string {
	if h.Method == "" {
		return standard
	}
	return h.Method
}

func (h HTTP) head(request *http.Request) {
	for name, value := range h.Headers {
		request.Header.Set(name, value)
	}
}

// prefix begins the key of each marker of a ledger; the marker's number ends it.
func prefix(run, ledger string) string { return run + "-" + ledger + "-" }

func key(run, ledger string, number int64) string {
	return prefix(run, ledger) + strconv.FormatInt(number, 10)
}

// taskName names the background writer of a ledger among a drill's tasks.
func taskName(ledger string) string { return "write " + ledger }
