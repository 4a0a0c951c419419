# Two commands do all the set-up: make gameday, make test.
SHELL := /bin/bash
LINT  := go tool -modfile=.ci/tools.mod golangci-lint
# The game day plays the scenarios that are labelled for it, "make drills" the whole library.
SCENARIOS := $(basename $(notdir $(shell grep -l 'gameday: shipped' scenarios/library/*.yaml)))
LIBRARY   := $(basename $(notdir $(wildcard scenarios/library/*.yaml)))

.PHONY: help campaign gameday drills test unit e2e lint fuzz bench mutate cosign build clean
help: ## say what can be made
	@grep -hE '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

gameday: build ## start the lab if there is none, play the shipped game day, print verdicts and where the evidence is
	bin/gameday lab up
	bin/gameday run $(SCENARIOS)

drills: build ## start the lab if there is none, play every scenario of the library
	bin/gameday lab up
	bin/gameday run $(LIBRARY)

# The lab comes first: it fills the cache and installs the programs that some unit tests look for.
test: e2e unit ## all tests: unit, integration, and end to end on the lab

unit: ## tests that need no cluster, with the race detector
	.ci/packages
	go vet ./... && go vet -tags lab ./...
	go test -race -timeout 20m ./...

e2e: build ## tests on the lab; it is taken down again if it was not up before
	.ci/packages
	.ci/e2e

lint: ## the linters, pinned in .ci/tools.mod
	$(LINT) run --build-tags lab ./...

fuzz: ## each fuzz test for 30 seconds
	.ci/fuzz 30s

campaign: ## kill 300 drills on the lab and see that each is undone; the numbers go to docs/reliability.md (an hour)
	go test -tags lab -timeout 3h -run TestKillCampaign -v ./cmd/gameday -args -kills 300 -kill-results

bench: ## benchmarks, in benchstat's format; first those beside vegeta, side by side (docs/performance.md)
	mkdir -p bin
	set -o pipefail; go test -run '^$$' -bench Ask -benchtime 3000x -count 6 ./probes | tee bin/beside.txt
	set -o pipefail; go test -run '^$$' -bench 'HighestRate|Memory' -benchtime 1x -timeout 30m ./probes | tee -a bin/beside.txt
	go tool -modfile=.ci/tools.mod benchstat -col '/by@(vegeta gameday)' bin/beside.txt
	go test -run '^$$' -bench . -skip 'Ask|HighestRate|Memory' -benchmem ./...

mutate: ## change every comparison of the judge, one at a time: which does no test notice?
	go run ./.ci/mutate -slow 'CutAtAnyByte|OneChangedByte|VerifyFindsEveryChange' reports

cosign: ## have cosign verify evidence that gameday sealed (builds cosign first: some minutes)
	.ci/cosign

build: ## bin/gameday
	CGO_ENABLED=0 go build -trimpath -o bin/gameday ./cmd/gameday

clean: ## what was built here; the lab's cache stays (gameday lab down --cache)
	rm -rf bin
