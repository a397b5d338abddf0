package sync

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/internal/claim"
	"github.com/rollcall-sync/rollcall/internal/dnstest"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

const day = 24 * time.Hour

// twoSpaces is a world with a second workspace, beta, whose Owner is
// bo@beta.com, and a DNS server that both ask. With third there is gamma too.
type twoSpaces struct {
	*world
	dns *dnstest.Server
}

func claiming(t *testing.T, w *world) *twoSpaces {
	t.Helper()
	two := &twoSpaces{w, dnstest.New(t)}
	two.dns.NS("acme.org", "ns1.good.net", "ns2.good.net")
	w.cfg.Domains.Reverify.Resolver = two.dns.Addr
	w.cfg.Domains.Evidence = EvidenceRows()
	w.open()
	two.among("beta")
	return two
}

// third adds the workspace gamma, whose Owner is gil@gamma.com.
func (w *twoSpaces) third() { w.among("beta", "gamma") }

// among starts the engine anew for acme and other workspaces.
func (w *twoSpaces) among(others ...string) {
	w.tb.Helper()
	spaces := []Workspace{w.cfg}
	for _, id := range others {
		other := w.cfg
		other.ID, other.Name, other.Owners, other.Connections = id, id, []string{w.owner(id)}, nil
		spaces = append(spaces, other)
	}
	e, err := New(context.Background(), Options{Store: w.st, Now: w.now, Build: "test", Workspaces: spaces, Hosts: []string{"rollcall.acme.net"}})
	if err != nil {
		w.tb.Fatal(err)
	}
	w.e = e
}

func (w *twoSpaces) owner(ws string) string {
	return map[string]string{"acme": "ann@acme.com", "beta": "bo@beta.com", "gamma": "gil@gamma.com"}[ws]
}

func (w *twoSpaces) try(ws, as string, e Edit) (Result, error) {
	return w.e.Edit(context.Background(), EditBatch{Workspace: ws, As: as, Kind: workspace.ActorOperator, Channel: workspace.ChannelCLI, Edits: []Edit{e}})
}

// claims makes a claim and publishes its record.
func (w *twoSpaces) claims(ws, domain string) {
	w.tb.Helper()
	res, err := w.try(ws, w.owner(ws), Edit{Kind: EditClaim, Domain: domain})
	if err != nil {
		w.tb.Fatalf("claim %s: %v", domain, err)
	}
	if len(res.Outcomes) != 1 || res.Outcomes[0].Outcome != "applied" {
		w.tb.Fatalf("claim: %s", told(res))
	}
	w.publish(ws, domain)
}

// publish puts the records of all claims on a domain into DNS, or those of the
// named workspaces alone.
func (w *twoSpaces) publish(spaces, domain string) {
	w.tb.Helper()
	var records [][]string
	for ws := range strings.FieldsSeq(spaces) {
		if c := w.claim(ws, domain).Challenge; c != "" {
			records = append(records, []string{c})
		}
	}
	w.dns.TXT(RecordName(domain), records...)
}

func (w *twoSpaces) claim(ws, domain string) (c workspace.DomainClaim) {
	w.tb.Helper()
	err := w.st.In(ws).View(context.Background(), func(r *store.Reader) (err error) {
		c, err = r.Domain(domain)
		return err
	})
	if err != nil && !errors.Is(err, workspace.ErrNotFound) {
		w.tb.Fatal(err)
	}
	return c
}

func (w *twoSpaces) verify(ws, domain string) (Result, error) {
	return w.e.VerifyDomain(context.Background(), DomainCheck{Domain: domain, EditBatch: EditBatch{
		Workspace: ws, As: w.owner(ws), Kind: workspace.ActorOperator, Channel: workspace.ChannelCLI,
	}})
}

func (w *twoSpaces) mustVerify(ws, domain string) {
	w.tb.Helper()
	if _, err := w.verify(ws, domain); err != nil {
		w.tb.Fatalf("verify: %v", err)
	}
}

// later moves the clock and lets the job look after what is due.
func (w *twoSpaces) later(by time.Duration) {
	w.tb.Helper()
	for end := w.clock.Add(by); w.clock.Before(end); {
		w.clock = w.clock.Add(min(2*time.Hour, end.Sub(w.clock)))
		for _, ws := range sortedKeys(w.e.spaces) {
			if _, err := w.e.CheckDomains(context.Background(), ws, "test"); err != nil {
				w.tb.Fatal(err)
			}
		}
	}
}

func (w *twoSpaces) is(ws, domain string, want workspace.DomainState) {
	w.tb.Helper()
	if c := w.claim(ws, domain); c.State != want {
		w.tb.Fatalf("%s in %s is %q (%s), want %s", domain, ws, c.State, c.Fault, want)
	}
}

func (w *twoSpaces) enter(ws, address string) Joined {
	w.tb.Helper()
	out, err := w.e.Join(context.Background(), Join{Workspace: ws, Evidence: Evidence{Email: address, Mailbox: true, At: w.clock}, DryRun: true})
	if err != nil {
		w.tb.Fatal(err)
	}
	return out
}

// TestClaimAndProve is DC1: a claim is nothing before its record is found.
func TestClaimAndProve(t *testing.T) {
	engines(t, func(t *testing.T, one *world) {
		w := claiming(t, one)
		w.claims("acme", "ACME.org.")
		w.is("acme", "acme.org", workspace.DomainPending)
		if out := w.enter("acme", "a@acme.org"); out.State != JoinRefused || out.Rule != "DOM-CLAIM" {
			t.Errorf("before the proof: %+v", out)
		}
		w.dns.TXT(RecordName("acme.org"), []string{"rollcall-verification=else"})
		_, err := w.verify("acme", "acme.org")
		var bad *EditError
		if !errors.As(err, &bad) || !strings.Contains(bad.Reason, "1 others") {
			t.Fatalf("another record: %v", err)
		}
		w.publish("acme", "acme.org")
		w.mustVerify("acme", "acme.org")
		w.is("acme", "acme.org", workspace.DomainVerified)
		if out := w.enter("acme", "a@acme.org"); out.State != JoinDone {
			t.Errorf("after the proof: %+v", out)
		}
		if id, domain, err := w.e.Claimant(context.Background(), "A@Acme.ORG"); err != nil || id != "acme" || domain != "acme.org" {
			t.Errorf("claimant: %s %s %v", id, domain, err)
		}
		if _, err := w.try("acme", "ann@acme.com", Edit{Kind: EditRelease, Domain: "acme.org"}); err != nil {
			t.Fatal(err)
		}
		if out := w.enter("acme", "b@acme.org"); out.State != JoinRefused {
			t.Errorf("after the release: %+v", out)
		}
	})
}

// TestWhoClaims is DOM-CLAIM: Owners and Admins.
func TestWhoClaims(t *testing.T) {
	w := claiming(t, lite(t))
	w.push(&user{name: "bea"})
	for _, kind := range []EditKind{EditClaim, EditRelease} {
		if kind == EditRelease {
			w.claims("acme", "acme.org")
		}
		res, err := w.try("acme", "bea@acme.com", Edit{Kind: kind, Domain: "acme.org"})
		if err != nil || len(res.Outcomes) != 1 || res.Outcomes[0].Outcome != "denied" || res.Outcomes[0].Decision.Rule != "DOM-CLAIM" {
			t.Errorf("%s by a Member: %s %v", kind, told(res), err)
		}
	}
	asked := w.dns.Asked(RecordName("acme.org"))
	res, err := w.e.VerifyDomain(context.Background(), DomainCheck{Domain: "acme.org", EditBatch: EditBatch{Workspace: "acme", As: "bea@acme.com", Channel: workspace.ChannelAPI}})
	if err != nil || len(res.Outcomes) != 1 || res.Outcomes[0].Outcome != "denied" || res.Outcomes[0].Decision.Rule != "DOM-CLAIM" {
		t.Errorf("verified by a Member: %s %v", told(res), err)
	}
	if n := w.dns.Asked(RecordName("acme.org")); n != asked {
		t.Error("a Member has DNS asked")
	}
	w.mustEdit("ann@acme.com", Edit{Kind: EditRole, Member: "bea@acme.com", Role: workspace.RoleAdmin})
	res, err = w.try("acme", "bea@acme.com", Edit{Kind: EditClaim, Domain: "acme.net"})
	if err != nil || res.Outcomes[0].Outcome != "applied" {
		t.Errorf("an Admin: %s %v", told(res), err)
	}
}

// TestNobodyClaims is DC4.
func TestNobodyClaims(t *testing.T) {
	w := claiming(t, lite(t))
	for _, domain := range []string{"gmail.com", "co.uk", "github.io", "localhost", "192.0.2.1", "acme.test", "rollcall.acme.net", "ann@acme.com", ""} {
		var bad *EditError
		if _, err := w.try("acme", "ann@acme.com", Edit{Kind: EditClaim, Domain: domain}); !errors.As(err, &bad) || bad.Field != "domain" {
			t.Errorf("%s: %v", domain, err)
		}
	}
	res, err := w.try("acme", "ann@acme.com", Edit{Kind: EditClaim, Domain: "acrne.com"})
	if err != nil || len(res.Notices) != 1 || !strings.Contains(res.Notices[0], "looks like acme.com") {
		t.Errorf("a twin: %q %v", res.Notices, err)
	}
}

// TestClaimRunsOut: seven days to prove, then a new claim with a new record.
func TestClaimRunsOut(t *testing.T) {
	w := claiming(t, lite(t))
	w.claims("acme", "acme.org")
	first := w.claim("acme", "acme.org").Challenge
	w.later(7 * day)
	w.is("acme", "acme.org", workspace.DomainLapsed)
	w.dns.TXT(RecordName("acme.org"), []string{first})
	var bad *EditError
	if _, err := w.verify("acme", "acme.org"); !errors.As(err, &bad) || !bad.Settled {
		t.Fatalf("proof after the time: %v", err)
	}
	w.claims("acme", "acme.org")
	if again := w.claim("acme", "acme.org").Challenge; again == first || again == "" {
		t.Errorf("the same record again: %q", again)
	}
	w.mustVerify("acme", "acme.org")
	w.is("acme", "acme.org", workspace.DomainVerified)
}

// TestProofGoesMissing is DC2: three days, fourteen days, and back.
func TestProofGoesMissing(t *testing.T) {
	engines(t, func(t *testing.T, one *world) {
		w := claiming(t, one)
		w.claims("acme", "acme.org")
		w.mustVerify("acme", "acme.org")
		w.later(2 * day)
		asked := w.dns.Asked(RecordName("acme.org"))
		if asked < 2 || asked > 4 {
			t.Errorf("asked %d times in two days", asked)
		}
		w.dns.TXT(RecordName("acme.org"))
		w.later(2 * day)
		w.is("acme", "acme.org", workspace.DomainVerified)
		w.later(3 * day)
		w.is("acme", "acme.org", workspace.DomainLapsing)
		if out := w.enter("acme", "a@acme.org"); out.State != JoinDone {
			t.Errorf("lapsing keeps nobody out yet: %+v", out)
		}
		w.publish("acme", "acme.org")
		w.later(2 * day)
		w.is("acme", "acme.org", workspace.DomainVerified)
		w.dns.TXT(RecordName("acme.org"))
		w.later(16 * day)
		w.is("acme", "acme.org", workspace.DomainLapsed)
		if out := w.enter("acme", "a@acme.org"); out.State != JoinRefused {
			t.Errorf("after the lapse: %+v", out)
		}
	})
}

// TestTroubleIsNoLoss is DC2: SERVFAIL is neither proof nor loss, until it has
// lasted for fourteen days.
func TestTroubleIsNoLoss(t *testing.T) {
	w := claiming(t, lite(t))
	w.claims("acme", "acme.org")
	w.dns.Fail(RecordName("acme.org"), dnstest.ServFail)
	var bad *EditError
	if _, err := w.verify("acme", "acme.org"); !errors.As(err, &bad) || !strings.Contains(bad.Reason, "SERVFAIL") {
		t.Fatalf("trouble is no proof: %v", err)
	}
	w.dns.Fail(RecordName("acme.org"), dnstest.Fine)
	w.mustVerify("acme", "acme.org")
	w.dns.Fail(RecordName("acme.org"), dnstest.ServFail)
	w.later(12 * day)
	w.is("acme", "acme.org", workspace.DomainVerified)
	w.later(3 * day)
	w.is("acme", "acme.org", workspace.DomainLapsed)
}

// TestOtherNameServers is DC2: a domain that moves to other name servers may
// have been sold, so the old record counts no more.
func TestOtherNameServers(t *testing.T) {
	w := claiming(t, lite(t))
	w.claims("acme", "acme.org")
	w.mustVerify("acme", "acme.org")
	first := w.claim("acme", "acme.org").Challenge
	w.dns.NS("acme.org", "ns1.other.net")
	w.later(2 * day)
	now := w.claim("acme", "acme.org")
	if now.Challenge == first || now.State != workspace.DomainVerified {
		t.Fatalf("%+v", now)
	}
	// Nobody publishes the new record; the old one stays where it is.
	w.later(4 * day)
	w.is("acme", "acme.org", workspace.DomainLapsing)
	w.publish("acme", "acme.org")
	w.later(2 * day)
	w.is("acme", "acme.org", workspace.DomainVerified)
}

// TestOldRecordComesBack: a record that vanished together with the name servers
// proves nothing when somebody publishes it again.
func TestOldRecordComesBack(t *testing.T) {
	w := claiming(t, lite(t))
	w.claims("acme", "acme.org")
	w.mustVerify("acme", "acme.org")
	old := w.claim("acme", "acme.org").Challenge
	w.dns.NS("acme.org", "ns1.other.net")
	w.dns.TXT(RecordName("acme.org"))
	w.later(2 * day)
	w.dns.TXT(RecordName("acme.org"), []string{old})
	w.later(4 * day)
	w.is("acme", "acme.org", workspace.DomainLapsing)
}

// TestStaleFinding: what was found for a challenge that has been replaced
// meanwhile proves nothing.
func TestStaleFinding(t *testing.T) {
	w := claiming(t, lite(t))
	w.claims("acme", "acme.org")
	found := &Finding{Finding: claim.Finding{Outcome: claim.Proved, Challenge: claim.NewChallenge()}, At: workspace.At(w.clock)}
	if _, err := w.try("acme", "ann@acme.com", Edit{Kind: EditVerify, Domain: "acme.org", Found: found}); !errors.Is(err, workspace.ErrStale) {
		t.Errorf("another challenge: %v", err)
	}
	var bad *EditError
	if _, err := w.try("acme", "ann@acme.com", Edit{Kind: EditVerify, Domain: "acme.org"}); !errors.As(err, &bad) {
		t.Errorf("nothing found: %v", err)
	}
}

// TestExpiredDomainReRegistered: somebody buys a domain that was let go, with
// all old records copied: the claim ends, and a claim of the buyer starts from
// nothing.
func TestExpiredDomainReRegistered(t *testing.T) {
	w := claiming(t, lite(t))
	w.claims("acme", "acme.org")
	w.mustVerify("acme", "acme.org")
	w.dns.NS("acme.org", "ns1.buyer.net")
	w.later(17 * day)
	w.is("acme", "acme.org", workspace.DomainLapsed)
	if out := w.enter("acme", "mallory@acme.org"); out.State != JoinRefused || out.Rule != "DOM-CLAIM" {
		t.Errorf("the buyer's mailbox: %+v", out)
	}
}

// TestSecondWorkspaceLoses is DC3: two prove one domain, nobody joins by it,
// and the holder keeps it who publishes a new record.
func TestSecondWorkspaceLoses(t *testing.T) {
	engines(t, func(t *testing.T, one *world) {
		w := claiming(t, one)
		w.claims("acme", "acme.org")
		w.mustVerify("acme", "acme.org")
		old := w.claim("acme", "acme.org").Challenge
		w.claims("beta", "acme.org")
		if out := w.enter("acme", "a@acme.org"); out.State != JoinDone {
			t.Fatalf("an unproved claim blocks nobody: %+v", out)
		}
		w.dns.TXT(RecordName("acme.org"), []string{old}, []string{w.claim("beta", "acme.org").Challenge})
		w.mustVerify("beta", "acme.org")
		w.is("beta", "acme.org", workspace.DomainContested)
		w.is("acme", "acme.org", workspace.DomainVerified)
		for _, ws := range []string{"acme", "beta"} {
			if out := w.enter(ws, "a@acme.org"); out.State != JoinRefused {
				t.Errorf("%s is not frozen: %+v", ws, out)
			}
		}
		if now := w.claim("acme", "acme.org"); now.ContestedAt == 0 || now.Challenge == old {
			t.Fatalf("the holder was not told: %+v", now)
		}
		w.later(3 * day) // the old record proves nothing now
		if now := w.claim("acme", "acme.org"); now.ContestedAt == 0 {
			t.Fatal("settled by the old record")
		}
		w.publish("acme beta", "acme.org")
		w.later(3 * time.Hour)
		w.is("acme", "acme.org", workspace.DomainVerified)
		w.is("beta", "acme.org", workspace.DomainLapsed)
		if out := w.enter("acme", "a@acme.org"); out.State != JoinDone {
			t.Errorf("after the dispute: %+v", out)
		}
	})
}

// TestThirdWorkspaceJoinsTheDispute is DC3 with three: the holder has seven
// days from the first newcomer's proof, whoever comes after it, and what it
// proves in that time settles the dispute with all of them.
func TestThirdWorkspaceJoinsTheDispute(t *testing.T) {
	engines(t, func(t *testing.T, one *world) {
		for _, holds := range []bool{true, false} {
			w := claiming(t, one)
			w.third()
			domain := map[bool]string{true: "acme.org", false: "acme.net"}[holds]
			for _, ws := range []string{"acme", "beta", "gamma"} {
				if ws == "gamma" {
					w.later(5 * day)
				}
				w.claims(ws, domain)
				w.mustVerify(ws, domain)
			}
			w.is("beta", domain, workspace.DomainContested)
			w.is("gamma", domain, workspace.DomainContested)
			asked := w.claim("acme", domain)
			if holds {
				w.later(day)
				w.publish("acme gamma", domain)
				w.later(4 * time.Hour)
			}
			now := w.claim("acme", domain)
			if holds && (!now.Open() || now.Challenge != asked.Challenge) {
				t.Errorf("asked again by the third: %+v", now)
			}
			w.later(2*day + 4*time.Hour)
			for ws, want := range map[string]map[bool]workspace.DomainState{
				"acme": {true: workspace.DomainVerified, false: workspace.DomainLapsed},
				// Its record has gone: who proves the domain now is gamma.
				"beta":  {true: workspace.DomainLapsed, false: workspace.DomainLapsed},
				"gamma": {true: workspace.DomainLapsed, false: workspace.DomainVerified},
			} {
				w.is(ws, domain, want[holds])
			}
		}
	})
}

// TestHolderLoses is DC3: a holder who cannot prove the domain again in seven
// days loses it, and both see it.
func TestHolderLoses(t *testing.T) {
	w := claiming(t, lite(t))
	w.claims("acme", "acme.org")
	w.mustVerify("acme", "acme.org")
	w.claims("beta", "acme.org")
	w.mustVerify("beta", "acme.org")
	w.later(6 * day)
	w.is("acme", "acme.org", workspace.DomainLapsing)
	w.is("beta", "acme.org", workspace.DomainContested)
	w.later(day + 4*time.Hour)
	w.is("acme", "acme.org", workspace.DomainLapsed)
	w.later(4 * time.Hour)
	w.is("beta", "acme.org", workspace.DomainVerified)
	if out := w.enter("acme", "a@acme.org"); out.State != JoinRefused || out.Rule != "DC5" {
		t.Errorf("the former holder: %+v", out)
	}
	if out := w.enter("beta", "a@acme.org"); out.State != JoinDone {
		t.Errorf("the new one: %+v", out)
	}
}

// TestSubdomains is DC5.
func TestSubdomains(t *testing.T) {
	w := claiming(t, lite(t))
	w.claims("acme", "acme.org")
	w.mustVerify("acme", "acme.org")
	if out := w.enter("acme", "a@mail.acme.org"); out.State != JoinRefused || out.Rule != "DC5" {
		t.Errorf("a claim covers exactly its name: %+v", out)
	}
	w.e.spaces["acme"].cfg.Domains.Subdomains = true
	if out := w.enter("acme", "a@x.mail.acme.org"); out.State != JoinDone || out.Claim != "acme.org" {
		t.Errorf("with include_subdomains: %+v", out)
	}
	w.claims("beta", "mail.acme.org")
	w.mustVerify("beta", "mail.acme.org")
	if out := w.enter("acme", "a@x.mail.acme.org"); out.State != JoinRefused || out.Rule != "DC5" {
		t.Errorf("the longest claim wins, another workspace's too: %+v", out)
	}
	if out := w.enter("beta", "a@mail.acme.org"); out.State != JoinDone {
		t.Errorf("the longest claim: %+v", out)
	}
}

// TestOneReplicaLooks: while one replica looks, the others do not.
func TestOneReplicaLooks(t *testing.T) {
	w := claiming(t, lite(t))
	w.claims("acme", "acme.org")
	w.mustVerify("acme", "acme.org")
	w.clock = w.clock.Add(2 * day)
	lease, ok, err := w.st.Acquire(context.Background(), "domains/acme", "another", time.Hour)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if n, err := w.e.CheckDomains(context.Background(), "acme", "test"); n != 0 || err != nil {
		t.Errorf("two look at once: %d %v", n, err)
	}
	if err := w.st.Release(context.Background(), lease); err != nil {
		t.Fatal(err)
	}
	if n, err := w.e.CheckDomains(context.Background(), "acme", "test"); n != 1 || err != nil {
		t.Errorf("afterwards: %d %v", n, err)
	}
}

// TestBothAreTold is the "tell" of DC3: a report in each workspace, and an
// event that its receivers get.
func TestBothAreTold(t *testing.T) {
	w := claiming(t, lite(t))
	for _, ws := range []string{"acme", "beta"} {
		err := w.st.In(ws).Update(context.Background(), store.UnitOptions{}, func(tx *store.Tx) error {
			return tx.RegisterSinks([]store.SinkRow{{ID: "siem", Kind: "webhook", Types: []string{"domain.*"}}}, workspace.At(w.clock))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	w.claims("acme", "acme.org")
	w.mustVerify("acme", "acme.org")
	w.claims("beta", "acme.org")
	w.mustVerify("beta", "acme.org")
	w.later(9 * day)
	for ws, want := range map[string]string{
		"acme": "domain.verified domain.contested domain.lapsed domain.lapsed",
		"beta": "domain.contested domain.verified",
	} {
		var got []string
		err := w.st.In(ws).View(context.Background(), func(r *store.Reader) error {
			owner, err := r.MemberByEmail(w.owner(ws))
			if err != nil {
				return err
			}
			events, err := r.EventsOf("member", owner.ID, 0, 100)
			for _, e := range events {
				if strings.HasPrefix(e.Type, "domain.") {
					got = append(got, e.Type)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("%s was told %s, want %s", ws, text, want)
		}
	}
}

// TestClaimNeedsASecondPerson: with policy.approve a claim waits, and the
// record to publish is made when it is agreed to.
func TestClaimNeedsASecondPerson(t *testing.T) {
	one := lite(t)
	policy := workspace.Default()
	policy.Approve = []string{workspace.OpDomainClaim}
	one.cfg.Policy = policy
	w := claiming(t, one)
	res, err := w.try("acme", "ann@acme.com", Edit{Kind: EditClaim, Domain: "acme.org"})
	if err != nil || res.Outcomes[0].Outcome != "held" {
		t.Fatalf("%s %v", told(res), err)
	}
	if c := w.claim("acme", "acme.org"); c.Domain != "" {
		t.Fatalf("claimed without consent: %+v", c)
	}
	if _, err := w.approve(res.Outcomes[0].PlanHash, "ann@acme.com"); err == nil {
		t.Error("ann agrees with herself (F18)")
	}
	if _, err := w.approve(res.Outcomes[0].PlanHash, "dan@acme.com"); err != nil {
		t.Fatal(err)
	}
	w.publish("acme", "acme.org")
	w.mustVerify("acme", "acme.org")
}

// TestLooksAreSpread: a thousand claims are not looked for at one moment, nor
// long after their time.
func TestLooksAreSpread(t *testing.T) {
	w := claiming(t, lite(t))
	u := &unit{e: w.e, s: w.e.spaces["acme"], now: workspace.At(w.clock)}
	seen := map[workspace.Micros]bool{}
	for i := range 100 {
		at := u.nextLook(strings.Repeat("x", i+1)+".org", day)
		if wait := time.Duration(at-u.now) * time.Microsecond; wait < day*9/10 || wait > day*11/10 {
			t.Fatalf("after %s", wait)
		}
		seen[at] = true
	}
	if len(seen) < 50 {
		t.Errorf("100 claims are due at %d moments", len(seen))
	}
}
