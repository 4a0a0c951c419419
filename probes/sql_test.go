package probes

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
)

// mySQL speaks as much of MySQL's protocol as the probe hears: it stands in for a server, which no machine of ours has at hand.
// https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html
type mySQL struct {
	conn net.Conn
	seq  byte
}

func (m *mySQL) send(payload ...byte) bool {
	head := []byte{byte(len(payload)), byte(len(payload) >> 8), byte(len(payload) >> 16), m.seq}
	m.seq++
	_, err := m.conn.Write(append(head, payload...))
	return err == nil
}

func (m *mySQL) receive() ([]byte, bool) {
	var head [4]byte
	if _, err := io.ReadFull(m.conn, head[:]); err != nil {
		return nil, false
	}
	m.seq = head[3] + 1
	payload := make([]byte, int(head[0])|int(head[1])<<8|int(head[2])<<16)
	_, err := io.ReadFull(m.conn, payload)
	return payload, err == nil
}

func (m *mySQL) ok() { m.send(0, 0, 0, 2, 0, 0, 0) }

func (m *mySQL) err(code uint16, state, text string) {
	m.send(append(binary.LittleEndian.AppendUint16([]byte{0xff}, code), "#"+state+text...)...)
}

func (m *mySQL) rows(values ...[]byte) {
	m.send(1)
	column := []byte{}
	for _, text := range []string{"def", "", "", "", "v", ""} {
		column = append(append(column, byte(len(text))), text...)
	}
	m.send(append(column, 0x0c, 33, 0, 255, 0, 0, 0, 0xfd, 0, 0, 0, 0, 0)...)
	m.send(0xfe, 0, 0, 2, 0)
	for _, value := range values {
		if value == nil {
			m.send(0xfb)
			continue
		}
		m.send(append([]byte{byte(len(value))}, value...)...)
	}
	m.send(0xfe, 0, 0, 2, 0)
}

// serveMySQL answers by the text of the query.
func serveMySQL(conn net.Conn) {
	defer conn.Close()
	m := &mySQL{conn: conn}
	hello := append([]byte{10}, "8.0.99-test\x00\x01\x00\x00\x00saltsalt\x00"...)
	hello = append(hello, 0x09, 0xa2, 33, 2, 0, 0x08, 0x00, 21)
	hello = append(hello, "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00saltsaltsalt\x00mysql_native_password\x00"...)
	m.send(hello...)
	login, ok := m.receive()
	if !ok {
		return
	}
	if strings.Contains(string(login), "stranger") {
		m.err(1045, "28000", "Access denied for user 'stranger'")
		return
	}
	m.ok()
	for {
		command, ok := m.receive()
		if !ok || len(command) == 0 || command[0] != 3 {
			return
		}
		switch query := string(command[1:]); query {
		case "value":
			m.rows([]byte("42"), []byte("43"))
		case "null":
			m.rows(nil)
		case "none":
			m.rows()
		case "silent":
			_, _ = m.receive()
			return
		case "cut":
			return
		default:
			m.err(1064, "42000", "You have an error in your SQL syntax near '"+query+"'")
		}
	}
}

func TestSQLReadsWhatMySQLSays(t *testing.T) {
	address := serve(t, serveMySQL)
	mysql := func(dsn, query string, c *Comparator) SQL {
		return SQL{Driver: "mysql", DSN: Secret{Value: strings.ReplaceAll(dsn, "HOST", address)}, Query: query, Comparator: c}
	}
	const usual = "shop:pa55word@tcp(HOST)/shop"
	kept := mysql(usual, "value", nil)
	kept.KeepConnections = true
	for name, test := range map[string]struct {
		config SQL
		want   string
	}{
		"a row":                      {mysql(usual, "value", nil), ""},
		"a row, on kept connections": {kept, ""},
		"the value that is wanted":   {mysql(usual, "value", &Comparator{Criteria: ">=", Value: "42"}), ""},
		"another value":              {mysql(usual, "value", &Comparator{Criteria: ">", Value: "42"}), `value: got "42", want > 42`},
		"no value":                   {mysql(usual, "null", &Comparator{Value: "0"}), `value: got "NULL", want == 0`},
		"no row":                     {mysql(usual, "none", nil), "value: no row"},
		"an error":                   {mysql(usual, "selekt", nil), "query: Error 1064 (42000): You have an error in your SQL syntax near 'selekt'"},
		"a user it does not let in":  {mysql("stranger:pa55word@tcp(HOST)/shop", "value", nil), "query: Error 1045 (28000): Access denied for user 'stranger'"},
		"silence":                    {mysql(usual, "silent", nil), "timeout: context deadline exceeded"},
		"cut off":                    {mysql(usual, "cut", nil), "reset: the connection broke"},
		"nobody listens":             {mysql("shop:pa55word@tcp("+closedPort(t)+")/shop", "value", nil), "refused"},
		"nobody accepts":             {mysql("shop:pa55word@tcp("+serve(t, nil)+")/shop", "value", nil), "timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := ask(t, name == "silence" || name == "nobody accepts", test.config); err != nil {
				got = err.Error()
			}
			if !begins(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	for _, query := range []string{"value", "null", "none", "selekt"} {
		if s := falsified(t, mysql(usual, query, nil)); s.Outcome != Bad {
			t.Errorf("%s: falsified gives %+v, want bad", query, s)
		}
	}
}
