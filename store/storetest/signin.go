package storetest

import (
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// signInTests are the tests of sessions, liveness and signals.
var signInTests = []test{
	{"sessions", sessions},
	{"grants (OL2, OL3)", grants},
	{"signals seen (OI3)", signals},
}

// signer is a room with a member who signs in.
func signer(t *testing.T, s *store.Store) room {
	t.Helper()
	r := newRoom(t, s)
	r.update(func(tx *store.Tx) error {
		return tx.InsertMember(workspace.Member{ID: "m1", Name: "Bo", Email: "bo@acme.com", EmailKey: "bo@acme.com", Role: workspace.RoleMember, State: workspace.StateActive, Epoch: 3, Version: 1})
	})
	return r
}

func sessions(t *testing.T, s *store.Store) {
	r := signer(t, s)
	row := store.SessionRow{
		ID: "s1", Member: "m1", Connection: "okta", Issuer: "https://idp", Subject: "u1", SID: "sid", Epoch: 3, CookieHash: "c1", CodeHash: "k1",
		CodeUntil: 100, CreatedAt: 10, AuthAt: 9, ExpiresAt: 1000,
	}
	other := row
	other.ID, other.CookieHash, other.CodeHash, other.SID, other.CreatedAt = "s2", "c2", "", "", 20
	r.update(func(tx *store.Tx) error { return tx.InsertSession(row) })
	r.update(func(tx *store.Tx) error { return tx.InsertSession(other) })
	twice := row
	twice.ID, twice.CodeHash = "s3", "k3"
	r.conflicts("session", "cookie", func(tx *store.Tx) error { return tx.InsertSession(twice) })
	twice.CookieHash, twice.CodeHash = "c3", "k1"
	r.conflicts("session", "code", func(tx *store.Tx) error { return tx.InsertSession(twice) })

	same(t, "by id", read(r, func(rd *store.Reader) (store.SessionRow, error) { return rd.Session("s1") }), row)
	same(t, "by cookie", read(r, func(rd *store.Reader) (store.SessionRow, error) { return rd.SessionByCookie("c2") }), other)
	gone(r, func(rd *store.Reader) (store.SessionRow, error) { return rd.SessionByCookie("C2") })
	bySID := func(sid string) []store.SessionRow {
		return read(r, func(rd *store.Reader) ([]store.SessionRow, error) { return rd.SessionsBySID("okta", sid) })
	}
	same(t, "by sid", bySID("sid"), []store.SessionRow{row})
	same(t, "by no sid", bySID(""), []store.SessionRow{})
	same(t, "newest", read(r, func(rd *store.Reader) (store.SessionRow, error) { return rd.LastSession("okta", "u1") }), other)

	r.refused(workspace.ErrNotFound, func(tx *store.Tx) error { _, err := tx.SpendCode("k1", 100); return err })
	r.refused(workspace.ErrNotFound, func(tx *store.Tx) error { _, err := tx.SpendCode("", 1); return err })
	r.update(func(tx *store.Tx) error { _, err := tx.SpendCode("k1", 99); return err })
	r.refused(workspace.ErrNotFound, func(tx *store.Tx) error { _, err := tx.SpendCode("k1", 99); return err })

	r.update(func(tx *store.Tx) error { return tx.EndSession("s1", "logout", 50) })
	r.update(func(tx *store.Tx) error { return tx.EndSession("s1", "again", 60) })
	row.CodeHash, row.EndedAt, row.EndedWhy = "", 50, "logout"
	same(t, "ended", bySID("sid"), []store.SessionRow{row})
	r.update(func(tx *store.Tx) error { return tx.EndSessionsOf("m1", "left", 70) })
	other.EndedAt, other.EndedWhy = 70, "left"
	same(t, "all ended", read(r, func(rd *store.Reader) (store.SessionRow, error) { return rd.Session("s2") }), other)
	r.update(func(tx *store.Tx) error { return tx.PruneSessions(1000) })
	same(t, "pruned early", len(bySID("sid")), 1)
	r.update(func(tx *store.Tx) error { return tx.PruneSessions(1001) })
	same(t, "pruned", len(bySID("sid")), 0)
}

func grants(t *testing.T, s *store.Store) {
	r := signer(t, s)
	g := store.GrantRow{Connection: "okta", Subject: "u1", Member: "m1", Sealed: "k.1", NextAt: 10}
	r.update(func(tx *store.Tx) error { return tx.PutGrant(g, 5) })
	due := func() []string {
		return read(r, func(rd *store.Reader) ([]string, error) { return rd.DueGrants("okta", 10, 9) })
	}
	same(t, "due without session or number (OL1)", due(), []string{})
	r.update(func(tx *store.Tx) error {
		return tx.InsertSession(store.SessionRow{ID: "s1", Member: "m1", Connection: "okta", Epoch: 3, CookieHash: "c", ExpiresAt: 100})
	})
	same(t, "due", due(), []string{"u1"})
	lease := func(now workspace.Micros) (row store.GrantRow, ok bool) {
		t.Helper()
		r.update(func(tx *store.Tx) (err error) {
			row, ok, err = tx.LeaseGrant("okta", "u1", now, time.Hour)
			return err
		})
		return row, ok
	}
	if _, ok := lease(9); ok {
		t.Error("leased before it is due")
	}
	first, ok := lease(10)
	if !ok || first.State != store.GrantIdle || first.Sealed != "k.1" {
		t.Fatalf("lease %+v, %t", first, ok)
	}
	if _, ok := lease(10); ok {
		t.Error("leased twice")
	}
	same(t, "due while leased", due(), []string{})
	kept := first
	kept.Sealed = "k.2"
	r.update(func(tx *store.Tx) error { return tx.KeepToken(kept) })
	late := first
	late.Turn--
	r.refused(workspace.ErrStale, func(tx *store.Tx) error { return tx.KeepToken(late) })
	r.refused(workspace.ErrStale, func(tx *store.Tx) error { return tx.SettleGrant(late) })
	kept.State, kept.NextAt, kept.Tries, kept.Verdict, kept.Code, kept.AliveAt = store.GrantIdle, 30, 0, "alive", "", 11
	r.update(func(tx *store.Tx) error { return tx.SettleGrant(kept) })
	now := read(r, func(rd *store.Reader) (store.GrantRow, error) { return rd.Grant("okta", "u1") })
	same(t, "settled", []any{now.Sealed, now.State, now.NextAt, now.Verdict, now.AliveAt, now.AskedAt}, []any{"k.2", store.GrantIdle, workspace.Micros(30), "alive", workspace.Micros(11), workspace.Micros(10)})
	if _, ok := lease(30); !ok {
		t.Fatal("not leased when due again")
	}
	// A new sign-in takes the turn away from whoever is asking.
	g.Sealed, g.NextAt = "k.3", 40
	r.update(func(tx *store.Tx) error { return tx.PutGrant(g, 31) })
	kept.Turn++
	r.refused(workspace.ErrStale, func(tx *store.Tx) error { return tx.SettleGrant(kept) })
	r.update(func(tx *store.Tx) error { return tx.ResealGrant("okta", "u1", "k.2", "x") })
	r.update(func(tx *store.Tx) error { return tx.ResealGrant("okta", "u1", "k.3", "n.3") })
	r.update(func(tx *store.Tx) error { return tx.RevokeGrants("m1") })
	row, ok := lease(31)
	if !ok || row.State != store.GrantRevoke || row.Sealed != "n.3" {
		t.Fatalf("to be revoked: %+v, %t", row, ok)
	}
	r.update(func(tx *store.Tx) error { return tx.ForgetGrant(row) })
	same(t, "forgotten", len(read(r, func(rd *store.Reader) ([]store.GrantRow, error) { return rd.Grants("okta", "", 9) })), 0)
}

func signals(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	seen := func(connection string) (fresh bool) {
		r.update(func(tx *store.Tx) (err error) { fresh, err = tx.SeenSignal(connection, "h", 50); return err })
		return fresh
	}
	same(t, "first, second, other connection", []bool{seen("okta"), seen("okta"), seen("corp")}, []bool{true, false, true})
	r.update(func(tx *store.Tx) error { return tx.ForgetSignals(50) })
	same(t, "kept until it is over", seen("okta"), false)
	r.update(func(tx *store.Tx) error { return tx.ForgetSignals(51) })
	same(t, "forgotten", seen("okta"), true)

	state := func() store.SignalState {
		return read(r, func(rd *store.Reader) (store.SignalState, error) { return rd.SignalState("okta") })
	}
	same(t, "never heard", state(), store.SignalState{Connection: "okta"})
	r.update(func(tx *store.Tx) error { return tx.FailSignals("okta", "down") })
	r.update(func(tx *store.Tx) error { return tx.FailSignals("okta", "still down") })
	same(t, "failing", state(), store.SignalState{Connection: "okta", Cause: "still down"})
	r.update(func(tx *store.Tx) error { return tx.HeardSignal("okta", 7, 2, 1) })
	r.update(func(tx *store.Tx) error { return tx.HeardSignal("okta", 8, 1, 0) })
	same(t, "heard", state(), store.SignalState{Connection: "okta", HeardAt: 8, Taken: 3, Unknown: 1})
}
