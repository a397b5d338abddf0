package storetest

import (
	"testing"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// joining is what somebody who joins by a domain is looked up by: records by
// address, and whether a connection has people in a domain.
func joining(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	for _, row := range []struct{ id, connection, key string }{
		{"b", "okta", "ann@acme.org"}, {"a", "okta", "ann@acme.org"}, {"c", "corp", "bo@sub.acme.org"}, {"d", "corp", "cy@xacme.org"},
	} {
		r.update(func(tx *store.Tx) error {
			return tx.InsertIdentity(store.IdentityRow{
				Identity: workspace.Identity{ID: row.id, Connection: row.connection, UserName: row.id, Email: row.key, Active: true, Version: 1}, UserKey: row.id, EmailKey: row.key,
			})
		})
	}
	ids := func(connection, key string) (out []string) {
		for _, i := range read(r, func(rd *store.Reader) ([]workspace.Identity, error) { return rd.IdentitiesByEmail(connection, key) }) {
			out = append(out, i.ID)
		}
		return out
	}
	same(t, "by address", ids("okta", "ann@acme.org"), []string{"a", "b"})
	same(t, "of another connection", ids("corp", "ann@acme.org"), []string(nil))
	states := func(connection, domain string) bool {
		return read(r, func(rd *store.Reader) (bool, error) { return rd.States(connection, domain) })
	}
	for _, c := range []struct {
		connection, domain string
		want               bool
	}{
		{"okta", "acme.org", true}, {"corp", "acme.org", false}, {"corp", "sub.acme.org", true}, {"corp", "xacme.org", true}, {"corp", "acme.or", false}, {"none", "acme.org", false},
	} {
		if got := states(c.connection, c.domain); got != c.want {
			t.Errorf("%s has people in %s: %t", c.connection, c.domain, got)
		}
	}
	for _, id := range []string{"a", "b"} {
		r.update(func(tx *store.Tx) error { return tx.DeleteIdentity(id, "deleted", 5, 5) })
	}
	if states("okta", "acme.org") {
		t.Error("deleted records count")
	}
}

// unwatched is who has neither a record of a named directory nor a liveness.
func unwatched(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	member := func(id string, change func(*workspace.Member)) {
		m := workspace.Member{ID: id, Email: id + "@x.org", EmailKey: id + "@x.org", Role: workspace.RoleMember, State: workspace.StateActive, Epoch: 1, Version: 1}
		if change != nil {
			change(&m)
		}
		r.update(func(tx *store.Tx) error { return tx.InsertMember(m) })
	}
	record := func(connection, id string) {
		r.update(func(tx *store.Tx) error {
			return tx.InsertIdentity(store.IdentityRow{
				Identity: workspace.Identity{ID: connection + id, Connection: connection, UserName: id, Active: true, Member: id, Version: 1}, UserKey: id,
			})
		})
	}
	for _, id := range []string{"m1", "m2", "m3", "m4"} {
		member(id, nil)
	}
	member("m5", func(m *workspace.Member) { m.BreakGlass = true })
	member("m6", func(m *workspace.Member) { m.State = workspace.StateDeactivated })
	record("okta", "m1")
	record("corp", "m2")
	record("corp", "m3")
	r.update(func(tx *store.Tx) error {
		return tx.PutGrant(store.GrantRow{Connection: "corp", Subject: "m3", Member: "m3", Sealed: "x"}, 1)
	})
	lost := func(after string, limit int, directories ...string) []string {
		return read(r, func(rd *store.Reader) ([]string, error) { return rd.Unwatched(directories, after, limit) })
	}
	same(t, "all", lost("", 0, "okta"), []string{"m2", "m4"})
	same(t, "a page", lost("", 1, "okta"), []string{"m2"})
	same(t, "the next", lost("m2", 1, "okta"), []string{"m4"})
	same(t, "two directories", lost("", 0, "okta", "corp"), []string{"m4"})
	same(t, "no directory", lost("", 0), []string{"m1", "m2", "m4"})
	same(t, "whole", len(read(r, func(rd *store.Reader) ([]store.MemberListing, error) {
		return rd.Members(store.MemberFilter{Unwatched: []string{"okta"}})
	})), 2)
	same(t, "asked about", read(r, func(rd *store.Reader) ([]string, error) { return rd.LiveGrants("m3") }), []string{"corp"})
	same(t, "not asked about", len(read(r, func(rd *store.Reader) ([]string, error) { return rd.LiveGrants("m2") })), 0)

	r.update(func(tx *store.Tx) error {
		return tx.PutLeaver(store.LeaverRow{Member: "m6", Run: "r1", Connection: "okta", T1: 5, T2: 6})
	})
	r.update(func(tx *store.Tx) error {
		return tx.PutLeaver(store.LeaverRow{Member: "m6", Run: "r2", Connection: "okta", T1: 7, T2: 8})
	})
	r.update(func(tx *store.Tx) error {
		return tx.PutLeaver(store.LeaverRow{Member: "m6", Run: "r3", Connection: "corp", T1: 7, T2: 9})
	})
	runs := func(since workspace.Micros, limit int) (out []string) {
		for _, l := range read(r, func(rd *store.Reader) ([]store.LeaverRow, error) { return rd.LeaversOf("okta", since, limit) }) {
			out = append(out, l.Run)
		}
		return out
	}
	same(t, "leavers of a connection", runs(0, 10), []string{"r2", "r1"})
	same(t, "since", runs(7, 10), []string{"r2"})
	same(t, "the newest", runs(0, 1), []string{"r2"})
}
