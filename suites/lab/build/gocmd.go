package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	tailLines = 40               // of the compiler's output that an error shows
	tickEvery = 10 * time.Second // between two reports on a build that goes on
)

// gocmd is the go command of this machine.
type gocmd struct {
	program string
	version string // and all else of it that makes for another binary
}

func findGo(ctx context.Context, dir string) (gocmd, error) {
	program, err := exec.LookPath("go")
	if err != nil {
		return gocmd{}, fmt.Errorf("find the go command, which builds the lab's servers: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return gocmd{}, fmt.Errorf("make the cache folder: %w", err)
	}
	cmd := exec.CommandContext(ctx, program, "env", "GOVERSION", "GOOS", "GOARCH", "GOAMD64", "GOARM64", "GOEXPERIMENT")
	cmd.Dir, cmd.Env = dir, environ()
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
		}
		return gocmd{}, fmt.Errorf("ask %s for its version: %w", program, err)
	}
	return gocmd{program: program, version: string(out)}, nil
}

// environ is the environment of each go command. It keeps what says where modules
// come from and where caches are. The rest must not depend on who calls: GOFLAGS
// is set to something, since the go command takes an empty one for none and reads
// the user's settings file instead.
func environ() []string {
	return append(
		os.Environ(),
		"GOFLAGS=-mod=readonly", "GOWORK=off", "GOTOOLCHAIN=local", "GO111MODULE=on", "GOOS=linux", "CGO_ENABLED=0",
	)
}

// goCall is one run of the go command.
type goCall struct {
	work string   // folder of the pin's files
	temp string   // folder for the go command's own files
	env  []string // beside that of every call
	args []string
	log  string    // file for the output
	out  io.Writer // gets the standard output too; may be nil
	tick func()    // called every few seconds; may be nil
}

// run ends with the go command and all that it started, also when ctx does.
func (g gocmd) run(ctx context.Context, call goCall) error {
	if err := os.MkdirAll(filepath.Dir(call.log), 0o755); err != nil {
		return fmt.Errorf("make the log folder: %w", err)
	}
	log, err := os.Create(call.log)
	if err != nil {
		return fmt.Errorf("make the log: %w", err)
	}
	cmd := exec.CommandContext(ctx, g.program, call.args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = call.work, log, log
	cmd.Env = append(environ(), append(call.env, "PWD="+call.work, "GOTMPDIR="+call.temp)...)
	if call.out != nil {
		cmd.Stdout = io.MultiWriter(log, call.out)
	}
	inGroup(cmd)
	err = errors.Join(await(cmd, call.tick), log.Close())
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("go %s was ended: %w", call.args[0], context.Cause(ctx))
	}
	return fmt.Errorf("go %s: %w\n%s\nall of its output is in %s", call.args[0], err, tail(call.log), call.log)
}

func await(cmd *exec.Cmd, tick func()) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case <-ticker.C:
			if tick != nil {
				tick()
			}
		}
	}
}

// tail is the end of a log, where the compiler says what is wrong.
func tail(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return "its output cannot be read: " + err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(content), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}
