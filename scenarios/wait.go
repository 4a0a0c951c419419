package scenarios

import (
	"context"
	"fmt"
	"time"

	"github.com/gamedayhq/gameday/reports"
)

// Wait is an action that does nothing for a while, so that monitors can watch.
type Wait time.Duration

var (
	_ Action    = Wait(0)
	_ Describer = Wait(0)
	_ Problems  = Wait(0)
	_ Timed     = Wait(0)
)

// Do waits.
func (w Wait) Do(ctx context.Context, _ Env) error { return Sleep(ctx, time.Duration(w)) }

// Takes says how long.
func (w Wait) Takes() time.Duration { return time.Duration(w) }

// Describe says how long.
func (w Wait) Describe() string { return fmt.Sprintf("wait for %v", time.Duration(w)) }

// Problems says offline what is wrong with the action.
func (w Wait) Problems() []string {
	if w <= 0 {
		return []string{fmt.Sprintf("wait: is %v, want more than nothing", time.Duration(w))}
	}
	return nil
}

// OwnKinds are the actions that need nothing but the harness, by the keys that a file uses.
func OwnKinds() Kinds {
	return Kinds{
		keyExec:   decodeExec,
		keyCall:   decodeCall,
		"measure": decodeMeasure,
		"wait": func(p *Payload) Action {
			var d reports.Duration
			if !p.Into(&d) {
				return nil
			}
			return Wait(d.D())
		},
	}
}
