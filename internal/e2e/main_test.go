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
	if err := flag.Set("rapid.checks", "10"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
