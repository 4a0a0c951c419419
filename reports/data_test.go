package reports

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// ledgerText reads the life of a ledger from words: each is a number with what became of it.
//
//	5     sent and acknowledged          5?  sent and not acknowledged
//	[ ]   the backup "copy" starts, is done
//	=1,2  read back: 1 and 2 were found; = alone: nothing was found; =!  the read-back is not readable
//
// Each word takes a second: a write is sent at its begin and acknowledged 100 ms later.
func ledgerText(t *testing.T, text string) []Event {
	t.Helper()
	fact := func(at time.Duration, topic string, data any) Event {
		raw, err := json.Marshal(data)
		if err != nil {
			t.Fatal(err)
		}
		return Event{At: at, Kind: Fact, Topic: topic, Data: raw}
	}
	var events []Event
	for i, word := range strings.Fields(text) {
		at := time.Duration(i+1) * time.Second
		switch {
		case word == "[":
			events = append(events, Event{At: at, Kind: StepStarted, Step: "copy"})
		case word == "]":
			events = append(events, Event{At: at, Kind: StepDone, Step: "copy"}, Event{At: at, Kind: StepEnded, Step: "copy"})
		case word == "=!":
			events = append(events, Event{At: at, Kind: Fact, Topic: TopicReadBack, Data: json.RawMessage(`"x"`)})
		case word[0] == '=':
			var found []int64
			if err := json.Unmarshal([]byte("["+word[1:]+"]"), &found); err != nil {
				t.Fatal(err)
			}
			events = append(events, fact(at, TopicReadBack, ReadBack{Ledger: "orders", Found: found}))
		default:
			var number int64
			text, unacked := strings.CutSuffix(word, "?")
			if err := json.Unmarshal([]byte(text), &number); err != nil {
				t.Fatal(err)
			}
			m := Marker{Ledger: "orders", Number: number, Sent: at, Acked: at + 100*time.Millisecond}
			if unacked {
				m.Acked = 0
			}
			events = append(events, fact(at, TopicMarker, m))
		}
	}
	return events
}

func TestData(t *testing.T) {
	all := &Data{Of: "orders"}
	backup := &Data{Of: "orders", Backup: "copy"}
	rows := []struct {
		name, ledger string
		objective    *Data
		want         Verdict
		reason, got  string
	}{
		{"all that was acknowledged is there", "1 2 3 =1,2,3", all, Pass, "", "3 of 3 found, 0 lost"},
		{"one that was acknowledged is lost", "1 2 3 =1,2", all, Fail, "lost: 3", "2 of 3 found, 1 lost"},
		{"one that was not acknowledged may be lost", "1 2 3? =1,2", all, Pass, "", "2 of 2 found"},
		{"one that was not acknowledged may be there", "1 2 3? =1,2,3", all, Pass, "", "2 of 2 found"},
		{"a hole before a later write is corruption", "1 2 3 =1,3", all, Fail, "lost: 2 (corruption: later writes than 2 are there)", ""},
		{"as many lost as allowed", "1 2 3 =1,2", &Data{Of: "orders", Lost: 1}, Pass, "lost: 3", ""},
		{"one lost too many", "1 2 3 =1", &Data{Of: "orders", Lost: 1}, Fail, "lost: 2, 3", ""},
		{"what was never sent is foreign", "1 2 =1,2,9", all, Fail, "foreign data: found what was never sent: 9", ""},
		{"never read back", "1 2 3", all, Inconclusive, "never read back", ""},
		{"an unreadable read-back", "1 2 3 =!", all, Inconclusive, "not readable", ""},
		{"nothing acknowledged proves nothing", "1? 2? =1,2", all, Inconclusive, "nothing is proven", ""},
		{"nothing sent proves nothing", "=", all, Inconclusive, "nothing is proven", ""},
		{"the last read-back counts", "1 2 =1 =1,2", all, Pass, "", ""},
		{"the last read-back counts also when it is worse", "1 2 =1,2 =1", all, Fail, "lost: 2", ""},
		{"what was acknowledged after the read-back is no matter", "1 2 =1,2 3", all, Pass, "", "2 of 2 found"},
		{"a number sent twice counts from its first acknowledgement", "1? 1 2 =1,2", all, Pass, "", "2 of 2 found"},
		{"more than ten lost are counted", "1 2 3 4 5 6 7 8 9 10 11 12 =", all, Fail, "10, and 2 more", ""},

		{"before the backup all, after it nothing", "1 2 [ ] 3 4 =1,2", backup, Pass, "", "2 of 2 found, 0 lost; 0 of 2 sent after the backup found"},
		{"one before the backup is lost", "1 2 [ ] 3 4 =1", backup, Fail, "lost: 2", ""},
		{"one after the backup is there", "1 2 [ ] 3 4 =1,2,4", backup, Fail, "wrong data: what was written after the backup is present: 4", ""},
		{"one after the backup that was not acknowledged is there", "1 2 [ ] 3? 4 =1,2,3", backup, Fail, "wrong data", ""},
		{"one during the backup may be there", "1 2 [ 3 ] 4 =1,2,3", backup, Pass, "", ""},
		{"one during the backup may be lost", "1 2 [ 3 ] 4 =1,2", backup, Pass, "", ""},
		{"no write after the backup", "1 2 [ ] =1,2", backup, Inconclusive, "stale or live copy", ""},
		{"no write before the backup", "[ ] 3 4 =", backup, Inconclusive, "nothing is proven", ""},
		{"a backup that never ended", "1 2 [ 3 4 =1,2", backup, Inconclusive, `backup "copy" was not done`, ""},
		{"a backup that never began", "1 2 3 4 =1,2", backup, Inconclusive, `backup "copy" was not done`, ""},
		{"an unknown backup", "1 2 [ ] 3 =1,2", &Data{Of: "orders", Backup: "dump"}, Inconclusive, `no step "dump"`, ""},
		{"a read-back before the backup was done", "1 2 [ =1,2 ] 3", backup, Inconclusive, "before the backup was done", ""},
		{"another ledger's marks are no matter", "1 2 =1,2", &Data{Of: "carts"}, Inconclusive, "never read back", ""},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			checks, _ := Judge(recordOf(ledgerText(t, r.ledger), nil, r.objective))
			c := kindOf(t, checks, "data")
			if c.Verdict != r.want || !strings.Contains(c.Reason, r.reason) || !strings.Contains(c.Got, r.got) {
				t.Errorf("got %v: %q, %q; want %v: %q, %q", c.Verdict, c.Reason, c.Got, r.want, r.reason, r.got)
			}
			if c.Verdict != Pass && c.Reason == "" {
				t.Error("a check that did not pass must say why")
			}
		})
	}
}

func TestDataTellsWhatIsOfOthers(t *testing.T) {
	raw, err := json.Marshal(ReadBack{Ledger: "orders", Found: []int64{1}, Others: 7})
	if err != nil {
		t.Fatal(err)
	}
	events := append(ledgerText(t, "1"), Event{At: 5 * time.Second, Kind: Fact, Topic: TopicReadBack, Data: raw})
	checks, _ := Judge(recordOf(events, nil, &Data{Of: "orders"}))
	if c := kindOf(t, checks, "data"); !strings.Contains(c.Got, "7 entries of others") {
		t.Errorf("got %q", c.Got)
	}
}

func TestProofsOfInjection(t *testing.T) {
	bySay := Proof{By: "records", Proven: true}
	half := Proof{By: "records", Proven: true, Records: []Site{{ID: "a", Injected: 1}, {ID: "b"}}}
	rows := []struct {
		name   string
		proofs []any
		want   Verdict
		reason string
		got    string
	}{
		{"the controller's word alone is told", []any{bySay}, Pass, "controller's own account alone", "proven by records"},
		{"an independent sign is named before it", []any{bySay, Proof{By: "uid gone", Independent: true, Proven: true}}, Pass, "", "proven by uid gone"},
		{"and keeps its place", []any{Proof{By: "uid gone", Independent: true, Proven: true}, bySay}, Pass, "", "proven by uid gone"},
		{"a sign that says no is told", []any{bySay, Proof{By: "ping", Independent: true, Detail: "it answers"}}, Pass, "not proven by ping: it answers", ""},
		{"a proof that proves nothing", []any{Proof{By: "records", Detail: "0 of 1"}}, Inconclusive, "not proven by records: 0 of 1", ""},
		{"half of the sites", []any{half}, Inconclusive, "injected on 1 of 2 sites only", ""},
		{"an unreadable proof", []any{"yes"}, Inconclusive, "not readable", ""},
		{"none", nil, Inconclusive, "no proof was recorded", "1 targets, no proof"},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			record := without(timelineOf(t, "B+40b STD+5URVE+40MZ", avail(during("whole"), 0)), "copy")
			for _, p := range r.proofs {
				raw, err := json.Marshal(p)
				if err != nil {
					t.Fatal(err)
				}
				record.Events = append(record.Events, Event{At: ms(4100), Kind: Fact, Step: "break", Topic: TopicInjected, Data: raw})
			}
			checks, _ := Judge(record)
			c := kindOf(t, checks, "injected")
			if c.Verdict != r.want || !strings.Contains(c.Reason, r.reason) || !strings.Contains(c.Got, r.got) {
				t.Errorf("got %v: %q, %q; want %v: %q, %q", c.Verdict, c.Reason, c.Got, r.want, r.reason, r.got)
			}
		})
	}
}
