package safety

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gamedayhq/gameday/scenarios"
)

// notes keeps what a watchdog says.
type notes struct {
	mu  sync.Mutex
	all []Entry
}

func (n *notes) write(entry Entry) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, entry)
	return nil
}

func (n *notes) said(what, detail string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, entry := range n.all {
		if entry.What == what && strings.Contains(entry.Detail, detail) {
			return true
		}
	}
	return false
}

func TestTheWatchdogOfADrill(t *testing.T) {
	for what, row := range map[string]struct {
		how    Ending
		silent bool // the pipe says nothing, and the heart stands still
		want   string
	}{
		"its process died":          {how: Died, want: "process died"},
		"it ended and left faults":  {how: Left, want: "left faults"},
		"it ended and left nothing": {how: Over},
		"it hangs":                  {silent: true, want: "heartbeat stopped"},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster, world, said := kube(t), &faults{}, &notes{}
				dieAt(t, "drill", cluster)
				world.left = []Leftover{{Run: "drill", Name: "a"}, {Run: "another", Name: "b"}}
				ended := make(chan Ending, 1)
				if !row.silent {
					ended <- row.how
				}
				dog := Watchdog{Sweep: Sweep{
					Clusters: scenarios.Clusters{"": cluster}, Find: []Find{world.find}, Run: "drill", Note: said.write,
				}}
				began := time.Now()
				if err := dog.Stand(t.Context(), ended); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took > DefaultLease+30*time.Second {
					t.Errorf("it took %v", took)
				}
				if row.want == "" {
					if world.names() != "drill/a another/b" || len(said.all) > 0 {
						t.Errorf("left %q, said %v; want nothing done", world.names(), said.all)
					}
					return
				}
				if world.names() != "another/b" || len(leasesOf(t, cluster)) > 0 {
					t.Errorf("left %q, leases %v", world.names(), leasesOf(t, cluster))
				}
				if !said.said("began", row.want) || !said.said("undone", "seen to be gone") || !said.said("ended", "nothing of the drill is left") {
					t.Errorf("said %v", said.all)
				}
			})
		})
	}
}

// A fault whose creation was on its way when the drill died is undone too, and one that cannot be undone at first is tried again.
func TestTheWatchdogLooksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, world, said := kube(t), &faults{}, &notes{}
		dieAt(t, "drill", cluster)
		world.left, world.fail = []Leftover{{Run: "drill", Name: "a"}}, errors.New("the daemon is away")
		time.AfterFunc(time.Minute, func() {
			world.mu.Lock()
			defer world.mu.Unlock()
			world.fail = nil
		})
		time.AfterFunc(time.Minute+4*time.Second, func() {
			world.mu.Lock()
			defer world.mu.Unlock()
			world.left = append(world.left, Leftover{Run: "drill", Name: "late"})
		})
		ended := make(chan Ending, 1)
		ended <- Died
		dog := Watchdog{Sweep: Sweep{Clusters: scenarios.Clusters{"": cluster}, Find: []Find{world.find}, Run: "drill", Note: said.write}}
		if err := dog.Stand(t.Context(), ended); err != nil || world.names() != "" {
			t.Errorf("%v, left %q", err, world.names())
		}
		if !said.said("not undone", "the daemon is away") {
			t.Errorf("said %v", said.all)
		}
	})
}

// While the watchdog undoes, it holds the leases: no other drill begins on the targets.
func TestTheWatchdogHoldsTheTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, world := kube(t), &faults{}
		dieAt(t, "drill", cluster)
		world.left, world.fail = []Leftover{{Run: "drill", Name: "a"}}, errors.New("stuck")
		ended := make(chan Ending, 1)
		ended <- Died
		dog := Watchdog{Budget: 10 * time.Minute, Sweep: Sweep{Clusters: scenarios.Clusters{"": cluster}, Find: []Find{world.find}, Run: "drill"}}
		done := make(chan error, 1)
		go func() { done <- dog.Stand(t.Context(), ended) }()
		time.Sleep(5 * time.Minute)
		env, _ := envOf("second", cluster)
		if _, err := (Leases{Targets: []string{"shop"}}).Enter(t.Context(), env, noStop(t)); err == nil || !strings.Contains(err.Error(), "the watchdog") {
			t.Errorf("got %v, want the watchdog named as the holder", err)
		}
		if err := <-done; err == nil || !strings.Contains(err.Error(), "stuck") {
			t.Errorf("a watchdog that could not undo says %v", err)
		}
		if got := leasesOf(t, cluster); len(got) != 1 {
			t.Errorf("leases %v: it must stay as long as a fault is left", got)
		}
	})
}

func TestThePatrol(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, world, said := kube(t), &faults{}, &notes{}
		env, _ := envOf("alive", cluster)
		leave, err := Leases{Targets: []string{"bank"}}.Enter(t.Context(), env, noStop(t))
		if err != nil {
			t.Fatal(err)
		}
		dieAt(t, "dead", cluster)
		soon := time.Now().Add(10 * time.Minute)
		world.left = []Leftover{{Run: "dead", Name: "a"}, {Run: "alive", Name: "b"}, {Run: "orphan", Name: "c", Expires: soon}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		dog := Watchdog{Sweep: Sweep{Clusters: scenarios.Clusters{"": cluster}, Find: []Find{world.find}, Note: said.write}}
		go func() { done <- dog.Patrol(ctx) }()
		time.Sleep(DefaultLease - 5*time.Second)
		if got := world.names(); got != "dead/a alive/b orphan/c" {
			t.Errorf("before the lease is over %q is left", got)
		}
		time.Sleep(25 * time.Second)
		if got := world.names(); got != "alive/b orphan/c" {
			t.Errorf("once the lease is over %q is left", got)
		}
		time.Sleep(10 * time.Minute)
		if got := world.names(); got != "alive/b" {
			t.Errorf("once the orphan should be over %q is left", got)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err := leave(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
