package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gamedayhq/gameday/probes"
)

func newJournal(t *testing.T) (*Journal, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), JournalFile)
	j, err := Create(path, recordOf(nil, nil, avail(during("whole"), 0.9)).Header)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil && !t.Failed() {
			t.Error(err)
		}
	})
	return j, path
}

func TestJournalIsReadBackAsWritten(t *testing.T) {
	j, path := newJournal(t)
	before := time.Now()
	events := []Event{
		{Kind: BaselineStarted},
		{Kind: Fact, Step: "break", Topic: "note", Detail: "a < b && ü", Data: json.RawMessage("{\n\"a\": 1}")},
		{At: time.Hour, Kind: DrillEnded},
	}
	sample := sampleOf("shop", '-', 7)
	for i, e := range events {
		if err := j.Event(e); err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			if err := j.Sample(sample); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	record, state, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if !state.Complete || state.Torn || state.File.Lines != 6 || state.File.Path != JournalFile {
		t.Errorf("state %+v", state)
	}
	if got := slices.Collect(record.Samples); len(got) != 1 || got[0] != sample {
		t.Errorf("samples %+v", got)
	}
	if got := slices.Collect(record.Samples); len(got) != 1 {
		t.Errorf("samples read again %+v", got)
	}
	if len(record.Events) != 3 || record.Events[1].Detail != events[1].Detail || string(record.Events[1].Data) != `{"a":1}` {
		t.Errorf("events %+v", record.Events)
	}
	if record.Events[0].At <= 0 || record.Events[0].At > record.Events[1].At || record.Events[2].At != time.Hour {
		t.Errorf("times %+v", record.Events)
	}
	if wall := record.Header.Started; wall.Sub(before).Abs() > time.Minute || !wall.Equal(j.Start()) {
		t.Errorf("started %v", wall)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(raw, []byte("a < b && ü")) {
		t.Error("text is not as people read it")
	}
}

// TestJournalChainIsWhatItSays computes the chain in the plainest way.
func TestJournalChainIsWhatItSays(t *testing.T) {
	j, path := newJournal(t)
	if err := j.Event(Event{Kind: BaselineStarted}); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(raw, []byte("\n"))
	if !bytes.HasPrefix(lines[0], []byte(`{"n":0,"prev":"","header":{`)) {
		t.Errorf("line 1: %s", lines[0])
	}
	if want := fmt.Sprintf(`{"n":1,"prev":"%s","event":{`, hashLine(lines[0])); !bytes.HasPrefix(lines[1], []byte(want)) {
		t.Errorf("line 2: %s, want %s", lines[1], want)
	}
}

func TestEventIsOnDiskBeforeItReturns(t *testing.T) {
	j, path := newJournal(t)
	for i := range 20 {
		if err := j.Event(Event{Kind: Fact, Detail: fmt.Sprint("fact ", i)}); err != nil {
			t.Fatal(err)
		}
		record, _, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(record.Events) != i+1 {
			t.Fatalf("after event %d there are %d", i, len(record.Events))
		}
	}
}

func TestSamplesReachTheDiskByThemselves(t *testing.T) {
	j, path := newJournal(t)
	if err := j.Sample(sampleOf("shop", '+', 0)); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		record, _, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(slices.Collect(record.Samples)) == 1 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the sample never came to disk")
		}
	}
}

func TestSyncBringsSamplesToDisk(t *testing.T) {
	j, path := newJournal(t)
	for slot := range int64(100) {
		if err := errors.Join(j.Sample(sampleOf("shop", '+', slot)), j.Sync()); err != nil {
			t.Fatal(err)
		}
		record, _, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(slices.Collect(record.Samples)); got != int(slot)+1 {
			t.Fatalf("%d samples after %d", got, slot+1)
		}
	}
}

func TestJournalIsSafeForConcurrentUse(t *testing.T) {
	const writers, each = 8, 100
	var header Header
	for w := range writers {
		header.Drill.Monitors = append(header.Drill.Monitors, MonitorInfo{Name: fmt.Sprint("m", w), Every: every})
	}
	path := filepath.Join(t.TempDir(), JournalFile)
	j, err := Create(path, header)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range int64(each) {
				s := sampleOf(fmt.Sprint("m", w), '+', i)
				if err := j.Sample(s); err != nil {
					t.Error(err)
				}
				if i%20 == 0 {
					if err := errors.Join(j.Event(Event{Kind: Fact}), j.Sync()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	group.Wait()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	record, state, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := int64(1 + writers*each/20 + 2); state.File.Lines != want {
		t.Errorf("%d lines, want %d", state.File.Lines, want)
	}
	if state.Samples.Rows != writers*each || state.Samples.Blocks != 1 {
		t.Errorf("samples %+v", state.Samples)
	}
	if !slices.IsSortedFunc(record.Events, func(a, b Event) int { return int(a.At - b.At) }) {
		t.Error("the journal's order is not the order in time")
	}
	next := map[string]int64{}
	for s := range record.Samples {
		if s.Slot != next[s.Monitor] {
			t.Fatalf("slot %d of %s, want %d", s.Slot, s.Monitor, next[s.Monitor])
		}
		next[s.Monitor]++
	}
}

func TestCreateRefusesToTouchAJournal(t *testing.T) {
	_, path := newJournal(t)
	if _, err := Create(path, Header{}); !errors.Is(err, os.ErrExist) {
		t.Errorf("got %v", err)
	}
	if _, err := Create(filepath.Join(t.TempDir(), "no", "where"), Header{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestAFailedWriteSticks(t *testing.T) {
	path := filepath.Join(t.TempDir(), JournalFile)
	j, err := Create(path, Header{})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-j.Failed():
		t.Fatal("failed before anything was wrong")
	default:
	}
	if err := j.file.Close(); err != nil { // as a disk that is gone
		t.Fatal(err)
	}
	first := j.Event(Event{Kind: Fact})
	if first == nil || !strings.Contains(first.Error(), "write journal") {
		t.Fatalf("got %v", first)
	}
	select {
	case <-j.Failed():
	case <-time.After(10 * time.Second):
		t.Fatal("nobody was told")
	}
	for name, err := range map[string]error{
		"event": j.Event(Event{Kind: Fact}), "sample": j.Sample(probes.Sample{}), "sync": j.Sync(),
	} {
		if err == nil || err.Error() != first.Error() {
			t.Errorf("%s: got %v, want the first error", name, err)
		}
	}
	if err := j.Close(); err == nil || !strings.Contains(err.Error(), "write journal") {
		t.Errorf("close: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Errorf("a second close: %v", err)
	}
}

func TestAClosedJournalTakesNothing(t *testing.T) {
	j, _ := newJournal(t)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.Event(Event{Kind: Fact}); !errors.Is(err, errClosed) {
		t.Errorf("event: %v", err)
	}
	if err := j.Sample(probes.Sample{}); !errors.Is(err, errClosed) {
		t.Errorf("sample: %v", err)
	}
	select {
	case <-j.Failed():
		t.Error("closing is no failure")
	default:
	}
}

func TestALineThatCannotBeWrittenLeavesTheChain(t *testing.T) {
	j, path := newJournal(t)
	if err := j.Event(Event{Kind: Fact, Data: json.RawMessage("{")}); err == nil {
		t.Error("broken JSON was written")
	}
	for what, sample := range map[string]probes.Sample{
		"is no outcome":             {Monitor: "shop"},
		"is no monitor":             {Monitor: "cart", Outcome: probes.Good},
		"not its time":              {Monitor: "shop", Slot: 1, Due: every + 1, Outcome: probes.Good},
		"slot -1":                   {Monitor: "shop", Slot: -1, Due: -every, Outcome: probes.Good},
		"late -1ns":                 {Monitor: "shop", Late: -1, Outcome: probes.Good},
		"took -1ns":                 {Monitor: "shop", Took: -1, Outcome: probes.Good},
		"out of bounds":             {Monitor: "shop", Took: maxTime, Outcome: probes.Good},
		"longer than a row may be":  {Monitor: "shop", Outcome: probes.Bad, Detail: strings.Repeat("x", maxRow)},
		"slot 9223372036854775807 ": {Monitor: "shop", Slot: 1<<63 - 1, Outcome: probes.Good},
	} {
		if err := j.Sample(sample); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := j.Event(Event{Kind: Fact, Detail: strings.Repeat("x", maxLine)}); err == nil || !strings.Contains(err.Error(), "more than a line may have") {
		t.Errorf("a long line: %v", err)
	}
	if err := j.Event(Event{Kind: Fact, Detail: strings.Repeat("x", 1<<20)}); err != nil {
		t.Fatal(err)
	}
	record, _, err := Read(path)
	if err != nil || len(record.Events) != 1 || len(record.Events[0].Detail) != 1<<20 {
		t.Errorf("%d events, %v", len(record.Events), err)
	}
}

func BenchmarkJournalSample(b *testing.B) {
	j, err := Create(filepath.Join(b.TempDir(), JournalFile), recordOf(nil, nil).Header)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	s := sampleOf("shop", '+', 0)
	for b.Loop() {
		s.Slot++
		s.Due += every
		if err := j.Sample(s); err != nil {
			b.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
}
