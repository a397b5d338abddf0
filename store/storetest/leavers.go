package storetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// leavers: tombstones, snapshots, repairs, and who is due.
func leavers(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	row := store.TombstoneRow{Value: "v1", Kind: "email", Member: "m1", Cause: "deleted", Connection: "okta", ByPerson: true, At: 5}
	r.update(func(tx *store.Tx) error {
		other := row
		other.Value, other.Member, other.ByPerson = "v2", "m2", false
		return errors.Join(tx.PutTombstone(row), tx.PutTombstone(other))
	})
	find := func(values ...string) []store.TombstoneRow {
		return read(r, func(rd *store.Reader) ([]store.TombstoneRow, error) { return rd.Tombstones(values) })
	}
	same(t, "tombstones", find("v0", "v1", "v9"), []store.TombstoneRow{row})
	same(t, "tombstones of nothing", find(), []store.TombstoneRow{})
	// The directory says again what a person has said: it stays a person's.
	row.At, row.Cause, row.ByPerson = 6, "absent", false
	r.update(func(tx *store.Tx) error { return tx.PutTombstone(row) })
	row.ByPerson = true
	of := func() []store.TombstoneRow {
		return read(r, func(rd *store.Reader) ([]store.TombstoneRow, error) { return rd.TombstonesOf("m1") })
	}
	same(t, "tombstones", of(), []store.TombstoneRow{row})
	r.update(func(tx *store.Tx) error { return tx.LiftTombstones("m1", "ann", 9) })
	same(t, "tombstones", of(), []store.TombstoneRow{})
	same(t, "tombstones", len(find("v1", "v2")), 1)
	row.ByPerson = false
	r.update(func(tx *store.Tx) error { return tx.PutTombstone(row) })
	same(t, "tombstones", of(), []store.TombstoneRow{row})

	noSnapshot := func(rd *store.Reader) ([]byte, error) {
		body, _, err := rd.Snapshot("m1")
		return body, err
	}
	gone(r, noSnapshot)
	r.update(func(tx *store.Tx) error {
		return errors.Join(tx.PutSnapshot("m1", []byte(`{"a":1}`), 5), tx.PutSnapshot("m1", []byte(`{"a":2}`), 6))
	})
	r.view(func(rd *store.Reader) error {
		body, at, err := rd.Snapshot("m1")
		if string(body) != `{"a":2}` || at != 6 {
			t.Errorf("snapshot is %s at %d", body, at)
		}
		return err
	})
	r.update(func(tx *store.Tx) error { return tx.DeleteSnapshot("m1") })
	gone(r, noSnapshot)

	r.update(func(tx *store.Tx) error {
		return errors.Join(tx.PutRepair(store.RepairRow{Member: "m1", Step: "b", Error: "e", Tries: 1, At: 8}),
			tx.PutRepair(store.RepairRow{Member: "m1", Step: "a", Error: "e", Tries: 1, At: 9}),
			tx.PutRepair(store.RepairRow{Member: "m1", Step: "b", Error: "f", Tries: 2, At: 10}))
	})
	repairs := func() []store.RepairRow {
		return read(r, func(rd *store.Reader) ([]store.RepairRow, error) { return rd.Repairs(10) })
	}
	same(t, "repairs", repairs(), []store.RepairRow{
		{Member: "m1", Step: "a", Error: "e", Tries: 1, At: 9},
		{Member: "m1", Step: "b", Error: "f", Tries: 2, At: 10},
	})
	r.update(func(tx *store.Tx) error { return tx.DeleteRepair("m1", "a") })
	same(t, "repairs", len(repairs()), 1)
}

// due: whose access has ended, and whose grace has, the longest due first.
func due(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	r.update(func(tx *store.Tx) error {
		for i, m := range []workspace.Member{
			{ID: "ends later", State: workspace.StateActive, AccessEnd: 101},
			{ID: "ends now", State: workspace.StateActive, AccessEnd: 100},
			{ID: "ended", State: workspace.StateActive, AccessEnd: 50},
			{ID: "ended and left", State: workspace.StateDeactivated, AccessEnd: 50},
			{ID: "no end", State: workspace.StateActive},
			{ID: "grace over", State: workspace.StateDeactivated, GraceUntil: 100},
			{ID: "grace long over", State: workspace.StateDeactivated, GraceUntil: 10},
			{ID: "in grace", State: workspace.StateDeactivated, GraceUntil: 1000},
		} {
			m.EmailKey, m.Role, m.Version = fmt.Sprintf("%d@acme.com", i), workspace.RoleMember, 1
			if err := tx.InsertMember(m); err != nil {
				return err
			}
		}
		return nil
	})
	ids := func(members []workspace.Member) (ids []string) {
		for _, m := range members {
			ids = append(ids, m.ID)
		}
		return ids
	}
	r.view(func(rd *store.Reader) error {
		expired, graceOver, err := rd.DueMembers(100, 10)
		same(t, "expired", ids(expired), []string{"ended", "ends now"})
		same(t, "grace over", ids(graceOver), []string{"grace long over", "grace over"})
		if err != nil {
			return err
		}
		expired, graceOver, err = rd.DueMembers(100, 1)
		same(t, "expired, one", ids(expired), []string{"ended"})
		same(t, "grace over, one", ids(graceOver), []string{"grace long over"})
		return err
	})
}

// invitations: one pending per address, versions, domains.
func invitations(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	i := workspace.Invitation{
		ID: "i1", Email: "New@acme.com", EmailKey: "new@acme.com", Role: workspace.RoleAdmin,
		State: workspace.InvitationPending, Inviter: "m1", Numbers: []string{"n1", "n2"}, TokenHash: "00ff", Held: true,
		CreatedAt: 5, ExpiresAt: 6, Version: 1,
	}
	put := func(i workspace.Invitation) func(tx *store.Tx) error {
		return func(tx *store.Tx) error { return tx.PutInvitation(i) }
	}
	pending := func(rd *store.Reader) (workspace.Invitation, error) { return rd.PendingInvitation("new@acme.com") }
	r.update(put(i))
	same(t, "invitation", read(r, pending), i)
	same(t, "invitation", read(r, func(rd *store.Reader) (workspace.Invitation, error) { return rd.InvitationByID("i1") }), i)
	same(t, "sent by m1", read(r, func(rd *store.Reader) ([]workspace.Invitation, error) { return rd.PendingBy("m1") }), []workspace.Invitation{i})
	second := i
	second.ID = "i2"
	r.conflicts("invitation", "pending", put(second))
	i.State, i.Version, i.Numbers = workspace.InvitationRevoked, 2, nil
	r.update(put(i))
	r.refused(workspace.ErrStale, put(i))
	gone(r, pending)
	second.CreatedAt = 7
	r.update(put(second))
	list := func(state string) (ids []string) {
		for _, i := range read(r, func(rd *store.Reader) ([]workspace.Invitation, error) { return rd.Invitations(state, 10) }) {
			ids = append(ids, i.ID)
		}
		return ids
	}
	same(t, "all", list(""), []string{"i2", "i1"})
	same(t, "revoked", list("revoked"), []string{"i1"})

	d := workspace.DomainClaim{Domain: "acme.com", Claimer: "m1", State: workspace.DomainPending, Challenge: "c", ClaimedAt: 1, Version: 1}
	e := workspace.DomainClaim{Domain: "acme.org", State: workspace.DomainVerified, VerifiedAt: 3, CheckedAt: 4, Version: 1}
	r.update(func(tx *store.Tx) error { return errors.Join(tx.PutDomain(e), tx.PutDomain(d)) })
	d.State, d.VerifiedAt, d.Version = workspace.DomainVerified, 9, 2
	r.update(func(tx *store.Tx) error { return tx.PutDomain(d) })
	same(t, "domains", read(r, (*store.Reader).Domains), []workspace.DomainClaim{d, e})
}
