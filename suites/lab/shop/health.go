package shop

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	pingEvery   = time.Second
	pingTimeout = time.Second
	// staleAfter bounds how old an answer may be to count: an answer comes every
	// pingEvery+pingTimeout at worst, so an older one means the watch itself hangs.
	staleAfter = pingEvery + 2*pingTimeout
)

// health is what the shop knows of itself: one question a second to the
// database, however often readiness and metrics are asked.
type health struct {
	log      *slog.Logger
	draining atomic.Bool

	mu     sync.Mutex
	up     bool
	why    string    // reason class of the last failure
	answer time.Time // when the database was last seen to answer
}

// watch keeps asking until ctx ends. A database that is not known to be up is
// asked by the migration, which also makes the schema of one that came late or
// came back empty.
func (h *health) watch(ctx context.Context, db store) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		h.look(ctx, db)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look asks once and notes the answer. A failed question empties the pool: what
// is left in it belongs to a server that may be gone, and each connection would
// cost a request its deadline.
func (h *health) look(ctx context.Context, db store) {
	err := h.ask(ctx, db)
	if ctx.Err() != nil {
		return // the watch ends, which says nothing of the database
	}
	if err != nil {
		db.pool.Reset()
	}
	h.note(err, time.Now())
}

func (h *health) ask(ctx context.Context, db store) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if up, _ := h.database(time.Now()); !up {
		if err := db.migrate(ctx); err != nil {
			return err
		}
	}
	return db.ping(ctx)
}

func (h *health) note(err error, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	was, wasWhy := h.up, h.why
	h.up, h.why = err == nil, ""
	if err != nil {
		h.why = reason(err)
		if was || wasWhy != h.why {
			h.log.Warn("database is down", "reason", h.why, "error", err)
		}
		return
	}
	h.answer = now
	if !was {
		h.log.Info("database is up")
	}
}

// database says whether the database is up, and if not, why.
func (h *health) database(now time.Time) (up bool, why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.up && now.Sub(h.answer) <= staleAfter:
		return true, ""
	case h.up:
		return false, "no recent answer"
	case h.why == "":
		return false, "not asked yet"
	default:
		return false, h.why
	}
}
