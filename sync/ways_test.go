package sync

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// waysOf writes a member's ways as text, without what was measured.
func (w *world) waysOf(email string) (text string, ways Ways) {
	w.tb.Helper()
	err := w.st.In("acme").View(context.Background(), func(r *store.Reader) error {
		m, err := r.MemberByEmail(email)
		if err != nil {
			return err
		}
		ways, err = w.e.Ways(r, "acme", m.ID)
		return err
	})
	if err != nil {
		w.tb.Fatal(err)
	}
	var out []string
	for _, way := range ways.Ways {
		out = append(out, fmt.Sprintf("%s %s %ds-%ds", way.Kind, way.Connection, way.Expected, way.Worst))
	}
	if ways.None {
		out = append(out, "none")
	}
	return strings.Join(out, ", "), ways
}

// signedIn gives a member a record at a sign-in connection, and with a token
// something to ask the provider with.
func (w *world) signedIn(email, connection string, token bool) {
	w.tb.Helper()
	err := w.st.In("acme").Update(context.Background(), store.UnitOptions{}, func(tx *store.Tx) error {
		m, err := tx.MemberByEmail(email)
		if err != nil {
			return err
		}
		row := store.IdentityRow{
			Identity: workspace.Identity{ID: newID(), Connection: connection, ExternalID: "s-" + email, UserName: email, Email: email, Active: true, Member: m.ID, Version: 1},
			UserKey:  email, EmailKey: email,
		}
		if err := tx.InsertIdentity(row); err != nil || !token {
			return err
		}
		return tx.PutGrant(store.GrantRow{Connection: connection, Subject: "s-" + email, Member: m.ID, Sealed: "x"}, workspace.At(w.clock))
	})
	if err != nil {
		w.tb.Fatal(err)
	}
}

// TestWays is sources 9.6: the way to a revoke of each kind of connection, and
// who has none (OL1).
func TestWays(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.cfg.Connections = append(w.cfg.Connections,
			Connection{ID: "sso", Kind: "oidc", ActsAs: workspace.RoleAdmin, SignIn: SignInTerms{Every: 15 * time.Minute}},
			Connection{ID: "plain", Kind: "oidc", ActsAs: workspace.RoleAdmin},
			Connection{ID: "graph", Kind: "oidc", ActsAs: workspace.RoleAdmin, Reads: true, Every: 2 * time.Minute, Signals: true},
			Connection{ID: "corp", Kind: "ldap", ActsAs: workspace.RoleAdmin, Every: time.Minute, Worst: 15 * time.Minute},
			Connection{ID: "try", Kind: "scim", Profile: "okta", ActsAs: workspace.RoleAdmin, Mode: ModeObserve})
		w.open()
		w.verified("acme.org")
		for _, name := range []string{"mail", "asked", "unasked", "graphed", "ldaped", "tried"} {
			if out := w.join(w.mailbox(name + "@acme.org")); out.State != JoinDone {
				t.Fatalf("%+v", out)
			}
		}
		w.signedIn("asked@acme.org", "sso", true)
		w.signedIn("unasked@acme.org", "plain", false)
		w.signedIn("graphed@acme.org", "graph", false)
		w.signedIn("ldaped@acme.org", "corp", false)
		w.signedIn("tried@acme.org", "try", false)
		w.push(&user{name: "bea"})
		w.push(&user{name: "eno", conn: "entra"})
		for email, want := range map[string]string{
			"mail@acme.org":    "none",
			"asked@acme.org":   "liveness sso 900s-1800s",
			"unasked@acme.org": "sign_in plain 43200s-43200s, none",
			"graphed@acme.org": "signal graph 10s-120s, directory_pull graph 120s-240s, sign_in graph 43200s-43200s",
			"ldaped@acme.org":  "ldap_poll corp 60s-900s",
			"tried@acme.org":   "none",
			"bea@acme.com":     "scim_push okta 30s-300s",
			"eno@acme.com":     "scim_push entra 2400s-4800s",
		} {
			if got, _ := w.waysOf(email); got != want {
				t.Errorf("%s: %s, want %s", email, got, want)
			}
		}
		directories, err := w.e.Directories("acme")
		if err != nil {
			t.Fatal(err)
		}
		var lost []string
		err = w.st.In("acme").View(context.Background(), func(r *store.Reader) error {
			found, err := r.Members(store.MemberFilter{Unwatched: directories})
			for _, m := range found {
				lost = append(lost, m.Email)
				if _, ways := w.waysOf(m.Email); !ways.None {
					t.Errorf("%s is listed and has a path", m.Email)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := strings.Join(lost, " "), "ann@acme.com dan@acme.com mail@acme.org unasked@acme.org tried@acme.org"; got != want {
			t.Errorf("without a path: %s, want %s", got, want)
		}
	})
}

// TestWaysAreMeasured: what it took lately, from the directory's own time
// where it states one, and never from a clock that lies ahead (PR2).
func TestWaysAreMeasured(t *testing.T) {
	w := lite(t)
	w.push(&user{name: "bea"})
	for i, back := range []time.Duration{10 * time.Second, 20 * time.Second, -time.Hour, 0} {
		x := &user{name: fmt.Sprint("gone", i)}
		w.push(x)
		row := x.row()
		row.Active = false
		old, err := w.identity(x.id)
		if err != nil {
			t.Fatal(err)
		}
		row.Member, row.CreatedAt = old.Member, old.CreatedAt
		o := IdentityObservation{Row: row, Expect: x.ver, Class: workspace.EvidenceE1, Why: "disabled"}
		if back != 0 {
			o.UpstreamAt = w.clock.Add(-back)
		}
		res, err := w.e.Apply(context.Background(), Batch{
			Workspace: "acme", Connection: "okta", Kind: RunSCIM, Channel: workspace.ChannelSCIM, SeenAt: w.clock, Identities: []IdentityObservation{o},
		})
		if err != nil || res.Refusal != nil {
			t.Fatal(err, res.Refusal)
		}
	}
	_, ways := w.waysOf("bea@acme.com")
	m := ways.Ways[0].Measured
	if m.Upstream.N != 2 || m.Upstream.P50 != 10_000 || m.Upstream.P95 != 20_000 || m.Revoke.N != 4 {
		t.Errorf("%+v", m)
	}
	_, gone := w.waysOf("gone0@acme.com")
	if gone.None || gone.Why == "" {
		t.Errorf("somebody who has left is flagged: %+v", gone)
	}
	if _, err := w.e.Directories("nowhere"); !errors.Is(err, ErrUnknownWorkspace) {
		t.Error(err)
	}
}

func TestPollInterval(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]time.Duration{
		"@every 1m": time.Minute, "*/5 * * * *": 5 * time.Minute, "0 8,20 * * *": 12 * time.Hour, "17 3 * * *": 24 * time.Hour, "never": 0,
	} {
		if got := PollInterval(spec); got != want {
			t.Errorf("%s: %s, want %s", spec, got, want)
		}
	}
}
