package html

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/gamedayhq/gameday/reports"
)

// eventView is a row of the timeline's table.
type eventView struct {
	At, Wall, Word, Step, Topic, Detail, Data string
	Bad                                       bool
}

// maxEvents bounds the table; what tells of a failure is shown however many there are.
const maxEvents = 2000

// maxData bounds what of an event's data is shown.
const maxData = 2000

var eventWords = map[reports.Kind]string{
	reports.Preflight: "preflight", reports.BaselineStarted: "baseline began", reports.BaselineEnded: "baseline ended",
	reports.StepStarted: "step began", reports.StepDone: "step done", reports.StepFailed: "step failed",
	reports.UndoStarted: "undo asked for", reports.UndoDone: "undone", reports.UndoFailed: "not proven undone",
	reports.StepEnded: "step ended", reports.MonitorsStopped: "monitors stopped", reports.Fact: "fact", reports.Aborted: "aborted", reports.DrillEnded: "drill ended",
}

// elsewhere says which part of the page shows the data of a fact.
var elsewhere = map[string]string{
	reports.TopicTargets: "listed under Faults", reports.TopicInjected: "told under Faults", reports.TopicRecovered: "told under Faults",
	reports.TopicReadBack: "told under Data", reports.TopicEnvironment: "listed under Environment",
}

func eventViews(ev reports.Evidence, dates bool) (rows []eventView, cut int) {
	layout := "15:04:05.000"
	if dates {
		layout = "2006-01-02 15:04:05.000"
	}
	for _, e := range ev.Timeline {
		bad := e.Kind == reports.StepFailed || e.Kind == reports.UndoFailed || e.Kind == reports.Aborted || e.Topic == reports.TopicVoid
		if len(rows) >= maxEvents && !bad {
			cut++
			continue
		}
		rows = append(rows, eventView{
			At: offset(e.At), Wall: ev.Started.Add(e.At).UTC().Format(layout), Word: cmp.Or(eventWords[e.Kind], string(e.Kind)),
			Step: e.Step, Topic: e.Topic, Detail: cmp.Or(e.Detail, elsewhere[e.Topic]), Data: dataOf(e), Bad: bad,
		})
	}
	return rows, cut
}

// dataOf gives the data of facts that no other part of the page shows.
func dataOf(e reports.Event) string {
	if elsewhere[e.Topic] != "" || len(e.Data) == 0 {
		return ""
	}
	var out bytes.Buffer
	if err := json.Indent(&out, e.Data, "", "  "); err != nil {
		out.Reset()
		out.Write(e.Data)
	}
	if text := []rune(out.String()); len(text) > maxData {
		return string(text[:maxData]) + fmt.Sprintf("\n… cut here: %s in the journal", counted(int64(len(e.Data)), "byte"))
	}
	return out.String()
}
