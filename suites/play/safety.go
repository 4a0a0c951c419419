package play

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
	"github.com/gamedayhq/gameday/scenarios/chaosmesh"
	"github.com/gamedayhq/gameday/scenarios/kubernetes"
	"github.com/gamedayhq/gameday/scenarios/safety"
)

// Safety is what stands over drills.
type Safety struct {
	Config   safety.Config // the harness's configuration
	Approval string        // a file that approves the scenario for production
	// Watchdog is the path of gameday's own program, which a drill starts as its watchdog; $GAMEDAY_BINARY unless said. Without one
	// the drill has no watchdog, and its evidence says so.
	Watchdog string
}

// WatchdogFile is what a watchdog writes, beside the journal, once it does something. While the drill's process may still close its
// evidence nobody may add a file to it: the watchdog then writes beside the folder, with the folder's name before.
const WatchdogFile = "watchdog.ndjson"

// Finds find the faults of drills in a cluster, of every sort that can be undone from the cluster alone: in the namespaces and on
// nodes, or without one everywhere.
func Finds(namespaces ...string) []safety.Find {
	return []safety.Find{findChaos(namespaces), findKubernetes(namespaces)}
}

func findChaos(namespaces []string) safety.Find {
	return func(ctx context.Context, cluster client.WithWatch) ([]safety.Leftover, error) {
		found, err := chaosmesh.Leftovers(ctx, cluster, namespaces...)
		out := make([]safety.Leftover, 0, len(found))
		for _, one := range found {
			out = append(out, safety.Leftover{
				Run: one.Run, Step: one.Step, Fault: one.Kind, Kind: one.Kind, Namespace: one.Namespace, Name: one.Name, Expires: one.Expires,
				Recover: func(ctx context.Context) (string, error) { return proofText(chaosmesh.Recover(ctx, cluster, one)) },
			})
		}
		return out, err
	}
}

func findKubernetes(namespaces []string) safety.Find {
	return func(ctx context.Context, cluster client.WithWatch) ([]safety.Leftover, error) {
		found, err := kubernetes.Leftovers(ctx, cluster, namespaces...)
		out := make([]safety.Leftover, 0, len(found))
		for _, one := range found {
			out = append(out, safety.Leftover{
				Run: one.Run, Step: one.Step, Fault: one.Fault, Kind: one.Kind, Namespace: one.Namespace, Name: one.Name, Expires: one.Expires,
				Recover: func(ctx context.Context) (string, error) { return proofText(kubernetes.Recover(ctx, cluster, one)) },
			})
		}
		return out, err
	}
}

// proofText says by what an undo is proven. One that is not proven is an error.
func proofText(proof *reports.Proof, err error) (string, error) {
	if err != nil {
		return "", err
	}
	text := strings.TrimSuffix(proof.By+": "+proof.Detail, ": ")
	if !proof.Proven {
		return "", fmt.Errorf("undone, but not proven so: %s", text)
	}
	return text, nil
}

// guards are those of a drill, in the order in which they are asked. The watchdog is there before the leases, so that it releases them
// whenever the drill dies.
func (g Game) guards(s *scenarios.Scenario, environment []map[string]string, dir string) []scenarios.Guard {
	config := g.Safety.Config
	reach := reachOf(s)
	return []scenarios.Guard{
		safety.Lever{Namespace: config.Namespace},
		safety.Environment{Production: config.Production, Environment: environment, Scenario: s, Approval: g.Safety.Approval},
		watchdog{program: g.program(), target: g.Target, config: config, dir: dir, reach: reach},
		safety.Leases{Namespace: config.Namespace, Targets: s.BlastRadius.Namespaces, Duration: config.Lease.D(), Find: Finds(reach...)},
	}
}

func (g Game) program() string {
	if g.Safety.Watchdog != "" {
		return g.Safety.Watchdog
	}
	return os.Getenv("GAMEDAY_BINARY")
}

// watchdog is the guard that starts a process that outlives the drill's.
type watchdog struct {
	program string
	target  Target
	config  safety.Config
	dir     string
	reach   []string // namespaces in which the drill may leave something; none: any
}

// armedWithin bounds how long a watchdog may take until it says that it watches.
const armedWithin = 30 * time.Second

// What passes between a drill and its watchdog, a line each.
const (
	WatchdogArmed = "armed" // the watchdog reaches the clusters and watches
	WatchdogOver  = "over"  // the drill ended and left nothing
	WatchdogLeft  = "left"  // the drill ended and left faults
)

// Enter starts the watchdog and returns once it watches.
func (w watchdog) Enter(ctx context.Context, env scenarios.Env, _ func(cause error)) (func(ctx context.Context) error, error) {
	if w.program == "" {
		return nil, env.Fact(safety.TopicWatchdog, map[string]any{"watchdog": false},
			"none: gameday's program is not known here ($GAMEDAY_BINARY): should this process be killed, sweep with: gameday sweep "+env.Run)
	}
	cmd := exec.Command(w.program, w.args(env.Run)...) //nolint:gosec,noctx // our own program, which must outlive every context of ours
	detach(cmd)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start the watchdog: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start the watchdog: %w", err)
	}
	var said lastWords
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the watchdog: %w", err)
	}
	if err := armed(ctx, out); err != nil {
		return nil, errors.Join(fmt.Errorf("the watchdog %s does not watch: %w: %s", w.program, err, said.String()), in.Close(), cmd.Process.Kill())
	}
	go func() { _ = cmd.Wait() }() // only so that the system forgets it; how it ends, it writes beside the journal
	leave := func(ctx context.Context) error {
		return errors.Join(w.leave(ctx, env, in), in.Close())
	}
	return leave, env.Fact(safety.TopicWatchdog, map[string]any{"watchdog": true, "pid": cmd.Process.Pid},
		"armed: it undoes the drill should this process die")
}

func (w watchdog) args(run string) []string {
	args := []string{"watchdog", "--run", run, "--dir", w.dir}
	if w.target.Kubeconfig != "" {
		args = append(args, "--kubeconfig", absolute(w.target.Kubeconfig))
	}
	if w.target.Context != "" {
		args = append(args, "--context", w.target.Context)
	}
	for _, name := range slices.Sorted(maps.Keys(w.target.Clusters)) {
		args = append(args, "--cluster", name+"="+w.target.Clusters[name])
	}
	if w.config.Namespace != "" {
		args = append(args, "--namespace", w.config.Namespace)
	}
	for _, namespace := range w.reach {
		args = append(args, "--reach", namespace)
	}
	return args
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// leave tells the watchdog how the drill ended. What could not be looked at counts as left.
func (w watchdog) leave(ctx context.Context, env scenarios.Env, in io.Writer) error {
	word := WatchdogOver
	found, err := safety.FindWithin(ctx, safety.LookWithin, env.Clusters, Finds(w.reach...))
	if err != nil || slices.ContainsFunc(found, func(l safety.Leftover) bool { return l.Run == env.Run }) {
		word = WatchdogLeft
	}
	if _, err := fmt.Fprintln(in, word); err != nil {
		return fmt.Errorf("tell the watchdog that the drill is over: %w", err)
	}
	return nil
}

// armed waits for the watchdog's word.
func armed(ctx context.Context, out io.Reader) error {
	word := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n') // an end without a line is no word
		word <- strings.TrimSpace(line)
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, armedWithin, fmt.Errorf("it said nothing within %v", armedWithin))
	defer cancel()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case line := <-word:
		if line != WatchdogArmed {
			return fmt.Errorf("it said %q and ended", line)
		}
		return nil
	}
}

// lastWords keeps the beginning of what a process says in error.
type lastWords struct {
	mu   sync.Mutex
	text []byte
}

// Write keeps what fits.
func (l *lastWords) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	const most = 4096
	l.text = append(l.text, p[:min(len(p), most-min(most, len(l.text)))]...)
	return len(p), nil
}

func (l *lastWords) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.TrimSpace(string(l.text))
}

// Watch is the watchdog's own side: it stands over the drill, in a process of its own, until the drill has ended or is undone.
type Watch struct {
	Target    Target
	Namespace string   // of gameday's own objects
	Run, Dir  string   // the drill and its evidence's folder
	Reach     []string // namespaces in which the drill may leave something; any unless said
}

// Stand says on out that it watches, and reads from in how the drill ended.
func (w Watch) Stand(ctx context.Context, in io.Reader, out io.Writer) error {
	clusters, _, err := w.Target.Connect(ctx)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, WatchdogArmed); err != nil {
		return err
	}
	ended := make(chan safety.Ending, 1)
	notes := &noteFile{path: filepath.Clean(w.Dir) + "." + WatchdogFile}
	go func() {
		line, _ := bufio.NewReader(in).ReadString('\n') // an end without a line is a death
		switch strings.TrimSpace(line) {
		case WatchdogOver:
			ended <- safety.Over
		case WatchdogLeft:
			ended <- safety.Left
		default:
			notes.move(filepath.Join(w.Dir, WatchdogFile))
			ended <- safety.Died
		}
	}()
	dog := safety.Watchdog{Sweep: safety.Sweep{
		Clusters: clusters, Namespace: w.Namespace, Find: Finds(w.Reach...), Run: w.Run, Note: notes.write,
	}}
	return errors.Join(dog.Stand(ctx, ended), notes.close())
}

// noteFile appends lines to a file that it makes with the first. A line that cannot be written stops no undo: the error is kept.
type noteFile struct {
	mu   sync.Mutex
	path string
	file *os.File
	err  error
}

// move says where the file is to be, unless it is there already.
func (n *noteFile) move(path string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.file == nil {
		n.path = path
	}
}

func (n *noteFile) write(entry safety.Entry) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	line, err := json.Marshal(entry)
	if err == nil && n.file == nil {
		n.file, err = os.OpenFile(n.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	}
	if err == nil {
		_, err = n.file.Write(append(line, '\n'))
	}
	if err == nil {
		err = n.file.Sync()
	}
	n.err = errors.Join(n.err, err)
	return nil
}

func (n *noteFile) close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.file == nil {
		return n.err
	}
	return errors.Join(n.err, n.file.Close())
}
