package sync

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// refused joins, and wants to be turned away by a rule, with a reason and a
// remedy, and with a report of it.
func (w *world) refused(rule string, ev Evidence) {
	w.tb.Helper()
	out := w.join(ev)
	if out.State != JoinRefused || out.Rule != rule || out.Reason == "" || out.Remedy == "" || out.Run == "" {
		w.tb.Errorf("%+v, want a refusal by %s", out, rule)
	}
	if m := w.show(ev.Email); m != "nobody" && strings.Contains(m, " active") {
		w.tb.Errorf("%s is %s", ev.Email, m)
	}
}

// TestAttackPersonalAccount: a private Google account on a work address
// outlives the job.
func TestAttackPersonalAccount(t *testing.T) {
	w := joining(t, lite(t))
	w.refused("DC7", Evidence{Email: "zoe@acme.org", Connection: "google", Subject: "g1", EmailVerified: true})
}

// TestAttackUnverifiedEmail: claims that anybody can set prove nothing.
func TestAttackUnverifiedEmail(t *testing.T) {
	w := joining(t, lite(t))
	w.refused("DC7", Evidence{Email: "zoe@acme.org", Connection: "idp", Subject: "s1"})
	w.refused("DC7", Evidence{Email: "zoe@acme.org", Connection: "azure", Subject: "o1", Tenant: "t-1", UPN: "mallory@acme.org", TenantDomains: []string{"acme.org"}, EmailVerified: true, EDOV: true})
	w.refused("DC7", Evidence{Email: "zoe@acme.org", Connection: "azure", Subject: "o1", Tenant: "t-1", EmailVerified: true, EDOV: true})
	w.cfg.Connections[5].TrustEmail = TrustNever
	w.open()
	w.refused("DC7", Evidence{Email: "zoe@acme.org", Connection: "idp", Subject: "s1", EmailVerified: true})
}

// TestAttackOtherTenant: a tenant of the attacker's own says what they like.
func TestAttackOtherTenant(t *testing.T) {
	w := joining(t, lite(t))
	w.refused("DC7", Evidence{Email: "zoe@acme.org", Connection: "azure", Subject: "o1", Tenant: "t-evil", UPN: "zoe@acme.org", TenantDomains: []string{"acme.org"}})
	w.refused("DC7", Evidence{Email: "zoe@acme.org", Connection: "google", Subject: "g1", HostedDomain: "evil.org", EmailVerified: true})
	// A connection that pins no tenant proves nothing either.
	w.cfg.Connections[4].Tenant = ""
	w.open()
	w.refused("DC7", Evidence{Email: "zoe@acme.org", Connection: "azure", Subject: "o1", UPN: "zoe@acme.org", TenantDomains: []string{"acme.org"}})
}

// TestAttackSubdomain: whoever runs a name below the claimed one, or above it,
// is not thereby in.
func TestAttackSubdomain(t *testing.T) {
	w := joining(t, lite(t))
	w.refused("DC5", w.mailbox("zoe@guest.acme.org"))
	w.refused("DOM-CLAIM", w.mailbox("zoe@acme.org.evil.net"))
	w.refused("DOM-CLAIM", w.mailbox("zoe@notacme.org"))
	w.refused("DOM-CLAIM", w.mailbox("zoe@org"))
}

// TestAttackTwin: names that look alike are not alike; the same name in its
// two forms is.
func TestAttackTwin(t *testing.T) {
	w := joining(t, lite(t))
	w.verified("xn--bcher-kva.de")
	for _, twin := range []string{"zoe@аcme.org", "zoe@xn--cme-5cd.org", "zoe@acmе.org", "zoe@bucher.de"} {
		w.refused("DOM-CLAIM", w.mailbox(twin))
	}
	for _, form := range []string{"a@bücher.de", "b@BÜCHER.de", "c@xn--bcher-kva.de", "d@XN--BCHER-KVA.DE"} {
		if out := w.join(w.mailbox(form)); out.State != JoinDone {
			t.Errorf("%s: %+v", form, out)
		}
	}
	if out := w.join(w.mailbox("A@xn--bcher-kva.de")); out.State != JoinAlready {
		t.Errorf("one person twice (I6): %+v", out)
	}
}

// TestAttackRouting is DC6: text that mail servers read as another address.
func TestAttackRouting(t *testing.T) {
	w := joining(t, lite(t))
	for _, text := range []string{
		"zoe%acme.org@evil.net", "evil.net!zoe@acme.org", "zoe@evil.net@acme.org", "Zoe <zoe@acme.org>", "zoe@evil.net,x@acme.org", "zoe@acme.org\r\nBcc: x@y.z",
		"zoe\x00@acme.org", `"zoe@evil.net"@acme.org`, "zoe@[192.0.2.1]", "@acme.org", "zoe@",
	} {
		var bad *EditError
		if _, err := w.e.Join(context.Background(), Join{Workspace: "acme", Evidence: w.mailbox(text)}); !errors.As(err, &bad) || bad.Field != "email" {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestAttackLeaver: whoever lost access does not come back by the domain, by
// whatever form of the address or account (RB1, RB4, F15).
func TestAttackLeaver(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		joining(t, w)
		google := Evidence{Email: "zoe@acme.org", Connection: "google", Subject: "g1", EmailVerified: true, HostedDomain: "acme.org"}
		out, err := w.e.Join(context.Background(), Join{
			Workspace: "acme", Name: "Zoe", Evidence: google,
			Identity: &store.IdentityRow{Identity: workspace.Identity{ExternalID: "g1", UserName: "zoe", Email: "zoe@acme.org", Active: true}, UserKey: "zoe", EmailKey: "zoe@acme.org"},
		})
		if err != nil || out.State != JoinDone || out.Row != ByHostedDomain {
			t.Fatalf("%+v %v", out, err)
		}
		w.mustEdit("ann@acme.com", Edit{Kind: EditRemove, Member: "zoe@acme.org"})
		w.refused("I9", w.mailbox("zoe@acme.org"))
		w.refused("I9", w.mailbox("ZOE@Acme.Org."))
		w.refused("I9", google)
		renamed := google
		renamed.Email = "zoe.married@acme.org" // the same account under another address
		w.refused("I9", renamed)
		// The remedy works: an Admin's stated rehire.
		id, secret := w.invite("ann@acme.com", Edit{Email: "zoe@acme.org", Reason: "is back"})
		if _, err := w.accept(id, secret, "zoe@acme.org"); err != nil {
			t.Fatal(err)
		}
		w.sound()
	})
}

// TestAttackSuspended: who is known and has no access now stays out, and so
// does an Owner whom a directory's word contains.
func TestAttackSuspended(t *testing.T) {
	w := joining(t, lite(t))
	if out := w.join(w.mailbox("zoe@acme.org")); out.State != JoinDone {
		t.Fatalf("%+v", out)
	}
	w.mustEdit("ann@acme.com", Edit{Kind: EditDeactivate, Member: "zoe@acme.org"})
	w.refused("I9", w.mailbox("zoe@acme.org"))
	w.verified("acme.com")
	w.push(&user{name: "zed"}) // okta answers for acme.com now
	err := w.st.In("acme").Update(context.Background(), store.UnitOptions{}, func(tx *store.Tx) error {
		m, err := tx.MemberByEmail("dan@acme.com")
		if err != nil {
			return err
		}
		m.Contained, m.ContainedSince, m.ContainedCause = true, 1, "okta"
		m.Version++
		return tx.UpdateMember(m)
	})
	if err != nil {
		t.Fatal(err)
	}
	if out := w.join(w.mailbox("dan@acme.com")); out.State != JoinRefused || out.Rule != "I9" {
		t.Errorf("a contained Owner: %+v", out)
	}
}

// TestAttackOldInvitation: the link from before the end of access brings
// nobody back, and neither does joining by it (RB2).
func TestAttackOldInvitation(t *testing.T) {
	w := joining(t, lite(t))
	id, secret := w.invite("ann@acme.com", Edit{Email: "zoe@acme.org", Role: workspace.RoleAdmin})
	if out := w.join(w.mailbox("zoe@acme.org")); out.State != JoinDone {
		t.Fatalf("%+v", out)
	}
	w.want("zoe@acme.org", "member active") // I10: not the Admin of the invitation
	w.mustEdit("ann@acme.com", Edit{Kind: EditRemove, Member: "zoe@acme.org"})
	var bad *EditError
	if _, err := w.accept(id, secret, "zoe@acme.org"); !errors.As(err, &bad) {
		t.Errorf("the old link: %v", err)
	}
	w.refused("I9", w.mailbox("zoe@acme.org"))
}

// TestAttackAroundTheDirectory is DC9: while a directory answers for the
// domain, only people join whom it states as present and enabled.
func TestAttackAroundTheDirectory(t *testing.T) {
	w := joining(t, lite(t))
	w.verified("acme.com")
	w.push(&user{name: "bea"}) // okta has people in acme.com
	w.refused("DC9", w.mailbox("mallory@acme.com"))

	// Bound, it answers before anybody has come.
	w.cfg.Connections[2].Domains = []string{"acme.org"}
	w.open()
	w.refused("DC9", w.mailbox("zoe@acme.org"))
}

// directoryOf stores a record as a directory would, without planning it: the
// person was not provisioned.
func (w *world) directoryOf(id, address string, active bool, attrs workspace.Attributes) {
	w.tb.Helper()
	err := w.st.In("acme").Update(context.Background(), store.UnitOptions{}, func(tx *store.Tx) error {
		return tx.InsertIdentity(store.IdentityRow{
			Identity: workspace.Identity{ID: "i-" + id, Connection: "hr", ExternalID: id, UserName: address, Email: address, Active: active, Attributes: attrs, Version: 1},
			UserKey:  address, EmailKey: emailKey(address),
		})
	})
	if err != nil {
		w.tb.Fatal(err)
	}
}

// TestDirectoryRecord: the best row of DC7, and its refusals: disabled,
// guest, another person's record.
func TestDirectoryRecord(t *testing.T) {
	w := joining(t, lite(t))
	w.cfg.Connections[2].Domains = []string{"acme.org"}
	w.open()
	w.directoryOf("e1", "eva@acme.org", true, workspace.Attributes{})
	w.directoryOf("e2", "out@acme.org", false, workspace.Attributes{})
	w.directoryOf("e3", "guest@acme.org", true, workspace.Attributes{"guest": {"true"}})
	signed := func(address, id string) Evidence {
		return Evidence{Email: address, Connection: "idp", Subject: "s-" + id, Directory: "hr", DirectoryID: id}
	}
	w.refused("DC9", signed("out@acme.org", "e2"))
	w.refused("DC7", signed("guest@acme.org", "e3"))
	w.refused("DC9", signed("eva@acme.org", "e2")) // a record of that id has another address
	w.refused("DC9", signed("eva@acme.org", "e9"))
	if out := w.join(signed("eva@acme.org", "e1")); out.State != JoinDone || out.Row != ByDirectory {
		t.Errorf("%+v", out)
	}
	// The mailbox alone will do where the directory has the person.
	w.directoryOf("e4", "fin@acme.org", true, workspace.Attributes{})
	if out := w.join(w.mailbox("fin@acme.org")); out.State != JoinDone || out.Row != ByMailboxCode {
		t.Errorf("%+v", out)
	}
	w.refused("DC9", w.mailbox("out@acme.org"))
}

// TestExcludedDoNotJoin: the mapping's word on who exists, and who is
// eligible, holds for joiners too.
func TestExcludedDoNotJoin(t *testing.T) {
	w := joining(t, lite(t))
	rules, err := mapping.Load([]byte(`
version: 1
owner: ann@acme.com
exclude:
  - {id: x-svc, if: {attr: email, prefix: svc-}}
eligible: {id: e-no, if: {not: {attr: email, prefix: temp-}}}
roles:
  - {id: r-admin, role: admin, if: {attr: email, prefix: boss}}
  - {id: r-member, role: member}
`), mapping.LoadOptions{File: "mapping.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	w.cfg.Rules = rules
	w.open()
	w.refused("exclude", w.mailbox("svc-backup@acme.org"))
	w.refused("eligible", w.mailbox("temp-1@acme.org"))
	if out := w.join(w.mailbox("boss@acme.org")); out.State != JoinDone {
		t.Fatalf("%+v", out)
	}
	w.want("boss@acme.org", "member active") // I10, whatever a row says
}

// TestAutoJoinOff takes nobody in.
func TestAutoJoinOff(t *testing.T) {
	w := joining(t, lite(t))
	w.cfg.Domains.AutoJoin = AutoJoinOff
	w.open()
	w.refused("DOM-CLAIM", w.mailbox("zoe@acme.org"))
}

// TestOnlyJoinJoins: the edit that joins is no edit that a caller of Edit can
// send.
func TestOnlyJoinJoins(t *testing.T) {
	w := joining(t, lite(t))
	for _, as := range []string{"", "ann@acme.com"} {
		res, err := w.edit(as, Edit{Kind: EditEnter, Email: "zoe@acme.org", Enter: &Entry{Evidence: w.mailbox("zoe@acme.org")}})
		if err == nil {
			t.Errorf("as %q: %s", as, told(res))
		}
	}
	w.want("zoe@acme.org", "nobody")
}

// TestJoinersRecord: who joins by signing in is linked with the record of
// their account: the one that is there, or a new one; never with somebody
// else's (OS2).
func TestJoinersRecord(t *testing.T) {
	w := joining(t, lite(t))
	enter := func(address, subject, login string) Joined {
		t.Helper()
		out, err := w.e.Join(context.Background(), Join{
			Workspace: "acme", Name: "N", Evidence: Evidence{Email: address, Connection: "google", Subject: subject, EmailVerified: true, HostedDomain: "acme.org"},
			Identity: &store.IdentityRow{Identity: workspace.Identity{ExternalID: subject, UserName: login, Email: address, Active: true}, UserKey: login, EmailKey: address},
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	linked := func(subject string) (i workspace.Identity) {
		t.Helper()
		err := w.st.In("acme").View(context.Background(), func(r *store.Reader) (err error) {
			i, err = r.IdentityByExternal("google", subject, false)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	first := enter("zoe@acme.org", "g1", "zoe")
	if first.State != JoinDone || linked("g1").Member != first.Member {
		t.Fatalf("%+v %+v", first, linked("g1"))
	}
	if out := enter("zoe2@acme.org", "g1", "zoe"); out.State != JoinRefused || out.Rule != "OS2" {
		t.Errorf("one account, a second member: %+v", out)
	}
	if out := enter("yan@acme.org", "g2", "zoe"); out.State != JoinRefused || out.Rule != "OS2" {
		t.Errorf("a login name of somebody else: %+v", out)
	}
	// A record that nobody is linked with is theirs whose account it is.
	err := w.st.In("acme").Update(context.Background(), store.UnitOptions{}, func(tx *store.Tx) error {
		return tx.InsertIdentity(store.IdentityRow{
			Identity: workspace.Identity{ID: "i-3", Connection: "google", ExternalID: "g3", UserName: "xia", Email: "xia@acme.org", Active: true, Version: 1}, UserKey: "xia", EmailKey: "xia@acme.org",
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	w.cfg.Domains.AutoJoin = AutoJoinRequest
	w.open()
	waits := enter("wim@acme.org", "g4", "wim")
	if _, err := w.approve(waits.Plan, "ann@acme.com"); err != nil || linked("g4").Member == "" {
		t.Errorf("who was let in by a person has no record: %v", err)
	}
	w.cfg.Domains.AutoJoin = AutoJoinOn
	w.open()
	if out := enter("xia@acme.org", "g3", "xia"); out.State != JoinDone || linked("g3").ID != "i-3" || linked("g3").Member != out.Member {
		t.Errorf("%+v %+v", out, linked("g3"))
	}
	w.sound()
}
