package play

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"time"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/reports/attest"
	"github.com/gamedayhq/gameday/reports/bundle"
)

// Sealing says who closes a drill's evidence, and with which key. The zero value closes it and leaves it unsigned.
type Sealing struct {
	Operator     string // who runs the drill; $GAMEDAY_OPERATOR or the system's user unless said
	Key          *attest.Key
	TimestampURL string // RFC 3161 server that stamps the signature; none when empty
}

// Seal closes the folder with a manifest over all files, linked to the drill before it, and signs that.
func (s Sealing) Seal(ctx context.Context, dir string, ev reports.Evidence) error {
	previous, err := previousOf(dir)
	if err != nil {
		return fmt.Errorf("seal evidence: %w", err)
	}
	participants := bundle.Participants{Operator: s.operator(), Key: "unsigned: no key was given"}
	if s.Key != nil {
		participants.Operator.KeyID = s.Key.ID()
		participants.Key = "the operator's key"
		if s.Key.Generated {
			participants.Key = "made by this harness at its first use: it shows that nothing was changed since, not who ran the drill"
		}
	}
	if _, err := bundle.Close(dir, ev, bundle.Closing{Participants: participants, Previous: previous}); err != nil {
		return err
	}
	if s.Key == nil {
		return nil
	}
	return attest.Signer{Key: s.Key, TimestampURL: s.TimestampURL}.Sign(ctx, dir, ev)
}

// operator says who runs the drill and where that name is from.
func (s Sealing) operator() bundle.Person {
	if s.Operator != "" {
		return bundle.Person{Name: s.Operator, Source: "--operator"}
	}
	if name := os.Getenv("GAMEDAY_OPERATOR"); name != "" {
		return bundle.Person{Name: name, Source: "$GAMEDAY_OPERATOR"}
	}
	if who, err := user.Current(); err == nil {
		return bundle.Person{Name: who.Username, Source: "operating system"}
	}
	return bundle.Person{Name: "unknown", Source: "nobody said"}
}

// previousOf finds the drill that was closed last in the same folder of evidence.
func previousOf(dir string) (*bundle.Link, error) {
	full, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	parent, self := filepath.Split(full)
	entries, err := os.ReadDir(parent)
	if err != nil {
		return nil, err
	}
	var last string
	var when time.Time
	for _, entry := range entries {
		if !entry.IsDir() || entry.Name() == self {
			continue
		}
		info, err := os.Stat(filepath.Join(parent, entry.Name(), bundle.ManifestFile))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		case last == "" || info.ModTime().After(when):
			last, when = entry.Name(), info.ModTime()
		}
	}
	if last == "" {
		return nil, nil //nolint:nilnil // the first drill has none before it
	}
	_, sum, err := bundle.Read(filepath.Join(parent, last))
	if err != nil {
		return nil, fmt.Errorf("the drill before, %s: %w", last, err)
	}
	return &bundle.Link{Run: last, SHA256: sum}, nil
}
