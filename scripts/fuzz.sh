#!/usr/bin/env bash
# Runs every fuzz target of the module for FUZZTIME each, one after another, and stops at the first finding.
set -euo pipefail
cd "$(dirname "$0")/.."

fuzztime=${FUZZTIME:-30s}
count=0
for package in $(go list ./...); do
	for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
		printf '\n== %s %s for %s\n' "$package" "$target" "$fuzztime"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" "$package"
		count=$((count + 1))
	done
done
printf '\nmake fuzz: PASS: %d targets, %s each\n' "$count" "$fuzztime"
