package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/reports/attest"
	"github.com/gamedayhq/gameday/reports/bundle"
	"github.com/gamedayhq/gameday/suites/play"
)

// sealOptions are the flags of commands that sign evidence.
type sealOptions struct {
	key, operator, tsa string
}

func (o *sealOptions) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&o.key, "key", os.Getenv("GAMEDAY_KEY"),
		"private key that signs the evidence: PEM or a key file of cosign's ($COSIGN_PASSWORD); \"none\" for unsigned; $GAMEDAY_KEY or one made at first use unless said")
	flags.StringVar(&o.operator, "operator", "", "who runs the drill; $GAMEDAY_OPERATOR or the system's user unless said")
	flags.StringVar(&o.tsa, "tsa", os.Getenv("GAMEDAY_TSA"), "URL of an RFC 3161 server that stamps the signature")
}

// sealing loads the key, before anything else is done with it.
func (o *sealOptions) sealing() (play.Sealing, error) {
	sealing := play.Sealing{Operator: o.operator, TimestampURL: o.tsa}
	if o.key == "none" {
		return sealing, nil
	}
	if o.key != "" {
		key, err := attest.LoadKey(o.key, password)
		sealing.Key = key
		return sealing, err
	}
	config, err := os.UserConfigDir()
	if err != nil {
		return sealing, fmt.Errorf("find a place for a key: %w: name one with --key, or say --key none", err)
	}
	sealing.Key, err = attest.EnsureKey(filepath.Join(config, "gameday", "key.pem"), password)
	return sealing, err
}

// password is where cosign looks for it too.
func password() ([]byte, error) {
	word, set := os.LookupEnv("COSIGN_PASSWORD")
	if !set {
		return nil, errors.New("$COSIGN_PASSWORD is not set")
	}
	return []byte(word), nil
}

func sealCommand() *cobra.Command {
	var o sealOptions
	cmd := &cobra.Command{
		Use:   "seal DIR",
		Short: "Judge, close and sign the evidence of a drill whose harness was killed",
		Long: `Judge, close and sign the evidence of a drill whose harness was killed.

A drill does this at its end. When its process was killed, the journal is there and nothing else: this makes the evidence of what
was recorded, which is never a pass.`,
		Example: `  gameday seal evidence/shop-survives-a-lost-pod-…`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			sealing, err := o.sealing()
			if err != nil {
				return usage(err)
			}
			dir := args[0]
			if _, err := os.Stat(filepath.Join(dir, bundle.ManifestFile)); err == nil {
				return usage(fmt.Errorf("%s is closed already: see gameday verify", dir))
			}
			evidence, err := play.Conclude(dir)
			if err != nil {
				return err
			}
			if err := sealing.Seal(cmd.Context(), dir, evidence); err != nil {
				return err
			}
			if err := printDrill(cmd.OutOrStdout(), play.Drill{Dir: dir, Evidence: evidence}); err != nil {
				return err
			}
			if evidence.Verdict != reports.Pass {
				return errVerdict{evidence.Verdict}
			}
			return nil
		},
	}
	o.flags(cmd)
	return cmd
}

func reviewCommand() *cobra.Command {
	var o sealOptions
	var operators []string
	var as string
	cmd := &cobra.Command{
		Use:   "review DIR",
		Short: "Verify a drill's evidence and counter-sign it as a reviewer",
		Long: `Verify a drill's evidence and counter-sign it as a reviewer.

Nothing is signed unless the operator's signature holds, the manifest and every file fit, and the verdict that was judged again is
the stored one. The reviewer's key must not be the operator's.`,
		Example: `  gameday review evidence/shop-… --operator-key operator.pub --key reviewer.pem --as https://example.com/people/ada`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.key == "" || o.key == "none" || as == "" || len(operators) == 0 {
				return usage(errors.New("a review needs --key (the reviewer's), --as (a URI that says who) and --operator-key"))
			}
			key, err := attest.LoadKey(o.key, password)
			if err != nil {
				return usage(err)
			}
			verifier, err := verifyOptions{operators: operators}.verifier()
			if err != nil {
				return usage(err)
			}
			v, err := verifyDir(cmd.Context(), args[0], verifier)
			if err != nil {
				return err
			}
			if len(v.Differences) > 0 {
				return coded{fmt.Errorf("%s does not hold, so it is not signed: %s", args[0], v.Differences[0]), exitFail}
			}
			if v.Signed.Operator == key.ID() {
				return usage(errors.New("the reviewer's key is the operator's: nobody reviews their own drill"))
			}
			properties := []string{"GAMEDAY_EVIDENCE_VERIFIED", "GAMEDAY_VERDICT_JUDGED_AGAIN_" + v.Verdict.String()}
			signer := attest.Signer{Key: key, TimestampURL: o.tsa}
			name, err := signer.Review(cmd.Context(), args[0], as, properties)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: reviewed, verdict %s: %s\n", args[0], v.Verdict, name)
			return err
		},
	}
	cmd.Flags().StringVar(&o.key, "key", "", "the reviewer's private key")
	cmd.Flags().StringVar(&o.tsa, "tsa", os.Getenv("GAMEDAY_TSA"), "URL of an RFC 3161 server that stamps the signature")
	cmd.Flags().StringArrayVar(&operators, "operator-key", nil, "the operator's public key; more than one may be given")
	cmd.Flags().StringVar(&as, "as", "", "who reviews: a URI")
	return cmd
}

func bundleCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "bundle DIR",
		Short:   "Pack a drill's evidence into one tar",
		Long:    "Pack a drill's evidence into one tar, which gameday verify reads as it reads the folder. A folder that is not what its manifest says is not packed.",
		Example: `  gameday bundle evidence/shop-survives-a-lost-pod-… -o drill.tar`,
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if output == "" {
				return usage(errors.New("name the tar with --output"))
			}
			file, err := os.CreateTemp(filepath.Dir(output), ".gameday-bundle-*") // half a tar must not look like one
			if err != nil {
				return usage(fmt.Errorf("write tar: %w", err))
			}
			err = errors.Join(bundle.WriteTar(args[0], file), file.Chmod(0o644), file.Sync(), file.Close())
			if err != nil {
				return errors.Join(err, os.Remove(file.Name()))
			}
			return os.Rename(file.Name(), output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "the tar to write")
	return cmd
}
