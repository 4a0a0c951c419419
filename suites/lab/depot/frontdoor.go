package depot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gamedayhq/gameday/suites/lab/folder"
)

// doorMap is the file that says where the front door leads when it starts.
func (d Depot) doorMap() string { return d.path("front-door.map") }

func (d Depot) keepDoor(site string) error {
	_, err := folder.Write(d.doorMap(), []byte("active "+site+"\n"), 0o644)
	return err
}

// Lead sends the buyers to a site, from the next request on. It is kept over a
// restart of the front door.
func (d Depot) Lead(ctx context.Context, site string) error {
	names := make([]string, len(d.Sites))
	for i, s := range d.Sites {
		names[i] = s.Name
	}
	if !slices.Contains(names, site) {
		return fmt.Errorf("lead buyers to %q: the front door knows %s", site, strings.Join(names, " and "))
	}
	if err := d.keepDoor(site); err != nil {
		return fmt.Errorf("lead buyers to %s: %w", site, err)
	}
	answer, err := d.ask(ctx, fmt.Sprintf("set map %s active %s", d.doorMap(), site))
	if err == nil && answer != "" {
		err = errors.New(answer)
	}
	if err != nil {
		return fmt.Errorf("lead buyers to %s: %w", site, err)
	}
	if leads, err := d.Leads(ctx); err != nil || leads != site {
		return errors.Join(fmt.Errorf("lead buyers to %s: the front door still leads to %q", site, leads), err)
	}
	return nil
}

// Leads asks where the front door leads.
func (d Depot) Leads(ctx context.Context) (site string, err error) {
	answer, err := d.ask(ctx, "show map "+d.doorMap())
	if err != nil {
		return "", fmt.Errorf("ask the front door where it leads: %w", err)
	}
	// One line an entry: its address in memory, its key, its value.
	for line := range strings.Lines(answer) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[1] == "active" {
			return fields[2], nil
		}
	}
	return "", fmt.Errorf("ask the front door where it leads: it answered %q", answer)
}

// ask gives HAProxy one command over its admin socket.
func (d Depot) ask(ctx context.Context, command string) (answer string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", d.path("haproxy.sock"))
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("the front door is not there (start it by `gameday lab up`): %w", err)
	}
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return "", err
		}
	}
	if _, err := io.WriteString(conn, command+"\n"); err != nil {
		return "", err
	}
	raw, err := io.ReadAll(conn)
	return strings.TrimSpace(string(raw)), err
}
