package scim

import (
	"flag"
	"testing"

	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

func TestMain(m *testing.M) {
	if raceFactor > 1 {
		// A flag on the command line, read later, still wins.
		if err := flag.Set("rapid.checks", "20"); err != nil {
			panic(err)
		}
	}
	pgtest.Main(m)
}
