//go:build lab

package docs_test

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	blockPattern = regexp.MustCompile("(?s)```sh\n(.*?)```")
	exitPattern  = regexp.MustCompile(`\s+# exits (\d+)$`)
)

// The tutorial's commands do what the tutorial says, in its order.
func TestTutorialRuns(t *testing.T) {
	text, err := os.ReadFile("tutorial.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_CONFIG_HOME", t.TempDir()) // the key that is made at first use
	ran := 0
	for _, block := range blockPattern.FindAllStringSubmatch(string(text), -1) {
		for line := range strings.Lines(block[1]) {
			if err := runLine(t, strings.TrimSpace(line)); err != nil {
				t.Fatal(err)
			}
			ran++
		}
	}
	if ran < 10 {
		t.Errorf("only %d commands run: the test looks for the wrong thing", ran)
	}
}

func runLine(t *testing.T, line string) error {
	t.Helper()
	want := 0
	if found := exitPattern.FindStringSubmatch(line); found != nil {
		code, err := strconv.Atoi(found[1])
		if err != nil {
			return err
		}
		want = code
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", line)
	cmd.Dir = ".."
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		return fmt.Errorf("%s: %w", line, err)
	}
	if got := cmd.ProcessState.ExitCode(); got != want {
		return fmt.Errorf("%s: exit %d, want %d\n%s", line, got, want, out)
	}
	return nil
}
