package lab

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gamedayhq/gameday/suites/lab/build"
	"github.com/gamedayhq/gameday/suites/lab/cluster"
	"github.com/gamedayhq/gameday/suites/lab/image"
	"github.com/gamedayhq/gameday/suites/lab/machine"
	"github.com/gamedayhq/gameday/suites/lab/provisioner"
	"github.com/gamedayhq/gameday/suites/lab/shop"
)

// Up brings the lab up from whatever is there: nothing, half of it, all of it, or
// what is left after every process was killed. It can be repeated, and ended at
// any moment; the next Up goes on.
func Up(ctx context.Context, o Options) (_ *Lab, err error) {
	l, err := o.layout()
	if err != nil {
		return nil, err
	}
	if there, err := o.found(); err == nil && there.Subnet != l.Subnet {
		return nil, fmt.Errorf("the lab in %s has the subnet %s, not %s: take it down first (gameday lab down)", l.Dir, there.Subnet, l.Subnet)
	}
	if err := l.preflight(); err != nil {
		return nil, err
	}
	program, err := o.program()
	if err != nil {
		return nil, err
	}
	free, err := l.hold("up")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, free()) }()
	if err := installMissing(ctx); err != nil {
		return nil, fmt.Errorf("bring the lab up: %w", err)
	}
	if err := l.writeMark(); err != nil {
		return nil, err
	}
	old := map[string]bool{} // machines that were there before
	for _, name := range []string{Primary, Standby, Depot} {
		_, err := os.Stat(filepath.Join(l.machine(name), "spec.json"))
		old[name] = err == nil
	}
	for {
		u := &up{layout: l, program: program, old: old, plan: plan{report: o.Report}, refs: map[string]string{}}
		err := u.run(ctx)
		var broken *brokenError
		switch {
		case err == nil:
			return &Lab{layout: l}, nil
		case ctx.Err() != nil || !errors.As(err, &broken) || !old[broken.machine]:
			return nil, fmt.Errorf("bring the lab up: %w", err)
		}
		// It cannot be mended, so it is made anew, once, and that is said.
		old[broken.machine] = false
		if o.Report != nil {
			what, _, _ := strings.Cut(err.Error(), "\n")
			o.Report(Progress{Step: broken.machine, Detail: "did not come back, so it is built anew and what was in it is lost: " + what, Notice: true})
		}
		if err := l.rebuild(ctx, broken.machine); err != nil {
			return nil, err
		}
	}
}

func (u *up) run(ctx context.Context) error {
	u.make()
	return u.plan.run(ctx)
}

// make makes the plan.
func (u *up) make() {
	u.build()
	u.ground()
	u.images()
	u.plan.add("render the add-ons", []string{"write the images", "make the certificates", batches[6].name, "find the chart of Chaos Mesh"},
		func(ctx context.Context, _ func(string)) error { return u.render(ctx) })
	u.depot()
	for _, c := range u.layout.clusters() {
		u.cluster(c)
	}
}

// up is one run of Up. A field is written by one step and read by those after it.
type up struct {
	layout  Layout
	program string          // gameday
	old     map[string]bool // machines that were there before and may be past mending
	plan    plan

	programs  programs // the servers, see batches
	chart     string   // Chaos Mesh's chart
	userland  string
	unpacked  string            // folder of a containerd that has all images
	archives  []archive         // of the groups of images
	refs      map[string]string // of all images, by name
	artefacts []image.Image
	versions  versions
}

// batches are the programs to build, in the order in which the lab needs them.
// One build at a time uses every core, so each waits for the one before.
var batches = []struct {
	name  string
	names []string
}{
	{"build Kubernetes", []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet"}},
	{"build etcd", []string{"etcd"}},
	{"build the S3 store", []string{"versitygw"}},
	{"build CoreDNS", []string{"coredns"}},
	{"build Chaos Mesh", []string{"chaos-controller-manager", "chaos-daemon", "chaos-daemon-helper"}},
	{"build Velero", []string{"velero", "velero-restore-helper", "velero-plugin-for-aws"}},
	{"build Helm", []string{"helm"}},
}

// programs are the paths of programs by name; steps read them while others are built.
type programs struct {
	mu    sync.Mutex
	paths map[string]string
}

func (p *programs) add(paths map[string]string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// A new map each time: who has the old one may keep reading it.
	all := map[string]string{}
	maps.Copy(all, p.paths)
	maps.Copy(all, paths)
	p.paths = all
}

// all are those there are so far; the map is not to be changed.
func (p *programs) all() map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.paths
}

func (u *up) builder(tell func(string)) build.Builder {
	return build.Builder{Cache: u.layout.Cache, Bin: os.Getenv("GAMEDAY_LAB_BIN"), Report: func(p build.Progress) {
		if p.State == build.Building || p.State == build.Waiting {
			tell(fmt.Sprintf("%s %s", p.State, p.Target))
		}
	}}
}

func (u *up) build() {
	var before []string
	for _, b := range batches {
		u.plan.add(b.name, before, func(ctx context.Context, tell func(string)) error {
			paths, err := u.builder(tell).Build(ctx, b.names...)
			u.programs.add(paths)
			return err
		})
		before = []string{b.name}
	}
	u.plan.add("find the chart of Chaos Mesh", before, func(ctx context.Context, tell func(string)) error {
		dir, err := u.builder(tell).ModuleDir(ctx, "chaos-mesh", "github.com/chaos-mesh/chaos-mesh")
		u.chart = filepath.Join(dir, "helm", "chaos-mesh")
		return err
	})
	u.plan.add("make the Debian userland", nil, func(ctx context.Context, tell func(string)) (err error) {
		u.userland, err = image.Userland(ctx, u.layout.Cache, tell)
		return err
	})
	u.plan.add("ask programs for their versions", nil, func(ctx context.Context, _ func(string)) (err error) {
		u.versions, err = findVersions(ctx)
		return err
	})
}

func (u *up) ground() {
	u.plan.add("make the certificates", nil, func(context.Context, func(string)) error {
		clusters := u.layout.clusters()
		for _, c := range clusters {
			if err := c.Credentials(); err != nil {
				return err
			}
		}
		return cluster.Kubeconfig(u.layout.Kubeconfig(), clusters...)
	})
	u.plan.add("make the bridge", nil, func(context.Context, func(string)) error {
		if err := machine.SaveHostSettings(u.layout.Dir); err != nil {
			return err
		}
		return machine.EnsureBridge(u.layout.Bridge(), fmt.Sprintf("%s/24", u.layout.Address()))
	})
}

// groups are images that are written and brought in together, since they share a
// layer or are needed together, in the order of their need.
var groups = []struct {
	name   string
	images []string
	addon  string // can be installed then
}{
	{"CoreDNS", []string{image.Pause, image.CoreDNS}, "coredns"},
	{"the provisioner and the shop", []string{image.Provisioner, image.Shop}, "provisioner"},
	{"PostgreSQL and the chaos daemon", []string{image.Postgres, image.ChaosDaemon}, "shop"},
	{"Velero", []string{image.Velero, image.VeleroPlugin}, "velero"},
	{"Chaos Mesh", []string{image.ChaosControllerManager}, "chaos-mesh"},
}

func (u *up) images() {
	u.plan.add("name the images", []string{batches[5].name, "make the Debian userland"}, func(context.Context, func(string)) error {
		var err error
		u.artefacts, err = image.LabImages(image.Content{
			Programs: u.programs.all(),
			Self:     u.program,
			SelfKey:  shop.SourceKey() + "-" + provisioner.SourceKey(),
			Userland: u.userland,
		})
		return err
	})
	u.plan.add("write the images", []string{"name the images"}, func(ctx context.Context, tell func(string)) error {
		for _, g := range groups {
			if err := u.write(ctx, tell, g.images); err != nil {
				return err
			}
		}
		return nil
	})
	u.plan.add("unpack the images", []string{"write the images", "ask programs for their versions"}, func(ctx context.Context, tell func(string)) (err error) {
		u.unpacked, err = u.unpack(ctx, tell)
		return err
	})
}

func (u *up) artefact(name string) image.Image {
	for _, i := range u.artefacts {
		if i.Name == name {
			return i
		}
	}
	return image.Image{Name: name} // has no layers: writing it fails and says so
}

func (u *up) write(ctx context.Context, tell func(string), names []string) error {
	var group []image.Image
	for _, name := range names {
		tell(name)
		one := u.artefact(name)
		ref, err := one.Ref()
		if err != nil {
			return err
		}
		u.refs[name] = ref
		group = append(group, one)
	}
	path, err := image.Write(ctx, u.layout.Cache, group...)
	if err != nil {
		return err
	}
	one := archive{path: path}
	for _, name := range names {
		one.refs = append(one.refs, u.refs[name])
	}
	u.archives = append(u.archives, one)
	return nil
}

// archive is a file of images.
type archive struct {
	path string
	refs []string
}

func (u *up) depot() {
	u.plan.add("start the depot", []string{"build the S3 store", "make the bridge", "make the certificates", "ask programs for their versions"}, func(ctx context.Context, tell func(string)) error {
		d := u.layout.depot()
		d.Program = u.programs.all()["versitygw"]
		d.Versions = u.versions.depot()
		spec, err := d.Machine()
		if err != nil {
			return err
		}
		return of(Depot, u.boot(ctx, spec, tell))
	})
	u.plan.add("make the bucket", []string{"start the depot"}, func(ctx context.Context, _ func(string)) error {
		return within(ctx, time.Minute, u.layout.depot().EnsureBucket)
	})
}

// boot starts a machine and waits until all of its parts are ready.
func (u *up) boot(ctx context.Context, spec machine.Spec, tell func(string)) error {
	tell("starting")
	spec.Program = u.program
	if err := machine.Start(ctx, spec); err != nil {
		return err
	}
	if err := wake(ctx, spec.Dir); err != nil {
		return err
	}
	tell("waiting for its programs")
	return within(ctx, u.limit(spec.Name), func(ctx context.Context) error { return machine.Dial(spec.Dir).Wait(ctx) })
}

// limit bounds the start of a machine's programs. On two busy cores a control plane
// has been seen to take a minute. One that was there before has another chance.
func (u *up) limit(machine string) time.Duration {
	if u.old[machine] {
		return 2 * time.Minute
	}
	return 4 * time.Minute
}

// within bounds one piece of work.
func within(ctx context.Context, limit time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done within %s", limit))
	defer cancel()
	return do(ctx)
}

func (u *up) spec(c cluster.Cluster) (machine.Spec, error) {
	c.Programs = map[string]string{}
	for _, b := range batches[:2] {
		for _, name := range b.names {
			c.Programs[name] = u.programs.all()[name]
		}
	}
	c.Version = u.versions["kube-apiserver"]
	c.Versions = u.versions
	c.Pause = u.refs[image.Pause]
	return c.Machine()
}
