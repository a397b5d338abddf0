// Package storetest is the suite that every engine of the store passes: a
// behaviour of the store exists only if it is shown here. It also gives tests
// elsewhere databases of the present schema, without migrating each.
package storetest

import (
	"testing"

	"github.com/rollcall-sync/rollcall/store"
)

// Run tests an engine. open gives an open store on a database of its own; it
// is called once for each group of tests and closes it when that test ends.
func Run(t *testing.T, open func(t *testing.T) *store.Store) {
	for _, g := range []struct {
		name  string
		tests []test
	}{
		{"units", unitTests},
		{"leases", leaseTests},
		{"records", recordTests},
		{"rows", rowTests},
		{"delivery", deliveryTests},
		{"sign-in", signInTests},
	} {
		t.Run(g.name, func(t *testing.T) {
			s := open(t)
			for _, c := range g.tests {
				t.Run(c.name, func(t *testing.T) { c.run(t, s) })
			}
		})
	}
}

type test struct {
	name string
	run  func(t *testing.T, s *store.Store)
}
