package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

var recordTests = []test{
	{"workspace and connections", workspaceRow},
	{"tokens", tokens},
	{"runs", runs},
	{"changes need a proof (EV5)", changes},
	{"holds", holds},
	{"rejections", rejections},
	{"events in order (OB1)", eventOrder},
	{"audit log", auditLog},
}

func workspaceRow(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	first := read(r, (*store.Reader).Workspace)
	changed := first
	changed.Name, changed.Active, changed.MappingVersion = "Acme Ltd", false, 7
	again := changed
	again.TombstoneKey, again.CreatedAt, again.Totals.Active = "other", 99, 5
	r.update(func(tx *store.Tx) error { return tx.PutWorkspace(again) })
	same(t, "workspace", read(r, (*store.Reader).Workspace), changed)

	c := store.ConnectionRow{
		ID: "corp", Kind: "ldap", Profile: "ad", ActsAs: "admin", Authority: "admin", Sponsor: "m1",
		Mode: "enforce", State: "active", Scope: "sha256:1", FirstCreateAt: 1, SettledAt: 2, CreatedAt: 1, LastSeenAt: 3, LastGoodRunAt: 4,
	}
	r.update(func(tx *store.Tx) error { return tx.PutConnection(c) })
	same(t, "connection", read(r, func(rd *store.Reader) (store.ConnectionRow, error) { return rd.Connection("corp") }), c)

	cur := store.CursorRow{Connection: "corp", Kind: "usn", V: 2, Scope: "s", Data: []byte(`{"usn":"ä"}`), At: 9}
	r.update(func(tx *store.Tx) error { return tx.PutCursor(store.CursorRow{Connection: "corp", Kind: "full"}) })
	r.update(func(tx *store.Tx) error { return tx.PutCursor(cur) })
	same(t, "cursor", read(r, func(rd *store.Reader) (store.CursorRow, error) { return rd.Cursor("corp") }), cur)
}

func tokens(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	ws := read(r, (*store.Reader).Workspace).ID
	row := store.TokenRow{
		Workspace: ws, ID: ws + "-t1", Connection: "okta", Kind: store.TokenBearer, Hash: "ab", Scopes: []string{"scim", "ssf"},
		Networks: []string{"10.0.0.0/8", "2001:db8::/32"}, CreatedAt: 1, ExpiresAt: 500,
	}
	two := store.TokenRow{Workspace: ws, ID: ws + "-t2", Connection: "corp", Kind: store.TokenBearer, Hash: "cd", CreatedAt: 2}
	r.update(func(tx *store.Tx) error { return errors.Join(tx.InsertToken(row), tx.InsertToken(two)) })
	r.conflicts("token", "id", func(tx *store.Tx) error { return tx.InsertToken(row) })
	// A token id is unique over all workspaces: the look-up knows none.
	newRoom(t, s).conflicts("token", "id", func(tx *store.Tx) error { return tx.InsertToken(row) })

	if _, err := s.Token(t.Context(), "unknown"); !errors.Is(err, workspace.ErrNotFound) {
		t.Errorf("unknown token: %v", err)
	}
	at := time.UnixMicro(77).UTC()
	for _, used := range []map[string]time.Time{{row.ID: at, "unknown": at}, {row.ID: at.Add(-time.Microsecond)}, nil} {
		if err := s.TouchTokens(t.Context(), used); err != nil {
			t.Fatal(err)
		}
	}
	r.update(func(tx *store.Tx) error { return tx.RevokeToken(row.ID, 88) })
	r.update(func(tx *store.Tx) error { return tx.RevokeToken(row.ID, 99) })
	r.refused(workspace.ErrNotFound, func(tx *store.Tx) error { return tx.RevokeToken("unknown", 1) })
	newRoom(t, s).refused(workspace.ErrNotFound, func(tx *store.Tx) error { return tx.RevokeToken(row.ID, 1) })
	row.LastUsedAt, row.RevokedAt = 77, 88
	got, err := s.Token(t.Context(), row.ID)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "token", got, row)
	same(t, "all", read(r, func(rd *store.Reader) ([]store.TokenRow, error) { return rd.Tokens("") }), []store.TokenRow{row, two})
	same(t, "corp's", read(r, func(rd *store.Reader) ([]store.TokenRow, error) { return rd.Tokens("corp") }), []store.TokenRow{two})
}

func runs(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	gone(r, func(rd *store.Reader) (store.RunRow, error) { return rd.Run("last") })
	var all []store.RunRow
	for i := range 4 {
		run := store.RunRow{
			ID: fmt.Sprintf("0199aaaa-%d", i), Connection: []string{"okta", "corp"}[i%2], Kind: "scim", State: "done",
			StartedAt: workspace.Micros(10 * i), EndedAt: 99, Applied: i, Noop: 1, Held: 2, Denied: 3, Failed: 4, Body: []byte(`{"x":1}`),
		}
		r.update(func(tx *store.Tx) error { return tx.PutRun(store.RunRow{ID: run.ID}) })
		r.update(func(tx *store.Tx) error { return tx.PutRun(run) })
		all = append([]store.RunRow{run}, all...)
	}
	run := func(id string) func(*store.Reader) (store.RunRow, error) {
		return func(rd *store.Reader) (store.RunRow, error) { return rd.Run(id) }
	}
	list := func(c string, before workspace.Micros, limit int) []store.RunRow {
		return read(r, func(rd *store.Reader) ([]store.RunRow, error) { return rd.Runs(c, before, limit) })
	}
	same(t, "last", read(r, run("last")), all[0])
	same(t, "by id", read(r, run(all[1].ID)), all[1])
	r.update(func(tx *store.Tx) error { return tx.PutRun(store.RunRow{ID: "0288bbbb-cccc"}) })
	if got := read(r, run("0288bbbb")); got.ID != "0288bbbb-cccc" {
		t.Errorf("by prefix: %+v", got)
	}
	gone(r, run("0288bbb"))  // too short
	gone(r, run("0199aaaa")) // not unique
	gone(r, run("%"))
	same(t, "before", list("", 30, 2), all[1:3])
	same(t, "corp's", list("corp", 0, 10), []store.RunRow{all[0], all[2]})
}

func changes(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	c := store.ChangeRow{
		ID: "c1", Run: "r1", Commit: "k1", Seq: 1, Kind: "member.deactivate", TargetType: "member", TargetID: "m1",
		Member: "m1", ActorKind: "connection", Connection: "okta", Verdict: "allow", Outcome: "applied", Row: "M05", Rule: "eligible[0]",
		At: 5, Leaf: 3, Record: []byte(`{"v":1}`), Body: []byte(`{"id":"c1"}`), Opened: []byte(`[["email","07","ann@acme.com"]]`),
	}
	r.update(func(tx *store.Tx) error { return tx.PutRun(store.RunRow{ID: "r1"}) })
	err := r.h.Update(t.Context(), store.UnitOptions{}, func(tx *store.Tx) error { return tx.InsertChanges([]store.ChangeRow{c}) })
	if err == nil {
		t.Fatal("a connection deactivated somebody without a proof")
	}
	c.AbsenceProof = "p1"
	two := c
	two.ID, two.Seq, two.Kind, two.AbsenceProof, two.At = "c2", 2, "member.role", "", 6
	two.Opened = nil
	r.update(func(tx *store.Tx) error {
		return errors.Join(
			tx.InsertAbsenceProof(store.AbsenceProofRow{
				ID: "p1", Run: "r1", Identity: "i1", Connection: "okta", Class: "E1", Reason: "disabled",
				Reads: []byte("[]"),
			}),
			tx.InsertChanges([]store.ChangeRow{two, c}))
	})
	of := func(f func(*store.Reader, string) ([]store.ChangeRow, error), id string) []store.ChangeRow {
		return read(r, func(rd *store.Reader) ([]store.ChangeRow, error) { return f(rd, id) })
	}
	same(t, "of the run", of((*store.Reader).ChangesOfRun, "r1"), []store.ChangeRow{c, two})
	same(t, "of the member", of(func(rd *store.Reader, id string) ([]store.ChangeRow, error) { return rd.ChangesOfMember(id, 1) }, "m1"),
		[]store.ChangeRow{two})
}

func holds(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	hold := func(id, hash, subject string, at workspace.Micros) store.HoldRow {
		return store.HoldRow{
			ID: id, PlanHash: "sha256:" + hash, Connection: "okta", Run: "r1", Subject: subject, State: "open",
			Reason: "R17", CreatedAt: at, ExpiresAt: 100, Observation: []byte(`{}`), Changes: []byte(`[]`),
		}
	}
	a, b := hold("H-1", "0123456789abcdef", "member:m1", 1), hold("H-2", "0123456799abcdef", "member:m2", 2)
	r.update(func(tx *store.Tx) error { return errors.Join(tx.PutHold(a), tx.PutHold(b)) })
	r.conflicts("hold", "open", func(tx *store.Tx) error { return tx.PutHold(hold("H-3", "0123456789abcdef", "member:m3", 3)) })
	by := func(hash string) func(*store.Reader) (store.HoldRow, error) {
		return func(rd *store.Reader) (store.HoldRow, error) { return rd.HoldByHash(hash) }
	}
	for _, hash := range []string{"sha256:0123456789abcdef", "0123456789abcdef", "0123456789AB", "sha256:012345678", "H-1"} {
		same(t, hash, read(r, by(hash)), a)
	}
	for _, hash := range []string{"", "sha256:", "01234567", "0123456", "sha256:0123456", "H-3", "0123456789abcdef0", "________", "%%%%%%%%"} {
		gone(r, by(hash))
	}
	open := func(subject string) []store.HoldRow {
		return read(r, func(rd *store.Reader) ([]store.HoldRow, error) { return rd.OpenHolds(subject) })
	}
	same(t, "all", open(""), []store.HoldRow{b, a})
	a.State, a.DecidedAt, a.DecidedBy, a.DecidedWhy = "approved", 9, "ann@acme.com", "asked"
	r.update(func(tx *store.Tx) error { return tx.PutHold(a) })
	gone(r, by("H-1"))
	gone(r, by(a.PlanHash))
	decided := func(hash string) func(*store.Reader) (store.HoldRow, error) {
		return func(rd *store.Reader) (store.HoldRow, error) { return rd.DecidedHold(hash) }
	}
	for _, hash := range []string{a.PlanHash, "0123456789AB", "H-1"} {
		same(t, "decided "+hash, read(r, decided(hash)), a)
	}
	for _, hash := range []string{"", "sha256:", "0123456", "H-2", b.PlanHash, "________", "%%%%%%%%"} {
		gone(r, decided(hash))
	}
	same(t, "of m1", open("member:m1"), []store.HoldRow(nil))
	// The same plan may be held again, with the hash free.
	again := hold("H-4", "0123456789abcdef", "member:m1", 4)
	r.update(func(tx *store.Tx) error { return tx.PutHold(again) })
	same(t, "again", read(r, by("0123456789")), again)
}

func rejections(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	same(t, "none at all", read(r, (*store.Reader).HasRejections), false)
	v := store.RejectionRow{Fingerprint: "f", By: "ann@acme.com", Reason: "no", At: 1, Until: 10}
	r.update(func(tx *store.Tx) error { return tx.PutRejection(v) })
	at := func(at workspace.Micros) func(*store.Reader) (store.RejectionRow, error) {
		return func(rd *store.Reader) (store.RejectionRow, error) { return rd.Rejection("f", at) }
	}
	same(t, "in force", read(r, at(9)), v)
	same(t, "one", read(r, (*store.Reader).HasRejections), true)
	gone(r, at(10))
	v.Until = 0
	r.update(func(tx *store.Tx) error { return tx.PutRejection(v) })
	same(t, "for ever", read(r, at(1<<40)), v)
}

func eventOrder(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	r.refused(workspace.ErrNotFound, func(tx *store.Tx) error { _, err := tx.NextSeq("member", "nobody"); return err })
	r.update(func(tx *store.Tx) error {
		return errors.Join(tx.InsertMember(member("m1", "ann@acme.com")),
			tx.InsertNumber(phone("n1", "+15550100", "main")),
			tx.InsertGroup(workspace.Group{ID: "g1", Name: "Sales", Version: 1}))
	})
	if err := r.h.Update(t.Context(), store.UnitOptions{}, func(tx *store.Tx) error {
		_, err := tx.NextSeq("planet", "x")
		return err
	}); err == nil {
		t.Error("a subject of an unknown type has a sequence")
	}
	var want []store.EventRow
	for i := range 3 {
		for _, subject := range [][2]string{{"member", "m1"}, {"number", "n1"}, {"group", "g1"}, {"connection", "okta"}} {
			r.update(func(tx *store.Tx) error {
				seq, err := tx.NextSeq(subject[0], subject[1])
				if err != nil {
					return err
				}
				if seq != int64(i+1) {
					t.Errorf("%v: sequence %d, want %d", subject, seq, i+1)
				}
				e := store.EventRow{
					SubjectType: subject[0], Subject: subject[1], Seq: seq, ID: fmt.Sprintf("%s%d", subject[1], i), Type: "x",
					Leaver: i == 1, Leaf: 4, At: 5, Body: []byte("{}"),
				}
				if subject[0] == "member" {
					want = append(want, e)
				}
				return tx.InsertEvents([]store.EventRow{e})
			})
		}
	}
	// A unit that is rolled back leaves no gap.
	if err := r.h.Update(t.Context(), store.UnitOptions{DryRun: true}, func(tx *store.Tx) error {
		_, err := tx.NextSeq("member", "m1")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	got := read(r, func(rd *store.Reader) ([]store.EventRow, error) { return rd.EventsOf("member", "m1", 1, 10) })
	same(t, "events", got, want[1:])
	r.conflicts("event", "event", func(tx *store.Tx) error {
		return tx.InsertEvents([]store.EventRow{{SubjectType: "member", Subject: "m1", Seq: 9, ID: want[0].ID}})
	})
}

func auditLog(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	lock := func(tx *store.Tx) store.AuditHead {
		h, err := tx.LockAuditHead()
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	r.update(func(tx *store.Tx) error {
		h := lock(tx)
		if h.Gen != 1 || h.Size != 0 || h.Root != "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" || len(h.Edge) != 0 {
			t.Errorf("empty log: %+v", h)
		}
		// Hashes are bytes, not text.
		h.Size, h.Root, h.Edge = 1, "root", []byte{0, 0xff, 0xfe}
		return tx.AppendAudit(h, 0, []byte(`{"v":1}`), []string{"a"})
	})
	r.refused(workspace.ErrStale, func(tx *store.Tx) error {
		h := lock(tx)
		same(t, "head", h, store.AuditHead{Gen: 1, Size: 1, Root: "root", Edge: []byte{0, 0xff, 0xfe}})
		h.Size = 2
		return tx.AppendAudit(h, 0, []byte("{}"), []string{"b"})
	})
	r.update(func(tx *store.Tx) error {
		h := lock(tx)
		h.Gen, h.Size = 2, 1 // a restore begins a generation
		return tx.AppendAudit(h, 0, []byte("{}"), []string{"c"})
	})
}
