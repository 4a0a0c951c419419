//go:build unix

package probes

import (
	"bytes"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startPostgres makes and starts a real server of the test's own on loopback, or skips if none is installed.
func startPostgres(t *testing.T, password string) (address string, kill func()) {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Skip("PostgreSQL is not installed: no /usr/lib/postgresql/*/bin/initdb (Debian: apt-get install postgresql)")
	}
	slices.Sort(found)
	bin, dir := filepath.Dir(found[len(found)-1]), t.TempDir()
	var as *syscall.Credential
	if os.Geteuid() == 0 { // as whom PostgreSQL refuses to run
		as = nobody(t)
		if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // the parent that TempDir made
			t.Fatal(err)
		}
		if err := os.Chown(dir, int(as.Uid), int(as.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	command := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, name), args...)
		cmd.Dir, cmd.SysProcAttr = dir, &syscall.SysProcAttr{Credential: as}
		return cmd
	}
	file := filepath.Join(dir, "password")
	if err := os.WriteFile(file, []byte(password), 0o644); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	if out, err := command("initdb", "-D", data, "-U", "shop", "--pwfile", file, "-A", "scram-sha-256", "--locale=C", "--no-sync").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	_ = listener.Close()
	var said bytes.Buffer
	server := command("postgres", "-D", data, "-p", port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=")
	server.Stdout, server.Stderr = &said, &said
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Wait() }()
	kill = func() {
		_ = server.Process.Signal(syscall.SIGINT) // gone already is as good
		<-ended
	}
	t.Cleanup(kill)
	for deadline := time.Now().Add(time.Minute); command("pg_isready", "-q", "-h", "127.0.0.1", "-p", port).Run() != nil; time.Sleep(20 * ms) {
		if time.Now().After(deadline) {
			t.Fatal("PostgreSQL does not answer within a minute")
		}
	}
	return "127.0.0.1:" + port, kill
}

func nobody(t *testing.T) *syscall.Credential {
	t.Helper()
	who, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.ParseUint(who.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseUint(who.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func TestSQLReadsWhatPostgreSQLSays(t *testing.T) {
	const password = "s3cret/with %ways"
	address, kill := startPostgres(t, password)
	given := 0
	dsn := func(password, host string) Secret {
		u := url.URL{Scheme: "postgres", User: url.UserPassword("shop", password), Host: host, Path: "/postgres"}
		given++
		name := "GAMEDAY_TEST_DSN_" + strconv.Itoa(given)
		t.Setenv(name, u.String()+"\n")
		return Secret{FromEnv: name}
	}
	usual := dsn(password, address)
	postgres := func(query string, c *Comparator) SQL {
		return SQL{Driver: "postgres", DSN: usual, Query: query, Comparator: c}
	}
	kept := postgres("select 1", nil)
	kept.KeepConnections = true
	for name, test := range map[string]struct {
		config SQL
		want   string
	}{
		"a row":                     {postgres("select 1", nil), ""},
		"on kept connections":       {kept, ""},
		"a number":                  {postgres("select count(*), 'x' from generate_series(1, 12)", &Comparator{Value: "12"}), ""},
		"a decimal":                 {postgres("select 12.50::numeric", &Comparator{Value: "12.5"}), ""},
		"another number":            {postgres("select 11", &Comparator{Criteria: ">=", Value: "12"}), `value: got "11", want >= 12`},
		"a text":                    {postgres("select 'ready'", &Comparator{Criteria: "matches", Value: "^read"}), ""},
		"true":                      {postgres("select true", &Comparator{Value: "true"}), ""},
		"no value":                  {postgres("select null", &Comparator{Value: "1"}), `value: got "NULL", want == 1`},
		"no row":                    {postgres("select 1 where false", nil), "value: no row"},
		"a query with a mistake":    {postgres("selekt 1", nil), `query: ERROR: syntax error at or near "selekt" (SQLSTATE 42601)`},
		"a wrong password":          {SQL{Driver: "postgres", DSN: dsn("not it", address), Query: "select 1"}, `query: FATAL: password authentication failed for user "shop" (SQLSTATE 28P01)`},
		"a query that takes long":   {postgres("select pg_sleep(60)", nil), "timeout: context deadline exceeded"},
		"nobody listens":            {SQL{Driver: "postgres", DSN: dsn(password, closedPort(t)), Query: "select 1"}, "refused"},
		"nobody accepts":            {SQL{Driver: "postgres", DSN: dsn(password, serve(t, nil)), Query: "select 1"}, "timeout"},
		"closed without a word":     {SQL{Driver: "postgres", DSN: dsn(password, serve(t, says("", false))), Query: "select 1"}, "reset"},
		"a text that ends the link": {postgres("select pg_terminate_backend(pg_backend_pid())", nil), "query: FATAL: terminating connection due to administrator command (SQLSTATE 57P01)"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := ask(t, strings.HasPrefix(test.want, "timeout"), test.config); err != nil {
				got = err.Error()
			}
			if !begins(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if strings.Contains(got, "s3cret") {
				t.Errorf("a secret was told: %s", got)
			}
		})
	}
	if s := falsified(t, postgres("select 1", &Comparator{Value: "1"})); s.Outcome != Bad || s.Reason != ReasonValue {
		t.Errorf("falsified: got %+v, want bad", s)
	}
	kill()
	if err := ask(t, false, postgres("select 1", nil)); reasonOf(err) != ReasonRefused {
		t.Errorf("after its end: got %v, want refused", err)
	}
}
