package dr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

// Write writes numbered markers through the application at a steady pace, and records each with when it was sent and when it
// was acknowledged. A marker that is not acknowledged is recorded too: it is owed nothing.
type Write struct {
	Ledger string           `json:"ledger"`
	Every  reports.Duration `json:"every,omitempty"` // 100 ms unless said
	For    reports.Duration `json:"for,omitempty"`   // how long; without it, in the background, until the ledger is read back
	// Background lets the drill go on while the markers are written.
	Background bool `json:"background,omitempty"`
	HTTP       HTTP `json:"http"`
}

var (
	_ scenarios.Action    = (*Write)(nil)
	_ scenarios.Problems  = (*Write)(nil)
	_ scenarios.Describer = (*Write)(nil)
)

var ledgerPattern = regexp.MustCompile(`^[a-z][a-z0-9]{0,19}$`)

// Problems says offline what is wrong with the action.
func (w *Write) Problems() []string {
	out := w.HTTP.problems("write.http")
	if !ledgerPattern.MatchString(w.Ledger) {
		out = append(out, fmt.Sprintf("write.ledger: is %q, want a short name of small letters and digits", w.Ledger))
	}
	if w.Every < 0 || w.For < 0 {
		out = append(out, "write: has a negative time, want more than nothing")
	}
	if w.For == 0 && !w.Background {
		out = append(out, "write.for: is missing: say how long to write, or set background")
	}
	if !strings.Contains(w.HTTP.URL+w.HTTP.Body, "{key}") {
		out = append(out, "write.http.body: has no {key}: without it no marker can be told from another")
	}
	return out
}

// Describe says what is written where.
func (w *Write) Describe() string {
	if w.For == 0 {
		return fmt.Sprintf("write markers %q every %v until they are read back", w.Ledger, w.every())
	}
	return fmt.Sprintf("write markers %q every %v for %v", w.Ledger, w.every(), w.For.D())
}

func (w *Write) every() time.Duration {
	if w.Every == 0 {
		return 100 * time.Millisecond
	}
	return w.Every.D()
}

// Do writes. In the background it returns at once; otherwise once the last marker was answered, and it fails when none was
// acknowledged, since a ledger without an entry proves nothing.
func (w *Write) Do(ctx context.Context, env scenarios.Env) error {
	run := &writing{Write: w, env: env, client: freshClient()}
	if w.Background {
		return env.Tasks.Go(taskName(w.Ledger), run.loop)
	}
	if err := run.loop(ctx); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if run.acked == 0 {
		return fmt.Errorf("%w: none of %d markers was acknowledged (%s)", scenarios.ErrVoid, run.sent, run.lastReason)
	}
	return nil
}

// writing is one run of a writer.
type writing struct {
	*Write
	env    scenarios.Env
	client *http.Client

	mu         sync.Mutex
	sent       int64
	acked      int64
	lastReason string
	err        error
}

// freshClient opens a connection a call, as a buyer does who comes for the first time.
func freshClient() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
}

// loop sends a marker a slot until its time or ctx is over, and waits for the answers that are still out.
func (w *writing) loop(ctx context.Context) error {
	start := time.Now()
	var group sync.WaitGroup
	for n := int64(0); w.For == 0 || time.Duration(n)*w.every() < w.For.D(); n++ {
		if scenarios.Sleep(ctx, time.Until(start.Add(time.Duration(n)*w.every()))) != nil {
			break
		}
		if w.failed() != nil {
			break
		}
		number := w.env.Tasks.Take(w.Ledger)
		group.Go(func() { w.one(context.WithoutCancel(ctx), number) })
	}
	group.Wait()
	return w.failed()
}

func (w *writing) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// one writes one marker and records what became of it.
func (w *writing) one(ctx context.Context, number int64) {
	marker := reports.Marker{Ledger: w.Ledger, Number: number, Key: key(w.env.Run, w.Ledger, number)}
	marker.Sent = time.Since(w.env.Journal.Start())
	if err := w.send(ctx, marker); err != nil {
		marker.Reason = err.Error()
	} else {
		marker.Acked = time.Since(w.env.Journal.Start())
	}
	raw, err := json.Marshal(marker)
	if err == nil {
		err = w.env.Journal.Event(reports.Event{Kind: reports.Fact, Step: w.env.Step, Topic: reports.TopicMarker, Data: raw})
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = errors.Join(w.err, err)
	w.sent++
	if marker.Acked > 0 {
		w.acked++
	} else {
		w.lastReason = marker.Reason
	}
}

// send returns nil when the application acknowledged the marker: 200 or 201, and the whole answer read.
func (w *writing) send(ctx context.Context, marker reports.Marker) error {
	ctx, cancel := context.WithTimeout(ctx, w.HTTP.timeout())
	defer cancel()
	fill := strings.NewReplacer("{key}", marker.Key, "{number}", strconv.FormatInt(marker.Number, 10))
	request, err := http.NewRequestWithContext(ctx, w.HTTP.method(http.MethodPost), fill.Replace(w.HTTP.URL), strings.NewReader(fill.Replace(w.HTTP.Body)))
	if err != nil {
		return err
	}
	if w.HTTP.Body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	w.HTTP.head(request)
	response, err := w.client.Do(request)
	if err != nil {
		return err
	}
	_, readErr := io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20))
	if err := errors.Join(readErr, response.Body.Close()); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusCreated {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	return nil
}
