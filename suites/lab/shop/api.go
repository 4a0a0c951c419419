package shop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	maxBody     = 16 << 10
	maxText     = 200
	maxQuantity = 1_000_000
	maxPage     = 1000
	usualPage   = 100
)

// api answers buyers. The routes:
//
//	POST /orders        201 placed; 200 the key's order; 400, 409, 413; 503
//	GET  /orders/{id}   200, 400, 404, 503
//	GET  /orders        200 a JSON array by id, X-Total-Count; 400, 503
//	GET  /healthz       200: the process lives; it never asks the database
//	GET  /readyz        200 if the database answers and the shop is not draining, else 503
//	GET  /metrics       Prometheus
type api struct {
	db      store
	health  *health
	timeout time.Duration
}

// problem is the body of every error. Stored is told for an order that failed:
// "no", or "unknown" if the commit's answer was lost; the same key makes a retry safe.
type problem struct {
	Error  string `json:"error"`
	Reason string `json:"reason,omitempty"`
	Stored string `json:"stored,omitempty"`
}

func newHandler(db store, health *health, timeout time.Duration) http.Handler {
	a := api{db: db, health: health, timeout: timeout}
	m := newMetrics(db, health)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders", a.place)
	mux.HandleFunc("GET /orders", a.list)
	mux.HandleFunc("GET /orders/{id}", a.get)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", a.ready)
	mux.Handle("GET /metrics", m.handler())
	return m.measure(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if health.draining.Load() {
			// Ask kept-alive clients to leave with their next answer; closing
			// their connections under them would be an error to them.
			w.Header().Set("Connection", "close")
		}
		mux.ServeHTTP(w, r)
	}))
}

// deadline is the context of a request's database work. A buyer who hangs up
// does not cancel it: that would throw the connection away with the request, and
// impatient buyers would empty the pool.
func (a api) deadline(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(r.Context()), a.timeout)
}

func (a api) place(w http.ResponseWriter, r *http.Request) {
	order, code, err := readOrder(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		answer(w, code, problem{Error: err.Error(), Stored: "no"})
		return
	}
	ctx, cancel := a.deadline(r)
	defer cancel()
	stored, placed, err := a.db.place(ctx, order)
	switch {
	case errors.Is(err, errKeyTaken):
		answer(w, http.StatusConflict, problem{Error: err.Error(), Stored: "no"})
	case err != nil:
		p := a.unavailable(err)
		p.Stored = "unknown"
		if _, ok := errors.AsType[notStored](err); ok {
			p.Stored = "no"
		}
		answer(w, http.StatusServiceUnavailable, p)
	case placed:
		w.Header().Set("Location", "/orders/"+strconv.FormatInt(stored.ID, 10))
		answer(w, http.StatusCreated, stored)
	default:
		answer(w, http.StatusOK, stored)
	}
}

func (a api) get(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || id < 1 {
		answer(w, http.StatusBadRequest, problem{Error: "the id is not a positive number"})
		return
	}
	ctx, cancel := a.deadline(r)
	defer cancel()
	order, err := a.db.get(ctx, id)
	switch {
	case errors.Is(err, errNotFound):
		answer(w, http.StatusNotFound, problem{Error: err.Error()})
	case err != nil:
		answer(w, http.StatusServiceUnavailable, a.unavailable(err))
	default:
		answer(w, http.StatusOK, order)
	}
}

func (a api) list(w http.ResponseWriter, r *http.Request) {
	after, limit, err := readPage(r.URL.RawQuery)
	if err != nil {
		answer(w, http.StatusBadRequest, problem{Error: err.Error()})
		return
	}
	ctx, cancel := a.deadline(r)
	defer cancel()
	orders, total, err := a.db.list(ctx, after, limit)
	if err != nil {
		answer(w, http.StatusServiceUnavailable, a.unavailable(err))
		return
	}
	w.Header().Set("X-Total-Count", strconv.FormatInt(total, 10))
	answer(w, http.StatusOK, orders)
}

func (a api) ready(w http.ResponseWriter, _ *http.Request) {
	if a.health.draining.Load() {
		answer(w, http.StatusServiceUnavailable, problem{Error: "not ready", Reason: "draining"})
		return
	}
	if up, why := a.health.database(time.Now()); !up {
		answer(w, http.StatusServiceUnavailable, problem{Error: "not ready: the database is down", Reason: why})
		return
	}
	fmt.Fprintln(w, "ok")
}

func (a api) unavailable(err error) problem {
	why := reason(err)
	a.health.log.Warn("the database did not serve a request", "reason", why, "error", err)
	return problem{Error: "the database did not answer", Reason: why}
}

// answer streams body as JSON. An error of the write means the client is gone,
// and there is nobody left to tell.
func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		slog.Debug("the client left before its answer", "error", err)
	}
}

// readOrder decodes strictly: what the shop does not know, it does not take.
func readOrder(body io.Reader) (order Order, code int, err error) {
	var in struct {
		Item     string  `json:"item"`
		Quantity int     `json:"quantity"`
		Key      *string `json:"key"`
	}
	decoder := json.NewDecoder(body)
	decoder.DisallowUnknownFields()
	err = decoder.Decode(&in)
	if err == nil {
		if _, more := decoder.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("more than one JSON value")
			if tooLarge, ok := errors.AsType[*http.MaxBytesError](more); ok {
				err = tooLarge
			}
		}
	}
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return Order{}, http.StatusRequestEntityTooLarge, fmt.Errorf("the body is larger than %d bytes", tooLarge.Limit)
	}
	if err != nil {
		return Order{}, http.StatusBadRequest, fmt.Errorf("the body is not an order: %w", err)
	}
	order = Order{Item: in.Item, Quantity: in.Quantity}
	errs := []error{checkText("item", in.Item)}
	if in.Quantity < 1 || in.Quantity > maxQuantity {
		errs = append(errs, fmt.Errorf("quantity is not between 1 and %d", maxQuantity))
	}
	if in.Key != nil {
		order.Key = *in.Key
		errs = append(errs, checkText("key", *in.Key))
	}
	return order, http.StatusBadRequest, errors.Join(errs...)
}

// checkText refuses control characters among others because PostgreSQL's text
// cannot hold a zero byte, and that would look like a failure of the database.
func checkText(name, text string) error {
	switch n := utf8.RuneCountInString(text); {
	case n == 0:
		return fmt.Errorf("%s is missing or empty", name)
	case n > maxText:
		return fmt.Errorf("%s is longer than %d characters", name, maxText)
	}
	for _, r := range text {
		if unicode.IsControl(r) {
			return fmt.Errorf("%s holds a control character", name)
		}
	}
	return nil
}

func readPage(query string) (after int64, limit int, err error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return 0, 0, errors.New("the query cannot be read")
	}
	limit = usualPage
	for name, given := range values {
		switch n, err := strconv.ParseInt(given[0], 10, 64); {
		case name != "after" && name != "limit":
			return 0, 0, fmt.Errorf("unknown query parameter %q", name)
		case len(given) > 1:
			return 0, 0, fmt.Errorf("%s is given %d times", name, len(given))
		case name == "after" && (err != nil || n < 0):
			return 0, 0, errors.New("after is not an id")
		case name == "after":
			after = n
		case err != nil || n < 1 || n > maxPage:
			return 0, 0, fmt.Errorf("limit is not between 1 and %d", maxPage)
		default:
			limit = int(n)
		}
	}
	return after, limit, nil
}
