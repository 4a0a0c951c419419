package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// pollLimit ends a long poll that saw no change, so that a client notices a dead machine.
const pollLimit = 25 * time.Second

// control is the HTTP interface of a machine. GET /status?after=REVISION answers
// at the first change after that revision.
func (s *supervisor) control(ctx context.Context) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		after, err := strconv.ParseUint(r.FormValue("after"), 10, 64)
		if r.FormValue("after") != "" && err != nil {
			http.Error(w, fmt.Sprintf("read revision: %v", err), http.StatusBadRequest)
			return
		}
		wait, cancel := context.WithTimeout(r.Context(), pollLimit)
		defer cancel()
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(s.after(wait, after)); err != nil {
			fmt.Fprintf(os.Stderr, "answer status: %v\n", err)
		}
	})
	mux.HandleFunc("POST /parts/{name}/{action}", func(w http.ResponseWriter, r *http.Request) {
		p := s.part(r.PathValue("name"))
		if p == nil {
			http.Error(w, fmt.Sprintf("machine %s has no part %s", s.spec.Name, r.PathValue("name")), http.StatusNotFound)
			return
		}
		var err error
		switch action := r.PathValue("action"); action {
		case "start":
			p.start(ctx)
		case "stop":
			err = p.stop(r.Context())
		case "pause":
			err = p.freeze(true)
		case "continue":
			err = p.freeze(false)
		default:
			http.Error(w, fmt.Sprintf("unknown action %s: want start, stop, pause or continue", action), http.StatusNotFound)
			return
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

// listenControl makes the socket; a stale one of an earlier life is replaced.
func listenControl(dir string) (net.Listener, error) {
	path, free, err := controlPath(dir)
	if err != nil {
		return nil, err
	}
	defer free()
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove old control socket: %w", err)
	}
	umask := unix.Umask(0o177) // root's alone; no part runs yet that this could disturb
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	unix.Umask(umask)
	if err != nil {
		return nil, fmt.Errorf("listen on control socket: %w", err)
	}
	l.SetUnlinkOnClose(false) // the path goes through a file descriptor that is closed by then
	return l, nil
}
