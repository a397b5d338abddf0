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

# The commands and the directories are tests of many processes: under the race
# detector they take five times as long and find races of the daemon alone. So
# it watches the daemon in its conversations, and the rest runs without it.
apart='/(cmd/rollcall|internal/e2e)$'

# What hangs is told with its stacks. The bound is far above what two busy cores
# need (the longest package takes seven minutes of them): a slow machine is no fault.
patience=40m

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0

step "go test -race"
# The longest first, so that none of them runs alone at the end.
CGO_ENABLED=1 go test -race -timeout $patience "$@" ./sync ./store $(go list ./... | grep -vE "$apart") 2>&1 | tee "$log" || status=$?

step "go test -race: the daemon in its conversations"
CGO_ENABLED=1 go test -race -timeout $patience -run 'TestScripts/conversation|TestServe|TestConnection|Signals' ./cmd/rollcall 2>&1 | tee -a "$log" || status=$?

step "go test: commands and directories"
go test -timeout $patience "$@" ./cmd/rollcall ./internal/e2e 2>&1 | tee -a "$log" || status=$?

step "go test: the engine whole, on both databases, without the race detector"
go test -timeout $patience ./sync 2>&1 | tee -a "$log" || status=$?

passed=$(grep -c '^ok ' "$log" || true)
failed=$(grep -c '^FAIL[[:space:]]' "$log" || true)
printf '\n'
if [ "$status" -ne 0 ]; then
	printf 'make test: FAIL: %d packages failed, %d passed, %d s\n' "$failed" "$passed" $((SECONDS - started))
	exit "$status"
fi
printf 'make test: PASS: %d packages, race detector on but where named, SQLite and PostgreSQL, %d s\n' "$passed" $((SECONDS - started))
