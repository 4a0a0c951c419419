// Package play plays a scenario on clusters from end to end: it connects, runs, judges, and writes the evidence. The command
// line and the Ginkgo front end both use it, so that one scenario gives the same evidence from either.
package play

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/gamedayhq/gameday/dr"
	"github.com/gamedayhq/gameday/dr/velero"
	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/reports/html"
	"github.com/gamedayhq/gameday/scenarios"
	"github.com/gamedayhq/gameday/scenarios/chaosmesh"
	"github.com/gamedayhq/gameday/scenarios/kubernetes"
)

// Kinds are all actions that gameday ships, by the keys that a scenario file uses.
func Kinds() scenarios.Kinds {
	kinds := scenarios.Kinds{"chaos": chaosmesh.Decode}
	for _, more := range []scenarios.Kinds{scenarios.OwnKinds(), kubernetes.Kinds(), dr.Kinds(), velero.Kinds()} {
		maps.Copy(kinds, more)
	}
	return kinds
}

// Parser returns a parser of scenario files that knows all shipped actions.
func Parser(parameters map[string]string) scenarios.Parser {
	return scenarios.Parser{Kinds: Kinds(), Parameters: parameters}
}

// Game is where and how drills are played.
type Game struct {
	Target Target            // the clusters
	Out    string            // folder in which each drill makes one of its own; "evidence" unless said
	Watch  scenarios.Watcher // follows along; may be nil
	Seal   Sealing           // who closes and signs the evidence
	Safety Safety            // what stands over the drills
}

// Drill is a drill that was played.
type Drill struct {
	Dir      string // its evidence
	Evidence reports.Evidence
}

// Play plays a scenario. Its error is the harness's; the evidence is there also with an error, as soon as the drill had begun.
func (g Game) Play(ctx context.Context, s *scenarios.Scenario) (Drill, error) {
	clusters, environment, err := g.Target.Connect(ctx)
	if err != nil {
		return Drill{}, err
	}
	run := scenarios.NewRun(s.Name, time.Now())
	dir, err := g.folder(run)
	if err != nil {
		return Drill{}, err
	}
	runner := scenarios.Runner{
		Run: run, Dir: dir, Clusters: clusters, Harness: Harness(), Environment: environment, Watch: g.Watch,
		Guards: g.guards(s, environment, dir), Ceiling: g.Safety.Config.Ceiling,
	}
	playErr := runner.Play(ctx, s)
	if _, err := os.Stat(runner.JournalPath()); err != nil {
		return Drill{}, errors.Join(playErr, os.Remove(dir)) // refused before it began: nothing was recorded
	}
	evidence, err := Conclude(dir)
	if err == nil { // on a context that outlives an interrupted drill's
		err = g.Seal.Seal(context.WithoutCancel(ctx), dir, evidence)
	}
	return Drill{Dir: dir, Evidence: evidence}, errors.Join(playErr, err)
}

func (g Game) folder(run string) (string, error) {
	out := g.Out
	if out == "" {
		out = "evidence"
	}
	dir, err := filepath.Abs(filepath.Join(out, run))
	if err != nil {
		return "", fmt.Errorf("make the evidence's folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make the evidence's folder: %w", err)
	}
	return dir, nil
}

// Conclude judges the journal in a folder and writes evidence and report beside it.
func Conclude(dir string) (reports.Evidence, error) {
	evidence, err := reports.Conclude(dir)
	if err != nil {
		return evidence, err
	}
	record, _, err := reports.Read(filepath.Join(dir, reports.JournalFile))
	if err != nil {
		return evidence, err
	}
	file, err := os.Create(filepath.Join(dir, reports.ReportFile))
	if err != nil {
		return evidence, fmt.Errorf("write report: %w", err)
	}
	if err := errors.Join(html.Write(file, evidence, record.Samples), file.Close()); err != nil {
		return evidence, fmt.Errorf("write report: %w", err)
	}
	return evidence, nil
}
