package machine

import (
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	good := func() Spec {
		return Spec{
			Name: "primary", Dir: "/var/lib/lab/primary",
			Network: &Network{Bridge: "gd0", Link: "gd-primary", Address: "10.9.0.2/24", Gateway: "10.9.0.1"},
			Mounts:  []Mount{{Source: "/var/lib/lab/a", Target: "/var/lib/a"}},
			Parts: []Part{
				{Name: "b", Argv: []string{"b"}, After: []string{"a"}},
				{Name: "a", Argv: []string{"a"}, Ready: &Check{Target: "https://127.0.0.1:6443/readyz"}},
			},
		}
	}
	if err := good().Validate(); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*Spec){
		`machine name "Primary"`:      func(s *Spec) { s.Name = "Primary" },
		"not absolute":                func(s *Spec) { s.Dir = "lab" },
		"is below /run":               func(s *Spec) { s.Dir = "/run/lab" },
		"is below /dev/shm":           func(s *Spec) { s.Mounts[0].Source = "/dev/shm/x" },
		"want absolute paths":         func(s *Spec) { s.Mounts[0].Target = "x" },
		"1 to 15 characters":          func(s *Spec) { s.Network.Link = "gd-a-name-too-long" },
		"read network address":        func(s *Spec) { s.Network.Address = "10.9.0.2" },
		"is no other address":         func(s *Spec) { s.Network.Gateway = "10.8.0.1" },
		"malformed or taken":          func(s *Spec) { s.Parts[0].Name = "a" },
		`part name "machine" is malf`: func(s *Spec) { s.Parts[0].Name = "machine" },
		"has no command":              func(s *Spec) { s.Parts[0].Argv = nil },
		"empty command before":        func(s *Spec) { s.Parts[0].Pre = [][]string{{}} },
		"want http://":                func(s *Spec) { s.Parts[1].Ready.Target = "localhost" },
		"parts b wait for each other": func(s *Spec) { s.Parts[0].After = []string{"c"} },
		"parts b, a wait for each":    func(s *Spec) { s.Parts[1].After = []string{"b"} },
		"parts a wait for each other": func(s *Spec) { s.Parts = s.Parts[1:]; s.Parts[0].After = []string{"a"} },
	} {
		s := good()
		spoil(&s)
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
	s := good()
	s.Name, s.Parts[0].Argv = "", nil
	if err := s.Validate(); err == nil || !strings.Contains(err.Error(), "2 errors occurred") {
		t.Errorf("want both mistakes: %v", err)
	}
}

func TestCheck(t *testing.T) {
	status := http.StatusServiceUnavailable
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer secure.Close()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ask := func(target string) error {
		t.Helper()
		p, err := Check{Target: target}.probe()
		if err != nil {
			t.Fatal(err)
		}
		return p(t.Context())
	}
	for _, target := range []string{plain.URL, secure.URL, "tcp://127.0.0.1:1", "unix:///nowhere", "file:///nowhere"} {
		if ask(target) == nil {
			t.Errorf("%s: want no", target)
		}
	}
	status = http.StatusOK
	for _, target := range []string{plain.URL, secure.URL, "tcp://" + plain.Listener.Addr().String(), "unix://" + socket, "file://" + socket} {
		if err := ask(target); err != nil {
			t.Errorf("%s: %v", target, err)
		}
	}
}

func TestCheckAwaitsAndTellsOnce(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked < 4 {
			http.Error(w, "not yet", http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	told := 0
	err := Check{Target: server.URL, Interval: time.Millisecond}.await(t.Context(), func(error) { told++ })
	if err != nil || asked != 4 || told != 1 {
		t.Errorf("asked %d times, told %d times: %v", asked, told, err)
	}
}
