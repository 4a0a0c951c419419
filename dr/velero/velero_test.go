package velero

import (
	"errors"
	"strings"
	"testing"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"

	"github.com/gamedayhq/gameday/scenarios"
)

func TestOnlyAWholeOutcomePasses(t *testing.T) {
	whole := []Volume{{Name: "db-0/data", Phase: "Completed", Bytes: 1}}
	for name, row := range map[string]struct {
		outcome Outcome
		want    string // in the error; empty: none
	}{
		"completed":                          {Outcome{Phase: "Completed", Volumes: whole}, ""},
		"completed without volumes":          {Outcome{Phase: "Completed"}, ""},
		"completed while a volume runs":      {Outcome{Phase: "Completed", Volumes: []Volume{{Name: "db-0/data", Phase: "InProgress"}}}, "db-0/data InProgress"},
		"completed though a volume failed":   {Outcome{Phase: "Completed", Volumes: []Volume{{Name: "db-0/data", Phase: "Failed", Error: "no space"}}}, "no space"},
		"completed, a volume's phase is new": {Outcome{Phase: "Completed", Volumes: []Volume{{Name: "db-0/data"}}}, "not whole: db-0/data"},
		"partially failed":                   {Outcome{Phase: "PartiallyFailed", Errors: 2, Volumes: whole}, "PartiallyFailed with 2 errors"},
		"failed":                             {Outcome{Phase: "Failed", Reason: "store gone"}, "store gone"},
		"a phase that nobody knows":          {Outcome{Phase: "Dreaming"}, "Dreaming"},
	} {
		err := row.outcome.verdict("backup")
		if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %v, want %q", name, err, row.want)
		}
		var system *scenarios.SystemError
		if err != nil && !errors.As(err, &system) {
			t.Errorf("%s: %v is not the system's", name, err)
		}
	}
}

// Every phase that Velero documents is known to be an end or not; an unknown one is waited on until the deadline.
func TestPhases(t *testing.T) {
	for phase, ended := range map[string]bool{
		"": false, "New": false, "Queued": false, "ReadyToStart": false, "InProgress": false, "WaitingForPluginOperations": false,
		"WaitingForPluginOperationsPartiallyFailed": false, "Finalizing": false, "FinalizingPartiallyFailed": false, "Dreaming": false,
		"Completed": true, "PartiallyFailed": true, "Failed": true, "FailedValidation": true,
	} {
		if backupEnded(velerov1.BackupPhase(phase)) != ended {
			t.Errorf("backup phase %q: ended is %v", phase, !ended)
		}
		if restoreEnded(velerov1.RestorePhase(phase)) != ended {
			t.Errorf("restore phase %q: ended is %v", phase, !ended)
		}
	}
	if !backupEnded("Deleting") {
		t.Error("a backup that is being deleted goes on")
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for want, action := range map[string]scenarios.Problems{
		"backup.include": &Backup{},
		"restore.step":   &Restore{},
		"name either":    &Restore{Step: "a", Backup: "b"},
	} {
		if got := strings.Join(action.Problems(), "\n"); !strings.Contains(got, want) {
			t.Errorf("%+v: %q, want %q", action, got, want)
		}
	}
}
