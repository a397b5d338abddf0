package sync

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/store/storetest"
	"github.com/rollcall-sync/rollcall/workspace"
)

// DC7, the table by itself: which row counts, and what is missing, each thing
// with all else as it should be.
func TestEvidenceTable(t *testing.T) {
	t.Parallel()
	good := map[Provider]proof{
		ProviderGoogle: {
			Evidence: Evidence{Email: "a@acme.org", Connection: "c", HostedDomain: "acme.org", EmailVerified: true},
			conn:     Connection{ID: "c", Provider: ProviderGoogle, TrustEmail: TrustHostedDomain},
		},
		ProviderEntra: {
			Evidence: Evidence{Email: "a@acme.org", Connection: "c", Tenant: "t-1", UPN: "A@acme.org", TenantDomains: []string{"acme.org"}, EDOV: true},
			conn:     Connection{ID: "c", Provider: ProviderEntra, Tenant: "t-1", TrustEmail: TrustEDOV},
		},
		ProviderOther: {
			Evidence: Evidence{Email: "a@acme.org", Connection: "c", EmailVerified: true}, conn: Connection{ID: "c", TrustEmail: TrustVerifiedClaim},
		},
	}
	for name, c := range map[string]struct {
		of     Provider
		change func(*proof)
		admits []EvidenceRow
		why    string
		row    EvidenceRow
	}{
		"hd: not trusted":           {of: ProviderGoogle, change: func(p *proof) { p.conn.TrustEmail = TrustVerifiedClaim }, why: "trust_email: hd"},
		"hd: none":                  {of: ProviderGoogle, change: func(p *proof) { p.HostedDomain = "" }, why: "private one"},
		"hd: another":               {of: ProviderGoogle, change: func(p *proof) { p.HostedDomain = "b.org" }, why: "belongs to b.org"},
		"hd: not verified":          {of: ProviderGoogle, change: func(p *proof) { p.EmailVerified = false }, why: "email_verified"},
		"hd: not admitted":          {of: ProviderGoogle, admits: []EvidenceRow{ByTenant, ByVerifiedClaim}, why: "evidence hd is not admitted"},
		"upn: no pin":               {of: ProviderEntra, change: func(p *proof) { p.conn.Tenant, p.Tenant = "", "" }, why: "pins no tenant"},
		"upn: another tenant":       {of: ProviderEntra, change: func(p *proof) { p.Tenant = "t-2" }, why: "another Entra tenant"},
		"upn: none":                 {of: ProviderEntra, change: func(p *proof) { p.UPN = "" }, why: "no user principal name"},
		"upn: another person's":     {of: ProviderEntra, change: func(p *proof) { p.UPN = "b@acme.org" }, why: "not the user principal name"},
		"upn: of another domain":    {of: ProviderEntra, change: func(p *proof) { p.UPN = "a@b.org" }, why: "not the user principal name"},
		"upn: domain of nobody":     {of: ProviderEntra, change: func(p *proof) { p.TenantDomains = []string{"b.org"} }, why: "verified domains"},
		"upn: xms_edov wanted":      {of: ProviderEntra, change: func(p *proof) { p.EDOV = false }, why: "xms_edov"},
		"upn: xms_edov not wanted":  {of: ProviderEntra, change: func(p *proof) { p.EDOV, p.conn.TrustEmail = false, TrustNever }, row: ByTenant},
		"claim: not trusted":        {of: ProviderOther, change: func(p *proof) { p.conn.TrustEmail = TrustNever }, why: "trust_email"},
		"claim: not verified":       {of: ProviderOther, change: func(p *proof) { p.EmailVerified = false }, why: "email_verified"},
		"claim: not admitted":       {of: ProviderOther, admits: []EvidenceRow{ByHostedDomain}, why: "evidence verified_claim is not admitted"},
		"not bound":                 {of: ProviderOther, change: func(p *proof) { p.bound = false }, why: "not bound"},
		"no connection":             {of: ProviderOther, change: func(p *proof) { p.Connection = "" }, why: "nobody has verified"},
		"code":                      {of: ProviderOther, change: func(p *proof) { p.Mailbox = true }, row: ByMailboxCode},
		"code: not admitted":        {of: ProviderOther, change: func(p *proof) { p.Mailbox = true }, admits: []EvidenceRow{ByVerifiedClaim}, why: "codes by mail"},
		"directory":                 {of: ProviderOther, change: func(p *proof) { p.record = true }, row: ByDirectory},
		"directory: not admitted":   {of: ProviderOther, change: func(p *proof) { p.record = true }, admits: []EvidenceRow{ByVerifiedClaim}, row: ByVerifiedClaim},
		"directory: not bound":      {of: ProviderOther, change: func(p *proof) { p.record, p.bound = true, false }, why: "not bound"},
		"all that Google can state": {of: ProviderGoogle, row: ByHostedDomain},
		"all that Entra can state":  {of: ProviderEntra, row: ByTenant},
		"all that others can state": {of: ProviderOther, row: ByVerifiedClaim},
	} {
		p := good[c.of]
		p.domain, p.bound = "acme.org", true
		if c.change != nil {
			c.change(&p)
		}
		if c.admits == nil {
			c.admits = EvidenceRows()
		}
		row, why := p.counts(c.admits)
		if row != c.row || (why == "") != (c.why == "") || !strings.Contains(why, c.why) {
			t.Errorf("%s: %q, %q; want %q, %q", name, row, why, c.row, c.why)
		}
	}
}

// DC9: which connections state who exists.
func TestWhichConnectionsAreDirectories(t *testing.T) {
	t.Parallel()
	for c, want := range map[*Connection]bool{
		{Kind: "scim"}: true, {Kind: "ldap"}: true, {Kind: "oidc", Reads: true}: true, {Kind: "oidc"}: false, {Kind: "api"}: false,
	} {
		if c.directory() != want {
			t.Errorf("%s: %t", c.Kind, !want)
		}
	}
}

// DC7, DC9: a directory's record counts for the account that names its very id
// at a directory that is bound; its word is asked first of all.
func TestDirectoryEvidence(t *testing.T) {
	w := joining(t, lite(t))
	w.verified("acme.net")
	w.cfg.Connections[2].Domains = []string{"acme.org"}
	w.cfg.Connections[5].TrustEmail = TrustNever
	w.cfg.Connections[5].Domains = []string{"acme.org", "acme.net"}
	w.open()
	w.directoryOf("e1", "eva@acme.org", true, workspace.Attributes{})
	w.directoryOf("e2", "out@acme.org", false, workspace.Attributes{})
	for id, active := range map[string]bool{"e3": false, "e4": true} {
		w.record("hr", id, func(i *workspace.Identity) { i.Email, i.Active = "two@acme.org", active })
	}
	w.directoryOf("n1", "nia@acme.net", true, workspace.Attributes{})
	signed := func(address, directory, id string) Evidence {
		return Evidence{Email: address, Connection: "idp", Subject: "s-" + id, Directory: directory, DirectoryID: id}
	}
	w.refused("DC7", signed("eva@acme.org", "", "e1"))     // of no directory that is named
	w.refused("DC7", signed("eva@acme.org", "okta", "e1")) // of another
	w.refused("DC7", signed("eva@acme.org", "hr", ""))     // of nobody in it
	w.refused("DC7", signed("nia@acme.net", "hr", "n1"))   // of one that may not vouch for the domain
	w.refused("DC9", signed("eve@acme.org", "hr", "e1"))   // of an address that is not the record's
	for address, why := range map[string]string{"out@acme.org": "as disabled", "who@acme.org": "does not know"} {
		if out := w.join(w.mailbox(address)); out.Rule != "DC9" || !strings.Contains(out.Reason, why) {
			t.Errorf("%+v, want %s", out, why)
		}
	}
	if out := w.join(w.mailbox("two@acme.org")); out.State != JoinDone {
		t.Errorf("enabled in one of two records: %+v", out)
	}
	if out := w.join(signed("eva@acme.org", "hr", "e1")); out.State != JoinDone || out.Row != ByDirectory {
		t.Errorf("%+v", out)
	}
	w.sound()
}

// I9, DC9: a tombstone holds by address, by the user principal name, by the
// account and by the directory's id, each by itself.
func TestTombstonesHoldJoiners(t *testing.T) {
	w := joining(t, lite(t))
	space := w.e.spaces["acme"]
	var ann string
	w.reads(func(r *store.Reader) error {
		m, err := r.MemberByEmail("ann@acme.com")
		ann = m.ID
		return err
	})
	w.writes(func(tx *store.Tx) error {
		var err error
		for _, v := range []string{
			space.tombstoneValue(tombstoneEmail, "", "by-address@acme.org"), space.tombstoneValue(tombstoneEmail, "", "by-upn@acme.org"),
			space.tombstoneValue(tombstoneID, "azure", "by-subject"), space.tombstoneValue(tombstoneID, "hr", "by-id"),
		} {
			err = errors.Join(err, tx.PutTombstone(store.TombstoneRow{Value: v, Kind: tombstoneID, Member: ann, Cause: "hr", Connection: "hr", At: workspace.At(w.clock)}))
		}
		return err
	})
	entra := func(address, upn, subject, id string) Evidence {
		return Evidence{
			Email: address, Connection: "azure", Subject: subject, Tenant: "t-1", UPN: upn, TenantDomains: []string{"acme.org"}, Directory: "hr", DirectoryID: id,
		}
	}
	for _, ev := range []Evidence{
		w.mailbox("by-address@acme.org"), {Email: "a@acme.org", Connection: "idp", Subject: "s", EmailVerified: true, UPN: "by-upn@acme.org"}, entra("b@acme.org", "b@acme.org", "by-subject", "i"), entra("c@acme.org", "c@acme.org", "s", "by-id"),
	} {
		if out := w.join(ev); out.State != JoinRefused || out.Rule != "I9" {
			t.Errorf("%s: %+v", ev.Email, out)
		}
	}
}

// OS2: a login name that another account of the connection has is not taken
// over, though nobody is linked with it.
func TestJoinerTakesNoLogin(t *testing.T) {
	w := joining(t, lite(t))
	w.record("google", "g1", func(i *workspace.Identity) { i.UserName, i.Email = "xia", "xia@acme.org" })
	out, err := w.e.Join(context.Background(), Join{
		Workspace: "acme", Name: "N", Evidence: Evidence{Email: "yan@acme.org", Connection: "google", Subject: "g9", EmailVerified: true, HostedDomain: "acme.org"},
		Identity: &store.IdentityRow{Identity: workspace.Identity{ExternalID: "g9", UserName: "xia", Email: "yan@acme.org", Active: true}, UserKey: "xia", EmailKey: "yan@acme.org"},
	})
	if err != nil || out.State != JoinRefused || out.Rule != "OS2" {
		t.Errorf("%+v, %v", out, err)
	}
}

// DC7: what stands in the store of a code and of an offer opens nothing without
// the browser's secret; a code that was never mailed lets nobody in.
func TestCodesNeedTheBrowser(t *testing.T) {
	w := joining(t, lite(t))
	if codeHash("b1", "123456") == codeHash("b2", "123456") || strings.Contains(browserKey("xyz"), "xyz") || strings.Contains(offerKey("xyz"), "xyz") {
		t.Error("a row would do without the browser")
	}
	o, _ := w.offering("zoe@acme.org")
	sealed, err := sealOffer("secret", &o)
	if err != nil {
		t.Fatal(err)
	}
	one, err := offerCipher("secret")
	other, oerr := offerCipher("other")
	if err != nil || oerr != nil {
		t.Fatal(err, oerr)
	}
	text, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		t.Fatal(err)
	}
	nonce := make([]byte, one.NonceSize())
	if slices.Equal(one.Seal(nil, nonce, nil, nil), other.Seal(nil, nonce, nil, nil)) || strings.Contains(string(text), "zoe@acme.org") {
		t.Error("the key of an offer is not the browser's")
	}
	ctx := context.Background()
	var large int
	for i := range w.e.codes.Address {
		if code := w.mailed(string(rune('a'+i)), "zoe@acme.org"); code >= "001000" {
			large++
		}
	}
	if large == 0 {
		t.Error("five codes, and all of them below a thousand")
	}
	if m, err := w.e.AskCode(ctx, "over", "zoe@acme.org", "192.0.2.2"); m != nil || err != nil {
		t.Fatal(m, err)
	}
	err = w.e.anywhere().Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
		row, err := tx.JoinCode(browserKey("over"))
		if err == nil && row.Workspace != "" {
			t.Errorf("a code that was not mailed is of workspace %s", row.Workspace)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = w.e.anywhere().Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
		return tx.InsertJoinCode(store.JoinCodeRow{Browser: browserKey("guess"), Email: "zoe@acme.org", Address: "zoe@acme.org", Domain: "acme.org", Code: codeHash("guess", "123456"), SentAt: workspace.At(w.clock)})
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.check("guess", "123456"); !errors.Is(err, ErrCode) {
		t.Errorf("a guess: %v", err)
	}
}

// DC8: who waits comes in in the order of asking, while the wish is good, and
// where people join by themselves.
func TestQueueTerms(t *testing.T) {
	w := joining(t, lite(t))
	policy := workspace.Default()
	policy.Limits.Seats = workspace.LimitOf(3) // ann and dan are there
	w.cfg.Policy, w.cfg.Leavers.Grace = policy, 0
	w.open()
	if out := w.join(w.mailbox("a@acme.org")); out.State != JoinDone {
		t.Fatalf("%+v", out)
	}
	for _, name := range []string{"c", "b"} {
		if out := w.join(w.mailbox(name + "@acme.org")); out.State != JoinWaits {
			t.Fatalf("%+v", out)
		}
		w.clock = w.clock.Add(time.Minute)
	}
	admit := func(want int) {
		t.Helper()
		if n, err := w.e.AdmitQueued(context.Background(), "acme"); n != want || err != nil {
			t.Errorf("%d came in, %v; want %d", n, err, want)
		}
	}
	// Other plans that wait are nobody's wish to join.
	w.writes(func(tx *store.Tx) error {
		return tx.PutHold(store.HoldRow{ID: "H-other", PlanHash: "sha256:other", Subject: "member:x", State: "open", CreatedAt: 1, ExpiresAt: workspace.At(w.clock.Add(day)), Observation: []byte("{}"), Changes: []byte("[]")})
	})
	w.mustEdit("ann@acme.com", Edit{Kind: EditRemove, Member: "a@acme.org"})
	w.cfg.Domains.AutoJoin = AutoJoinRequest
	w.open()
	admit(0) // a person decides here
	w.cfg.Domains.AutoJoin = AutoJoinOn
	w.open()
	admit(1)
	w.want("c@acme.org", "member active")
	w.want("b@acme.org", "nobody")
	w.mustEdit("ann@acme.com", Edit{Kind: EditRemove, Member: "c@acme.org"})
	w.clock = w.clock.Add(w.e.spaces["acme"].cfg.InvitationTTL)
	admit(0)
	w.want("b@acme.org", "nobody")
}

// DC8: a wish that would be refused now waits on without a report each time.
func TestQueueLooksFirst(t *testing.T) {
	w := joining(t, lite(t))
	policy := workspace.Default()
	policy.Limits.Seats = workspace.LimitOf(2)
	w.cfg.Policy = policy
	w.open()
	if out := w.join(w.mailbox("a@acme.org")); out.State != JoinWaits {
		t.Fatalf("%+v", out)
	}
	policy.Limits.Seats = workspace.LimitOf(9)
	w.cfg.Policy = policy
	w.open()
	w.writes(func(tx *store.Tx) error {
		d, err := tx.Domain("acme.org")
		if err != nil {
			return err
		}
		d.State = workspace.DomainLapsed
		d.Version++
		return tx.PutDomain(d)
	})
	runs := func() (n int) {
		w.reads(func(r *store.Reader) error {
			rows, err := r.Runs("", 0, 100)
			n = len(rows)
			return err
		})
		return n
	}
	before := runs()
	if n, err := w.e.AdmitQueued(context.Background(), "acme"); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n := runs(); n != before {
		t.Errorf("%d reports of nothing", n-before)
	}
	w.want("a@acme.org", "nobody")
}

// DC8, I10: who joins by domain uses the invitation up, and what was given with
// it goes back.
func TestJoiningUsesTheInvitationUp(t *testing.T) {
	w := joining(t, lite(t))
	w.numbers("+4722000001")
	id, _ := w.invite("ann@acme.com", Edit{Email: "zoe@acme.org", Role: workspace.RoleAdmin, Numbers: []string{"+4722000001"}})
	if out := w.join(w.mailbox("zoe@acme.org")); out.State != JoinDone {
		t.Fatalf("%+v", out)
	}
	w.writes(func(tx *store.Tx) error {
		if inv, err := tx.PendingInvitation("zoe@acme.org"); !errors.Is(err, workspace.ErrNotFound) {
			t.Errorf("it is still open: %+v, %v", inv, err)
		}
		kept, err := tx.NumbersTo(workspace.ToInvitation, id)
		if len(kept) != 0 {
			t.Errorf("%d numbers wait for nobody", len(kept))
		}
		return err
	})
	w.want("zoe@acme.org", "member active")
	w.sound()
}

// OS3: the unique index decides who has an address, whoever wrote it. A join
// that has seen it free and finds it taken is judged again, and is a member
// already; nobody is linked with anything. Only PostgreSQL lets another
// process write between the two.
func TestJoinLosesTheRace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.Postgres(t), testMapping)
	w.push(&user{name: "bob"})
	bob := w.member("bob@acme.com")
	w.close()
	other := w.auditor()
	tries := 0
	w.trace = func(text string, _ int64) {
		if !strings.Contains(text, "state = 'contested'") {
			return
		}
		if tries++; tries > 1 {
			return
		}
		if _, err := other.db.Exec(`UPDATE member SET email = 'zoe@acme.org', email_key = 'zoe@acme.org' WHERE workspace_id = 'acme' AND member_id = $1`, bob); err != nil {
			t.Error(err)
		}
	}
	joining(t, w)
	if out := w.join(w.mailbox("zoe@acme.org")); out.State != JoinAlready || out.Member != bob || out.Run != "" || tries != 1 {
		t.Errorf("%+v, after %d tries", out, tries)
	}
	w.want("zoe@acme.org", "member active")
}
