#!/usr/bin/env bash
# Everything that must hold before a change is merged, quick checks first. `make test` calls it.
set -euo pipefail
cd "$(dirname "$0")/.."

started=$SECONDS
step() { printf '\n== %s\n' "$*"; }

step "gofmt"
unformatted=$(git ls-files -z --cached --others --exclude-standard -- '*.go' | xargs -0 --no-run-if-empty gofmt -l)
if [ -n "$unformatted" ]; then
	printf 'not formatted (run `make fmt`):\n%s\n' "$unformatted"
	exit 1
fi

step "go vet"
go vet ./...

step "generated files"
go run ./internal/permdoc --check

step "go test -race"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
CGO_ENABLED=1 go test -race -timeout 12m "$@" ./... 2>&1 | tee "$log" || status=$?

step "go test: the long searches whole, without the race detector"
go test -timeout 5m -run 'TestMachine$|TestUnitIsAllOrNothing|TestLastOwnerSurvives' ./sync 2>&1 | tee -a "$log" || status=$?

passed=$(grep -c '^ok ' "$log" || true)
failed=$(grep -c '^FAIL[[:space:]]' "$log" || true)
printf '\n'
if [ "$status" -ne 0 ]; then
	printf 'make test: FAIL: %d packages failed, %d passed, %d s\n' "$failed" "$passed" $((SECONDS - started))
	exit "$status"
fi
printf 'make test: PASS: %d packages, race detector on, SQLite and PostgreSQL, %d s\n' "$passed" $((SECONDS - started))
