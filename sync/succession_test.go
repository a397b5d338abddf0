package sync

import (
	"slices"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/workspace"
)

// following is a world whose primary Owner ann is linked with her record at a
// connection, and has named bob and cy to follow her.
func following(w *world, connection string) *user {
	w.tb.Helper()
	ann := &user{name: "ann", conn: connection}
	w.linked(ann, "ann@acme.com")
	for _, name := range []string{"bob", "cy"} {
		w.push(&user{name: name, conn: connection, ext: connection + "-" + name})
	}
	w.mustEdit("ann@acme.com", Edit{Kind: EditSuccessors, Successors: []string{"bob@acme.com", "cy@acme.com"}})
	w.clock = w.clock.Add(time.Hour)
	return ann
}

// TestSuccession is CO4: the directory ends the primary Owner, and the first
// successor who is active and stays takes over in the same transaction; the
// leaver leaves as an Admin, by the usual steps.
func TestSuccession(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.mustEdit("ann@acme.com", Edit{Kind: EditImport, Import: &NumberImport{E164: line, Name: "desk"}})
		w.mustEdit("ann@acme.com", Edit{Kind: EditAssign, Member: "ann@acme.com", Number: line, Access: workspace.AccessExclusive})
		ann := following(w, "entra")
		ann.off = true
		res := w.push(ann)
		if outcome(res, workspace.OwnerTransfer) != "applied" || outcome(res, workspace.MemberDeactivate) != "applied" || outcome(res, workspace.MemberContain) != "" {
			t.Fatalf("%s", told(res))
		}
		w.want("bob@acme.com", "owner active "+line+":shared+owner")
		w.want("ann@acme.com", "admin deactivated")
		w.gone("ann@acme.com")
		var roles []string
		for _, e := range w.outbox("member.role_changed", "member.deactivated") {
			if e.Data.Member == w.member("ann@acme.com") || e.Data.Member == w.member("bob@acme.com") {
				roles = append(roles, e.Type+" "+e.Data.Role+" "+e.Data.State)
			}
		}
		for _, want := range []string{"member.role_changed owner active", "member.role_changed admin deactivated", "member.deactivated admin deactivated"} {
			if !slices.Contains(roles, want) {
				t.Errorf("told %v, want %q among it", roles, want)
			}
		}
		w.clock = w.clock.Add(time.Hour)
		ann.off = false
		if res := w.push(ann); outcome(res, workspace.MemberReactivate) != "applied" {
			t.Errorf("return: %s %+v", told(res), res.Refusal)
		}
		w.want("ann@acme.com", "member active "+line+":exclusive")
		w.sound()
		w.audited()
	})
}

// TestNobodyToFollow: without a successor who counts, the primary Owner is
// contained, as before.
func TestNobodyToFollow(t *testing.T) {
	for name, tt := range map[string]struct {
		connection string
		change     func(w *world)
	}{
		"the connection may not take Owners": {"okta", func(*world) {}},
		"the naming is older than 180 days":  {"entra", func(w *world) { w.clock = w.clock.Add(180 * 24 * time.Hour) }},
		"both successors have left": {"entra", func(w *world) {
			w.mustEdit("dan@acme.com", Edit{Kind: EditDeactivate, Member: "bob@acme.com"}, Edit{Kind: EditDeactivate, Member: "cy@acme.com"})
		}},
		"nobody is named any more": {"entra", func(w *world) { w.mustEdit("ann@acme.com", Edit{Kind: EditSuccessors}) }},
	} {
		t.Run(name, func(t *testing.T) {
			w := lite(t)
			ann := following(w, tt.connection)
			tt.change(w)
			ann.off = true
			if res := w.push(ann); outcome(res, workspace.OwnerTransfer) == "applied" {
				t.Errorf("%s", told(res))
			}
			w.want("ann@acme.com", "owner active contained")
			w.sound()
			w.audited()
		})
	}
}

// TestSecondSuccessorFollows: who has left is passed over; naming again counts
// anew.
func TestSecondSuccessorFollows(t *testing.T) {
	w := lite(t)
	ann := following(w, "entra")
	w.clock = w.clock.Add(179 * 24 * time.Hour)
	w.mustEdit("ann@acme.com", Edit{Kind: EditSuccessors, Successors: []string{"bob@acme.com", "cy@acme.com"}})
	w.mustEdit("dan@acme.com", Edit{Kind: EditDeactivate, Member: "bob@acme.com"})
	w.clock = w.clock.Add(179 * 24 * time.Hour)
	ann.off = true
	w.push(ann)
	w.want("cy@acme.com", "owner active")
	w.want("ann@acme.com", "admin deactivated")
	w.audited()
}

// TestWhoNamesSuccessors: the primary Owner alone, and of active members at most
// three.
func TestWhoNamesSuccessors(t *testing.T) {
	w := lite(t)
	for _, name := range []string{"bob", "cy", "eve", "fay"} {
		w.push(&user{name: name})
	}
	for _, who := range []string{"dan@acme.com", "bob@acme.com"} {
		if res, err := w.edit(who, Edit{Kind: EditSuccessors, Successors: []string{"bob@acme.com"}}); err != nil || outcome(res, workspace.OwnerSuccessors) != "denied" {
			t.Errorf("%s: %v%s", who, err, told(res))
		}
	}
	for what, named := range map[string][]string{
		"four": {"bob@acme.com", "cy@acme.com", "eve@acme.com", "fay@acme.com"}, "herself": {"ann@acme.com"},
		"twice": {"bob@acme.com", "bob@acme.com"}, "nobody known": {"nobody@acme.com"},
	} {
		if _, err := w.edit("ann@acme.com", Edit{Kind: EditSuccessors, Successors: named}); err == nil {
			t.Errorf("%s were named", what)
		}
	}
	w.mustEdit("ann@acme.com", Edit{Kind: EditSuccessors, Successors: []string{"bob@acme.com"}, Reason: "on leave in July"})
	w.audited()
}
