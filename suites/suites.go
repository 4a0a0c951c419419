// Package suites is the Ginkgo front end: drills as specs, with their evidence attached to Ginkgo's report.
//
// A scenario gives the same drill, verdict and evidence from here as from the command line: both use package play.
package suites

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"
	"github.com/onsi/gomega/gcustom"
	"github.com/onsi/gomega/types"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
	"github.com/gamedayhq/gameday/scenarios/library"
	"github.com/gamedayhq/gameday/suites/play"
)

// Input is what the specs need; a getter gives it, since Ginkgo builds its tree before the suite begins.
type Input struct {
	Game       play.Game
	Parameters map[string]string // values for the scenarios' parameters
}

// Specs declares one spec for each named scenario of the library. Each must pass: a drill that fails or proves nothing fails
// its spec.
func Specs(get func() Input, names ...string) {
	for _, name := range names {
		ginkgo.It(name, ginkgo.Label("drill"), func(ctx context.Context) {
			in := get()
			text, err := library.Read(name)
			gomega.Expect(err).NotTo(gomega.HaveOccurred())
			scenario, err := play.Parser(in.Parameters).Parse(name+".yaml", text)
			gomega.Expect(err).NotTo(gomega.HaveOccurred())
			gomega.Expect(Run(ctx, in.Game, scenario)).To(HaveVerdict(reports.Pass))
		})
	}
}

// Run plays a scenario in a spec and attaches its evidence to Ginkgo's report. The harness's own error fails the spec.
func Run(ctx context.Context, game play.Game, scenario *scenarios.Scenario) play.Drill {
	ginkgo.GinkgoHelper()
	if game.Watch == nil {
		game.Watch = Spoken{}
	}
	drill, err := game.Play(ctx, scenario)
	if drill.Dir != "" {
		ginkgo.AddReportEntry("evidence", Entry{Dir: drill.Dir, Evidence: drill.Evidence}, ginkgo.ReportEntryVisibilityFailureOrVerbose)
	}
	gomega.Expect(err).NotTo(gomega.HaveOccurred(), "the harness could not play %s; evidence: %s", scenario.Name, drill.Dir)
	return drill
}

// Entry is a drill's evidence in Ginkgo's report: whole in its JSON, in words on the screen.
type Entry struct {
	Dir      string           `json:"dir"`
	Evidence reports.Evidence `json:"evidence"`
}

// String says the verdict, why, and where the evidence is.
func (e Entry) String() string {
	return fmt.Sprintf("%s: %s\n%s\nevidence: %s", e.Evidence.Drill.Name, e.Evidence.Verdict, strings.Join(e.Evidence.Why, "\n"), e.Dir)
}

// HaveVerdict succeeds for a drill with the verdict, and otherwise tells each check that made it another.
func HaveVerdict(want reports.Verdict) types.GomegaMatcher {
	return gcustom.MakeMatcher(func(drill play.Drill) (bool, error) {
		return drill.Evidence.Verdict == want, nil
	}).WithTemplate("Expected the drill {{.Actual.Evidence.Drill.Name}} {{.To}} have the verdict {{.Data}}, but it is " +
		"{{.Actual.Evidence.Verdict}}:\n{{range .Actual.Evidence.Why}}  {{.}}\n{{end}}evidence: {{.Actual.Dir}}").WithTemplateData(want)
}

// Spoken is a watcher that writes events to Ginkgo's writer.
type Spoken struct{ silent }

// Event writes an event.
func (Spoken) Event(event reports.Event) {
	if event.Topic == reports.TopicMarker || event.Topic == reports.TopicObject {
		return
	}
	line, err := json.Marshal(event)
	if err != nil {
		line = fmt.Appendf(nil, "%+v", event)
	}
	ginkgo.GinkgoWriter.Printf("%s\n", line)
}
