package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/reports/attest"
	"github.com/gamedayhq/gameday/reports/bundle"
)

// verifyOptions are the flags of "verify".
type verifyOptions struct {
	operators, reviewers []string
	roots, output        string
}

func verifyCommand() *cobra.Command {
	var o verifyOptions
	cmd := &cobra.Command{
		Use:   "verify DIR|TAR...",
		Short: "Check evidence, judge it again and say every difference",
		Long: `Check evidence, judge it again and say every difference.

In this order: the operator's signature (--key), what it is about, the manifest, every file and that there is none too many, the
link to the drill before, a review by another key (--reviewer-key), and then the verdict: the journal's chain is checked line by
line, the verdict is computed from it anew, and the stored evidence must be the same to the byte. What was not looked at, for want
of a key, is said.

Exit code 0: all holds and the verdict is pass; 1: something differs, or the verdict is fail; 2: all holds and the verdict is
inconclusive.`,
		Example: `  gameday verify evidence/shop-survives-a-lost-pod-20260102-150405-0a1b2c3d
  gameday verify --key operator.pub --reviewer-key reviewer.pub drill.tar`,
		Args: cobra.MinimumNArgs(1),
		RunE: o.run,
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&o.operators, "key", nil, "public key (PEM) that must have signed the evidence; more than one may be given")
	flags.StringArrayVar(&o.reviewers, "reviewer-key", nil, "public key of a reviewer, one of whom must have signed it too")
	flags.StringVar(&o.roots, "tsa-roots", "", "certificates (PEM) of time-stamp servers, one of which must have stamped the signature")
	flags.StringVarP(&o.output, "output", "o", "text", "text or json")
	return cmd
}

func (o *verifyOptions) run(cmd *cobra.Command, args []string) error {
	if o.output != "text" && o.output != "json" {
		return usage(fmt.Errorf("--output is %q, want text or json", o.output))
	}
	verifier, err := o.verifier()
	if err != nil {
		return usage(err)
	}
	var verdicts []reports.Verdict
	var errs []error
	for _, name := range args {
		v, err := verifyAny(cmd.Context(), name, verifier)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, printVerification(cmd, name, v, o.output))
		if len(v.Differences) > 0 {
			v.Verdict = reports.Fail // the evidence itself failed, whatever the drill's verdict
		}
		verdicts = append(verdicts, v.Verdict)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if v := reports.Worst(verdicts...); v != reports.Pass {
		return errVerdict{v}
	}
	return nil
}

// verifier loads the keys that were named.
func (o verifyOptions) verifier() (v attest.Verifier, err error) {
	load := func(paths []string) (keys []*attest.PublicKey) {
		for _, path := range paths {
			key, one := attest.LoadPublicKey(path)
			keys = append(keys, key)
			err = errors.Join(err, one)
		}
		return keys
	}
	v.Operators, v.Reviewers = load(o.operators), load(o.reviewers)
	if o.roots != "" {
		roots, one := attest.LoadRoots(o.roots)
		v.Roots, err = roots, errors.Join(err, one)
	}
	return v, err
}

// verification is all that a second look gives: at the signatures, the files, and the verdict.
type verification struct {
	reports.Verification
	Signed attest.Signed `json:"-"`
	Notes  []string      `json:"notes,omitempty"` // what was not looked at
	Keys   struct {
		Operator string     `json:"operator,omitempty"`
		Reviewer string     `json:"reviewer,omitempty"`
		Stamped  *time.Time `json:"stamped,omitempty"`
	} `json:"signed"`
}

// verifyAny unpacks a tar first.
func verifyAny(ctx context.Context, name string, verifier attest.Verifier) (v verification, err error) {
	info, err := os.Stat(name)
	if err != nil || info.IsDir() {
		return verifyDir(ctx, name, verifier)
	}
	file, err := os.Open(name)
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	into, err := os.MkdirTemp("", "gameday-verify-*")
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(into)) }()
	dir, err := bundle.Extract(file, into, bundle.MaxTar)
	if err != nil {
		v.Verdict, v.Differences = reports.Inconclusive, []string{err.Error()}
		return v, nil
	}
	return verifyDir(ctx, dir, verifier)
}

func verifyDir(ctx context.Context, dir string, verifier attest.Verifier) (v verification, err error) {
	var differences []string
	_, err = os.Lstat(filepath.Join(dir, bundle.ManifestFile))
	if errors.Is(err, fs.ErrNotExist) && len(verifier.Operators)+len(verifier.Reviewers) == 0 && verifier.Roots == nil {
		v.Notes = append(v.Notes, "the evidence was never closed: it has no manifest and no signature")
	} else {
		if v.Signed, err = verifier.Check(ctx, dir); err != nil {
			return v, err
		}
		checked, err := bundle.Check(dir)
		if err != nil {
			return v, err
		}
		differences = append(v.Signed.Problems, checked.Problems...)
		v.Notes = append(v.Signed.Notes, checked.Notes...)
	}
	if v.Verification, err = reports.Verify(dir); err != nil {
		return v, err
	}
	v.Differences = append(differences, v.Differences...)
	if len(v.Differences) > 0 {
		v.Verdict = reports.Worst(v.Verdict, reports.Inconclusive)
	}
	v.Keys.Operator, v.Keys.Reviewer = v.Signed.Operator, v.Signed.Reviewer
	if !v.Signed.Stamped.IsZero() {
		v.Keys.Stamped = &v.Signed.Stamped
	}
	return v, nil
}

func printVerification(cmd *cobra.Command, name string, v verification, output string) error {
	if output == "json" {
		encoder := json.NewEncoder(cmd.OutOrStdout())
		encoder.SetIndent("", "  ")
		return encoder.Encode(struct {
			Dir string `json:"dir"`
			verification
		}{name, v})
	}
	var b strings.Builder
	if len(v.Differences) == 0 {
		fmt.Fprintf(&b, "%s: the evidence holds; verdict %s, judged again from the journal (%d checks)\n", name, v.Verdict, len(v.Checks))
	} else {
		fmt.Fprintf(&b, "%s: the evidence does not hold:\n", name)
		for _, difference := range v.Differences {
			fmt.Fprintf(&b, "  %s\n", difference)
		}
	}
	if v.Signed.Operator != "" {
		fmt.Fprintf(&b, "  signed by %s\n", v.Signed.Operator)
	}
	if v.Signed.Reviewer != "" {
		fmt.Fprintf(&b, "  reviewed by %s\n", v.Signed.Reviewer)
	}
	if !v.Signed.Stamped.IsZero() {
		fmt.Fprintf(&b, "  stamped %s\n", v.Signed.Stamped.UTC().Format(time.RFC3339))
	}
	for _, note := range v.Notes {
		fmt.Fprintf(&b, "  not looked at: %s\n", note)
	}
	_, err := fmt.Fprint(cmd.OutOrStdout(), b.String())
	return err
}
