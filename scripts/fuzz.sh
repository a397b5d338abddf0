#!/usr/bin/env bash
# Runs every fuzz target of the module for FUZZTIME each, one after another, and stops at the first finding.
set -euo pipefail
cd "$(dirname "$0")/.."

fuzztime=${FUZZTIME:-30s}
count=0
for package in $(go list ./...); do
	tests=$(go test -list '^Fuzz' "$package") # On a line of its own: tests that do not compile end the script.
	for target in $(grep '^Fuzz' <<<"$tests" || true); do
		printf '\n== %s %s for %s\n' "$package" "$target" "$fuzztime"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" "$package"
		count=$((count + 1))
	done
done
printf '\nmake fuzz: PASS: %d targets, %s each\n' "$count" "$fuzztime"
