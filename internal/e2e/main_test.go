package e2e

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

// TestMain makes the test binary the fake that a benchmark reads, in a
// process of its own, keeps the random sequences short, and chooses the seed
// of them all: flags on the command line win.
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
	flag.Parse()
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	if f := flag.Lookup("rapid.seed"); f.Value.String() == f.DefValue {
		if err := f.Value.Set(fmt.Sprint(*seed)); err != nil {
			panic(err)
		}
	}
	pgtest.Main(m)
}
