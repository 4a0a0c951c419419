package shop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary be the shop, for the tests that kill it.
func TestMain(m *testing.M) {
	if os.Getenv("SHOP_TEST_SERVE") != "" {
		if err := Main(context.Background(), nil); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// caller asks one shop.
type caller struct {
	t    *testing.T
	base string
}

// startShop serves in this process until the test ends or stop is called.
func startShop(t *testing.T, cfg Config) (c caller, stop func() error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 2 * time.Second
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, cfg, listener) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("the shop ended badly: %v", err)
		}
	})
	return caller{t, "http://" + listener.Addr().String()}, stop
}

// readyShop is a shop over a fresh database.
func readyShop(t *testing.T) caller {
	t.Helper()
	pg := startPostgres(t)
	c, _ := startShop(t, Config{DatabaseURL: pg.url(pg.address())})
	c.waitReady(30 * time.Second)
	return c
}

// try asks once; a request that gets no answer is an error, as to any buyer.
func (c caller) try(method, path, body string) (code int, header http.Header, text string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, "", err
	}
	defer res.Body.Close()
	if res.Close { // the client takes the header out and sets this instead
		res.Header.Set("Connection", "close")
	}
	out, err := io.ReadAll(res.Body)
	return res.StatusCode, res.Header, string(out), err
}

func (c caller) ask(method, path, body string) (int, http.Header, string) {
	c.t.Helper()
	code, header, text, err := c.try(method, path, body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return code, header, text
}

func (c caller) place(body string) Order {
	c.t.Helper()
	code, _, text := c.ask("POST", "/orders", body)
	if code != http.StatusCreated && code != http.StatusOK {
		c.t.Fatalf("POST /orders: %d %s", code, text)
	}
	return c.order(text)
}

func (c caller) order(text string) Order {
	c.t.Helper()
	var o Order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		c.t.Fatalf("read an order of %q: %v", text, err)
	}
	return o
}

// wait asks readyz until it answers code.
func (c caller) wait(code int, within time.Duration) time.Duration {
	c.t.Helper()
	start := time.Now()
	for {
		got, _, text, err := c.try("GET", "/readyz", "")
		if err == nil && got == code {
			return time.Since(start)
		}
		if time.Since(start) > within {
			c.t.Fatalf("readyz is not %d after %s; last: %d %s %v", code, within, got, text, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (c caller) waitReady(within time.Duration) time.Duration { return c.wait(http.StatusOK, within) }

// all lists every order, page by page.
func (c caller) all() map[int64]Order {
	c.t.Helper()
	orders := map[int64]Order{}
	for after := int64(0); ; {
		code, _, text := c.ask("GET", fmt.Sprintf("/orders?limit=1000&after=%d", after), "")
		var page []Order
		if err := json.Unmarshal([]byte(text), &page); code != http.StatusOK || err != nil {
			c.t.Fatalf("list the orders: %d %v %s", code, err, text)
		}
		if len(page) == 0 {
			return orders
		}
		for _, o := range page {
			orders[o.ID] = o
			after = o.ID
		}
	}
}

// buyers place orders without pause, until stop; it returns the acknowledged.
func (c caller) buyers(n int) (stop func() map[int64]Order, count *atomic.Int64) {
	var mu sync.Mutex
	acknowledged, quit, count := map[int64]Order{}, make(chan struct{}), new(atomic.Int64)
	var all sync.WaitGroup
	for buyer := range n {
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-quit:
					return
				default:
				}
				code, _, text, err := c.try("POST", "/orders", fmt.Sprintf(`{"item":"b%d-%d","quantity":1}`, buyer, i))
				if err != nil || code != http.StatusCreated {
					time.Sleep(10 * time.Millisecond)
					continue
				}
				var o Order
				if err := json.Unmarshal([]byte(text), &o); err != nil {
					c.t.Errorf("an acknowledgement that is no order: %q", text)
					continue
				}
				mu.Lock()
				acknowledged[o.ID] = o
				mu.Unlock()
				count.Add(1)
			}
		})
	}
	return func() map[int64]Order { close(quit); all.Wait(); return acknowledged }, count
}

func (c caller) mustHold(acknowledged map[int64]Order) {
	c.t.Helper()
	held := c.all()
	for id, want := range acknowledged {
		if held[id] != want {
			c.t.Errorf("order %d was acknowledged as %+v and is now %+v", id, want, held[id])
		}
	}
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never seen: %s", what)
		}
	}
}

func TestAcknowledgedOrdersSurviveAKilledDatabase(t *testing.T) {
	pg := startPostgres(t)
	c, _ := startShop(t, Config{DatabaseURL: pg.url(pg.address())})
	c.waitReady(30 * time.Second)
	stop, count := c.buyers(8)
	for round := range 3 {
		before := count.Load()
		waitFor(t, fmt.Sprintf("100 orders in round %d", round), func() bool { return count.Load() >= before+100 })
		pg.kill(t)
		pg.start(t)
	}
	c.waitReady(15 * time.Second)
	acknowledged := stop()
	t.Logf("%d orders acknowledged over three kills", len(acknowledged))
	c.mustHold(acknowledged)
}

func TestAcknowledgedOrdersSurviveAKilledShop(t *testing.T) {
	pg := startPostgres(t)
	address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	c := caller{t, "http://" + address}
	start := func() *exec.Cmd {
		var log bytes.Buffer
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "SHOP_TEST_SERVE=1", "LISTEN="+address, "DRAIN=0s", "DATABASE_URL="+pg.url(pg.address()))
		cmd.Stdout, cmd.Stderr = &log, &log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if strings.Contains(log.String(), testPassword) {
				t.Error("the shop's log holds the password")
			}
		})
		return cmd
	}
	shop := start()
	c.waitReady(30 * time.Second)
	stop, count := c.buyers(8)
	waitFor(t, "100 orders", func() bool { return count.Load() >= 100 })
	if err := shop.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = shop.Wait() // killed
	shop = start()
	c.waitReady(30 * time.Second)
	acknowledged := stop()
	c.mustHold(acknowledged)
	if err := shop.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := shop.Wait(); err != nil {
		t.Errorf("SIGTERM is a clean stop, not %v", err)
	}
}

func TestStopDrainsBeforeItStops(t *testing.T) {
	pg := startPostgres(t)
	c, stop := startShop(t, Config{DatabaseURL: pg.url(pg.address()), Drain: 8 * time.Second})
	c.waitReady(30 * time.Second)
	if _, header, _ := c.ask("GET", "/healthz", ""); header.Get("Connection") == "close" {
		t.Error("a serving shop closes its clients' connections")
	}
	done := make(chan error, 1)
	go func() { done <- stop() }()
	c.wait(http.StatusServiceUnavailable, 7*time.Second)
	code, header, text := c.ask("POST", "/orders", `{"item":"late","quantity":1}`)
	if code != http.StatusCreated {
		t.Errorf("an order in the drain: %d %s; want 201", code, text)
	}
	if header.Get("Connection") != "close" {
		t.Error("a draining shop keeps its clients' connections")
	}
	select {
	case err := <-done:
		t.Fatalf("it stopped within the drain (%v)", err)
	default:
	}
	if err := <-done; err != nil {
		t.Errorf("stop: %v", err)
	}
	if _, _, _, err := c.try("GET", "/healthz", ""); err == nil {
		t.Error("it still answers after its stop")
	}
}

func TestASpareConnectionDoesNotFailTheStop(t *testing.T) {
	c, stop := startShop(t, Config{DatabaseURL: "postgres://shop@127.0.0.1:1/shop"})
	spare, err := net.Dial("tcp", strings.TrimPrefix(c.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer spare.Close()
	c.wait(http.StatusServiceUnavailable, 10*time.Second) // accepted by now, as it came first
	if err := stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestWrongSettingsAreRefused(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"timeout is no duration": {"DATABASE_TIMEOUT": "2"},
		"timeout is zero":        {"DATABASE_TIMEOUT": "0s"},
		"drain is negative":      {"DRAIN": "-1s"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ConfigFromEnv(func(key string) string { return env[key] })
			for key := range env {
				if err == nil || !strings.Contains(err.Error(), key) {
					t.Errorf("got %v; want an error that names %s", err, key)
				}
			}
		})
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	err = Serve(t.Context(), Config{DatabaseURL: "postgres://shop:" + testPassword + "@[broken"}, listener)
	if err == nil || strings.Contains(err.Error(), testPassword) {
		t.Errorf("a broken DATABASE_URL: %v; want an error without the password", err)
	}
	if err := Main(t.Context(), []string{"extra"}); err == nil {
		t.Error("an argument is not refused")
	}
}
