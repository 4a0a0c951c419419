package probes

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// SQL puts a query to a database and looks at the first column of the first row. Each ask connects anew unless KeepConnections is
// set. The query is put in every slot: one that only reads does no harm.
type SQL struct {
	Driver string `json:"driver"` // postgres or mysql
	// DSN says where the database is and who asks: postgres://user:password@host:5432/shop?sslmode=require, or
	// user:password@tcp(host:3306)/shop?tls=true. It holds a password, so it is a secret as a whole.
	DSN             Secret      `json:"dsn"`
	Query           string      `json:"query"`
	Comparator      *Comparator `json:"comparator,omitempty"` // any row is good unless said
	KeepConnections bool        `json:"keepConnections,omitempty"`
}

// Problems says what is wrong with the question, each as "field: what, and the mend".
func (s SQL) Problems() []string {
	var problems []string
	if s.Driver != "postgres" && s.Driver != "mysql" {
		problems = append(problems, fmt.Sprintf("driver: is %q, want postgres or mysql", s.Driver))
	}
	problems = append(problems, s.DSN.problems("dsn")...)
	if strings.TrimSpace(s.Query) == "" {
		problems = append(problems, "query: missing")
	}
	if s.Comparator != nil {
		problems = append(problems, prefixed("comparator.", s.Comparator.Problems())...)
	}
	return problems
}

// String says in words what is asked; of where, only where that stands.
func (s SQL) String() string {
	text := fmt.Sprintf("SQL %s at %s of %s, want ", s.Query, s.Driver, s.DSN)
	if s.Comparator == nil || s.Comparator.empty() {
		text += "a row"
	} else {
		text += s.Comparator.String()
	}
	if s.KeepConnections {
		text += ", on kept connections"
	}
	return text
}

// New makes the probe ready to ask, or returns all that is wrong with it.
func (s SQL) New() (Probe, error) {
	if problems := s.Problems(); len(problems) > 0 {
		return nil, fmt.Errorf("sql probe: %s", strings.Join(problems, "; "))
	}
	var v vault
	dsn := v.read("dsn", s.DSN)
	if err := v.err(); err != nil {
		return nil, fmt.Errorf("sql probe: %w", err)
	}
	v.hide(dsn)
	connector, err := s.connector(dsn, &v)
	if err != nil {
		return nil, fmt.Errorf("sql probe: dsn: %s cannot be read as one of %s", s.DSN, s.Driver) // why, holds the secret
	}
	p := &sqlProbe{config: s, db: sql.OpenDB(connector)}
	p.db.SetMaxIdleConns(-1)
	if s.KeepConnections {
		const kept = 64
		p.db.SetMaxIdleConns(kept)
	}
	return v.seal(p), nil
}

// connector says how the database is reached.
func (s SQL) connector(dsn string, v *vault) (driver.Connector, error) {
	if s.Driver == "postgres" {
		config, err := pgx.ParseConfig(dsn)
		if err != nil {
			return nil, err
		}
		v.hide(config.Password)
		config.ConnectTimeout = 0 // the ask's deadline is the one that holds
		// Without prepared statements a query takes one round trip, and passes through poolers.
		config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
		config.RuntimeParams["client_encoding"] = "UTF8" // which that protocol is read in, whatever the server's own is
		return stdlib.GetConnector(*config), nil
	}
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	v.hide(config.Passwd)
	config.Logger = &mysql.NopLogger{}
	config.Timeout = 0
	return mysql.NewConnector(config)
}

// Falsified puts the query and takes no value for a good one.
func (s SQL) Falsified() (Probe, string) {
	s.Comparator = &Comparator{never: true}
	return later(s.New), howNever
}

// sqlProbe is a SQL made ready.
type sqlProbe struct {
	config SQL
	db     *sql.DB
}

// Probe asks once.
func (p *sqlProbe) Probe(ctx context.Context) error {
	value, err := p.value(ctx)
	if ctx.Err() != nil {
		return answered(ctx.Err()) // drivers give the end of a context many names
	}
	if errors.Is(err, sql.ErrNoRows) {
		return &Failure{Reason: ReasonValue, Detail: "no row"}
	}
	if err != nil {
		return sqlAnswered(err)
	}
	if p.config.Comparator == nil {
		return nil
	}
	return p.config.Comparator.Judge(value)
}

// value returns the first column of the first row; no value is NULL.
func (p *sqlProbe) value(ctx context.Context) (string, error) {
	rows, err := p.db.QueryContext(ctx, p.config.Query)
	if err != nil {
		return "", err
	}
	var first sql.NullString
	err = firstColumn(rows, &first)
	if err := errors.Join(err, rows.Close()); err != nil {
		return "", err
	}
	if !first.Valid {
		return "NULL", nil
	}
	return first.String, nil
}

func firstColumn(rows *sql.Rows, into *sql.NullString) error {
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return err
		}
		return sql.ErrNoRows
	}
	targets := make([]any, len(columns))
	for i := range targets {
		targets[i] = new(sql.RawBytes)
	}
	if len(targets) > 0 {
		targets[0] = into
	}
	return rows.Scan(targets...)
}

// sqlAnswered reads an error of a driver: what the database said, or why it said nothing.
func sqlAnswered(err error) error {
	if said, ok := errors.AsType[*pgconn.PgError](err); ok {
		return &Failure{Reason: ReasonQuery, Detail: said.Error()}
	}
	if said, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return &Failure{Reason: ReasonQuery, Detail: said.Error()}
	}
	if errors.Is(err, mysql.ErrInvalidConn) || errors.Is(err, driver.ErrBadConn) {
		return &Failure{Reason: ReasonReset, Detail: "the connection broke"}
	}
	return answered(err)
}
