package shop

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestBadInputIsRefusedWithAReason(t *testing.T) {
	c := readyShop(t)
	long := strings.Repeat("x", maxText+1)
	for _, row := range []struct {
		name, method, path, body string
		code                     int
		says                     string
	}{
		{"no body", "POST", "/orders", ``, 400, "not an order"},
		{"not JSON", "POST", "/orders", `item=bread`, 400, "not an order"},
		{"half a JSON", "POST", "/orders", `{"item":"bread"`, 400, "not an order"},
		{"a list", "POST", "/orders", `[]`, 400, "not an order"},
		{"null", "POST", "/orders", `null`, 400, "item is missing"},
		{"two values", "POST", "/orders", `{"item":"bread","quantity":1}{}`, 400, "more than one"},
		{"an unknown field", "POST", "/orders", `{"item":"bread","quantity":1,"price":2}`, 400, `unknown field \"price\"`},
		{"the id is not the buyer's to set", "POST", "/orders", `{"item":"bread","quantity":1,"id":7}`, 400, `unknown field \"id\"`},
		{"a quantity in text", "POST", "/orders", `{"item":"bread","quantity":"1"}`, 400, "quantity"},
		{"half a loaf", "POST", "/orders", `{"item":"bread","quantity":0.5}`, 400, "quantity"},
		{"no item", "POST", "/orders", `{"quantity":1}`, 400, "item is missing"},
		{"a long item", "POST", "/orders", `{"item":"` + long + `","quantity":1}`, 400, "item is longer"},
		{"a zero byte", "POST", "/orders", `{"item":"a\u0000b","quantity":1}`, 400, "control character"},
		{"no quantity", "POST", "/orders", `{"item":"bread"}`, 400, "quantity is not between"},
		{"a negative quantity", "POST", "/orders", `{"item":"bread","quantity":-1}`, 400, "quantity is not between"},
		{"a huge quantity", "POST", "/orders", `{"item":"bread","quantity":1000001}`, 400, "quantity is not between"},
		{"an empty key", "POST", "/orders", `{"item":"bread","quantity":1,"key":""}`, 400, "key is missing"},
		{"a long key", "POST", "/orders", `{"item":"bread","quantity":1,"key":"` + long + `"}`, 400, "key is longer"},
		{"all mistakes at once", "POST", "/orders", `{}`, 400, "item is missing or empty\\nquantity"},
		{"a large body", "POST", "/orders", `{"item":"` + strings.Repeat("x", maxBody) + `"}`, 413, "larger than"},
		{"a large tail", "POST", "/orders", `{"item":"bread","quantity":1}` + strings.Repeat(" ", maxBody), 413, "larger than"},
		{"an id in letters", "GET", "/orders/x", ``, 400, "not a positive number"},
		{"id 0", "GET", "/orders/0", ``, 400, "not a positive number"},
		{"an id too large", "GET", "/orders/9223372036854775808", ``, 400, "not a positive number"},
		{"no such order", "GET", "/orders/9223372036854775807", ``, 404, "no such order"},
		{"limit 0", "GET", "/orders?limit=0", ``, 400, "limit is not"},
		{"limit 1001", "GET", "/orders?limit=1001", ``, 400, "limit is not"},
		{"limit in letters", "GET", "/orders?limit=x", ``, 400, "limit is not"},
		{"after in letters", "GET", "/orders?after=x", ``, 400, "after is not"},
		{"after is negative", "GET", "/orders?after=-1", ``, 400, "after is not"},
		{"after twice", "GET", "/orders?after=1&after=2", ``, 400, "2 times"},
		{"an unknown parameter", "GET", "/orders?page=1", ``, 400, "unknown query parameter"},
		{"a broken query", "GET", "/orders?after=%zz", ``, 400, "cannot be read"},
		{"another method", "DELETE", "/orders/1", ``, 405, ""},
		{"another path", "GET", "/nothing", ``, 404, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			code, _, text := caller{t, c.base}.ask(row.method, row.path, row.body)
			if code != row.code || !strings.Contains(text, row.says) {
				t.Errorf("%d %s; want %d and %q", code, text, row.code, row.says)
			}
		})
	}
	if got := c.all(); len(got) != 0 {
		t.Errorf("bad input left %d orders", len(got))
	}
	if _, _, text := c.ask("GET", "/orders", ""); strings.TrimSpace(text) != "[]" {
		t.Errorf("no orders are listed as %q; want []", text)
	}
}

func TestOneKeyIsOneOrder(t *testing.T) {
	c := readyShop(t)
	const buyers = 50
	codes, ids := map[int]int{}, map[int64]bool{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for range buyers {
		all.Go(func() {
			code, _, text, err := c.try("POST", "/orders", `{"item":"bread","quantity":2,"key":"basket-7"}`)
			if err != nil {
				t.Error(err)
				return
			}
			var o Order
			if err := json.Unmarshal([]byte(text), &o); err != nil {
				t.Errorf("%d %s: %v", code, text, err)
			}
			mu.Lock()
			defer mu.Unlock()
			codes[code]++
			ids[o.ID] = true
		})
	}
	all.Wait()
	if codes[http.StatusCreated] != 1 || codes[http.StatusOK] != buyers-1 || len(ids) != 1 {
		t.Errorf("answers %v with ids %v; want one 201, %d 200 and one id", codes, ids, buyers-1)
	}
	if got := c.all(); len(got) != 1 {
		t.Errorf("%d orders of one key", len(got))
	}
	if code, _, text := c.ask("POST", "/orders", `{"item":"cake","quantity":2,"key":"basket-7"}`); code != http.StatusConflict {
		t.Errorf("the key for another order: %d %s; want 409", code, text)
	}
	c.place(`{"item":"bread","quantity":2}`)
	c.place(`{"item":"bread","quantity":2}`)
	if got := c.all(); len(got) != 3 {
		t.Errorf("%d orders; orders without a key are never the same", len(got))
	}
}

func TestListingPages(t *testing.T) {
	pg := startPostgres(t)
	c, _ := startShop(t, Config{DatabaseURL: pg.url(pg.address())})
	c.waitReady(30 * time.Second)
	var placed []Order
	for i := range 105 {
		placed = append(placed, c.place(fmt.Sprintf(`{"item":"i%d","quantity":%d}`, i, i+1)))
	}
	// An updated row moves to the end of the table, so that only a sort puts it back.
	pg.exec(t, "update orders set quantity = quantity where id % 3 = 0")
	for _, row := range []struct {
		name, query string
		want        []Order
	}{
		{"the default is 100", "", placed[:100]},
		{"a limit", "?limit=3", placed[:3]},
		{"after", fmt.Sprintf("?limit=2&after=%d", placed[9].ID), placed[10:12]},
		{"the last page is short", fmt.Sprintf("?after=%d", placed[99].ID), placed[100:]},
		{"past the end", fmt.Sprintf("?after=%d", placed[104].ID), nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			code, header, text := caller{t, c.base}.ask("GET", "/orders"+row.query, "")
			var got []Order
			if err := json.Unmarshal([]byte(text), &got); err != nil || code != http.StatusOK {
				t.Fatalf("%d %v %s", code, err, text)
			}
			if fmt.Sprint(got) != fmt.Sprint(row.want) {
				t.Errorf("got %v\nwant %v", got, row.want)
			}
			if total := header.Get("X-Total-Count"); total != "105" {
				t.Errorf("X-Total-Count is %q; want 105", total)
			}
		})
	}
	code, _, text := c.ask("GET", fmt.Sprintf("/orders/%d", placed[4].ID), "")
	if code != http.StatusOK || c.order(text) != placed[4] {
		t.Errorf("order %d: %d %s; want %+v", placed[4].ID, code, text, placed[4])
	}
}

func TestMetricsCountByRouteAndCode(t *testing.T) {
	c := readyShop(t)
	c.place(`{"item":"bread","quantity":1}`)
	c.place(`{"item":"bread","quantity":1}`)
	c.ask("POST", "/orders", `{}`)
	c.ask("GET", "/orders/1", "")
	c.ask("GET", "/orders/2", "")
	c.ask("GET", "/secret/path", "")
	c.ask("BREW", "/orders", "")
	code, _, text := c.ask("GET", "/metrics", "")
	if code != http.StatusOK {
		t.Fatalf("metrics: %d %s", code, text)
	}
	for _, want := range []string{
		`shop_http_requests_total{code="201",method="POST",route="/orders"} 2`,
		`shop_http_requests_total{code="400",method="POST",route="/orders"} 1`,
		`shop_http_requests_total{code="200",method="GET",route="/orders/{id}"} 2`,
		`shop_http_requests_total{code="404",method="GET",route="unmatched"} 1`,
		`shop_http_requests_total{code="405",method="other",route="unmatched"} 1`,
		`shop_http_request_duration_seconds_count{method="POST",route="/orders"} 3`,
		`shop_database_up 1`,
		`shop_pool_connections_max 8`,
		`shop_pool_connections{state="in use"} `,
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	if strings.Contains(text, "secret") {
		t.Error("a path asked for became a label")
	}
}
