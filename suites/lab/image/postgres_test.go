package image

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// server is the postgres image's own entry point, run as in a container: in the
// userland's tree, with processes, mounts and a loopback of its own.
type server struct {
	root string
	cmd  *exec.Cmd
	pid  int // of the entry point, seen from here
	log  *bytes.Buffer
}

func startServer(t *testing.T, root string, env ...string) *server {
	t.Helper()
	const boot = `mount --bind /dev "$0/dev" && mount -t proc proc "$0/proc" && ip link set lo up && exec chroot "$0" /usr/local/bin/postgres-server`
	s := &server{root: root, log: &bytes.Buffer{}}
	s.cmd = exec.Command("unshare", "--mount", "--propagation", "private", "--net", "--ipc", "--pid", "--fork", "--kill-child=KILL", "sh", "-c", boot, root)
	s.cmd.Env = append([]string{searchPath, "LANG=C.UTF-8"}, env...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.cmd.ProcessState == nil {
			s.kill(t)
		}
	})
	eventually(t, "the server's process is there", func() bool { s.pid = child(s.cmd.Process.Pid); return s.pid != 0 })
	return s
}

// kill ends everything at once, as a lost machine does: the entry point is the
// first process of its namespace.
func (s *server) kill(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(s.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = s.cmd.Wait() // tells of the signal
}

// wait is how the server ended, and what it said.
func (s *server) wait() (string, error) {
	err := s.cmd.Wait()
	return s.log.String(), err
}

// query runs SQL as a client from the network does: over TCP, with a password.
func (s *server) query(password, sql string) (string, error) {
	cmd := exec.Command("nsenter", fmt.Sprintf("--net=/proc/%d/ns/net", s.pid), "chroot", s.root,
		"psql", "-h", "127.0.0.1", "-U", "shop", "-d", "orders", "-XAtc", sql)
	cmd.Env = []string{searchPath, "PGPASSWORD=" + password, "PGCONNECT_TIMEOUT=5"}
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (s *server) mustQuery(t *testing.T, sql string) string {
	t.Helper()
	var out string
	var err error
	eventually(t, "the server answers "+sql, func() bool {
		out, err = s.query("se'cret \"x", sql)
		if err != nil && s.cmd.ProcessState == nil && strings.Contains(out, "ERROR") {
			t.Fatalf("%s: %s", sql, out)
		}
		return err == nil
	})
	return out
}

var settings = []string{"POSTGRES_USER=shop", "POSTGRES_PASSWORD=se'cret \"x", "POSTGRES_DB=orders"}

func TestPostgresKeepsItsDataThroughStopAndKill(t *testing.T) {
	root := unpacked(t)
	volume := filepath.Join(root, "var/lib/postgresql/data")
	if err := os.MkdirAll(volume, 0o755); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, root, settings...)
	s.mustQuery(t, "CREATE TABLE t (n int)")
	s.mustQuery(t, "INSERT INTO t VALUES (1)")
	if got := s.mustQuery(t, "SELECT current_setting('fsync') || current_setting('synchronous_commit') || current_setting('data_checksums')"); got != "ononon" {
		t.Errorf("fsync, synchronous_commit and checksums are %s", got)
	}
	if out, err := s.query("wrong", "SELECT 1"); err == nil || !strings.Contains(out, "password authentication failed") {
		t.Errorf("a wrong password: got %v: %s", err, out)
	}

	// The image's stop signal, with a client connected.
	client := exec.Command("nsenter", fmt.Sprintf("--net=/proc/%d/ns/net", s.pid), "chroot", root, "psql", "-h", "127.0.0.1", "-U", "shop", "-d", "orders", "-c", "SELECT pg_sleep(600)")
	client.Env = []string{searchPath, "PGPASSWORD=se'cret \"x"}
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the client is connected", func() bool {
		return s.mustQuery(t, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)'") != "0"
	})
	if err := syscall.Kill(s.pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if log, err := s.wait(); err != nil {
		t.Fatalf("stopped with a client connected: %v: %s", err, log)
	}
	_ = client.Wait() // its server left

	s = startServer(t, root) // the password is needed for the first start only
	s.mustQuery(t, "INSERT INTO t VALUES (2)")
	s.kill(t)
	s = startServer(t, root, settings...)
	if got := s.mustQuery(t, "SELECT count(*) FROM t"); got != "2" {
		t.Errorf("%s rows are left, want 2", got)
	}

	// A volume that was restored for another number of the user.
	s.kill(t)
	if err := filepath.WalkDir(volume, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, 4242, 4242))
	}); err != nil {
		t.Fatal(err)
	}
	s = startServer(t, root, settings...)
	if got := s.mustQuery(t, "SELECT count(*) FROM t"); got != "2" {
		t.Errorf("%s rows are left on the volume of another owner, want 2", got)
	}
}

func TestPostgresMakesAnInterruptedDatabaseAnew(t *testing.T) {
	root := unpacked(t)
	volume := filepath.Join(root, "var/lib/postgresql/data")
	if err := os.MkdirAll(volume, 0o755); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, root, settings...)
	eventually(t, "the database is being made", func() bool {
		_, err := os.Stat(filepath.Join(volume, ".unfinished/PG_VERSION"))
		return err == nil
	})
	s.kill(t)
	if _, err := os.Stat(filepath.Join(volume, "pgdata")); err == nil {
		t.Fatal("the kill came too late to prove anything")
	}
	s = startServer(t, root, settings...)
	if got := s.mustQuery(t, "SELECT current_database()"); got != "orders" {
		t.Errorf("the database is %q", got)
	}
	if got := contents(t, volume); len(got) != 1 || got[0] != "pgdata" {
		t.Errorf("the volume has %v", got)
	}
}

func TestPostgresRefuses(t *testing.T) {
	root := unpacked(t)
	volume := filepath.Join(root, "var/lib/postgresql/data")
	if err := os.MkdirAll(volume, 0o755); err != nil {
		t.Fatal(err)
	}
	if log, err := startServer(t, root).wait(); err == nil || !strings.Contains(log, "POSTGRES_PASSWORD") {
		t.Errorf("without a password: got %v: %s", err, log)
	}
	if err := os.MkdirAll(filepath.Join(volume, "pgdata"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(volume, "pgdata/precious"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if log, err := startServer(t, root, settings...).wait(); err == nil || !strings.Contains(log, "not touching it") {
		t.Errorf("a folder that is no database: got %v: %s", err, log)
	}
	if _, err := os.Stat(filepath.Join(volume, "pgdata/precious")); err != nil {
		t.Error(err)
	}
}
