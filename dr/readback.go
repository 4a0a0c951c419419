package dr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

// ReadBack stops the writer of a ledger, reads all entries that the application holds, and records which markers are there.
// It tries until the application answered for the whole or the step's time is over.
type ReadBack struct {
	Ledger string `json:"ledger"`
	HTTP   HTTP   `json:"http"`
	// After pages through the entries: each further call carries the last entry's field as this query parameter, until a page
	// is empty. Without it one call must answer with everything.
	After *Page `json:"after,omitempty"`
}

// Page says how a list is read on.
type Page struct {
	Param string `json:"param"` // query parameter
	Field string `json:"field"` // of each entry in the answer's JSON list
}

var (
	_ scenarios.Action    = (*ReadBack)(nil)
	_ scenarios.Problems  = (*ReadBack)(nil)
	_ scenarios.Describer = (*ReadBack)(nil)
)

// maxPage bounds one answer.
const maxPage = 64 << 20

// Problems says offline what is wrong with the action.
func (r *ReadBack) Problems() []string {
	out := r.HTTP.problems("readBack.http")
	if !ledgerPattern.MatchString(r.Ledger) {
		out = append(out, fmt.Sprintf("readBack.ledger: is %q, want the name of a ledger that a write step writes", r.Ledger))
	}
	if r.After != nil && (r.After.Param == "" || r.After.Field == "") {
		out = append(out, "readBack.after: wants both param and field")
	}
	return out
}

// Describe says what is read.
func (r *ReadBack) Describe() string { return fmt.Sprintf("read the markers %q back", r.Ledger) }

// Do reads back and records.
func (r *ReadBack) Do(ctx context.Context, env scenarios.Env) error {
	if err := env.Tasks.Stop(taskName(r.Ledger)); err != nil {
		return fmt.Errorf("write %q: %w", r.Ledger, err)
	}
	reading := &reading{ReadBack: r, client: freshClient(), mine: regexp.MustCompile(regexp.QuoteMeta(prefix(env.Run, r.Ledger)) + `(\d+)`)}
	for {
		err := reading.whole(ctx)
		if err == nil {
			break
		}
		if scenarios.Sleep(ctx, 500*time.Millisecond) != nil {
			return fmt.Errorf("read %q back: %w; last error: %w", r.Ledger, context.Cause(ctx), err)
		}
	}
	detail := fmt.Sprintf("%d markers found among %d entries", len(reading.found.Found), reading.entries)
	return env.Fact(reports.TopicReadBack, reading.found, detail)
}

type reading struct {
	*ReadBack
	client  *http.Client
	mine    *regexp.Regexp
	found   reports.ReadBack
	entries int64
}

// whole reads every page from the first on.
func (r *reading) whole(ctx context.Context) error {
	r.found = reports.ReadBack{Ledger: r.Ledger, Found: []int64{}}
	r.entries = 0
	after := ""
	for {
		body, err := r.page(ctx, after)
		if err != nil {
			return err
		}
		if err := r.take(body); err != nil {
			return err
		}
		if r.After == nil {
			break
		}
		last, more, err := r.last(body)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if last == after {
			return fmt.Errorf("the page after %s=%s ends where it began", r.After.Param, after)
		}
		after = last
	}
	slices.Sort(r.found.Found)
	r.found.Found = slices.Compact(r.found.Found)
	return nil
}

func (r *reading) page(ctx context.Context, after string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, r.HTTP.timeout())
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, r.HTTP.method(http.MethodGet), r.HTTP.URL, nil)
	if err != nil {
		return nil, err
	}
	if after != "" {
		query := request.URL.Query()
		query.Set(r.After.Param, after)
		request.URL.RawQuery = query.Encode()
	}
	r.HTTP.head(request)
	response, err := r.client.Do(request)
	if err != nil {
		return nil, withoutQuery(err)
	}
	body, readErr := io.ReadAll(io.LimitReader(response.Body, maxPage+1))
	if err := errors.Join(readErr, response.Body.Close()); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", response.StatusCode)
	}
	if len(body) > maxPage {
		return nil, fmt.Errorf("a page is larger than %d bytes: ask for smaller ones", maxPage)
	}
	return body, nil
}

// withoutQuery keeps what a URL may carry out of the evidence.
func withoutQuery(err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		return failed.Err
	}
	return err
}

// take counts a page's markers, and its entries where the page is a JSON list.
func (r *reading) take(body []byte) error {
	matches := r.mine.FindAllSubmatch(body, -1)
	for _, match := range matches {
		number, err := strconv.ParseInt(string(match[1]), 10, 64)
		if err != nil {
			return fmt.Errorf("marker %s: %w", match[0], err)
		}
		r.found.Found = append(r.found.Found, number)
	}
	var entries []json.RawMessage
	if isList := json.Unmarshal(body, &entries) == nil; !isList {
		r.entries += int64(len(matches)) // all we can count is ours
	}
	for _, entry := range entries {
		r.entries++
		if !r.mine.Match(entry) {
			r.found.Others++
		}
	}
	return nil
}

// last returns the field of the page's last entry that the next page begins after.
func (r *reading) last(body []byte) (value string, more bool, err error) {
	var entries []map[string]json.RawMessage
	if err := json.Unmarshal(body, &entries); err != nil {
		return "", false, fmt.Errorf("a page is no JSON list: %w", err)
	}
	if len(entries) == 0 {
		return "", false, nil
	}
	raw, ok := entries[len(entries)-1][r.After.Field]
	if !ok {
		return "", false, fmt.Errorf("the entries have no field %q to read on after", r.After.Field)
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text, true, nil
	}
	return string(raw), true, nil
}
