package sync

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// ON1: where a document leads is remembered the first time; a changed host
// stops the connection, with a finding, until an Owner or Admin approves it,
// or the old host is back.
func TestKnownEndpoints(t *testing.T) {
	ctx := context.Background()
	engines(t, func(t *testing.T, w *world) {
		joining(t, w)
		const doc = "https://idp.acme.org/.well-known/openid-configuration"
		look := func(hosts ...string) error {
			names := []string{"jwks_uri", "token_endpoint", "userinfo_endpoint", "revocation_endpoint"}
			var seen []Endpoint
			for i, h := range hosts {
				seen = append(seen, Endpoint{names[i], h})
			}
			return w.e.KnowEndpoints(ctx, "acme", "idp", doc, seen)
		}
		good := func(what string, err error) {
			t.Helper()
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		findings := func(want int) {
			t.Helper()
			w.reads(func(r *store.Reader) error {
				rows, err := r.FindingsOf("ON1", "connection", "idp")
				if len(rows) != want || want > 0 && (rows[0].Severity != "critical" || !strings.Contains(rows[0].Text, "evil.example")) {
					t.Errorf("findings %+v, want %d", rows, want)
				}
				return err
			})
		}
		changed := func(what string, err error) {
			t.Helper()
			if !errors.Is(err, ErrHostChanged) || !strings.Contains(err.Error(), "approve-hosts idp") {
				t.Errorf("%s: %v", what, err)
			}
		}
		good("the first time", look("a.org", "b.org", "a.org"))
		good("the same", look("a.org", "b.org", "a.org"))
		good("an endpoint less", look("a.org", "b.org"))
		changed("a new endpoint on a foreign host", look("a.org", "b.org", "a.org", "evil.example"))
		findings(1)
		good("it is named no more", look("a.org", "b.org", "a.org"))
		findings(0)
		changed("it is named again", look("a.org", "b.org", "a.org", "evil.example"))
		good("a new endpoint on a known host", look("a.org", "b.org", "a.org", "b.org"))
		changed("another host", look("evil.example", "b.org", "a.org"))
		findings(1)
		opened := w.findingID("ON1", "idp")
		changed("again", look("evil.example", "b.org", "a.org"))
		if again := w.findingID("ON1", "idp"); again != opened {
			t.Errorf("one finding, not one a look: %s, then %s", opened, again)
		}
		good("another document, while one host waits", w.e.KnowEndpoints(ctx, "acme", "idp", "https://ssf", []Endpoint{{"jwks_uri", "c.org"}}))
		if again := w.findingID("ON1", "idp"); again != opened {
			t.Errorf("one finding, not one a document: %s, then %s", opened, again)
		}
		changed("one of the known hosts, for another endpoint", look("a.org", "a.org"))
		good("the old host is back", look("a.org", "b.org", "a.org"))
		findings(0)
		if err := w.e.KnowEndpoints(ctx, "acme", "idp", "https://other", []Endpoint{{"jwks_uri", "c.org"}}); err != nil {
			t.Errorf("another document: %v", err)
		}
		changed("other hosts", look("evil.example", "evil.example"))
		approve := func(as string, hosts ...string) error {
			_, err := w.e.ApproveHosts(ctx, HostApproval{Workspace: "acme", Connection: "idp", As: as, Hosts: hosts, Reason: "moved"})
			return err
		}
		w.join(w.mailbox("mem@acme.org"))
		if err := approve("mem@acme.org"); !errors.Is(err, ErrMayNotApproveHosts) {
			t.Errorf("a Member: %v", err)
		}
		var bad *EditError
		if err := approve("ann@acme.com", "c.org"); !errors.As(err, &bad) {
			t.Errorf("a host that does not wait: %v", err)
		}
		w.mustEdit("ann@acme.com", Edit{Kind: EditRole, Member: "mem@acme.org", Role: workspace.RoleAdmin})
		w.mustEdit("ann@acme.com", Edit{Kind: EditDeactivate, Member: "mem@acme.org"})
		if err := approve("mem@acme.org"); !errors.Is(err, ErrMayNotApproveHosts) {
			t.Errorf("an Admin without access: %v", err)
		}
		changed("two hosts", look("evil.example", "third.example"))
		good("approving one of them", approve("ann@acme.com", "third.example"))
		changed("the other waits", look("evil.example", "third.example"))
		changed("still", look("evil.example", "evil.example"))
		good("approving", approve("ann@acme.com", "evil.example"))
		findings(0)
		good("approved", look("evil.example", "evil.example"))
		changed("and the old one is foreign now", look("a.org", "b.org"))
		w.sound()
	})
}

// findingID is the one open finding of a connection.
func (w *world) findingID(code, connection string) (id string) {
	w.tb.Helper()
	w.reads(func(r *store.Reader) error {
		rows, err := r.FindingsOf(code, "connection", connection)
		if len(rows) == 1 {
			id = rows[0].ID
		}
		return err
	})
	return id
}
