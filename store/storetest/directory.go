package storetest

import (
	"testing"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// identities: every column comes back as written, unknown is not empty.
func identities(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	full := person("okta", "Ann@Acme.com", 1)
	full.DN = "uid=ann,ou=people,dc=acme,dc=com"
	full.Reason = "disabled"
	full.Active = false
	full.Attributes = workspace.Attributes{
		"groups": {}, "title": {"CTO \"of\" \\ all\n"}, "email": {"a@acme.com", "ä@acme.com"},
		"日本": {"値", ""},
	}
	full.Document = []byte(`{"userName":"Ann@Acme.com"}`)
	full.ObservedAt, full.UpdatedAt = 77, 66
	bare := store.IdentityRow{Identity: workspace.Identity{
		ID: "bare", Connection: "okta", UserName: "bare", Active: true,
		Version: 1,
	}, UserKey: "bare"}
	r.update(func(tx *store.Tx) error {
		if err := tx.InsertMember(member("m1", "ann@acme.com")); err != nil {
			return err
		}
		full.Member = "m1"
		if err := tx.InsertIdentity(full); err != nil {
			return err
		}
		return tx.InsertIdentity(bare)
	})
	got := read(r, func(rd *store.Reader) (workspace.Identity, error) { return rd.Identity(full.ID) })
	same(t, "identity", got, full.Identity)
	if got.Attributes["groups"] == nil {
		t.Error("a list that is stated empty has become unknown (I14)")
	}
	if _, known := got.Attributes["mobile"]; known {
		t.Error("an unknown attribute has become known (I14)")
	}
	got = read(r, func(rd *store.Reader) (workspace.Identity, error) { return rd.Identity("bare") })
	if got.Document != nil || got.ExternalID != "" || got.Member != "" {
		t.Errorf("absent values have become %+v", got)
	}
	for what, query := range map[string]func(rd *store.Reader) (workspace.Identity, error){
		"external": func(rd *store.Reader) (workspace.Identity, error) {
			return rd.IdentityByExternal("okta", "ext-1", false)
		},
		"user": func(rd *store.Reader) (workspace.Identity, error) { return rd.IdentityByUser("okta", "ann@acme.com") },
		"dn":   func(rd *store.Reader) (workspace.Identity, error) { return rd.IdentityByDN("okta", full.DN) },
	} {
		same(t, "identity by "+what, read(r, query), full.Identity)
	}
	for _, query := range []func(rd *store.Reader) (workspace.Identity, error){
		func(rd *store.Reader) (workspace.Identity, error) {
			return rd.IdentityByExternal("okta", "EXT-1", false)
		},
		func(rd *store.Reader) (workspace.Identity, error) {
			return rd.IdentityByExternal("corp", "ext-1", true)
		},
		func(rd *store.Reader) (workspace.Identity, error) { return rd.IdentityByUser("corp", "ann@acme.com") },
		func(rd *store.Reader) (workspace.Identity, error) { return rd.IdentityByUser("okta", "Ann@Acme.com") },
		func(rd *store.Reader) (workspace.Identity, error) { return rd.IdentityByDN("corp", full.DN) },
		func(rd *store.Reader) (workspace.Identity, error) { return rd.Identity("") },
	} {
		gone(r, query)
	}
	other := newRoom(t, s)
	gone(other, func(rd *store.Reader) (workspace.Identity, error) { return rd.Identity(full.ID) })
}

// identityKeys: the unique index decides, on folded keys, and NULL is never a
// duplicate.
func identityKeys(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	insert := func(row store.IdentityRow) func(tx *store.Tx) error {
		return func(tx *store.Tx) error { return tx.InsertIdentity(row) }
	}
	r.update(insert(person("okta", "STRASSE@acme.com", 1)))
	r.conflicts("identity", "user", insert(person("okta", "straße@acme.com", 2)))
	r.update(insert(person("okta", "ann@acme.com", 3)))
	r.conflicts("identity", "user", insert(person("okta", "ＡＮＮ@acme.com", 4)))
	// Letter case outside ASCII is folded by us and by no engine.
	r.update(insert(person("okta", "ÄRA@acme.com", 5)))
	r.conflicts("identity", "user", insert(person("okta", "ära@acme.com", 6)))
	r.update(insert(person("corp", "ann@acme.com", 3)))
	same3 := person("okta", "other@acme.com", 7)
	same3.ExternalID = "ext-3"
	r.conflicts("identity", "external", insert(same3))
	same3.ExternalID = "EXT-3"
	r.update(insert(same3))
	for n := 10; n < 13; n++ {
		row := person("okta", "none"+string(rune('a'+n)), n)
		row.ExternalID = ""
		r.update(insert(row))
	}
	again := person("okta", "again", 8)
	again.ID = "okta-000001"
	r.conflicts("identity", "id", insert(again))
	total, _ := countUsers(r, "okta")
	if total != 7 {
		t.Errorf("users_total is %d after 7 inserts and 5 refusals", total)
	}
}

func countUsers(r room, connection string) (total, listed int) {
	r.Helper()
	r.view(func(rd *store.Reader) error {
		n, page, err := rd.Users(store.UserQuery{Connection: connection, Start: 1, Count: 1 << 20})
		total, listed = n, len(page)
		return err
	})
	return total, listed
}

// identityVersions: a stale writer loses, and loses nothing of the winner's.
func identityVersions(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	row := person("okta", "ann@acme.com", 1)
	row.Values = []store.IdentityValue{
		{Attr: "emails", Value: "Ann@acme.com", Key: "ann@acme.com", Type: "work", Primary: true},
		{Attr: "emails", Value: "a@home.org", Key: "a@home.org"},
		{Attr: "phoneNumbers", Value: "+1", Key: "+1"},
	}
	r.update(func(tx *store.Tx) error { return tx.InsertIdentity(row) })
	byMail := func(key string) int {
		n := 0
		r.view(func(rd *store.Reader) (err error) {
			n, _, err = rd.Users(store.UserQuery{
				Connection: "okta", Start: 1, Count: 10,
				Where: `i.identity_id IN (SELECT v.identity_id FROM identity_value v WHERE v.workspace_id = i.workspace_id
					AND v.attr = 'emails' AND v.value_key = ?)`, Args: []any{key},
			})
			return err
		})
		return n
	}
	second := row
	second.Version, second.Name, second.Values = 2, "Ann B", nil
	r.update(func(tx *store.Tx) error { return tx.UpdateIdentity(second) })
	if byMail("a@home.org") != 1 {
		t.Error("values have gone with an update that leaves them alone")
	}
	r.refused(workspace.ErrStale, func(tx *store.Tx) error { return tx.UpdateIdentity(second) })
	late := row
	late.Version = 5
	r.refused(workspace.ErrStale, func(tx *store.Tx) error { return tx.UpdateIdentity(late) })
	third := second
	third.Version, third.UserName, third.UserKey = 3, "bob@acme.com", "bob@acme.com"
	third.Values = []store.IdentityValue{}
	third.Email, third.EmailKey, third.ExternalID = "", "", ""
	r.update(func(tx *store.Tx) error { return tx.UpdateIdentity(third) })
	if byMail("ann@acme.com") != 0 {
		t.Error("values that were replaced are still found")
	}
	same(t, "identity", read(r, func(rd *store.Reader) (workspace.Identity, error) { return rd.Identity(row.ID) }), third.Identity)
	gone(r, func(rd *store.Reader) (workspace.Identity, error) { return rd.IdentityByUser("okta", "ann@acme.com") })
	r.refused(workspace.ErrNotFound, func(tx *store.Tx) error { return tx.LinkIdentity("nobody", "m1") })
	r.update(func(tx *store.Tx) error {
		if err := tx.InsertMember(member("m1", "bob@acme.com")); err != nil {
			return err
		}
		return tx.LinkIdentity(row.ID, "m1")
	})
	linked := read(r, func(rd *store.Reader) ([]workspace.Identity, error) { return rd.IdentitiesOf("m1", false) })
	if len(linked) != 1 || linked[0].Version != 3 || linked[0].Member != "m1" {
		t.Errorf("after the link: %+v", linked)
	}
	r.update(func(tx *store.Tx) error { return tx.LinkIdentity(row.ID, "") })
	if linked = read(r, func(rd *store.Reader) ([]workspace.Identity, error) { return rd.IdentitiesOf("m1", true) }); len(linked) != 0 {
		t.Errorf("after the link has ended: %+v", linked)
	}
}

// identityGone: a deleted identity is a tombstone row that frees its keys,
// leaves its groups and can come back.
func identityGone(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	first := person("okta", "ann@acme.com", 1)
	r.update(func(tx *store.Tx) error {
		if err := tx.InsertMember(member("m1", "ann@acme.com")); err != nil {
			return err
		}
		first.Member = "m1"
		if err := tx.InsertIdentity(first); err != nil {
			return err
		}
		for _, id := range []string{"g1", "g2"} {
			if err := tx.InsertDirectoryGroup(dirGroup("okta", id, 1), id); err != nil {
				return err
			}
			if _, err := tx.AddEdges(id, []store.Edge{{Child: first.ID, Kind: "user"}}, 5); err != nil {
				return err
			}
		}
		return nil
	})
	r.update(func(tx *store.Tx) error { return tx.DeleteIdentity(first.ID, "deleted", 99, 99) })
	r.refused(workspace.ErrNotFound, func(tx *store.Tx) error { return tx.DeleteIdentity(first.ID, "deleted", 99, 99) })
	gone(r, func(rd *store.Reader) (workspace.Identity, error) { return rd.Identity(first.ID) })
	gone(r, func(rd *store.Reader) (workspace.Identity, error) {
		return rd.IdentityByExternal("okta", "ext-1", false)
	})
	gone(r, func(rd *store.Reader) (workspace.Identity, error) { return rd.IdentityByUser("okta", "ann@acme.com") })
	tomb := read(r, func(rd *store.Reader) (workspace.Identity, error) {
		return rd.IdentityByExternal("okta", "ext-1", true)
	})
	if !tomb.Deleted || tomb.Active || tomb.Reason != "deleted" || tomb.UpdatedAt != 99 || tomb.Version != 2 || tomb.Member != "m1" {
		t.Errorf("tombstone row is %+v", tomb)
	}
	if n, listed := countUsers(r, "okta"); n != 0 || listed != 0 {
		t.Errorf("%d counted, %d listed after the only one has gone", n, listed)
	}
	for _, id := range []string{"g1", "g2"} {
		g := read(r, func(rd *store.Reader) (workspace.DirectoryGroup, error) { return rd.DirectoryGroup(id) })
		if g.MemberCount != 0 || g.Version != 2 {
			t.Errorf("group %s after its only member has gone: %+v", id, g)
		}
	}
	if all := read(r, func(rd *store.Reader) ([]workspace.Identity, error) { return rd.IdentitiesOf("m1", false) }); len(all) != 0 {
		t.Errorf("live identities: %+v", all)
	}
	if all := read(r, func(rd *store.Reader) ([]workspace.Identity, error) { return rd.IdentitiesOf("m1", true) }); len(all) != 1 {
		t.Errorf("all identities: %+v", all)
	}
	// The keys are free again: a rehire gets a row of its own, and deleted
	// again the newest row is found.
	again := person("okta", "ann@acme.com", 2)
	again.ExternalID = "ext-1"
	r.update(func(tx *store.Tx) error { return tx.InsertIdentity(again) })
	live := read(r, func(rd *store.Reader) (workspace.Identity, error) {
		return rd.IdentityByExternal("okta", "ext-1", true)
	})
	if live.ID != again.ID {
		t.Errorf("found %s instead of the live row", live.ID)
	}
	r.update(func(tx *store.Tx) error { return tx.DeleteIdentity(again.ID, "absent", 200, 200) })
	newest := read(r, func(rd *store.Reader) (workspace.Identity, error) {
		return rd.IdentityByExternal("okta", "ext-1", true)
	})
	if newest.ID != again.ID {
		t.Errorf("found %s instead of the newest tombstone", newest.ID)
	}
	// The first row comes back by an update, and is counted in.
	back := first
	back.Version, back.Deleted = tomb.Version+1, false
	r.update(func(tx *store.Tx) error { return tx.UpdateIdentity(back) })
	if n, listed := countUsers(r, "okta"); n != 1 || listed != 1 {
		t.Errorf("%d counted, %d listed after one has come back", n, listed)
	}
	back.Version++
	back.Deleted = true
	r.refused(workspace.ErrStale, func(tx *store.Tx) error { return tx.UpdateIdentity(back) })
}

// reports: who is named as manager by somebody who is still there.
func reports(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	ann, bob := person("okta", "ann", 1), person("okta", "bob", 2)
	bob.ManagerValue = ann.ID
	r.update(func(tx *store.Tx) error {
		if err := tx.InsertIdentity(ann); err != nil {
			return err
		}
		return tx.InsertIdentity(bob)
	})
	has := func(ids ...string) bool {
		return read(r, func(rd *store.Reader) (bool, error) { return rd.HasReports(ids) })
	}
	if !has("x", ann.ID) || has(bob.ID) || has() {
		t.Error("reports are not those of ann")
	}
	r.update(func(tx *store.Tx) error { return tx.DeleteIdentity(bob.ID, "deleted", 9, 9) })
	if has(ann.ID) {
		t.Error("somebody deleted still reports")
	}
}
