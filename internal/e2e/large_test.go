package e2e

import (
	"fmt"
	"os"
	"strconv"
	"testing"
)

// largeGroup is how many members the large group has; ROLLCALL_LARGE_GROUP
// asks for more (20000 in make robustness).
func largeGroup(t *testing.T) int {
	t.Helper()
	text := os.Getenv("ROLLCALL_LARGE_GROUP")
	if text == "" {
		return 1200
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 2 {
		t.Fatalf("ROLLCALL_LARGE_GROUP=%q is no number of people", text)
	}
	return n
}

// TestLargeGroup reads a group that a page does not hold, whole and with one
// person more and less.
func TestLargeGroup(t *testing.T) {
	t.Parallel()
	everyServer(t, func(t *testing.T, d directory) {
		n := largeGroup(t)
		members := make([]string, n)
		for i := range n {
			uid := fmt.Sprintf("p%05d", i)
			if ad, ok := d.(*activeDirectory); ok {
				// Without a password: setting one costs the server most.
				ad.add(ad.personDN(uid), map[string][]string{
					"objectClass": {"user"}, "sAMAccountName": {uid}, "mail": {uid + "@acme.com"}, "userAccountControl": {"544"},
				})
			} else {
				d.person(uid, uid+"@acme.com", "")
			}
			members[i] = d.personDN(uid)
		}
		d.group("team", members[:n-1]...)
		cfg := d.config()
		cfg.PageSize = 500
		w := newWorld(t, cfg, unbraked())
		w.sync()
		w.agrees(d)
		d.addMember("team", members[n-1])
		d.dropMember("team", members[0])
		res := w.sync()
		w.agrees(d)
		if res.Run.Counts.Applied != 2 {
			t.Errorf("%d changes for one who came and one who left", res.Run.Counts.Applied)
		}
	})
}
