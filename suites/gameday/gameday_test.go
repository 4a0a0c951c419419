//go:build lab

// Package gameday_test plays the shipped scenarios: on the cluster that KUBECONFIG names, or else on the lab of this machine.
package gameday_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/gamedayhq/gameday/scenarios/library"
	"github.com/gamedayhq/gameday/suites"
	"github.com/gamedayhq/gameday/suites/lab"
	"github.com/gamedayhq/gameday/suites/play"
)

func TestGameday(t *testing.T) {
	RegisterFailHandler(Fail)
	suite, reporter := GinkgoConfiguration()
	suite.FailOnEmpty = true
	suite.FailOnPending = true
	suite.Timeout = 30 * time.Minute
	RunSpecs(t, "game day", suite, reporter)
}

var input suites.Input

var _ = BeforeSuite(func(ctx context.Context) {
	input.Game.Out = filepath.Join(GinkgoT().TempDir(), "evidence")
	if out := os.Getenv("GAMEDAY_EVIDENCE"); out != "" {
		input.Game.Out = out
	}
	if os.Getenv("KUBECONFIG") != "" {
		return
	}
	path := lab.KubeconfigPath()
	Expect(path).NotTo(BeEmpty(), "no lab on this machine and no KUBECONFIG: start the lab with: gameday lab up")
	input.Game.Target = play.Target{Kubeconfig: path, Context: "primary", Clusters: map[string]string{"standby": "standby"}}
})

var _ = Describe("the shipped game day", Serial, Ordered, ContinueOnFailure, func() {
	// A scenario that cannot be proven undone keeps its namespace to itself, so that the rest of the library is for make drills.
	suites.Specs(func() suites.Input { return input }, library.Shipped()...)
})
