//go:build lab

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
	"github.com/gamedayhq/gameday/scenarios/safety"
	"github.com/gamedayhq/gameday/suites/lab"
	"github.com/gamedayhq/gameday/suites/play"
)

var (
	kills       = flag.Int("kills", 30, "how many drills the kill campaign kills")
	killSeed    = flag.Uint64("kill-seed", 20260301, "what the kill campaign's random times are drawn from")
	killResults = flag.Bool("kill-results", false, "write the kill campaign's numbers to docs/reliability.md")
)

// leftWithin is how long after its death anything of a drill may be seen: the lease's time and 30 s.
const leftWithin = safety.DefaultLease + 30*time.Second

// campaignPoints is a little more than the events that the campaign's drill writes: kills at points beyond its end are random.
const campaignPoints = 75

// workers is how many drills are played at once, each in a namespace of its own.
const workers = 3

func campaignDrill(namespace, api string) string {
	return strings.NewReplacer("NAMESPACE", namespace, "API", api).Replace(`apiVersion: gameday.dev/v1alpha1
kind: Scenario
metadata: {name: campaign}
spec:
  why: A drill that is killed leaves nothing.
  blastRadius: {namespaces: [NAMESPACE], allowLastReplica: true}
  monitors: [{name: api, every: 200ms, tcp: {address: "API"}}]
  baseline: 1s
  steps:
  - {name: full, hold: 500ms, quota: {namespace: NAMESPACE, pods: 0}}
  - {name: fewer, hold: 500ms, scale: {namespace: NAMESPACE, name: web, replicas: 1}}
  - name: cut
    hold: 1s
    chaos:
      kind: NetworkChaos
      spec:
        {action: partition, mode: all, direction: both, duration: 10m, selector: {namespaces: [NAMESPACE], labelSelectors: {app: web}},
         target: {mode: all, selector: {namespaces: [NAMESPACE], labelSelectors: {app: web}}}}
  settle: 500ms
  objectives: [{availability: {of: api, during: whole, atLeast: 50%}}]
`)
}

// kill is one drill that was killed.
type kill struct {
	at      string // the journal's last event, or when
	random  bool
	ended   bool // the drill was over before it could be killed
	begun   bool // a fault was begun
	clean   time.Duration
	verdict reports.Verdict
}

// The drill is killed at every point of its journal, and at random times: nothing of it is left, its journal can be read, and it
// never passes. Chaos Mesh's own duration (10 minutes here) has no part in it.
func TestKillCampaign(t *testing.T) {
	c := newCampaign(t)
	var mu sync.Mutex
	var all []kill
	next := make(chan int)
	var group sync.WaitGroup
	for worker := range workers {
		namespace := fmt.Sprintf("campaign-%d", worker)
		c.workload(t, namespace)
		group.Go(func() {
			for i := range next {
				one, err := c.killOne(t.Context(), namespace, i)
				if err != nil {
					t.Errorf("kill %d: %v", i, err)
				}
				mu.Lock()
				all = append(all, one)
				mu.Unlock()
				t.Logf("kill %d: %+v", i, one)
			}
		})
	}
	for i := range *kills {
		next <- i
	}
	close(next)
	group.Wait()
	c.report(t, all)
}

type campaign struct {
	program, kubeconfig, api, image string
	clusters                        scenarios.Clusters
	out                             string
	mu                              sync.Mutex
	random                          *rand.Rand
}

func newCampaign(t *testing.T) *campaign {
	t.Helper()
	up, err := lab.Open(lab.Options{})
	if err != nil {
		t.Fatalf("%v: start the lab with: gameday lab up", err)
	}
	c := &campaign{
		program: filepath.Join(t.TempDir(), "gameday"), kubeconfig: up.Kubeconfig(), out: t.TempDir(),
		random: rand.New(rand.NewPCG(*killSeed, 0)),
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", c.program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build gameday: %v\n%s", err, out)
	}
	config, err := up.Config(lab.Primary)
	if err != nil {
		t.Fatal(err)
	}
	c.api = strings.TrimPrefix(config.Host, "https://")
	if c.clusters, err = (play.Target{Kubeconfig: c.kubeconfig, Context: "primary"}).Dial(); err != nil {
		t.Fatal(err)
	}
	var nodes corev1.NodeList
	if err := c.clusters[""].List(t.Context(), &nodes); err != nil {
		t.Fatal(err)
	}
	for _, image := range nodes.Items[0].Status.Images {
		if slices.ContainsFunc(image.Names, func(name string) bool { return strings.Contains(name, "/pause:") }) {
			c.image = image.Names[0]
		}
	}
	return c
}

// workload makes a namespace with two pods, and takes it away with the test.
func (c *campaign) workload(t *testing.T, namespace string) {
	t.Helper()
	cluster, labels := c.clusters[""], map[string]string{"app": "web"}
	own := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	web := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(2)), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					TerminationGracePeriodSeconds: new(int64(0)),
					Containers:                    []corev1.Container{{Name: "pause", Image: c.image, ImagePullPolicy: corev1.PullIfNotPresent}},
				},
			},
		},
	}
	for _, object := range []client.Object{own, web} {
		if err := cluster.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := cluster.Delete(context.Background(), own); err != nil {
			t.Error(err)
		}
	})
	if err := c.ready(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
}

// ready waits until the workload is as it was before any drill.
func (c *campaign) ready(ctx context.Context, namespace string) error {
	ctx, cancel := context.WithTimeout(ctx, leftWithin)
	defer cancel()
	web := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web"}}
	return scenarios.Await(ctx, c.clusters[""], web, func(bool) scenarios.State {
		return scenarios.State{
			Done: *web.Spec.Replicas == 2 && web.Status.ReadyReplicas == 2 && web.Status.Replicas == 2,
			Seen: fmt.Sprintf("%d replicas wanted, %d ready", *web.Spec.Replicas, web.Status.ReadyReplicas),
		}
	})
}

// killOne plays a drill, kills it, and waits until nothing of it is left.
func (c *campaign) killOne(ctx context.Context, namespace string, i int) (kill, error) {
	if err := c.ready(ctx, namespace); err != nil {
		return kill{}, fmt.Errorf("before the drill: %w", err)
	}
	c.mu.Lock()
	delay := time.Duration(c.random.Int64N(int64(12 * time.Second)))
	c.mu.Unlock()
	one := kill{random: i%3 == 2}
	out := filepath.Join(c.out, fmt.Sprint(i))
	file := filepath.Join(c.out, fmt.Sprintf("%d.yaml", i))
	if err := os.WriteFile(file, []byte(campaignDrill(namespace, c.api)), 0o600); err != nil {
		return one, err
	}
	cmd := exec.Command(c.program, "run", "--kubeconfig", c.kubeconfig, "--context", "primary", "--out", out, file)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return one, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	point := 1 + (i * campaignPoints / *kills)
	one.ended = c.strike(cmd, ended, out, point, one.random, delay)
	return c.after(ctx, one, namespace, out, said.String())
}

// strike kills the process once its journal holds as many events as the point says, or at a time; it tells whether it was over before.
func (c *campaign) strike(cmd *exec.Cmd, ended chan error, out string, point int, random bool, delay time.Duration) bool {
	began := time.Now()
	for {
		select {
		case <-ended:
			return true
		case <-time.After(2 * time.Millisecond):
		}
		if random && time.Since(began) >= delay || !random && events(out) >= point {
			_ = cmd.Process.Kill() // it may be over in this moment: then it says how it ended
			return (<-ended) == nil
		}
	}
}

// events counts the events in the journal of the one drill in a folder.
func events(out string) int {
	paths, _ := filepath.Glob(filepath.Join(out, "*", reports.JournalFile))
	if len(paths) == 0 {
		return 0
	}
	text, err := os.ReadFile(paths[0])
	if err != nil {
		return 0
	}
	return bytes.Count(text, []byte(`","event":{`))
}

// after looks at what a killed drill left.
func (c *campaign) after(ctx context.Context, one kill, namespace, out, said string) (kill, error) {
	began := time.Now()
	paths, err := filepath.Glob(filepath.Join(out, "*", reports.JournalFile))
	if err != nil || len(paths) == 0 {
		one.at = "before the journal"
		return one, err
	}
	dir := filepath.Dir(paths[0])
	if err := c.nothingLeft(ctx, filepath.Base(dir)); err != nil {
		return one, fmt.Errorf("%w; said:\n%s", err, said)
	}
	one.clean = time.Since(began)
	if err := c.ready(ctx, namespace); err != nil {
		return one, fmt.Errorf("the workload is not as it was: %w", err)
	}
	record, _, err := reports.Read(paths[0])
	if err != nil {
		return one, fmt.Errorf("the journal cannot be read: %w", err)
	}
	for _, event := range record.Events {
		one.at = strings.TrimSpace(fmt.Sprintf("%s %s", event.Kind, event.Topic))
		one.begun = one.begun || event.Kind == reports.StepStarted
		one.ended = one.ended || event.Kind == reports.DrillEnded
	}
	ev, err := reports.Conclude(dir)
	if err != nil {
		return one, fmt.Errorf("the journal cannot be judged: %w", err)
	}
	if one.verdict = ev.Verdict; one.verdict == reports.Pass && !one.ended {
		return one, fmt.Errorf("a drill that was killed passes: %s", dir)
	}
	return one, nil
}

// nothingLeft waits until neither a fault nor a lease of the drill is in the cluster.
func (c *campaign) nothingLeft(ctx context.Context, run string) error {
	deadline := time.Now().Add(leftWithin)
	for {
		found, err := safety.FindAll(ctx, c.clusters, play.Finds())
		if err != nil {
			return err
		}
		found = slices.DeleteFunc(found, func(l safety.Leftover) bool { return l.Run != run })
		var leases coordinationv1.LeaseList
		err = c.clusters[""].List(ctx, &leases, client.InNamespace(safety.DefaultNamespace), client.MatchingLabels{scenarios.LabelRun: run})
		if err != nil {
			return err
		}
		if len(found) == 0 && len(leases.Items) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			left, _ := json.Marshal(found)
			return fmt.Errorf("%v after its death faults and leases of %s are left: %s, %d leases", leftWithin, run, left, len(leases.Items))
		}
		time.Sleep(500 * time.Millisecond)
	}
}

const killMark = "<!-- kill campaign -->\n"

// report says the numbers, and writes them into the documentation when asked.
func (c *campaign) report(t *testing.T, all []kill) {
	t.Helper()
	rows := map[bool][]kill{}
	for _, one := range all {
		if !one.ended {
			rows[one.random] = append(rows[one.random], one)
		}
	}
	var b strings.Builder
	b.WriteString(killMark + "| killed | drills | in or after a fault | faults or leases left | verdict pass | longest until clean |\n|---|---|---|---|---|---|\n")
	for _, random := range []bool{false, true} {
		name := map[bool]string{false: "at a point of the journal", true: "at a random time"}[random]
		begun, passed, longest := 0, 0, time.Duration(0)
		for _, one := range rows[random] {
			longest = max(longest, one.clean)
			if one.begun {
				begun++
			}
			if one.verdict == reports.Pass {
				passed++
			}
		}
		fmt.Fprintf(&b, "| %s | %d | %d | 0 | %d | %v |\n", name, len(rows[random]), begun, passed, longest.Round(100*time.Millisecond))
	}
	ended := len(all) - len(rows[false]) - len(rows[true])
	fmt.Fprintf(&b, "\n%d drills, seed %d; %d of them were over before they could be killed.\n<!-- end of kill campaign -->\n", len(all), *killSeed, ended)
	t.Log("\n" + b.String())
	if len(rows[false])+len(rows[true]) < len(all)/2 {
		t.Errorf("%d of %d drills were over before they could be killed: the campaign kills too late", ended, len(all))
	}
	if !*killResults || t.Failed() {
		return
	}
	const path = "../../docs/reliability.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), killMark)
	_, after, ends := strings.Cut(rest, "<!-- end of kill campaign -->\n")
	if !found || !ends {
		t.Fatalf("%s has no place for the kill campaign", path)
	}
	if err := os.WriteFile(path, []byte(before+b.String()+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
