package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/gamedayhq/gameday/scenarios/safety"
)

// approveOptions are the flags of "approve".
type approveOptions struct {
	parameters map[string]string
	key        string
	until      string
	out        string
}

func approveCommand() *cobra.Command {
	var o approveOptions
	cmd := &cobra.Command{
		Use:   "approve SCENARIO",
		Short: "Sign that a scenario may be run in production until a date",
		Long: `Sign that a scenario may be run in production until a date.

The approval is of this very text with these parameters: a letter changed, and it is void. It counts where the harness's
configuration names the key's public half in production.approvers. Keys are Ed25519 in PEM:

  openssl genpkey -algorithm ed25519 -out approver.pem
  openssl pkey -in approver.pem -pubout -out approver.pub.pem`,
		Example: `  gameday approve drill.yaml --key approver.pem --until 2026-03-01 --out drill.approval.json
  gameday run drill.yaml --context production --config harness.yaml --approval drill.approval.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0]) },
	}
	flags := cmd.Flags()
	flags.StringToStringVar(&o.parameters, "set", nil, "value of a parameter of the scenario: NAME=VALUE")
	flags.StringVar(&o.key, "key", "", "PEM file of the approver's private key")
	flags.StringVar(&o.until, "until", "", "the day it ends (2006-01-02, its beginning, UTC) or the moment (RFC 3339); in a week unless said")
	flags.StringVar(&o.out, "out", "", "file to write; standard output unless said")
	return cmd
}

func (o *approveOptions) run(cmd *cobra.Command, name string) error {
	if o.key == "" {
		return usage(errors.New("name the approver's key with --key"))
	}
	until, err := untilTime(o.until, time.Now())
	if err != nil {
		return usage(err)
	}
	scenario, err := readScenario(name, o.parameters)
	if err != nil {
		return usage(err)
	}
	key, err := safety.ReadPrivateKey(o.key)
	if err != nil {
		return err
	}
	approval, err := safety.Approve(scenario, until, key)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(approval, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if o.out != "" {
		return os.WriteFile(o.out, text, 0o644)
	}
	_, err = cmd.OutOrStdout().Write(text)
	return err
}

// untilTime reads a day or a moment that is still to come.
func untilTime(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return now.AddDate(0, 0, 7), nil
	}
	until, err := time.Parse(time.RFC3339, text)
	if err != nil {
		until, err = time.Parse(time.DateOnly, text)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("--until is %q, want a day such as 2026-03-01 or a moment such as 2026-03-01T18:00:00Z", text)
	}
	if !until.After(now) {
		return time.Time{}, fmt.Errorf("--until is %q, which is over", text)
	}
	return until, nil
}
