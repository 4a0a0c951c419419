package shop

import (
	"bytes"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const testPassword = "s3cret-never-shown"

// postgres is a real server of the test's own, on loopback.
type postgres struct {
	bin, dir string
	port     int
	run      *syscall.Credential
	server   *exec.Cmd
	log      bytes.Buffer
	exited   chan struct{}
}

// startPostgres makes and starts a server, or skips if none is installed.
func startPostgres(t *testing.T) *postgres {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Skip("PostgreSQL is not installed: no /usr/lib/postgresql/*/bin/initdb (Debian: apt-get install postgresql)")
	}
	slices.Sort(found)
	p := &postgres{bin: filepath.Dir(found[len(found)-1]), dir: t.TempDir(), port: freePort(t)}
	if os.Geteuid() == 0 {
		p.unprivileged(t)
	}
	password := filepath.Join(p.dir, "password")
	if err := os.WriteFile(password, []byte(testPassword), 0o644); err != nil {
		t.Fatal(err)
	}
	initdb := p.command("initdb", "-D", p.data(), "-U", "shop", "--pwfile", password, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	p.start(t)
	t.Cleanup(func() { p.kill(t) })
	return p
}

// unprivileged gives the server to nobody, since PostgreSQL refuses to run as root.
func (p *postgres) unprivileged(t *testing.T) {
	t.Helper()
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.ParseUint(nobody.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseUint(nobody.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	p.run = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	if err := os.Chmod(filepath.Dir(p.dir), 0o755); err != nil { // the parent that TempDir made
		t.Fatal(err)
	}
	if err := os.Chown(p.dir, int(uid), int(gid)); err != nil {
		t.Fatal(err)
	}
}

func (p *postgres) data() string { return filepath.Join(p.dir, "data") }

func (p *postgres) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(p.bin, name), args...)
	cmd.Dir = p.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.run}
	return cmd
}

// start returns when the server takes connections. It tries again until its
// deadline, since after a kill the old server's memory may be in use for a moment.
func (p *postgres) start(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		p.log.Reset()
		p.server = p.command("postgres", "-D", p.data(), "-p", strconv.Itoa(p.port),
			"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "synchronous_commit=off")
		p.server.Stdout, p.server.Stderr = &p.log, &p.log
		if err := p.server.Start(); err != nil {
			t.Fatal(err)
		}
		p.exited = make(chan struct{})
		go func(server *exec.Cmd, exited chan struct{}) {
			defer close(exited)
			_ = server.Wait() // how it ended is in its log
		}(p.server, p.exited)
		if p.answers(deadline) {
			return
		}
		<-p.exited
		if time.Now().After(deadline) {
			t.Fatalf("postgres did not start; its log:\n%s", &p.log)
		}
	}
}

func (p *postgres) answers(deadline time.Time) bool {
	for time.Now().Before(deadline) {
		select {
		case <-p.exited:
			return false
		default:
		}
		if p.command("pg_isready", "-q", "-h", "127.0.0.1", "-p", strconv.Itoa(p.port)).Run() == nil {
			return true
		}
		time.Sleep(20 * time.Millisecond)
	}
	return false
}

// kill ends the server and all its children at once, by SIGKILL, as a lost node does.
func (p *postgres) kill(t *testing.T) {
	t.Helper()
	select {
	case <-p.exited:
		return
	default:
	}
	pid := p.server.Process.Pid
	var children []string
	if runtime.GOOS == "linux" {
		out, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
		if err != nil {
			t.Errorf("find the server's children: %v", err)
		}
		children = strings.Fields(string(out))
	}
	if err := p.server.Process.Kill(); err != nil {
		t.Errorf("kill postgres: %v", err)
	}
	for _, child := range children {
		if n, err := strconv.Atoi(child); err == nil {
			_ = syscall.Kill(n, syscall.SIGKILL) // gone already is as good
		}
	}
	<-p.exited
}

func (p *postgres) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)) }

// url is the connection string by way of address (the server's own, or a cutter's).
func (p *postgres) url(address string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword("shop", testPassword), Host: address, Path: "/postgres", RawQuery: "sslmode=disable"}
	return u.String()
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
