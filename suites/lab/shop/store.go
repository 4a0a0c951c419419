package shop

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Order is one order as the API shows it.
type Order struct {
	ID       int64     `json:"id"`
	UUID     string    `json:"uuid"`
	Item     string    `json:"item"`
	Quantity int       `json:"quantity"`
	Key      string    `json:"key,omitempty"`
	PlacedAt time.Time `json:"placed_at"`
}

var (
	errNotFound = errors.New("no such order")
	errKeyTaken = errors.New("the key was used for another order")
)

// notStored marks an error that is certain to have left no order behind; without
// it the outcome of a failed order is unknown to the buyer.
type notStored struct{ error }

func (e notStored) Unwrap() error { return e.error }

// store keeps orders. Every call is bounded by its context.
type store struct{ pool *pgxpool.Pool }

const columns = `id, uuid::text, item, quantity, coalesce(key, ''), placed_at`

// place stores one order and returns it once it is committed; placed is false if
// an order with the same key was there already.
//
// The INSERT is a transaction of its own, so a cut network never leaves one open
// with its locks held. Scan returns after the server's ReadyForQuery, which the
// server sends only after the commit, and an error of the commit is Scan's error.
func (s store) place(ctx context.Context, order Order) (stored Order, placed bool, err error) {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return Order{}, false, notStored{fmt.Errorf("connect: %w", err)}
	}
	defer conn.Release()
	stored, err = scan(conn.QueryRow(ctx, `insert into orders (item, quantity, key) values ($1, $2, nullif($3, ''))
		on conflict (key) do nothing returning `+columns, order.Item, order.Quantity, order.Key))
	switch {
	case err == nil:
		return stored, true, nil
	case !errors.Is(err, pgx.ErrNoRows):
		return Order{}, false, insertError(err)
	}
	// The conflicting order is committed by now (the INSERT waited for it), and
	// a new statement sees it.
	stored, err = scan(conn.QueryRow(ctx, `select `+columns+` from orders where key = $1`, order.Key))
	if err != nil {
		return Order{}, false, fmt.Errorf("read the order of key %q: %w", order.Key, err)
	}
	if stored.Item != order.Item || stored.Quantity != order.Quantity {
		return Order{}, false, errKeyTaken
	}
	return stored, false, nil
}

func insertError(err error) error {
	wrapped := fmt.Errorf("insert the order: %w", err)
	var refused *pgconn.PgError
	if pgconn.SafeToRetry(err) || errors.As(err, &refused) && refused.SeverityUnlocalized == "ERROR" {
		return notStored{wrapped}
	}
	return wrapped
}

// get returns one order, or errNotFound.
func (s store) get(ctx context.Context, id int64) (Order, error) {
	order, err := scan(s.pool.QueryRow(ctx, `select `+columns+` from orders where id = $1`, id))
	if errors.Is(err, pgx.ErrNoRows) {
		return Order{}, errNotFound
	}
	if err != nil {
		return Order{}, fmt.Errorf("read order %d: %w", id, err)
	}
	return order, nil
}

// list returns the orders after an id, and how many there are in all, both of
// one moment. The page is read whole (it is bounded) before a byte is answered:
// a database lost half-way is then an error and not half a page, and a slow
// reader holds no connection.
func (s store) list(ctx context.Context, after int64, limit int) (page []Order, total int64, err error) {
	err = pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `select count(*) from orders`).Scan(&total); err != nil {
			return fmt.Errorf("count the orders: %w", err)
		}
		rows, err := tx.Query(ctx, `select `+columns+` from orders where id > $1 order by id limit $2`, after, limit)
		if err != nil {
			return fmt.Errorf("list the orders: %w", err)
		}
		page, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Order, error) { return scan(row) })
		if err != nil {
			return fmt.Errorf("list the orders: %w", err)
		}
		return nil
	})
	return page, total, err
}

// ping asks the one question that matters: can orders be read. A server that
// answers without the table (a new, empty volume) is not up.
func (s store) ping(ctx context.Context) error {
	if _, err := s.pool.Exec(ctx, `select 1 from orders limit 1`); err != nil {
		return fmt.Errorf("ask the database: %w", err)
	}
	return nil
}

func scan(row pgx.Row) (Order, error) {
	var o Order
	err := row.Scan(&o.ID, &o.UUID, &o.Item, &o.Quantity, &o.Key, &o.PlacedAt)
	o.PlacedAt = o.PlacedAt.UTC()
	return o, err
}
