package configs

import (
	"fmt"
	"strings"
)

// remedyFor names the known word nearest to a misspelt one, or all of them
// when none is near.
func remedyFor(got string, known []string) string {
	best, least := "", len(got)/3+2
	for _, k := range known {
		if dist := distance(strings.ToLower(got), k); dist < least {
			best, least = k, dist
		}
	}
	if best == "" {
		return ": use one of " + strings.Join(known, ", ")
	}
	return fmt.Sprintf(": did you mean %q?", best)
}

// distance counts insertions, deletions and substitutions between two words.
// Words too long to be a slip of the hand are as far apart as they are long.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return max(len(a), len(b))
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
