package storetest

import (
	"testing"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// domains: a claim with all that is known of it; one holder of a domain in the
// whole installation, decided by the index.
func domains(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	other := newRoom(t, s)
	myID, theirID := read(r, (*store.Reader).Workspace).ID, read(other, (*store.Reader).Workspace).ID
	d := workspace.DomainClaim{
		Domain: "held.example", Claimer: "m1", State: workspace.DomainVerified, Challenge: "c", ChallengeAt: 1, ClaimedAt: 2, VerifiedAt: 3, ProvedAt: 4,
		CheckedAt: 5, MissingSince: 6, ContestedAt: 7, DueAt: 8, Servers: []string{"ns1.x", "ns2.x"}, Fault: "missing", Version: 1,
	}
	r.update(func(tx *store.Tx) error { return tx.PutDomain(d) })
	one := func(rr *store.Reader) (workspace.DomainClaim, error) { return rr.Domain("held.example") }
	same(t, "one", read(r, one), d)
	due := func(now workspace.Micros) []workspace.DomainClaim {
		return read(r, func(rr *store.Reader) ([]workspace.DomainClaim, error) { return rr.DueDomains(now, 10) })
	}
	same(t, "due", due(8), []workspace.DomainClaim{d})
	same(t, "not due yet", due(7), []workspace.DomainClaim(nil))

	theirs := workspace.DomainClaim{Domain: "held.example", State: workspace.DomainVerified, Version: 1}
	other.conflicts("domain_claim", "holder", func(tx *store.Tx) error { return tx.PutDomain(theirs) })
	for _, state := range []workspace.DomainState{workspace.DomainPending, workspace.DomainLapsed, workspace.DomainContested} {
		theirs.State = state
		other.update(func(tx *store.Tx) error { return tx.PutDomain(theirs) })
		theirs.Version++
	}
	holder := func(rr *store.Reader) (store.HeldDomain, error) { return rr.DomainHolder("held.example") }
	same(t, "holder", read(other, holder), store.HeldDomain{Workspace: myID, DomainClaim: d})
	contested := func(rr *store.Reader) (string, error) { return rr.DomainContested("held.example") }
	same(t, "contested by", read(r, contested), theirID)
	same(t, "contested by nobody", read(r, func(rr *store.Reader) (string, error) { return rr.DomainContested("else.example") }), "")

	d.CheckedAt, d.MissingSince, d.DueAt, d.Fault, d.Servers = 9, 0, 20, "", []string{"ns1.x"}
	r.update(func(tx *store.Tx) error { return tx.SeeDomain(d) })
	same(t, "seen", read(r, one), d)
	stale := d
	stale.Version = 7
	r.refused(workspace.ErrStale, func(tx *store.Tx) error { return tx.SeeDomain(stale) })
	r.refused(workspace.ErrStale, func(tx *store.Tx) error { return tx.PutDomain(stale) })
	r.refused(workspace.ErrStale, func(tx *store.Tx) error { return tx.DeleteDomain(stale) })
	r.update(func(tx *store.Tx) error { return tx.DeleteDomain(d) })
	theirs.State = workspace.DomainVerified
	other.update(func(tx *store.Tx) error { return tx.PutDomain(theirs) })
	if got := read(r, holder).Workspace; got != theirID {
		t.Errorf("holder after the release: %s", got)
	}
}
