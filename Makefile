# GNU make. `make` alone lists the targets.

# A target whose tests fail fails, also where its output runs through a filter.
SHELL       := bash
.SHELLFLAGS := -o pipefail -c

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
BIN      := $(CURDIR)/bin
FUZZTIME ?= 30s
ROUNDS   ?= 50
SEQUENCES ?= 40
BENCH    ?= .
BENCHFLAGS ?=

# Pinned here and nowhere else. golangci-lint carries staticcheck, revive, depguard and gofumpt.
GOLANGCI_LINT_VERSION := v2.15.0
KEYCLOAK_VERSION      := 26.0.8
BENCHSTAT_VERSION     := v0.0.0-20260908200009-22c9c6c9d4da
GOLANGCI_LINT         := $(BIN)/golangci-lint-$(GOLANGCI_LINT_VERSION)

.DEFAULT_GOAL := help
.PHONY: help demo test prepare bench bench-leavers bench-scim bench-ldap bench-graph keycloak kill robustness microbench benchstat differential linearizability fuzz lint fmt generate verify build docker clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## play a company of 40 people through a running Rollcall, print the reports, serve until Ctrl-C
	@echo "building; the first time it takes a minute or two"
	CGO_ENABLED=0 go run ./cmd/rollcall demo

test: prepare ## install what is missing, then check and test everything (race detector, SQLite and PostgreSQL)
	@./scripts/test.sh

prepare: ## install what the tests need and is missing: a C compiler, PostgreSQL, OpenLDAP, Samba, 389 Directory Server, an OpenID provider
	@./scripts/prepare.sh

bench: build ## measure the daemon over HTTP and print one table: rates, CPU, latency, memory (BENCHFLAGS=-large=10000 is quicker)
	@go run ./internal/bench -binary $(BIN)/rollcall $(BENCHFLAGS)

bench-leavers: build ## end access under 200 requests a second, with slow and dead receivers beside, and print times beside bars
	@go run ./internal/bench -leavers -binary $(BIN)/rollcall -rate 60s $(BENCHFLAGS)

bench-scim: ## SCIM load as Entra and Okta send it, at 1,000, 20,000 and 100,000 people; lists, filters, 1,000 members at once, deactivation under load; one table with bars
	@go test ./scim -run '^$$' -bench 'Clients|Growth|Lookup|Pages|Lists|GroupAdd|PatchMembers|Deactivate' -timeout 120m $(BENCHFLAGS) 2>&1 | go run ./internal/bench -scim

bench-ldap: ## poll a slapd with 1,000 and with 100,000 people, beside ldapsearch paging the same attributes (minutes)
	go test -run '^$$' -bench Directory -benchtime 1x -timeout 60m ./internal/e2e

keycloak: ## read a real Keycloak and sign in at it, fetched by Maven (needs Java 17 and mvn; minutes)
	@test -x $(BIN)/keycloak-$(KEYCLOAK_VERSION)/bin/kc.sh || { mvn -q -B dependency:copy -Dartifact=org.keycloak:keycloak-quarkus-dist:$(KEYCLOAK_VERSION):zip -DoutputDirectory=$(BIN) && \
	unzip -q -o $(BIN)/keycloak-quarkus-dist-$(KEYCLOAK_VERSION).zip -d $(BIN); }
	KEYCLOAK_HOME=$(BIN)/keycloak-$(KEYCLOAK_VERSION) go test -tags keycloak -run 'Keycloak$$' -count 1 -p 1 -v ./internal/e2e ./cmd/rollcall

kill: ## kill -9 the daemon, the store and the deliverer 200 times each on SQLite and PostgreSQL, and behind every statement of a leaver (KILLS=N)
	ROLLCALL_KILLS=$(or $(KILLS),200) go test -count=1 -v -timeout 60m -run 'Kill' ./cmd/rollcall ./events ./store | grep -E '^(---|ok|FAIL|panic)|^ +--- |kill_test|killcheck_test'

bench-graph: ## poll 20,000 people through the fake of Microsoft Graph: the source alone, first poll, unchanged, delta
	go test -run '^$$' -bench Graph -benchtime 1x -timeout 30m ./internal/e2e

robustness: ## break real directories in every way of docs/robustness.md, play random sequences (SEQUENCES=N of each); SEED=N repeats one
	@mkdir -p $(BIN); ROLLCALL_LARGE_GROUP=20000 go test -count=1 -v -timeout 60m ./internal/e2e -run 'Faults|Random|Sequence|Large|Kind' $(if $(SEED),-seed $(SEED)) -steps 60 -rapid.checks=$(SEQUENCES) > $(BIN)/robustness.txt 2>&1; code=$$?; \
	grep -E '^ *--- |seed|^ok|^FAIL' $(BIN)/robustness.txt; printf 'passed %s, failed %s\n' "$$(grep -c -- '--- PASS' $(BIN)/robustness.txt)" "$$(grep -c -- '--- FAIL' $(BIN)/robustness.txt)"; \
	[ $$code -eq 0 ] && echo PASS || { cat $(BIN)/robustness.txt; echo FAIL; }; rm -f $(BIN)/robustness.txt; exit $$code

robustness-%: ## run one fault of docs/robustness.md
	go test -count=1 -v ./internal/e2e -run 'TestFaults/^$*$$'

microbench: ## run the benchmarks of the packages; BENCH=REGEXP picks some
	go test -run '^$$' -bench '$(BENCH)' -benchmem -p 1 -timeout 60m ./...

benchstat: $(BIN)/benchstat ## install benchstat into bin/, to compare two runs of make microbench

differential: ## 100,000 random filters and resources: SQLite, PostgreSQL and evaluator agree; PATCH against npm's scim-patch (needs node; docs/scim-patch-differences.md)
	go test ./scim -run 'TestSQLEqualsEvaluator|TestFilterOnEverything' -count 1 -timeout 60m -v -rapid.checks=1700
	go test -tags differential -run TestPatchAgainstScimPatch -count 1 -v ./scim

linearizability: ## check 50 histories of 16 concurrent SCIM clients on both engines, instead of the one of make test (ROUNDS=N)
	go test -run TestLinearizable -count 1 -timeout 60m -v ./scim -rounds $(ROUNDS)

fuzz: ## run every fuzz target for FUZZTIME (30s) each
	@FUZZTIME=$(FUZZTIME) ./scripts/fuzz.sh

lint: $(GOLANGCI_LINT) ## run the linters (the first time builds them, some minutes)
	$(GOLANGCI_LINT) run ./...

fmt: $(GOLANGCI_LINT) ## format the code
	$(GOLANGCI_LINT) fmt ./...

generate: ## write the files that are made from code (docs/permissions.md)
	go generate ./...

verify: lint test ## lint, test, and check the downloaded modules against go.sum
	go mod verify

build: ## build the static binary bin/rollcall
	CGO_ENABLED=0 go build -trimpath -tags timetzdata -ldflags '-s -w -X main.version=$(VERSION)' -o $(BIN)/rollcall ./cmd/rollcall

docker: ## build the container image rollcall:VERSION
	docker build --build-arg VERSION=$(VERSION) --tag rollcall:$(VERSION) .

clean: ## remove what make made
	rm -rf $(BIN)

# Built outside the module, so that tools add nothing to go.mod.
$(GOLANGCI_LINT):
	GOBIN=$(BIN) GOFLAGS= go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	mv $(BIN)/golangci-lint $@

$(BIN)/benchstat:
	GOBIN=$(BIN) GOFLAGS= go install golang.org/x/perf/cmd/benchstat@$(BENCHSTAT_VERSION)
