package reports

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gamedayhq/gameday/probes"
)

// writerFolder names the folder that a child of this test writes to until it is killed.
const writerFolder = "GAMEDAY_TEST_WRITER_FOLDER"

const fastMonitors = 10

// fastHeader is of ten monitors that are asked a thousand times a second.
func fastHeader() Header {
	header := recordOf(nil, nil, avail(during("whole"), 0.9)).Header
	header.Drill.Monitors = nil
	for i := range fastMonitors {
		header.Drill.Monitors = append(header.Drill.Monitors, MonitorInfo{Name: fmt.Sprint("m", i), Every: time.Millisecond, Timeout: time.Second})
	}
	return header
}

// TestMain lets the test's binary be the process that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(writerFolder); dir != "" {
		fmt.Fprintln(os.Stderr, writeForever(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// writeForever records ten thousand samples a second, has a block compressed every 200 ms, and says on standard output which
// slots are on disk.
func writeForever(dir string) error {
	j, err := Create(filepath.Join(dir, JournalFile), fastHeader())
	if err != nil {
		return err
	}
	if err := j.Event(Event{Kind: BaselineStarted}); err != nil {
		return err
	}
	slot := int64(0)
	for tick := time.NewTicker(10 * time.Millisecond); ; <-tick.C {
		for range 10 {
			if err := sampleAll(j, slot); err != nil {
				return err
			}
			slot++
		}
		if slot%200 == 0 {
			j.mu.Lock()
			j.block.since = time.Now().Add(-blockEvery)
			j.mu.Unlock()
		}
		if slot%50 == 0 {
			if err := j.Sync(); err != nil {
				return err
			}
			fmt.Println(slot)
		}
	}
}

func sampleAll(j *Journal, slot int64) error {
	for i := range fastMonitors {
		s := probes.Sample{Monitor: "m" + strconv.Itoa(i), Slot: slot, Due: time.Duration(slot) * time.Millisecond, Took: time.Millisecond, Outcome: probes.Good}
		if err := j.Sample(s); err != nil {
			return err
		}
	}
	return nil
}

// TestKilledWhileItRecords kills a process that records ten thousand samples a second, at random times. All that it was told to
// be on disk is read, each sample once, and nothing passes.
func TestKilledWhileItRecords(t *testing.T) {
	r := rand.New(rand.NewPCG(3, uint64(time.Now().UnixNano())))
	const kills = 8
	blocks := int64(0)
	for range kills {
		dir := t.TempDir()
		synced := killed(t, dir, 200+r.Int64N(600))
		state := holdsAll(t, dir, synced)
		blocks += state.Samples.Blocks
		if ev := concluded(t, dir); ev.Verdict == Pass || ev.Complete {
			t.Errorf("%v, complete %v", ev.Verdict, ev.Complete)
		}
		if v, err := Verify(dir); err != nil || len(v.Differences) > 0 || v.Verdict == Pass {
			t.Errorf("%v, %q, %v", v.Verdict, v.Differences, err)
		}
	}
	if blocks == 0 {
		t.Error("no block was compressed, so nothing was seen of a kill while one is")
	}
}

// killed starts a writer, kills it some time after it said that so many slots are on disk, and returns the last number that it said.
func killed(t *testing.T, dir string, atLeast int64) (synced int64) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), writerFolder+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() }) // should it hang
	defer kill.Stop()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		n, err := strconv.ParseInt(lines.Text(), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		synced = n
		if n >= atLeast {
			kill.Reset(time.Duration(rand.Int64N(int64(60 * time.Millisecond))))
		}
	}
	if err := cmd.Wait(); cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL { //nolint:forcetypeassert // on Linux it is
		t.Fatalf("the writer was not killed: %v", err)
	}
	if synced < atLeast {
		t.Fatalf("only %d slots in a minute", synced)
	}
	return synced
}

// holdsAll reads a record and checks that each monitor's slots are there from the first on, none twice, at least so many.
func holdsAll(t *testing.T, dir string, synced int64) State {
	t.Helper()
	record, state, err := Read(filepath.Join(dir, JournalFile))
	if err != nil || state.Complete {
		t.Fatalf("complete %v: %v", state.Complete, err)
	}
	for name, samples := range byMonitor(slices.Collect(record.Samples)) {
		for i, s := range samples {
			if s.Slot != int64(i) || s.Outcome != probes.Good {
				t.Fatalf("%s: sample %d is %+v", name, i, s)
			}
		}
		if int64(len(samples)) < synced {
			t.Fatalf("%s: %d samples, %d were on disk", name, len(samples), synced)
		}
	}
	return state
}

// TestAFullDiskStopsTheDrill records onto a disk of its own until that is full: whoever records is told, what was on disk
// before is read, and the drill does not pass.
func TestAFullDiskStopsTheDrill(t *testing.T) {
	for _, kilobytes := range []int{64, 200, 333} {
		t.Run(fmt.Sprint(kilobytes, "k"), func(t *testing.T) {
			dir := smallDisk(t, kilobytes)
			j, err := Create(filepath.Join(dir, JournalFile), fastHeader())
			if err != nil {
				t.Fatal(err)
			}
			synced := fillUp(t, j)
			select {
			case <-j.Failed():
			default:
				t.Error("nobody was told")
			}
			if err := j.Event(Event{Kind: Fact}); !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("event: %v", err)
			}
			if err := j.Close(); !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("close: %v", err)
			}
			state := holdsAll(t, dir, synced)
			record, _, err := Read(filepath.Join(dir, JournalFile))
			if err != nil {
				t.Fatal(err)
			}
			if ev := Derive(record, state); ev.Verdict == Pass {
				t.Error("it passes")
			}
		})
	}
}

// fillUp records, with a block every 200 slots, until it cannot, and returns how many slots are on disk for certain.
func fillUp(t *testing.T, j *Journal) (synced int64) {
	t.Helper()
	for slot := int64(0); slot < 1_000_000; slot++ {
		err := sampleAll(j, slot)
		if err == nil && slot%200 == 199 {
			err = cutBlock(j)
		}
		if err == nil && slot%50 == 0 {
			if err = j.Sync(); err == nil {
				synced = slot + 1
			}
		}
		if err != nil {
			if !strings.Contains(err.Error(), "write") || !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("slot %d: %v", slot, err)
			}
			return synced
		}
	}
	t.Fatal("the disk was never full")
	return 0
}

// smallDisk mounts a file system of some kilobytes.
func smallDisk(t *testing.T, kilobytes int) string {
	t.Helper()
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dk", kilobytes))
	if errors.Is(err, fs.ErrPermission) {
		t.Skipf("a disk that can be filled must be mounted, which this user may not: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}
