package storetest

import (
	"testing"

	"github.com/rollcall-sync/rollcall/store"
)

// Rows runs the tests of the rows on an open store; each makes a workspace of
// its own.
func Rows(t *testing.T, s *store.Store) {
	for _, c := range rowTests {
		t.Run(c.name, func(t *testing.T) { c.run(t, s) })
	}
}

// rowTests are the tests of the rows.
var rowTests = []struct {
	name string
	run  func(t *testing.T, s *store.Store)
}{
	{"identities", identities},
	{"identity keys", identityKeys},
	{"identity versions", identityVersions},
	{"identity gone", identityGone},
	{"reports", reports},
	{"directory groups", directoryGroups},
	{"edges", edges},
	{"big group", bigGroup},
	{"kinds", kinds},
	{"nesting", nesting},
	{"loops", loops},
	{"pages", pages},
	{"filtered pages", filteredPages},
	{"duplicates", duplicates},
	{"swaps", swaps},
	{"members", members},
	{"owners", owners},
	{"totals", totals},
	{"supports", supports},
	{"groups", groups},
	{"leavers", leavers},
	{"due", due},
	{"invitations", invitations},
	{"numbers", numbers},
	{"owned by same", ownedBySame},
	{"lowest free", lowestFree},
	{"listings", listings},
	{"unowned", unowned},
}
