package shop

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

func (c caller) problem(method, path, body string) (code int, p problem, took time.Duration) {
	c.t.Helper()
	start := time.Now()
	code, _, text := c.ask(method, path, body)
	took = time.Since(start)
	if strings.Contains(text, testPassword) {
		c.t.Errorf("the answer holds the password: %s", text)
	}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		c.t.Fatalf("%s %s: %d %q is no problem: %v", method, path, code, text, err)
	}
	return code, p, took
}

func TestADatabaseThatIsDown(t *testing.T) {
	pg := startPostgres(t)
	c, _ := startShop(t, Config{DatabaseURL: pg.url(pg.address())})
	c.waitReady(30 * time.Second)
	first := c.place(`{"item":"bread","quantity":1}`)
	pg.kill(t)
	c.wait(http.StatusServiceUnavailable, 10*time.Second)

	code, p, _ := c.problem("POST", "/orders", `{"item":"bread","quantity":1}`)
	if code != http.StatusServiceUnavailable || p.Reason != "refused" || p.Stored != "no" {
		t.Errorf("POST /orders: %d %+v; want 503, refused, not stored", code, p)
	}
	for _, path := range []string{"/orders", fmt.Sprintf("/orders/%d", first.ID)} {
		if code, p, _ := c.problem("GET", path, ""); code != http.StatusServiceUnavailable || p.Reason != "refused" {
			t.Errorf("GET %s: %d %+v; want 503, refused", path, code, p)
		}
	}
	if code, _, _ := c.ask("GET", "/healthz", ""); code != http.StatusOK {
		t.Errorf("healthz: %d; a database that is down must not restart the shop", code)
	}
	if _, _, text := c.ask("GET", "/metrics", ""); !strings.Contains(text, "\nshop_database_up 0\n") {
		t.Error("shop_database_up is not 0")
	}
	pg.start(t)
	t.Logf("ready again %s after the database", c.waitReady(15*time.Second))
	if code, _, text := c.ask("GET", fmt.Sprintf("/orders/%d", first.ID), ""); code != http.StatusOK || c.order(text) != first {
		t.Errorf("the order after the outage: %d %s; want %+v", code, text, first)
	}
}

func TestACutNetwork(t *testing.T) {
	pg := startPostgres(t)
	cut := startCutter(t, pg.address())
	c, _ := startShop(t, Config{DatabaseURL: pg.url(cut.address()), Timeout: time.Second})
	c.waitReady(30 * time.Second)
	stop, count := c.buyers(8) // so that the pool holds several connections that die
	waitFor(t, "100 orders", func() bool { return count.Load() >= 100 })
	cut.set(true)
	for i := range 3 {
		code, p, took := c.problem("POST", "/orders", fmt.Sprintf(`{"item":"cut","quantity":1,"key":"cut-%d"}`, i))
		if code != http.StatusServiceUnavailable || p.Reason != "timeout" {
			t.Errorf("an order in the cut: %d %+v; want 503, timeout", code, p)
		}
		if took > 8*time.Second {
			t.Errorf("the answer took %s with a deadline of 1s", took)
		}
	}
	c.wait(http.StatusServiceUnavailable, 10*time.Second)
	cut.set(false)
	t.Logf("ready again %s after the cut", c.waitReady(15*time.Second))
	before := count.Load()
	waitFor(t, "100 more orders", func() bool { return count.Load() >= before+100 })
	acknowledged := stop()
	// Whatever the first try left behind, the retry of each key ends with one order.
	for i := range 3 {
		o := c.place(fmt.Sprintf(`{"item":"cut","quantity":1,"key":"cut-%d"}`, i))
		acknowledged[o.ID] = o
	}
	keyed := 0
	for _, o := range c.all() {
		if o.Item == "cut" {
			keyed++
		}
	}
	if keyed != 3 {
		t.Errorf("3 keys made %d orders", keyed)
	}
	c.mustHold(acknowledged)
}

// TestAStopDoesNotWaitForTheDatabase: closing one connection into a cut takes 15
// seconds, and so would the stop.
func TestAStopDoesNotWaitForTheDatabase(t *testing.T) {
	pg := startPostgres(t)
	cut := startCutter(t, pg.address())
	c, stop := startShop(t, Config{DatabaseURL: pg.url(cut.address()), Timeout: time.Second})
	c.waitReady(30 * time.Second)
	cut.set(true)
	c.wait(http.StatusServiceUnavailable, 10*time.Second)
	start := time.Now()
	if err := stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if took := time.Since(start); took > stopBudget+pingTimeout+closeBudget+2*time.Second {
		t.Errorf("the stop took %s", took)
	}
}

func TestADatabaseThatComesLateOrEmpty(t *testing.T) {
	pg := startPostgres(t)
	pg.kill(t)
	c, _ := startShop(t, Config{DatabaseURL: pg.url(pg.address())})
	c.wait(http.StatusServiceUnavailable, 10*time.Second)
	if code, _, _ := c.ask("GET", "/healthz", ""); code != http.StatusOK {
		t.Errorf("healthz: %d before the database came", code)
	}
	pg.start(t)
	c.waitReady(15 * time.Second)
	c.place(`{"item":"bread","quantity":1}`)

	// A database that lost its tables (a new volume) is down, then made anew.
	pg.exec(t, "drop table orders, shop_schema")
	if code, p, _ := c.problem("POST", "/orders", `{"item":"bread","quantity":1}`); code != http.StatusServiceUnavailable && code != http.StatusCreated {
		t.Errorf("an order without a table: %d %+v", code, p)
	}
	waitFor(t, "an order in the new table", func() bool {
		code, _, _, err := c.try("POST", "/orders", `{"item":"bread","quantity":2}`)
		return err == nil && code == http.StatusCreated
	})
}

// TestReplicasMigrateOnce starts many at the same moment: each must find the
// schema or make it, and none may fail on another's half-made one.
func TestReplicasMigrateOnce(t *testing.T) {
	pg := startPostgres(t)
	start := make(chan struct{})
	var all sync.WaitGroup
	for range 20 {
		db := openStore(t, pg.url(pg.address()))
		if err := db.pool.Ping(t.Context()); err != nil { // connected before the start
			t.Fatal(err)
		}
		all.Go(func() {
			<-start
			if err := db.migrate(t.Context()); err != nil {
				t.Errorf("a replica's migration: %v", err)
			}
		})
	}
	close(start)
	all.Wait()
	if got := pg.query(t, "select count(*) from shop_schema"); got != "1" {
		t.Errorf("%s migrations were recorded; want 1", got)
	}
}

func TestAFailedQuestionEmptiesThePool(t *testing.T) {
	pg := startPostgres(t)
	cut := startCutter(t, pg.address())
	db := openStore(t, pg.url(cut.address()))
	h := &health{log: slog.New(slog.DiscardHandler)}
	h.look(t.Context(), db)
	if up, why := h.database(time.Now()); !up {
		t.Fatalf("the database is down: %s", why)
	}
	if up, _ := h.database(time.Now().Add(staleAfter + time.Second)); up {
		t.Error("an old answer counts for ever")
	}
	var held []*pgxpool.Conn
	for range db.pool.Config().MaxConns {
		conn, err := db.pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, conn)
	}
	for _, conn := range held {
		conn.Release()
	}
	waitFor(t, "all connections idle", func() bool { return db.pool.Stat().IdleConns() == db.pool.Config().MaxConns })
	cut.set(true)
	t.Cleanup(func() { cut.set(false) }) // before the pool says farewell
	h.look(t.Context(), db)
	if up, why := h.database(time.Now()); up || why != "timeout" {
		t.Errorf("in the cut the database is up=%t, %q; want down by timeout", up, why)
	}
	if n := db.pool.Stat().IdleConns(); n != 0 {
		t.Errorf("%d dead connections wait for a request", n)
	}
}

func openStore(t *testing.T, url string) store {
	t.Helper()
	pool, err := openPool(t.Context(), Config{DatabaseURL: url, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return store{pool: pool}
}

func TestTheShopOverridesAServerThatDoesNotSync(t *testing.T) {
	pg := startPostgres(t) // it runs with synchronous_commit=off
	db := openStore(t, pg.url(pg.address()))
	var got string
	if err := db.pool.QueryRow(t.Context(), "show synchronous_commit").Scan(&got); err != nil || got != "on" {
		t.Errorf("synchronous_commit is %q (%v); want on", got, err)
	}
}

func (p *postgres) query(t *testing.T, sql string) string {
	t.Helper()
	cmd := p.command("psql", "-X", "-A", "-t", "-d", p.url(p.address()), "-c", sql)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("psql %q: %v\n%s", sql, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (p *postgres) exec(t *testing.T, sql string) { t.Helper(); p.query(t, sql) }
