package e2e

import (
	"flag"
	"os"
	"testing"
)

// TestMain makes the test binary the fake that a benchmark reads, in a
// process of its own, and keeps the random sequences short: a flag on the
// command line, read later, still wins.
func TestMain(m *testing.M) {
	if n := os.Getenv(fakeGraphVariable); n != "" {
		os.Exit(serveFakeGraph(n))
	}
	checks := "10"
	if raceDetector {
		checks = "3"
	}
	if err := flag.Set("rapid.checks", checks); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
