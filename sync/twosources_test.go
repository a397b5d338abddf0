package sync

import (
	"context"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// twoSources is bob as two directories know him: one member, a record in each.
func twoSources(t *testing.T, w *world) (okta, entra *user) {
	t.Helper()
	w.verified("acme.com")
	okta, entra = &user{name: "bob", conn: "okta"}, &user{name: "bob", conn: "entra"}
	w.push(okta)
	w.clock = w.clock.Add(time.Minute)
	w.push(entra)
	w.want("bob@acme.com", "member active")
	return okta, entra
}

// TestTwoSources is MM3 and section 6 for a person of whom two directories
// speak: an explicit no of either ends access, a deletion is one, and the
// other's older yes brings nobody back. When both say yes again, each after
// the end of access, the person returns.
func TestTwoSources(t *testing.T) {
	type act struct {
		conn string
		does string // no, yes, delete, missing (proved absent), again (a deleted person is stated anew)
		want string
	}
	for name, acts := range map[string][]act{
		"deleted by one, enabled at the other": {
			{"entra", "delete", "deactivated"},
		},
		"disabled, then deleted by one": {
			{"entra", "no", "deactivated"}, {"entra", "delete", "deactivated"},
		},
		"deleted by one, then stated once more by the other": {
			{"entra", "delete", "deactivated"}, {"okta", "yes", "deactivated"}, {"entra", "again", "active"},
		},
		"missing from one, enabled at the other": {
			{"entra", "missing", "active"}, {"okta", "delete", "deactivated"},
		},
		"disabled by one, then missing there": {
			{"entra", "no", "deactivated"}, {"entra", "missing", "deactivated"}, {"okta", "yes", "deactivated"}, {"entra", "again", "active"},
		},
		"disabled by one, enabled by the other": {
			{"entra", "no", "deactivated"}, {"okta", "yes", "deactivated"}, {"entra", "yes", "active"},
		},
		"disabled by both, who ended it says yes first": {
			{"entra", "no", "deactivated"}, {"okta", "no", "deactivated"}, {"entra", "yes", "deactivated"}, {"okta", "yes", "active"},
		},
		"disabled by both, who ended it says yes last": {
			{"entra", "no", "deactivated"}, {"okta", "no", "deactivated"}, {"okta", "yes", "deactivated"}, {"entra", "yes", "active"},
		},
		"deleted by both, who ended it says yes first": {
			{"entra", "delete", "deactivated"}, {"okta", "no", "deactivated"}, {"entra", "again", "deactivated"}, {"okta", "yes", "active"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			engines(t, func(t *testing.T, w *world) {
				okta, entra := twoSources(t, w)
				for i, a := range acts {
					w.clock = w.clock.Add(time.Minute)
					x := map[string]*user{"okta": okta, "entra": entra}[a.conn]
					switch a.does {
					case "delete":
						w.drop(x)
						x.id, x.ver = "", 0
					case "missing":
						o := IdentityObservation{Op: OpDelete, Row: store.IdentityRow{Identity: workspace.Identity{ID: x.id}}, Class: workspace.EvidenceE2, Why: "absent"}
						if _, err := w.e.Apply(context.Background(), Batch{
							Workspace: "acme", Connection: a.conn, Kind: RunFull, Channel: workspace.ChannelSync, SeenAt: w.clock, Identities: []IdentityObservation{o},
						}); err != nil {
							t.Fatal(err)
						}
						x.id, x.ver = "", 0
					default:
						x.off = a.does == "no"
						if _, err := w.tryPush(x); err != nil {
							t.Fatal(err)
						}
					}
					if got := w.show("bob@acme.com"); got != "member "+a.want {
						t.Fatalf("%d: %s says %s: %s, want %s", i+1, a.conn, a.does, got, a.want)
					}
					w.audited()
				}
			})
		})
	}
}

// TestLinkTakesNothing is MM2: a second directory that states the same person
// adds to what the member has, and takes none of what only the first one gives.
func TestLinkTakesNothing(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.verified("acme.com")
		w.groups("Sales", "Support")
		w.numbers("+4722000001", "+4722000099")
		bob := &user{name: "bob", attrs: map[string]string{"office": "Oslo"}}
		w.push(bob)
		for _, name := range []string{"phone-admins", "reception", "sales"} {
			w.put(&group{name: name}, []*user{bob}, nil)
		}
		for _, h := range w.holds() { // a raise by a connection waits for a person
			if _, err := w.approve(h.ID, "dan@acme.com"); err != nil {
				t.Fatal(err)
			}
		}
		had := w.show("bob@acme.com")
		if had != "admin active Sales +4722000001:exclusive +4722000099:shared" {
			t.Fatalf("before: %s", had)
		}
		w.push(&user{name: "bob", conn: "entra"})
		w.want("bob@acme.com", had)
		w.audited()
	})
}

// TestAddressThatALeaverHadBefore is section 7: who is given an address that a
// leaver had given up before leaving is another person, held until somebody
// confirms it, and inherits nothing.
func TestAddressThatALeaverHadBefore(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		_, bob := twoSources(t, w)
		bob.email = "bobby@acme.com" // at one directory; the other has not heard of it
		w.push(bob)
		bob.off = true
		w.push(bob)
		w.want("bobby@acme.com", "member deactivated")
		other := &user{name: "robert", ext: "two", email: "bob@acme.com"}
		res := w.push(other)
		if res.Refusal == nil || res.Refusal.Kind != RefusedConflict || res.Refusal.Verdict != workspace.Hold {
			t.Fatalf("let in, or refused for good: %+v%s", res.Refusal, told(res))
		}
		w.want("bob@acme.com", "nobody")
		holds := w.holds()
		if len(holds) != 1 {
			t.Fatalf("%d plans wait", len(holds))
		}
		if _, err := w.approve(holds[0].ID, "dan@acme.com"); err != nil {
			t.Fatal(err)
		}
		w.want("bob@acme.com", "member active")
		w.want("bobby@acme.com", "member deactivated")
		w.audited()
		// Whose own id was ended comes back by the directory alone.
		bob.off = false
		w.push(bob)
		w.want("bobby@acme.com", "member active")
		w.audited()
	})
}
