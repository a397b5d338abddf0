package sync

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/internal/claim"
	"github.com/rollcall-sync/rollcall/internal/dnstest"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// wantsEditError wants what a person is told about a field.
func wantsEditError(t *testing.T, err error, reason string) {
	t.Helper()
	var bad *EditError
	if !errors.As(err, &bad) || !strings.Contains(bad.Reason, reason) {
		t.Errorf("%v, want %q", err, reason)
	}
}

// DC1: a claim that is open is not made anew; one that was not proved within
// seven days is no longer proved, whether the job has been by or not.
func TestClaimStands(t *testing.T) {
	w := claiming(t, lite(t))
	w.claims("acme", "acme.org")
	first := w.claim("acme", "acme.org").Challenge
	_, err := w.try("acme", "ann@acme.com", Edit{Kind: EditClaim, Domain: "acme.org"})
	wantsEditError(t, err, "claimed here already")
	found := func(at workspace.Micros) error {
		f := &Finding{Finding: claim.Finding{Outcome: claim.Proved, Challenge: w.claim("acme", "acme.org").Challenge}, At: at}
		_, err := w.try("acme", "ann@acme.com", Edit{Kind: EditVerify, Domain: "acme.org", Found: f})
		return err
	}
	wantsEditError(t, found(workspace.At(w.clock.Add(-8*day))), "lately")
	w.clock = w.clock.Add(7 * day)
	wantsEditError(t, found(workspace.At(w.clock)), "within 7 days")
	w.is("acme", "acme.org", workspace.DomainPending)
	w.claims("acme", "acme.org")
	if again := w.claim("acme", "acme.org").Challenge; again == first {
		t.Error("the old record is wanted again")
	}
	w.mustVerify("acme", "acme.org")
	_, err = w.try("acme", "ann@acme.com", Edit{Kind: EditClaim, Domain: "acme.org"})
	wantsEditError(t, err, "claimed here already")
}

// DC4: what a workspace adds to the public mail domains is refused as well.
func TestOwnPublicMail(t *testing.T) {
	w := claiming(t, lite(t))
	w.e.spaces["acme"].cfg.Domains.PublicMail = []string{"isp.no"}
	_, err := w.try("acme", "ann@acme.com", Edit{Kind: EditClaim, Domain: "isp.no"})
	wantsEditError(t, err, "gives mailboxes to anybody")
}

// DC2: name servers that cannot be read have not changed; ones that have
// changed want a new record at once, with the old record there, without it, and
// when a person asks.
func TestNameServersChange(t *testing.T) {
	for name, change := range map[string]func(w *twoSpaces){
		"record there": func(w *twoSpaces) { w.later(2 * day) },
		"record gone": func(w *twoSpaces) {
			w.dns.TXT(RecordName("acme.org"))
			w.later(2 * day)
		},
		"a person asks": func(w *twoSpaces) { w.mustVerify("acme", "acme.org") },
	} {
		w := claiming(t, lite(t))
		w.claims("acme", "acme.org")
		w.mustVerify("acme", "acme.org")
		old := w.claim("acme", "acme.org").Challenge
		w.dns.Fail("acme.org", dnstest.ServFail)
		w.later(2 * day)
		w.dns.Fail("acme.org", dnstest.Fine)
		if now := w.claim("acme", "acme.org").Challenge; now != old {
			t.Errorf("%s: name servers that cannot be read are others", name)
		}
		w.dns.NS("acme.org", "ns1.other.net")
		change(w)
		if now := w.claim("acme", "acme.org"); now.Challenge == old {
			t.Errorf("%s: %+v", name, now)
		}
	}
}

// DC2: what is wrong is told as what it is, and a claim that has lapsed keeps
// no record that could prove it again.
func TestLapsedClaimKeepsNoRecord(t *testing.T) {
	w := claiming(t, lite(t))
	w.claims("acme", "acme.org")
	w.mustVerify("acme", "acme.org")
	w.dns.Fail(RecordName("acme.org"), dnstest.ServFail)
	w.later(2 * day)
	if now := w.claim("acme", "acme.org"); !strings.Contains(now.Fault, "SERVFAIL") || now.MissingSince != 0 {
		t.Errorf("trouble: %+v", now)
	}
	w.dns.Fail(RecordName("acme.org"), dnstest.Fine)
	w.dns.TXT(RecordName("acme.org"))
	w.later(17 * day)
	if now := w.claim("acme", "acme.org"); now.State != workspace.DomainLapsed || now.Challenge != "" {
		t.Errorf("lapsed: %+v", now)
	}
}

// DC5: nobody is asked for a code of a workspace whose claim does not cover the
// name below it.
func TestClaimantBelow(t *testing.T) {
	w := claiming(t, lite(t))
	w.claims("acme", "acme.org")
	w.mustVerify("acme", "acme.org")
	for _, covered := range []bool{false, true} {
		w.e.spaces["acme"].cfg.Domains.Subdomains = covered
		id, _, err := w.e.Claimant(context.Background(), "a@mail.acme.org")
		if err != nil || (id == "acme") != covered {
			t.Errorf("include_subdomains %t: %q, %v", covered, id, err)
		}
	}
}

// contested is a domain that acme holds and beta has proved too.
func contested(t *testing.T) *twoSpaces {
	t.Helper()
	w := claiming(t, lite(t))
	w.claims("acme", "acme.org")
	w.mustVerify("acme", "acme.org")
	w.claims("beta", "acme.org")
	w.mustVerify("beta", "acme.org")
	w.is("beta", "acme.org", workspace.DomainContested)
	return w
}

// puts changes a claim in the store.
func (w *twoSpaces) puts(ws string, change func(*workspace.DomainClaim)) {
	w.tb.Helper()
	err := w.st.In(ws).Update(context.Background(), store.UnitOptions{}, func(tx *store.Tx) error {
		d, err := tx.Domain("acme.org")
		if err != nil {
			return err
		}
		change(&d)
		d.Version++
		return tx.PutDomain(d)
	})
	if err != nil {
		w.tb.Fatal(err)
	}
}

// DC3: joining freezes by either sign of a dispute: a rival that has proved the
// domain, and a holder that was told so.
func TestEitherSignOfADisputeFreezes(t *testing.T) {
	w := contested(t)
	w.puts("acme", func(d *workspace.DomainClaim) { d.ContestedAt = 0 }) // not told yet
	if out := w.enter("acme", "a@acme.org"); out.Rule != "DC3" {
		t.Errorf("a rival, and the holder was not told: %+v", out)
	}
	// The next look at the rival's claim tells the holder.
	w.later(day)
	if now := w.claim("acme", "acme.org"); now.ContestedAt == 0 {
		t.Error("the holder was never told")
	}
	if _, err := w.try("beta", "bo@beta.com", Edit{Kind: EditRelease, Domain: "acme.org"}); err != nil {
		t.Fatal(err)
	}
	if out := w.enter("acme", "a@acme.org"); out.Rule != "DC3" {
		t.Errorf("told, and the rival has gone: %+v", out)
	}
}

// DC3: who contests waits, however often it verifies; a holder is told once,
// and has seven days from then.
func TestContestWaits(t *testing.T) {
	w := contested(t)
	holder := w.claim("acme", "acme.org")
	w.clock = w.clock.Add(day)
	res, err := w.verify("beta", "acme.org")
	if err != nil || len(res.Outcomes) != 0 {
		t.Errorf("%s, %v", told(res), err)
	}
	w.is("beta", "acme.org", workspace.DomainContested)
	if err := w.e.tellHolder(context.Background(), "acme", "acme.org"); err != nil {
		t.Fatal(err)
	}
	if now := w.claim("acme", "acme.org"); now.Challenge == "" || now.ContestedAt < holder.ContestedAt {
		t.Errorf("%+v", now)
	}
}

// DC3: when the holder gives the domain up, the rival holds it only if its own
// record is still there, and waits no longer than another week for it.
func TestHolderGivesUp(t *testing.T) {
	for _, there := range []bool{true, false} {
		w := contested(t)
		if !there {
			w.dns.TXT(RecordName("acme.org"))
		}
		if _, err := w.try("acme", "ann@acme.com", Edit{Kind: EditRelease, Domain: "acme.org"}); err != nil {
			t.Fatal(err)
		}
		w.later(day)
		if there {
			w.is("beta", "acme.org", workspace.DomainVerified)
			continue
		}
		w.is("beta", "acme.org", workspace.DomainContested)
		w.later(14 * day)
		w.is("beta", "acme.org", workspace.DomainLapsed)
	}
}

// DC3: a proof from before the dispute, or of the record from before it,
// settles nothing.
func TestOldProofSettlesNothing(t *testing.T) {
	for name, change := range map[string]func(w *twoSpaces, d *workspace.DomainClaim){
		"proved before":     func(w *twoSpaces, d *workspace.DomainClaim) { d.ChallengeAt = w.claim("beta", "acme.org").ContestedAt },
		"the record of old": func(w *twoSpaces, d *workspace.DomainClaim) { d.ProvedAt = workspace.At(w.clock.Add(day)) },
	} {
		w := contested(t)
		at := w.claim("beta", "acme.org").ContestedAt
		w.puts("acme", func(d *workspace.DomainClaim) {
			d.ContestedAt, d.DueAt, d.ProvedAt, d.ChallengeAt = 0, 0, at-1, at-1
			change(w, d)
		})
		w.clock = w.clock.Add(3 * day)
		if _, err := w.e.CheckDomains(context.Background(), "beta", "test"); err != nil {
			t.Fatal(err)
		}
		if now := w.claim("beta", "acme.org"); now.State != workspace.DomainContested {
			t.Errorf("%s: %+v", name, now)
		}
	}
}

// DC2: what was found for a claim that has changed meanwhile changes nothing.
func TestClaimChangedMeanwhile(t *testing.T) {
	ctx := context.Background()
	w := claiming(t, lite(t))
	w.claims("acme", "acme.org")
	w.mustVerify("acme", "acme.org")
	read := w.claim("acme", "acme.org")
	w.puts("acme", func(d *workspace.DomainClaim) { d.Claimer = "somebody else" })
	lease, ok, err := w.st.Acquire(ctx, "domains/acme", "test", domainLease)
	if err != nil || !ok {
		t.Fatal(err)
	}
	w.dns.NS("acme.org", "ns1.other.net") // would want a new record
	if err := w.e.checkDomain(ctx, w.e.spaces["acme"], lease, &read); err != nil {
		t.Fatal(err)
	}
	if now := w.claim("acme", "acme.org"); now.Challenge != read.Challenge || now.Version != read.Version+1 {
		t.Errorf("%+v", now)
	}
}
