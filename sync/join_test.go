package sync

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// verified puts a verified claim into the store, as a proof would.
func (w *world) verified(domains ...string) {
	w.tb.Helper()
	err := w.st.In("acme").Update(context.Background(), store.UnitOptions{}, func(tx *store.Tx) error {
		for _, d := range domains {
			at := workspace.At(w.clock)
			if err := tx.PutDomain(workspace.DomainClaim{Domain: d, State: workspace.DomainVerified, ClaimedAt: at, VerifiedAt: at, CheckedAt: at, Version: 1}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.tb.Fatal(err)
	}
}

func (w *world) join(ev Evidence) Joined {
	w.tb.Helper()
	out, err := w.e.Join(context.Background(), Join{Workspace: "acme", Name: "New", Evidence: ev})
	if err != nil {
		w.tb.Fatalf("join: %v", err)
	}
	return out
}

// mailbox is the evidence of a code that came back.
func (w *world) mailbox(address string) Evidence {
	return Evidence{Email: address, Mailbox: true, At: w.clock}
}

// joining is a world with a verified domain that no directory answers for.
func joining(t *testing.T, w *world) *world {
	t.Helper()
	w.cfg.Connections = append(w.cfg.Connections,
		Connection{ID: "google", Kind: "oidc", ActsAs: workspace.RoleAdmin, Provider: ProviderGoogle, TrustEmail: TrustHostedDomain, Domains: []string{"acme.org"}},
		Connection{ID: "azure", Kind: "oidc", ActsAs: workspace.RoleAdmin, Provider: ProviderEntra, Tenant: "t-1", Domains: []string{"acme.org"}},
		Connection{ID: "idp", Kind: "oidc", ActsAs: workspace.RoleAdmin, TrustEmail: TrustVerifiedClaim, Domains: []string{"acme.org"}})
	w.cfg.Domains.Evidence = EvidenceRows()
	w.open()
	w.verified("acme.org")
	return w
}

func TestJoinMakesAMember(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		joining(t, w)
		out := w.join(w.mailbox("Zoe@ACME.org"))
		if out.State != JoinDone || out.Claim != "acme.org" || out.Row != ByMailboxCode || out.Price.Monthly != 2300 {
			t.Fatalf("%+v", out)
		}
		w.want("zoe@acme.org", "member active")
		w.sound()
		if again := w.join(w.mailbox("zoe@acme.org")); again.State != JoinAlready || again.Run != "" || again.Member != out.Member {
			t.Errorf("the second time: %+v", again)
		}
	})
}

// TestEvidence is the table of DC7, a row each.
func TestEvidence(t *testing.T) {
	w := joining(t, lite(t))
	google := Evidence{Email: "a@acme.org", Connection: "google", Subject: "g1", EmailVerified: true, HostedDomain: "acme.org"}
	entra := Evidence{Email: "a@acme.org", Connection: "azure", Subject: "o1", Tenant: "t-1", UPN: "a@acme.org", TenantDomains: []string{"acme.org"}, EmailVerified: true}
	other := Evidence{Email: "a@acme.org", Connection: "idp", Subject: "s1", EmailVerified: true}
	with := func(ev Evidence, change func(*Evidence)) Evidence { change(&ev); return ev }
	for name, row := range map[string]struct {
		ev   Evidence
		want string // the row that counts, else a part of the reason
	}{
		"google":                        {google, "hd"},
		"google, private account":       {with(google, func(e *Evidence) { e.HostedDomain = "" }), "private one"},
		"google, other company":         {with(google, func(e *Evidence) { e.HostedDomain = "evil.org" }), "belongs to evil.org"},
		"google, not verified":          {with(google, func(e *Evidence) { e.EmailVerified = false }), "email_verified"},
		"google, hd in capitals":        {with(google, func(e *Evidence) { e.HostedDomain = "ACME.org." }), "hd"},
		"entra":                         {entra, "upn"},
		"entra, other tenant":           {with(entra, func(e *Evidence) { e.Tenant = "t-2" }), "another Entra tenant"},
		"entra, claim email alone":      {with(entra, func(e *Evidence) { e.UPN = "" }), "proves nothing"},
		"entra, claim email of another": {with(entra, func(e *Evidence) { e.UPN = "b@acme.org" }), "proves nothing"},
		"entra, upn elsewhere":          {with(entra, func(e *Evidence) { e.UPN = "a@evil.org" }), "proves nothing"},
		"entra, domain not verified":    {with(entra, func(e *Evidence) { e.TenantDomains = []string{"other.org"} }), "verified domains"},
		"entra, edov alone":             {with(entra, func(e *Evidence) { e.TenantDomains, e.EDOV = nil, true }), "verified domains"},
		"entra, guest":                  {with(entra, func(e *Evidence) { e.UPN = "a_x.com#EXT#@acme.org" }), "Guests"},
		"entra, guest by claim":         {with(entra, func(e *Evidence) { e.Guest = true }), "Guests"},
		"other":                         {other, "verified_claim"},
		"other, not verified":           {with(other, func(e *Evidence) { e.EmailVerified = false }), "email_verified"},
		"mailbox":                       {Evidence{Email: "a@acme.org", Mailbox: true}, "mailbox_code"},
		"mailbox, old":                  {Evidence{Email: "a@acme.org", Mailbox: true, At: w.clock.Add(-11 * time.Minute)}, "too long ago"},
		"nothing":                       {Evidence{Email: "a@acme.org", EmailVerified: true}, "nobody has verified"},
		"unbound connection":            {with(other, func(e *Evidence) { e.Connection = "okta" }), "not bound"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := w.e.Join(context.Background(), Join{Workspace: "acme", Name: "A", Evidence: row.ev, DryRun: true})
			if err != nil {
				t.Fatal(err)
			}
			if out.State == JoinDone && string(out.Row) != row.want || out.State != JoinDone && (out.State != JoinRefused || !strings.Contains(out.Reason, row.want)) {
				t.Errorf("%+v, want %s", out, row.want)
			}
		})
	}
}
