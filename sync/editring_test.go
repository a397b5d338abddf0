package sync

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// ring lists who rings on a number, first to last.
func (w *world) ring(e164 string) (ids []string) {
	w.tb.Helper()
	err := w.e.spaces["acme"].h.View(context.Background(), func(r *store.Reader) error {
		n, err := r.NumberByE164(e164)
		for i, a := range n.Assignments {
			if a.Access.Rings() {
				if a.Ring != i+1 {
					w.tb.Errorf("I5: place %d has ring %d", i+1, a.Ring)
				}
				ids = append(ids, a.To)
			}
		}
		return err
	})
	if err != nil {
		w.tb.Fatal(err)
	}
	return ids
}

// TestRingOrderIsTheOneAskedFor sets orders of six people one after the other:
// whatever the order before, afterwards it is the one that was asked for (R13).
func TestRingOrderIsTheOneAskedFor(t *testing.T) {
	w := lite(t)
	w.numbers("+4722000001")
	var ids []string
	for _, name := range []string{"bea", "cy", "eve", "fay", "gus", "hal"} {
		w.push(&user{name: name})
		ids = append(ids, w.member(name+"@acme.com"))
		w.mustEdit("ann@acme.com", Edit{Kind: EditAssign, Number: "+4722000001", Member: name + "@acme.com", Access: workspace.AccessShared})
	}
	rapid.Check(t, func(rt *rapid.T) {
		order := rapid.Permutation(ids).Draw(rt, "order")
		w.mustEdit("ann@acme.com", Edit{Kind: EditRing, Number: "+4722000001", Order: order})
		if diff := cmp.Diff(order, w.ring("+4722000001")); diff != "" {
			rt.Fatal(diff)
		}
	})
	for why, order := range map[string][]string{
		"is missing": ids[1:], "stands twice": append(slices.Clone(ids[1:]), ids[1]), "is a stranger": append(slices.Clone(ids[1:]), "x"),
	} {
		var bad *EditError
		if _, err := w.edit("ann@acme.com", Edit{Kind: EditRing, Number: "+4722000001", Order: order}); !errors.As(err, &bad) || bad.Field != "order" {
			t.Errorf("somebody %s: %v", why, err)
		}
	}
	w.sound()
}

// TestPinNeedsItsRow: pinning what somebody has changes nothing now, but a
// directory could not take it away later; so it needs the row of giving it.
func TestPinNeedsItsRow(t *testing.T) {
	w := lite(t)
	w.numbers("+4722000001")
	w.groups("Desk")
	w.push(&user{name: "bea"})
	w.push(&user{name: "cy"})
	w.mustEdit("ann@acme.com", Edit{Kind: EditAssign, Number: "+4722000001", Member: "bea@acme.com", Access: workspace.AccessShared},
		Edit{Kind: EditJoin, Group: "Desk", Member: "bea@acme.com"}, Edit{Kind: EditRole, Member: "cy@acme.com", Role: workspace.RoleAdmin})
	for _, c := range []struct {
		as, rule string
		edit     Edit
	}{
		{"bea@acme.com", "M08.Member", Edit{Kind: EditAssign, Number: "+4722000001", Member: "bea@acme.com", Access: workspace.AccessShared}},
		{"bea@acme.com", "M10.Member", Edit{Kind: EditJoin, Group: "Desk", Member: "bea@acme.com"}},
		{"bea@acme.com", "M06.Member", Edit{Kind: EditRole, Member: "bea@acme.com", Role: workspace.RoleMember}},
		{"cy@acme.com", "SELF", Edit{Kind: EditRole, Member: "cy@acme.com", Role: workspace.RoleAdmin}},
		{"cy@acme.com", "M13.Admin", Edit{Kind: EditRole, Member: "ann@acme.com", Role: workspace.RoleOwner}},
	} {
		res, err := w.edit(c.as, c.edit)
		if err != nil || len(res.Outcomes) != 1 || res.Outcomes[0].Outcome != "denied" || res.Outcomes[0].Decision.Rule != c.rule {
			t.Errorf("%s %s: %v%s", c.as, c.edit.Kind, err, told(res))
		}
	}
}

// TestNobodyMovesTheEndOfTheirOwnAccess: a profile is one's own, its end date
// is not (SELF).
func TestNobodyMovesTheEndOfTheirOwnAccess(t *testing.T) {
	w := lite(t)
	w.push(&user{name: "bea"})
	later := w.clock.AddDate(1, 0, 0)
	name := "Bea B"
	w.mustEdit("bea@acme.com", Edit{Kind: EditProfile, Member: "bea@acme.com", Profile: &Profile{Name: &name}})
	res, err := w.edit("bea@acme.com", Edit{Kind: EditProfile, Member: "bea@acme.com", Profile: &Profile{End: &later}})
	if err != nil || outcome(res, workspace.MemberUpdate) != "denied" || !strings.Contains(told(res), "[SELF]") {
		t.Errorf("own end: %v%s", err, told(res))
	}
	w.mustEdit("ann@acme.com", Edit{Kind: EditProfile, Member: "bea@acme.com", Profile: &Profile{End: &later}})
}
