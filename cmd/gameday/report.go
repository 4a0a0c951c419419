package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/reports/ctrf"
	"github.com/gamedayhq/gameday/reports/github"
	"github.com/gamedayhq/gameday/reports/html"
	"github.com/gamedayhq/gameday/reports/junit"
	"github.com/gamedayhq/gameday/reports/markdown"
	"github.com/gamedayhq/gameday/reports/prometheus"
)

// formats are the forms of a report, by the names that --format takes.
var formats = map[string]func(w io.Writer, ev reports.Evidence, dir string) error{
	"ctrf":       of(ctrf.Write),
	"github":     of(github.Write),
	"html":       writeHTML,
	"junit":      of(junit.Write),
	"markdown":   of(markdown.Write),
	"prometheus": of(prometheus.Write),
}

func of(write func(io.Writer, reports.Evidence) error) func(io.Writer, reports.Evidence, string) error {
	return func(w io.Writer, ev reports.Evidence, _ string) error { return write(w, ev) }
}

func writeHTML(w io.Writer, ev reports.Evidence, dir string) error {
	record, _, err := reports.Read(filepath.Join(dir, reports.JournalFile))
	if err != nil {
		return err
	}
	return html.Write(w, ev, record.Samples)
}

func reportCommand() *cobra.Command {
	var format, output string
	names := strings.Join(slices.Sorted(maps.Keys(formats)), ", ")
	cmd := &cobra.Command{
		Use:   "report DIR",
		Short: "Write a drill's evidence for another reader: " + names,
		Long: `Write a drill's evidence for another reader.

The evidence is verified first: what does not follow from its journal is not reported, and the exit code is 1. A check that is
inconclusive is an error in JUnit XML, "other" in CTRF, a warning in GitHub's annotations: never a success.

The exit code tells of the writing, not of the verdict: see gameday verify.`,
		Example: `  gameday report evidence/shop-survives-a-lost-pod-… --format junit -o junit.xml
  gameday report evidence/shop-survives-a-lost-pod-… --format markdown >> $GITHUB_STEP_SUMMARY`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			write, known := formats[format]
			if !known {
				return usage(fmt.Errorf("--format is %q, want one of %s", format, names))
			}
			return report(cmd.OutOrStdout(), args[0], output, write)
		},
	}
	cmd.Flags().StringVarP(&format, "format", "f", "markdown", "one of "+names)
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write; standard output unless said")
	return cmd
}

// report renders the whole before it writes any of it: half a report must not look like one.
func report(out io.Writer, dir, output string, write func(io.Writer, reports.Evidence, string) error) error {
	v, err := reports.Verify(dir)
	if err != nil {
		return err
	}
	if len(v.Differences) > 0 {
		return coded{fmt.Errorf("%s: the evidence does not hold, so it is not reported: %s: see gameday verify", dir, v.Differences[0]), exitFail}
	}
	ev, err := reports.Load(dir)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := write(&text, ev, dir); err != nil {
		return err
	}
	if output == "" {
		_, err := text.WriteTo(out)
		return err
	}
	file, err := os.Create(output)
	if err != nil {
		return usage(fmt.Errorf("write report: %w", err))
	}
	_, err = text.WriteTo(file)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
