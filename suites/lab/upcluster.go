package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/scenarios"
	"github.com/gamedayhq/gameday/suites/lab/addons"
	"github.com/gamedayhq/gameday/suites/lab/cluster"
	"github.com/gamedayhq/gameday/suites/lab/machine"
)

// readyLimit bounds what pods take to become ready, images at hand.
const readyLimit = 4 * time.Minute

// cluster adds what one cluster takes. An add-on is installed when its images are
// there, since a kubelet that misses one waits longer and longer before it looks
// again.
func (u *up) cluster(c cluster.Cluster) {
	step := func(name string) string { return c.Name + ": " + name }
	u.plan.add(
		step("start the machine"),
		[]string{"build etcd", "make the certificates", "make the bridge", "unpack the images"},
		func(ctx context.Context, _ func(string)) error { return of(c.Name, u.start(ctx, c)) },
	)
	u.plan.add(step("start Kubernetes"), []string{step("start the machine")}, func(ctx context.Context, _ func(string)) error {
		return of(c.Name, within(ctx, u.limit(c.Name), func(ctx context.Context) error { return u.kubernetes(ctx, c) }))
	})
	ready := []string{}
	before := []string{step("start the machine"), "write the images"}
	for i, g := range groups {
		bring := step("bring in " + g.name)
		u.plan.add(bring, before, func(ctx context.Context, _ func(string)) error {
			return of(c.Name, u.bringIn(ctx, c, u.archives[i]))
		})
		before = []string{bring}
		if !slices.Contains(addonNames(c.Name), g.addon) {
			continue
		}
		after := []string{step("start Kubernetes"), bring, "render the add-ons"}
		if g.addon == "velero" {
			after = append(after, "make the bucket")
		}
		u.plan.add(step("install "+g.addon), after, func(ctx context.Context, tell func(string)) error {
			return of(c.Name, within(ctx, readyLimit, func(ctx context.Context) error { return u.install(ctx, c, g.addon, tell) }))
		})
		ready = append(ready, step("install "+g.addon))
	}
	u.plan.add(step("see all pods ready"), ready, func(ctx context.Context, tell func(string)) error {
		return of(c.Name, within(ctx, readyLimit, func(ctx context.Context) error { return u.settle(ctx, c, tell) }))
	})
}

func (u *up) start(ctx context.Context, c cluster.Cluster) error {
	if err := u.furnish(ctx, c.Name); err != nil {
		return err
	}
	spec, err := u.spec(c)
	if err != nil {
		return err
	}
	spec.Program = u.program
	if err := machine.Start(ctx, spec); err != nil {
		return err
	}
	if err := wake(ctx, c.Dir); err != nil {
		return err
	}
	if err := addRoute(u.layout.Bridge(), c.Pods, c.Node()); err != nil {
		return err
	}
	return within(ctx, time.Minute, func(ctx context.Context) error {
		return machine.Dial(c.Dir).Wait(ctx, "containerd")
	})
}

// bringIn imports the images of an archive unless the node has them: a new one was
// furnished with them, one that is older may lack some.
func (u *up) bringIn(ctx context.Context, c cluster.Cluster, a archive) error {
	out, err := machine.Run(ctx, c.Dir, "ctr", "--namespace", "k8s.io", "images", "list", "--quiet")
	if err != nil {
		return err
	}
	have := strings.Fields(string(out))
	missing := slices.ContainsFunc(a.refs, func(ref string) bool { return !slices.Contains(have, ref) })
	if !missing {
		return nil
	}
	return importArchive(ctx, c.Dir, a)
}

// importArchive hands the file over as standard input: the machine may not see
// the cache where the host has it.
func importArchive(ctx context.Context, dir string, a archive) (err error) {
	file, err := os.Open(a.path)
	if err != nil {
		return fmt.Errorf("import images: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	cmd, err := machine.Command(ctx, dir, "ctr", "--namespace", "k8s.io", "images", "import", "-")
	if err != nil {
		return err
	}
	var complaint strings.Builder
	cmd.Stdin, cmd.Stderr = file, &complaint
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("import images %s: %w: %s", strings.Join(a.refs, " "), err, strings.TrimSpace(complaint.String()))
	}
	return nil
}

// kubernetes waits for all programs of the node and for the node to say that it is
// ready since they were started: what it said before a machine was killed stands
// in the API until then.
func (u *up) kubernetes(ctx context.Context, c cluster.Cluster) error {
	dial := machine.Dial(c.Dir)
	if err := dial.Wait(ctx); err != nil {
		return err
	}
	status, err := dial.Status(ctx)
	if err != nil {
		return err
	}
	api, err := u.layout.client(c.Name)
	if err != nil {
		return err
	}
	node := &corev1.Node{}
	node.Name = c.Name
	return scenarios.Await(ctx, api, node, func(found bool) scenarios.State {
		if !found {
			return scenarios.State{Seen: "not registered"}
		}
		for _, condition := range node.Status.Conditions {
			if condition.Type == corev1.NodeReady {
				fresh := !condition.LastHeartbeatTime.Time.Before(status.Since.Truncate(time.Second))
				return scenarios.State{
					Done: fresh && condition.Status == corev1.ConditionTrue,
					Seen: fmt.Sprintf("Ready=%s at %s: %s", condition.Status, condition.LastHeartbeatTime.Format(time.TimeOnly), condition.Message),
				}
			}
		}
		return scenarios.State{Seen: "no Ready condition"}
	})
}

func (u *up) install(ctx context.Context, c cluster.Cluster, name string, tell func(string)) error {
	api, err := u.layout.client(c.Name)
	if err != nil {
		return err
	}
	addon, err := u.layout.addon(c.Name, name)
	if err != nil {
		return err
	}
	tell("applying")
	if err := u.layout.applyOnce(ctx, api, c.Name, addon); err != nil {
		return err
	}
	tell("waiting for its pods")
	return addon.Wait(ctx, api)
}

// settle waits until every pod runs on containers of the machine's present life.
func (u *up) settle(ctx context.Context, c cluster.Cluster, tell func(string)) error {
	api, err := u.layout.client(c.Name)
	if err != nil {
		return err
	}
	status, err := machine.Dial(c.Dir).Status(ctx)
	if err != nil {
		return err
	}
	return addons.Settle(ctx, api, status.Since, tell)
}

// client reaches a cluster with its administrator's rights.
func (l Layout) client(name string) (client.WithWatch, error) {
	config, err := (&Lab{layout: l}).Config(name)
	if err != nil {
		return nil, err
	}
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("reach cluster %s: %w", name, err)
	}
	api, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("reach cluster %s: %w", name, err)
	}
	return api, nil
}
