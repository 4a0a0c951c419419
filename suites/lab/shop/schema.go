package shop

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// schemaLock is the key of the advisory lock under which the replicas, which all
// start at once, change the schema one after the other.
const schemaLock = 0x73686f70 // "shop"

// migrations are applied in order and never edited: version n is the nth.
var migrations = [...]string{
	`create table orders (
		id        bigserial   primary key,
		uuid      uuid        not null unique default gen_random_uuid(),
		item      text        not null,
		quantity  integer     not null check (quantity > 0),
		key       text        unique,
		placed_at timestamptz not null default now()
	)`,
}

// migrate brings the schema to its newest version, all or nothing. It does
// nothing to a schema that is newer: an older shop beside a newer one in a
// rollout must not fail.
func (s store) migrate(ctx context.Context) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock($1)`, schemaLock); err != nil {
			return fmt.Errorf("lock the schema: %w", err)
		}
		if _, err := tx.Exec(ctx, `create table if not exists shop_schema (version integer primary key, applied_at timestamptz not null default now())`); err != nil {
			return fmt.Errorf("make the table of versions: %w", err)
		}
		var version int
		if err := tx.QueryRow(ctx, `select coalesce(max(version), 0) from shop_schema`).Scan(&version); err != nil {
			return fmt.Errorf("read the schema's version: %w", err)
		}
		for version < len(migrations) {
			version++
			if _, err := tx.Exec(ctx, migrations[version-1]); err != nil {
				return fmt.Errorf("migrate the schema to version %d: %w", version, err)
			}
			if _, err := tx.Exec(ctx, `insert into shop_schema (version) values ($1)`, version); err != nil {
				return fmt.Errorf("record version %d of the schema: %w", version, err)
			}
		}
		return nil
	})
}
