# What a fresh machine needs: Go, git, make, gcc, and apt as root or a MySQL server.

SHELL       = /bin/bash
.SHELLFLAGS = -euo pipefail -c
.DEFAULT_GOAL = help

VERSION  = $(shell git describe --always --abbrev=12 --dirty 2>/dev/null || echo unknown)
LDFLAGS  = -s -w -X rotor/internal/config.version=$(VERSION)
LINT     = go tool -modfile=tools/lint/go.mod
MODULES  = $(patsubst %/,%,$(dir $(shell git ls-files --cached --others --exclude-standard go.mod "*/go.mod")))
# The modules that have tests.
CLIENTS  = $(filter tools/clients/% tools/release,$(MODULES))

# Passed to the commands below: make demo DEMOFLAGS=--keep, make test TESTFLAGS='-run Rotate'.
DEMOFLAGS =
TESTFLAGS =
PACKAGES  = ./...
ALL       = $(shell go list $(PACKAGES))$(if $(filter-out 0,$(.SHELLSTATUS)),$(error go list $(PACKAGES) failed))
# The packages that compute on one goroutine, and those that have workers and servers of their own at work all the time.
COMPUTING = rotor/internal/model
HEAVY     = $(addprefix rotor/internal/,chaos cli endtoend nonstop scale trial)
# Tests some packages, if there are any, with further flags.
gotest    = $(if $(strip $(1)),go test $(2) -timeout 40m $(TESTFLAGS) $(strip $(1)))
# The packages whose tests ask every server of ROTOR_MYSQLD, the one of them that generates random accounts, and how
# many, and what they are drawn from, another number each time if that is 0: make test-matrix CASES=5000 CASES_SEED=7.
MATRIX    = ./internal/devstack/mysqld/... ./internal/target/mysql
GENERATED = ./internal/target/mysql/account
CASES     = 300
CASES_SEED = 0
# The race detector: make test-matrix RACE= does without it.
RACE      = -race
# The packages that try a sample, and with -full everything.
PROOFS    = ./internal/trial ./internal/model
# What chaos is drawn from, and how many secrets are rotated: make chaos CHAOS_SEED=7 CHAOS_SECRETS=20.
CHAOS_SEED    = 1
CHAOS_SECRETS = 200
# How many secrets, those with two passwords among them, chaos has on MySQL 9 in make test-matrix.
CHAOS_ON_9 = 26
# How many entries the manifest of make manifest-size has, a multiple of 200.
ENTRIES = 10000
# What make bench passes on, and the file that it writes: make bench BENCHFLAGS='--runs 3 --worker-env ROTOR_HEARTBEAT=5s'.
BENCHFLAGS =
BENCHJSON  = bench.json
# How many secrets a fleet rotates, how many at once and on how many workers, and how long that may take: make scale SECRETS=10000 SCALE_BOUND=10h.
SECRETS        = 1000
SCALE_PARALLEL = 50
SCALE_WORKERS  = 2
SCALE_BOUND    = 2h
SCALEFLAGS     =
# How many writes a second the store takes, how many secrets the fleet has that meets it, and how many at once: make scale-quota QUOTA=40 QUOTA_SECRETS=1000 QUOTA_PARALLEL=50.
QUOTA          = 4
QUOTA_SECRETS  = 100
QUOTA_PARALLEL = 20
# Passed to the release, and how many archives release-check expects: make release-check RELEASEFLAGS='-only linux/amd64' ARCHIVES=1.
RELEASEFLAGS =
ARCHIVES     = 4
# Passed to the simulation: make simulate SIMULATEFLAGS='-sizes 5000 -parallel 20'.
SIMULATEFLAGS  =
# How many rotations beneath clients that log in without pause: make test-matrix NONSTOP=10000.
NONSTOP   = 1000
# The end-to-end tests that are run on each server.
ROTATIONS = TestLateSetOfATerminatedRotation|TestTwoPasswords|TestLeaked|TestRetire|TestThreeRotationsInARow|TestSingleUser|TestFailureRollsBackWithProof|TestParkedRotationIsDecided|OnSeveralHosts|TestSetAgainWithAPasswordHistory|TestCheck

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: build prepare ## rotate a real MySQL password on a stack of its own, and watch
	bin/starter demo $(DEMOFLAGS)

# Where the goroutines are, the race detector watches; the model has none, and would only take five times as long. Packages that keep both
# processors busy run one after the other: each has servers of its own, which would take each other's time. They build the worker by themselves, of
# which go test knows nothing, so that no result of theirs is taken from its cache.
.PHONY: test
test: prepare ## run all tests, on real servers
	$(call gotest,$(filter $(COMPUTING),$(ALL)),)
	$(call gotest,$(filter-out $(COMPUTING) $(HEAVY),$(ALL)),-race -p 2)
	$(call gotest,$(filter $(HEAVY),$(ALL)),-race -p 1 -count=1)

.PHONY: test-full
test-full: prepare ## run every crash, fault and course of events, where make test has a sample, within the hour
	go test -count=1 -timeout 90m $(TESTFLAGS) $(PROOFS) -args -full
	go test -count=1 -timeout 40m $(TESTFLAGS) -run 'TestEverybodyStartsAtOnce|TestManyEntries' ./internal/cli -args -full -entries 1000
	servers=$$(tools/mysqlservers/fetch) && ROTOR_MYSQLD=$$(cut -d: -f2 <<<"$$servers") go test -count=1 -timeout 90m $(TESTFLAGS) ./internal/trial -args -full -only dual-password

.PHONY: chaos
chaos: prepare ## rotate 200 secrets at once while workers are killed and servers restarted, then audit all
	go test -count=1 -timeout 45m -v -run TestChaos ./internal/chaos -args -seed $(CHAOS_SEED) -secrets $(CHAOS_SECRETS)

.PHONY: manifest-size
manifest-size: prepare ## apply, plan, list and prune a manifest of 10,000 entries, and tell how long each takes
	go test -count=1 -timeout 60m -v -run TestManyEntries ./internal/cli -args -entries $(ENTRIES)

.PHONY: bench
bench: prepare ## measure rotations, on a machine that does nothing else: a table, and BENCHJSON
	go run ./internal/bench --version '$(VERSION)' --json $(BENCHJSON) $(BENCHFLAGS)

.PHONY: bench-compare
bench-compare: prepare ## measure the revision BASE and what is here, and print both and the ratios
	@test -n "$(BASE)" || { echo "make bench-compare BASE=revision"; exit 2; }
	base=$$(mktemp -d) && trap 'git worktree remove --force "$$base/tree"; rm -rf "$$base"' EXIT && git worktree add --quiet --detach "$$base/tree" "$(BASE)" && \
	(cd "$$base/tree" && go run ./internal/bench --version "$$(git describe --always --abbrev=12)" --json "$$base/base.json" $(BENCHFLAGS)) && \
	go run ./internal/bench --version '$(VERSION)' --json $(BENCHJSON) $(BENCHFLAGS) && \
	go run ./internal/bench --compare "$$base/base.json" $(BENCHJSON)

.PHONY: scale
scale: prepare ## make schedules for 1,000 secrets and rotate them by a fleet, and measure what that takes
	go test -count=1 -timeout 0 -v -run TestFleet ./internal/scale -args -secrets $(SECRETS) -parallel $(SCALE_PARALLEL) -workers $(SCALE_WORKERS) \
		-schedules -trouble=false -suggest 0 -bound $(SCALE_BOUND) $(SCALEFLAGS)

.PHONY: scale-quota
scale-quota: prepare ## rotate a fleet at a store that throttles at its quota: how much is throttled, and how long it takes by the quota
	go test -count=1 -timeout 0 -v -run TestQuota ./internal/scale -args -quota $(QUOTA) -quota-secrets $(QUOTA_SECRETS) -quota-timed -parallel $(QUOTA_PARALLEL) -suggest 0 -bound $(SCALE_BOUND)

.PHONY: simulate
simulate: ## tell when fleets of 1,000 to 1,000,000 secrets end, by the quotas of the stores
	go run ./internal/simulation/table $(SIMULATEFLAGS)

.PHONY: test-matrix
test-matrix: server ## fetch MariaDB, MySQL 9 and MySQL 5.6 and run the tests of accounts on all three
	servers=$$(tools/mysqlservers/fetch) && export ROTOR_MYSQLD="$$servers" && \
	go run ./internal/devstack/prepare && \
	go test $(RACE) -count=1 -timeout 60m $(TESTFLAGS) $(MATRIX) && \
	go test $(RACE) -count=1 -timeout 600m $(TESTFLAGS) $(GENERATED) -rapid.checks=$(CASES) -rapid.seed=$(CASES_SEED) && \
	go test $(RACE) -count=1 -timeout 30m $(TESTFLAGS) ./internal/nonstop -rotations=$(NONSTOP) && \
	for server in $${servers//:/ }; do \
		echo "rotations on $$server" && ROTOR_MYSQLD=$$server go test $(RACE) -count=1 -run '$(ROTATIONS)' ./internal/endtoend || exit 1; \
	done && \
	export ROTOR_MYSQLD=$$(cut -d: -f2 <<<"$$servers") && \
	go test $(RACE) -count=1 -timeout 60m $(TESTFLAGS) ./internal/trial -args -only dual-password && \
	go test $(RACE) -count=1 -timeout 30m $(TESTFLAGS) -run TestChaos ./internal/chaos -args -seed $(CHAOS_SEED) -secrets $(CHAOS_ON_9)

.PHONY: test-clients
test-clients: prepare ## run the tests that need other people's clients, each in a module of its own
	@for module in $(CLIENTS); do echo "$$module"; (cd "$$module" && go test -timeout 20m ./...); done

.PHONY: test-live
test-live: ## rotate throwaway secrets of a real cloud: docs/live.md tells what has to be set
	@go run ./internal/live -check
	@$(MAKE) --no-print-directory prepare
	@go run ./internal/live

.PHONY: pictures
pictures: prepare ## take the pictures of the documentation anew, from the Web UI in a browser
	cd tools/clients/webui && go test -count=1 -timeout 10m ./... -args -pictures

.PHONY: histories
histories: prepare ## record the histories that the replay test replays, after a change of the workflow
	go test -count=1 -run TestHistories ./internal/endtoend -args -record

.PHONY: reference
reference: ## write docs/reference anew: commands, flags, variables, fields, metrics and words, as the code has them
	go run ./internal/reference

.PHONY: build
build: ## make bin/worker and bin/starter
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./worker ./starter

.PHONY: lint
lint: ## gofmt, vet, staticcheck, errcheck, workflowcheck, tidy modules
	@unformatted=$$(git ls-files -z --cached --others --exclude-standard '*.go' | xargs -0 -r gofmt -l); \
	if [ -n "$$unformatted" ]; then echo "not formatted with gofmt:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	$(LINT) staticcheck ./...
	$(LINT) errcheck ./...
	$(LINT) workflowcheck ./...
	@for module in $(MODULES); do \
		echo "go mod tidy -diff ($$module)"; \
		(cd "$$module" && go mod tidy -diff) || { echo "$$module is not tidy: run go mod tidy there"; exit 1; }; \
	done
	@for module in $(CLIENTS); do echo "go vet ($$module)"; (cd "$$module" && go vet ./...); done

.PHONY: server
server: # a MySQL server, installed if there is none and apt may
	@tools/mysqlservers/ensure

.PHONY: prepare
prepare: server ## make what takes long the first time: the Temporal CLI, initialised data directories
	@go run ./internal/devstack/prepare

.PHONY: release
release: ## make dist/: archives for linux and darwin, amd64 and arm64, with checksums and bills of materials
	root=$$PWD && cd tools/release && go run . -root "$$root" -out "$$root/dist" $(RELEASEFLAGS)

.PHONY: release-check
release-check: ## make the release twice, the second time in another folder and with nothing cached, and compare
	root=$$PWD && dir=$$(mktemp -d) && trap 'git worktree remove --force "$$dir/tree" || true; rm -rf "$$dir"' EXIT && \
	git worktree add --quiet --detach "$$dir/tree" HEAD && \
	(cd tools/release && go run . -root "$$root" -out "$$dir/once" $(RELEASEFLAGS) >/dev/null) && \
	(cd "$$dir/tree/tools/release" && GOCACHE=$$dir/cache go run . -root "$$dir/tree" -out "$$dir/again" $(RELEASEFLAGS)) && \
	(cd "$$dir/once" && sha256sum --check --quiet SHA256SUMS) && (cd "$$dir/again" && sha256sum --check --quiet SHA256SUMS) && \
	diff -u "$$dir/once/SHA256SUMS" "$$dir/again/SHA256SUMS" && \
	archives=$$(find "$$dir/again" -name '*.tar.gz' | wc -l) && \
	if [ "$$archives" -ne $(ARCHIVES) ] || [ "$$(wc -l < "$$dir/again/SHA256SUMS")" -ne $(ARCHIVES) ]; then echo "$$archives archives, wanted: $(ARCHIVES)"; exit 1; fi && \
	echo "twice the same: $$archives archives"

.PHONY: clean
clean: ## delete what was built here (the cache in ~/.cache/rotor stays)
	rm -rf bin dist
