package storetest

import (
	"errors"
	"testing"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// joinOffers: an offer is found by its key in its workspace, used once,
// forgotten when it has run out.
func joinOffers(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	o := store.JoinOfferRow{Offer: "jo-1", Connection: "sso", Sealed: "x", ExpiresAt: 100}
	late := o
	late.Offer, late.ExpiresAt = "jo-2", 200
	r.update(func(tx *store.Tx) error { return tx.InsertJoinOffer(o) })
	r.update(func(tx *store.Tx) error { return tx.InsertJoinOffer(late) })
	r.conflicts("join_offer", "id", func(tx *store.Tx) error { return tx.InsertJoinOffer(o) })
	same(t, "found", read(r, func(rr *store.Reader) (store.JoinOfferRow, error) { return rr.JoinOffer("jo-1") }), o)
	gone := func(what, offer string) {
		t.Helper()
		r.view(func(rr *store.Reader) error {
			if _, err := rr.JoinOffer(offer); !errors.Is(err, workspace.ErrNotFound) {
				t.Errorf("%s: %v", what, err)
			}
			return nil
		})
	}
	r.update(func(tx *store.Tx) error { return tx.DeleteJoinOffer("jo-1") })
	gone("used", "jo-1")
	r.update(func(tx *store.Tx) error { return tx.PruneJoinOffers(200) })
	same(t, "not yet", read(r, func(rr *store.Reader) (store.JoinOfferRow, error) { return rr.JoinOffer("jo-2") }), late)
	r.update(func(tx *store.Tx) error { return tx.PruneJoinOffers(201) })
	gone("run out", "jo-2")
}

// endpoints: hosts of endpoints are kept per connection, document and name.
func endpoints(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	a := store.EndpointRow{Connection: "eh-sso", Document: "https://idp", Name: "jwks_uri", Host: "idp", SeenAt: 1}
	b := store.EndpointRow{Connection: "eh-sso", Document: "https://idp", Name: "token_endpoint", Host: "", SeenAt: 2, Waiting: "evil", WaitingAt: 3}
	other := a
	other.Connection = "eh-other"
	for _, row := range []store.EndpointRow{b, a, other} {
		r.update(func(tx *store.Tx) error { return tx.PutEndpoint(row) })
	}
	rows := func(rr *store.Reader) ([]store.EndpointRow, error) { return rr.Endpoints("eh-sso") }
	same(t, "all", read(r, rows), []store.EndpointRow{a, b})
	b.Host, b.Waiting, b.WaitingAt = "evil", "", 0
	r.update(func(tx *store.Tx) error { return tx.PutEndpoint(b) })
	same(t, "approved", read(r, rows), []store.EndpointRow{a, b})
}
