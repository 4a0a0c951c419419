package play

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

func TestClockOffsetHoldsTheTruth(t *testing.T) {
	for _, truth := range []time.Duration{0, 90 * time.Second, -time.Hour} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", time.Now().Add(truth).UTC().Format(http.TimeFormat))
		}))
		lo, hi, err := measureOffset(t.Context(), &rest.Config{Host: server.URL})
		server.Close()
		if err != nil || lo > truth || hi < truth || lo >= hi {
			t.Errorf("%v is not within %v to %v: %v", truth, lo, hi, err)
		}
	}
}

func TestClockOffsetThatIsNotKnown(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header()["Date"] = nil }))
	if got := clockOffset(t.Context(), &rest.Config{Host: server.URL}); !strings.HasPrefix(got, "unknown: read the time") {
		t.Errorf("without a date: %s", got)
	}
	server.Close()
	if got := clockOffset(t.Context(), &rest.Config{Host: server.URL}); !strings.HasPrefix(got, "unknown: ask for the time") {
		t.Errorf("nobody there: %s", got)
	}
}
