package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// run is one call of Build.
type run struct {
	cache  string
	report func(Progress)
	total  int
	paths  map[string]string
}

func (r *run) tell(name, state string, elapsed time.Duration) {
	if r.report == nil {
		return
	}
	r.report(Progress{Target: name, State: state, Elapsed: elapsed, Done: len(r.paths), Total: r.total})
}

func (r *run) done(name, path, state string) {
	r.paths[name] = path
	r.tell(name, state, 0)
}

// make builds the targets one after the other: one go build uses every core, and
// what targets of a pin share is compiled once, for the go command caches it.
func (r *run) make(ctx context.Context, c catalog, targets []Target) error {
	if len(targets) == 0 {
		return nil
	}
	g, err := findGo(ctx, r.cache)
	if err != nil {
		return err
	}
	var jobs []job
	for _, t := range targets {
		p, err := readPin(c.pins, t.Pin)
		if err != nil {
			return fmt.Errorf("build %s: %w", t.Name, err)
		}
		j := job{Target: t, pin: p, gocmd: g, key: p.key(t, g.version), run: r}
		switch there, err := executable(j.path()); {
		case err != nil:
			return fmt.Errorf("use the cached %s: %w", t.Name, err)
		case there:
			r.done(t.Name, j.path(), Cached)
		default:
			jobs = append(jobs, j)
		}
	}
	for _, j := range jobs {
		if err := j.do(ctx); err != nil {
			return fmt.Errorf("build %s: %w", j.Name, err)
		}
	}
	return nil
}

// job is one target on its way into the cache.
type job struct {
	Target
	pin   pin
	gocmd gocmd
	key   string
	run   *run
}

func (j job) path() string { return filepath.Join(j.run.cache, "bin", j.key, j.Name) }

func (j job) log() string { return filepath.Join(j.run.cache, "log", j.Name+"-"+j.key+".log") }

// do builds while it holds the pin. Another builder may have built the target
// before it let go of the pin.
func (j job) do(ctx context.Context) (err error) {
	start := time.Now()
	held, err := hold(ctx, j.run.cache, j.Pin, func() {
		j.run.tell(j.Name, Waiting, time.Since(start))
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, held.release()) }()
	switch there, err := executable(j.path()); {
	case err != nil:
		return err
	case there:
		j.run.done(j.Name, j.path(), Cached)
		return nil
	}
	start = time.Now()
	tick := func() { j.run.tell(j.Name, Building, time.Since(start)) }
	tick()
	if err := j.compile(ctx, held.scratch, tick); err != nil {
		return err
	}
	j.run.paths[j.Name] = j.path()
	j.run.tell(j.Name, Built, time.Since(start))
	return nil
}

func (j job) compile(ctx context.Context, scratch string, tick func()) error {
	work := filepath.Join(scratch, "work")
	if err := j.pin.write(work); err != nil {
		return err
	}
	made := filepath.Join(scratch, j.Name)
	ldflags := append([]string{"-s", "-w"}, j.Ldflags...)
	var env, tags []string
	if j.Cgo {
		env = []string{"CGO_ENABLED=1"}
		ldflags = append(ldflags, "-linkmode=external", "-extldflags=-static")
		tags = []string{"-tags=netgo,osusergo"} // what these leave out cannot be linked statically
	}
	args := append([]string{"build", "-buildvcs=false", "-trimpath", "-ldflags", strings.Join(ldflags, " "), "-o", made}, tags...)
	call := goCall{work: work, temp: scratch, env: env, args: append(args, j.Package), log: j.log(), tick: tick}
	if err := j.gocmd.run(ctx, call); err != nil {
		return err
	}
	return install(made, j.path())
}

// install moves a finished binary to its place. It is on the disk before it has
// its name, so that a crash leaves no half of it under the name.
func install(made, path string) error {
	if err := flush(made); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make a folder in the cache: %w", err)
	}
	if err := os.Rename(made, path); err != nil {
		return fmt.Errorf("put the binary into the cache: %w", err)
	}
	return flush(filepath.Dir(path))
}

func flush(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("flush to disk: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("flush to disk: %w", err)
	}
	return nil
}
