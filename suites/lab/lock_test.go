package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLock(t *testing.T) {
	l := Layout{Dir: filepath.Join(t.TempDir(), "lab")}
	free, err := l.hold("up")
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.hold("down")
	var busy *BusyError
	if !errors.As(err, &busy) || !strings.Contains(err.Error(), fmt.Sprintf("gameday lab up, pid %d", os.Getpid())) {
		t.Errorf("a second holder got %v", err)
	}
	if err := free(); err != nil {
		t.Fatal(err)
	}
	if free, err = l.hold("down"); err != nil {
		t.Fatalf("after it was given back: %v", err)
	}
	// Down removes the file with the lab; the lock of a file that is gone is none.
	if err := l.remove(); err != nil {
		t.Fatal(err)
	}
	again, err := l.hold("up")
	if err != nil {
		t.Fatalf("after the file was removed: %v", err)
	}
	if err := errors.Join(free(), again()); err != nil {
		t.Error(err)
	}
}
