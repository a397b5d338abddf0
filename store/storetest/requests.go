package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// requests: a request is found as it was written, newest first, by person, and
// forgotten by age and by number.
func requests(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	ann := person("okta", "Ann@acme.com", 1)
	r.update(func(tx *store.Tx) error { return tx.InsertIdentity(ann) })
	var rows []store.RequestRow
	for i := range 20 {
		q := store.RequestRow{
			Connection: "okta", ID: uuid.Must(uuid.NewV7()).String(), At: workspace.Micros(1000 + i), Method: "GET", Path: fmt.Sprintf("/Users/%d", i),
			Status: 200, Took: time.Duration(i) * time.Microsecond,
		}
		switch i {
		case 3:
			q.Method, q.Path, q.Query, q.Status, q.Verdict, q.Detail, q.Run, q.PersonKey = "POST", "/Users", "", 409, "deny", "Conflict", "run-1", ann.UserKey
			q.Tolerances = []store.ToleranceUse{{Rule: "TL03", Attribute: "active", Count: 2}}
			q.Token, q.IP, q.UserAgent, q.BodyBytes, q.Body = "k3q7xw2a", "203.0.113.7", "Okta", 17, `{"userName":"A"}`
		case 5:
			q.Subject = ann.ID
		}
		rows = append(rows, q)
	}
	other := store.RequestRow{Connection: "corp", ID: uuid.Must(uuid.NewV7()).String(), At: 5, Method: "GET", Path: "/Users", PersonKey: ann.UserKey}
	insert := []*store.RequestRow{&other}
	for i := range rows {
		insert = append(insert, &rows[i])
	}
	r.update(func(tx *store.Tx) error { return tx.InsertRequests(insert) })
	find := func(f store.RequestFilter) []store.RequestRow {
		return read(r, func(rd *store.Reader) ([]store.RequestRow, error) { return rd.Requests(f) })
	}
	same(t, "the newest", find(store.RequestFilter{Connection: "okta", Limit: 2}), []store.RequestRow{rows[19], rows[18]})
	same(t, "those behind", find(store.RequestFilter{Connection: "okta", Before: rows[18].ID, Limit: 1}), []store.RequestRow{rows[17]})
	same(t, "Ann's", find(store.RequestFilter{Connection: "okta", UserKey: ann.UserKey, EmailKey: ann.EmailKey, Limit: 9}), []store.RequestRow{rows[5], rows[3]})
	r.update(func(tx *store.Tx) error { return tx.PruneRequests("okta", time.Unix(0, 0), 3) })
	same(t, "three are kept", find(store.RequestFilter{Connection: "okta", Limit: 9}), []store.RequestRow{rows[19], rows[18], rows[17]})
	r.update(func(tx *store.Tx) error { return tx.PruneRequests("okta", time.Now().Add(time.Minute), 3) })
	same(t, "all are old", find(store.RequestFilter{Connection: "okta", Limit: 9}), []store.RequestRow(nil))
	same(t, "another connection's stay", find(store.RequestFilter{Connection: "corp", Limit: 9}), []store.RequestRow{other})

	uses := []store.ToleranceUse{{Rule: "TL03", Attribute: "active", Count: 2}, {Rule: "TL01", Attribute: "op", Count: 1}}
	r.update(func(tx *store.Tx) error { return tx.AddTolerances("okta", uses, 10) })
	r.update(func(tx *store.Tx) error { return tx.AddTolerances("okta", uses[:1], 20) })
	same(t, "tolerances", read(r, func(rd *store.Reader) ([]store.Tolerated, error) { return rd.Tolerances("okta") }), []store.Tolerated{
		{ToleranceUse: store.ToleranceUse{Rule: "TL01", Attribute: "op", Count: 1}, FirstAt: 10, LastAt: 10},
		{ToleranceUse: store.ToleranceUse{Rule: "TL03", Attribute: "active", Count: 4}, FirstAt: 10, LastAt: 20},
	})
	r.update(func(tx *store.Tx) error { return tx.ForgetTolerances("corp", uses) })
	r.update(func(tx *store.Tx) error { return tx.ForgetTolerances("okta", uses[:1]) })
	same(t, "what is not forgotten", read(r, func(rd *store.Reader) ([]store.Tolerated, error) { return rd.Tolerances("okta") }), []store.Tolerated{
		{ToleranceUse: store.ToleranceUse{Rule: "TL01", Attribute: "op", Count: 1}, FirstAt: 10, LastAt: 10},
	})
}

// clients: an OAuth client ends with its access tokens, its signed requests
// count once, and a warning is noted once.
func clients(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	ws := read(r, (*store.Reader).Workspace).ID
	client := store.TokenRow{Workspace: ws, ID: ws + "-c", Connection: "okta", Kind: store.TokenClient, JWKS: "{}", CreatedAt: 1, ExpiresAt: 100}
	access := store.TokenRow{Workspace: ws, ID: ws + "-a", Connection: "okta", Kind: store.TokenAccess, Client: client.ID, Hash: "ab", CreatedAt: 2, ExpiresAt: 50}
	r.update(func(tx *store.Tx) error { return tx.InsertToken(client) })
	r.update(func(tx *store.Tx) error { return tx.InsertToken(access) })
	same(t, "access tokens are not listed", read(r, func(rd *store.Reader) ([]store.TokenRow, error) { return rd.Tokens("okta") }), []store.TokenRow{client})
	for i, want := range []bool{true, false} {
		r.update(func(tx *store.Tx) error {
			fresh, err := tx.UseAssertion(client.ID, "j1", 60)
			if fresh != want {
				t.Errorf("use %d of a signed request: fresh %v", i, fresh)
			}
			return err
		})
	}
	r.update(func(tx *store.Tx) error { return tx.WarnToken(client, 30) })
	r.refused(workspace.ErrStale, func(tx *store.Tx) error { return tx.WarnToken(client, 30) })
	r.update(func(tx *store.Tx) error { return tx.RevokeToken(client.ID, 9) })
	got, err := s.Token(t.Context(), access.ID)
	if err != nil || got.RevokedAt != 9 {
		t.Errorf("the access token of a revoked client: %+v %v", got, err)
	}
	r.update(func(tx *store.Tx) error { return tx.PruneAccess(client.ID, 61) })
	if _, err := s.Token(t.Context(), access.ID); err == nil {
		t.Error("an old access token is kept")
	}
}
