package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	waitLimit   = 5 * time.Minute // of a Wait whose context has no deadline
	actionLimit = 15 * time.Second
	tailLines   = 20
	tailBytes   = 16 << 10
)

// Client steers a running machine.
type Client struct {
	dir  string
	http *http.Client
}

// Dial returns a client for the machine in dir. Nothing is sent before the first call.
func Dial(dir string) Client {
	return Client{dir: dir, http: &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			path, free, err := controlPath(dir)
			if err != nil {
				return nil, err
			}
			defer free()
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		},
	}}}
}

// Status asks how the machine and its parts are.
func (c Client) Status(ctx context.Context) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, actionLimit)
	defer cancel()
	return c.status(ctx, "/status")
}

func (c Client) status(ctx context.Context, path string) (Status, error) {
	body, err := c.do(ctx, http.MethodGet, path)
	if err != nil {
		return Status{}, fmt.Errorf("ask machine in %s for its status: %w", c.dir, err)
	}
	var s Status
	if err := json.Unmarshal(body, &s); err != nil {
		return Status{}, fmt.Errorf("decode status of machine in %s: %w", c.dir, err)
	}
	s.addHostPIDs(c.dir)
	return s, nil
}

// StopPart ends a part, by force after 5 s; it stays down until StartPart.
func (c Client) StopPart(ctx context.Context, part string) error { return c.act(ctx, part, "stop") }

// StartPart starts a part that is down. It does not wait until the part is ready.
func (c Client) StartPart(ctx context.Context, part string) error { return c.act(ctx, part, "start") }

// PausePart freezes a part with SIGSTOP.
func (c Client) PausePart(ctx context.Context, part string) error { return c.act(ctx, part, "pause") }

// ContinuePart lets a paused part go on.
func (c Client) ContinuePart(ctx context.Context, part string) error {
	return c.act(ctx, part, "continue")
}

func (c Client) act(ctx context.Context, part, action string) error {
	ctx, cancel := context.WithTimeout(ctx, actionLimit)
	defer cancel()
	if _, err := c.do(ctx, http.MethodPost, "/parts/"+part+"/"+action); err != nil {
		return fmt.Errorf("%s part %s of machine in %s: %w", action, part, c.dir, err)
	}
	return nil
}

func (c Client) do(ctx context.Context, method, path string) (_ []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://machine"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		return nil, errors.New(strings.TrimSpace(string(body)))
	}
	return body, nil
}

// Wait returns when all the named parts (none named: all) are up. It sleeps on the
// machine's next change, and gives up early on a part that will not come by itself.
func (c Client) Wait(ctx context.Context, parts ...string) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, waitLimit)
		defer cancel()
	}
	var last Status
	for {
		s, err := c.status(ctx, fmt.Sprintf("/status?after=%d", last.Revision))
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err == nil {
			last = s
		}
		missing, final, err := last.missing(parts)
		switch {
		case err != nil && last.Revision > 0:
			return err
		case last.Revision > 0 && len(missing) == 0:
			return nil
		case final:
			return fmt.Errorf("wait for machine %s: %s", last.Name, last.describe(missing))
		case ctx.Err() != nil && last.Revision == 0:
			return fmt.Errorf("wait for machine in %s: no answer: %w", c.dir, ctx.Err())
		case ctx.Err() != nil:
			return fmt.Errorf("wait for machine %s: %w: %s", last.Name, ctx.Err(), last.describe(missing))
		}
	}
}

// missing lists the parts that are not up, and whether one of them will stay so.
func (s Status) missing(names []string) (missing []PartStatus, final bool, err error) {
	for _, name := range names {
		if _, ok := s.Part(name); !ok {
			return nil, false, fmt.Errorf("machine %s has no part %s", s.Name, name)
		}
	}
	for _, p := range s.Parts {
		wanted := len(names) == 0 || slices.Contains(names, p.Name)
		if wanted && !p.Up() {
			missing = append(missing, p)
			final = final || p.Final
		}
	}
	return missing, final, nil
}

// describe says what is known of each part, with the end of its log. A part that
// waits is not the culprit, so the other ones that are down are shown too.
func (s Status) describe(parts []PartStatus) string {
	if slices.ContainsFunc(parts, func(p PartStatus) bool { return p.State == Waiting }) {
		for _, p := range s.Parts {
			if !p.Up() && p.State != Waiting && !slices.Contains(parts, p) {
				parts = append(parts, p)
			}
		}
	}
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteString("; ")
		}
		state := string(p.State)
		if p.Paused {
			state += " but paused"
		}
		fmt.Fprintf(&b, "part %s is %s since %s, %d restarts", p.Name, state, p.Since.Format(time.TimeOnly), p.Restarts)
		if p.LastError != "" {
			fmt.Fprintf(&b, ", last error: %s", p.LastError)
		}
		if p.State != Waiting {
			fmt.Fprintf(&b, "\n%s", logTail(p.Log))
		}
	}
	return b.String()
}

func logTail(path string) string {
	raw, err := readTail(path, tailBytes)
	if err != nil {
		return fmt.Sprintf("(no log: %v)", err)
	}
	lines := strings.Split(strings.TrimRight(string(raw), "\n"), "\n")
	lines = lines[max(0, len(lines)-tailLines):]
	return fmt.Sprintf("--- end of %s\n%s\n---", path, strings.Join(lines, "\n"))
}

// readTail reads at most n bytes from the end of a file.
func readTail(path string, n int64) (_ []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read log: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read log: %w", err)
	}
	raw, err := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-n), n))
	if err != nil {
		return nil, fmt.Errorf("read log: %w", err)
	}
	return raw, nil
}
