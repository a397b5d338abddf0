package sync

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// line is the number of which the stories of this file tell.
const line = "+4722000001"

// numberNow is a number as people know it: its state, who uses it in ring
// order, who owns it, for whom it is reserved.
func (w *world) numberNow(e164 string) string {
	w.tb.Helper()
	a := w.auditor()
	var parts []string
	for _, r := range a.rows(`SELECT n.state FROM number n WHERE n.e164 = '` + e164 + `'`) {
		parts = append(parts, r[0])
	}
	for _, r := range a.rows(`SELECT COALESCE(m.email, g.name, 'nobody'), a.access, CAST(a.ring AS TEXT) FROM assignment a JOIN number n ON n.number_id = a.number_id
		LEFT JOIN member m ON m.member_id = a.to_id LEFT JOIN groups g ON g.group_id = a.to_id WHERE n.e164 = '` + e164 + `' ORDER BY a.ring, 1`) {
		parts = append(parts, fmt.Sprintf("%s:%s:%s", strings.ToLower(r[0]), r[1], r[2]))
	}
	for _, r := range a.rows(`SELECT m.email FROM number_owner o JOIN number n ON n.number_id = o.number_id JOIN member m ON m.member_id = o.member_id WHERE n.e164 = '` + e164 + `' ORDER BY m.email`) {
		parts = append(parts, "owner="+strings.ToLower(r[0]))
	}
	for _, r := range a.rows(`SELECT m.email FROM reservation r JOIN number n ON n.number_id = r.number_id JOIN member m ON m.member_id = r.for_id WHERE n.e164 = '` + e164 + `'`) {
		parts = append(parts, "reserved="+strings.ToLower(r[0]))
	}
	return strings.ReplaceAll(strings.Join(parts, " "), "@acme.com", "")
}

// answered wants every number to have somebody who answers for it (I2): an
// owner or a group that is there, or a pool in which it rests or waits.
func (w *world) answered() {
	w.tb.Helper()
	for _, r := range w.auditor().rows(`SELECT n.e164, n.state FROM number n WHERE n.state IN ('assigned', 'reserved')
		AND NOT EXISTS (SELECT 1 FROM number_owner o JOIN member m ON m.member_id = o.member_id WHERE o.number_id = n.number_id AND m.state = 'active' AND NOT m.contained)
		AND NOT EXISTS (SELECT 1 FROM assignment a JOIN member m ON m.member_id = a.to_id WHERE a.number_id = n.number_id AND m.state = 'active' AND a.access <> 'view_only')
		AND NOT EXISTS (SELECT 1 FROM assignment a WHERE a.number_id = n.number_id AND a.kind = 'group')
		AND (n.pool = '' OR n.pool IS NULL)`) {
		w.tb.Errorf("I2: nobody answers for %s (%s)", r[0], r[1])
	}
}

// TestHandoverChain is every branch of the chain of domain section 10: who has
// the leaver's number after the cut, after a return within the grace, and after
// a return when the grace is over. Bob leaves; at every step the ring is dense
// and somebody answers for the number (I2, I5).
func TestHandoverChain(t *testing.T) {
	const bob, cy, eve = "bob@acme.com", "cy@acme.com", "eve@acme.com"
	give := func(who string, access workspace.Access) Edit {
		return Edit{Kind: EditAssign, Member: who, Number: line, Access: access}
	}
	team := func(access workspace.Access) Edit {
		return Edit{Kind: EditAssign, Group: "Desk", Number: line, Access: access}
	}
	own := func(who string) Edit { return Edit{Kind: EditOwn, Member: who, Number: line} }
	const ex, sh, vo = workspace.AccessExclusive, workspace.AccessShared, workspace.AccessViewOnly
	for _, tt := range []struct {
		name  string
		setup []Edit
		attrs map[string]string // of bob at the directory
		pool  bool              // the number came from a pool
		chain []string
		also  []string // who leaves before bob
		cut   string   // after the cut
		back  string   // after a return within the grace
		over  string   // when the grace is over
		late  string   // after a return then
	}{
		{
			name: "named by the directory: final at once, and no tug of war (NH3)", setup: []Edit{give(bob, ex), own(bob)}, attrs: map[string]string{"rollcall.handoverTo": cy},
			cut: "assigned cy:exclusive:1 owner=cy", back: "assigned cy:exclusive:1 owner=cy",
			over: "assigned cy:exclusive:1 owner=cy", late: "assigned cy:exclusive:1 owner=cy",
		},
		{
			name: "named, but gone: the next link", setup: []Edit{give(bob, ex), own(bob)}, attrs: map[string]string{"rollcall.handoverTo": cy, "manager": eve}, also: []string{"cy"},
			cut: "assigned eve:shared:1 owner=eve reserved=bob", back: "assigned bob:exclusive:1 owner=bob", over: "assigned eve:shared:1 owner=eve", late: "assigned eve:shared:1 owner=eve",
		},
		{
			name: "named, of a shared number", setup: []Edit{give(bob, sh), own(bob)}, attrs: map[string]string{"rollcall.handoverTo": cy},
			cut: "assigned cy:shared:1 owner=cy", back: "assigned bob:shared:1 cy:shared:2 owner=cy", over: "assigned cy:shared:1 owner=cy", late: "assigned bob:shared:1 cy:shared:2 owner=cy",
		},
		{
			name: "co-owner answers an exclusive number meanwhile (NH1)", setup: []Edit{give(bob, ex), own(bob), own(cy)}, attrs: map[string]string{"manager": eve},
			cut: "assigned cy:shared:1 owner=cy reserved=bob", back: "assigned bob:exclusive:1 owner=bob owner=cy",
			over: "assigned cy:shared:1 owner=cy", late: "assigned cy:shared:1 owner=cy",
		},
		{
			name: "co-owner who has left is passed over", setup: []Edit{give(bob, ex), own(bob), own(cy)}, attrs: map[string]string{"manager": eve}, also: []string{"cy"},
			cut: "assigned eve:shared:1 owner=eve reserved=bob", back: "assigned bob:exclusive:1 owner=bob", over: "assigned eve:shared:1 owner=eve", late: "assigned eve:shared:1 owner=eve",
		},
		{
			name: "shared: the ring closes, whoever shares it longest owns it (NH2)", setup: []Edit{give(bob, sh), give(eve, sh), give(cy, sh), own(bob)},
			cut: "assigned eve:shared:1 cy:shared:2 owner=eve", back: "assigned bob:shared:1 eve:shared:2 cy:shared:3 owner=bob",
			over: "assigned eve:shared:1 cy:shared:2 owner=eve", late: "assigned bob:shared:1 eve:shared:2 cy:shared:3 owner=eve",
		},
		{
			name: "shared, and owned by somebody else: nothing to hand over", setup: []Edit{give(eve, sh), give(bob, sh), own(cy)},
			cut: "assigned eve:shared:1 owner=cy", back: "assigned eve:shared:1 bob:shared:2 owner=cy", over: "assigned eve:shared:1 owner=cy", late: "assigned eve:shared:1 bob:shared:2 owner=cy",
		},
		{
			name: "last ringer of a shared number that somebody else owns", setup: []Edit{give(bob, sh), own(cy)}, attrs: map[string]string{"manager": eve},
			cut: "assigned cy:shared:1 owner=cy", back: "assigned bob:shared:1 owner=cy", over: "assigned cy:shared:1 owner=cy", late: "assigned bob:shared:1 cy:shared:2 owner=cy",
		},
		{
			name: "last owner of a number that others ring", setup: []Edit{give(eve, sh), own(bob)},
			cut: "assigned eve:shared:1 owner=eve", back: "assigned eve:shared:1 owner=bob", over: "assigned eve:shared:1 owner=eve", late: "assigned eve:shared:1 owner=eve",
		},
		{
			name: "view-only is dropped", setup: []Edit{give(bob, vo), own(cy)},
			cut: "free owner=cy", back: "assigned bob:view_only:0 owner=cy", over: "free owner=cy", late: "assigned bob:view_only:0 owner=cy",
		},
		{
			name: "manager; somebody goes on answering for what had no owner (I2)", setup: []Edit{give(bob, ex)}, attrs: map[string]string{"manager": eve},
			cut: "assigned eve:shared:1 owner=eve reserved=bob", back: "assigned bob:exclusive:1 owner=eve", over: "assigned eve:shared:1 owner=eve", late: "assigned eve:shared:1 owner=eve",
		},
		{
			name: "manager who has left is passed over", setup: []Edit{give(bob, ex)}, attrs: map[string]string{"manager": eve}, also: []string{"eve"},
			cut: "assigned ann:shared:1 owner=ann reserved=bob", back: "assigned bob:exclusive:1 owner=ann", over: "assigned ann:shared:1 owner=ann", late: "assigned ann:shared:1 owner=ann",
		},
		{
			name: "manager whom nobody knows is passed over", setup: []Edit{give(bob, ex)}, attrs: map[string]string{"manager": "CN=Nobody,DC=acme"},
			cut: "assigned ann:shared:1 owner=ann reserved=bob", back: "assigned bob:exclusive:1 owner=ann", over: "assigned ann:shared:1 owner=ann", late: "assigned ann:shared:1 owner=ann",
		},
		{
			name: "owning group: calls ring it", setup: []Edit{give(bob, sh), team(vo)}, chain: []string{"group", "primary_owner"},
			cut: "assigned desk:shared:1", back: "assigned bob:shared:1 desk:shared:2", over: "assigned desk:shared:1", late: "assigned bob:shared:1 desk:shared:2",
		},
		{
			name: "group that rings already", setup: []Edit{give(bob, sh), team(sh), own(bob)}, chain: []string{"group", "primary_owner"},
			cut: "assigned desk:shared:1", back: "assigned bob:shared:1 desk:shared:2 owner=bob", over: "assigned desk:shared:1", late: "assigned bob:shared:1 desk:shared:2 owner=bob",
		},
		{
			name: "pool: reserved in the grace, then it rests", setup: []Edit{give(bob, ex)}, pool: true,
			cut: "reserved reserved=bob", back: "assigned bob:exclusive:1", over: "quarantined", late: "assigned bob:exclusive:1",
		},
		{
			name: "pool, of a shared number nobody else rings", setup: []Edit{give(bob, sh)}, pool: true,
			cut: "quarantined", back: "assigned bob:shared:1", over: "quarantined", late: "assigned bob:shared:1",
		},
		{
			name: "primary Owner, when nothing else fits", setup: []Edit{give(bob, ex), own(bob)},
			cut: "assigned ann:shared:1 owner=ann reserved=bob", back: "assigned bob:exclusive:1 owner=bob", over: "assigned ann:shared:1 owner=ann", late: "assigned ann:shared:1 owner=ann",
		},
		{
			name: "the customer's order counts", setup: []Edit{give(bob, ex), own(bob), own(cy)}, attrs: map[string]string{"manager": eve}, chain: []string{"manager", "co_owner"},
			cut: "assigned eve:shared:1 owner=cy reserved=bob", back: "assigned bob:exclusive:1 owner=bob owner=cy",
			over: "assigned eve:shared:1 owner=cy", late: "assigned eve:shared:1 owner=cy",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play := func(t *testing.T, after time.Duration, want string) {
				t.Helper()
				w := newWorld(t, liteURL(t), "version: 1\nowner: ann@acme.com\nhandover: {id: h, from: {attr: rollcall.handoverTo}}\n")
				w.cfg.Leavers.Handover = tt.chain
				w.open()
				in := &NumberImport{E164: line, Name: "desk"}
				if tt.pool {
					in.Pool = "office-no"
				}
				w.groups("Desk")
				w.mustEdit("ann@acme.com", Edit{Kind: EditImport, Import: in})
				people := map[string]*user{}
				for _, name := range []string{"cy", "eve", "bob"} {
					people[name] = &user{name: name}
					if name == "bob" {
						people[name].attrs = tt.attrs
					}
					w.push(people[name])
				}
				for _, e := range tt.setup {
					w.clock = w.clock.Add(time.Minute)
					w.mustEdit("ann@acme.com", e)
				}
				check := func(what, want string) {
					t.Helper()
					if got := w.numberNow(line); got != want {
						t.Errorf("%s: %q, want %q", what, got, want)
					}
					w.answered()
					w.audited()
				}
				for _, name := range tt.also {
					people[name].off = true
					w.push(people[name])
				}
				w.clock = w.clock.Add(time.Hour)
				people["bob"].off = true
				w.push(people["bob"])
				check("after the cut", tt.cut)
				w.clock = w.clock.Add(after)
				w.due()
				if after > w.cfg.Leavers.Grace {
					check("when the grace is over", tt.over)
				}
				people["bob"].off = false
				w.push(people["bob"])
				check("after the return", want)
			}
			t.Run("back in time", func(t *testing.T) { play(t, 6*24*time.Hour, tt.back) })
			t.Run("back too late", func(t *testing.T) { play(t, 8*24*time.Hour, tt.late) })
		})
	}
}

// TestHandoverInOneGo: nobody inherits who goes in the same plan, however the
// edits stand; whoever is contained inherits nothing either.
func TestHandoverInOneGo(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.mustEdit("ann@acme.com", Edit{Kind: EditImport, Import: &NumberImport{E164: line, Name: "desk"}})
		for _, name := range []string{"bob", "cy", "eve"} {
			w.push(&user{name: name})
		}
		w.mustEdit("ann@acme.com", Edit{Kind: EditAssign, Member: "bob@acme.com", Number: line, Access: workspace.AccessExclusive},
			Edit{Kind: EditOwn, Member: "bob@acme.com", Number: line}, Edit{Kind: EditOwn, Member: "cy@acme.com", Number: line}, Edit{Kind: EditOwn, Member: "eve@acme.com", Number: line})
		w.mustEdit("ann@acme.com", Edit{Kind: EditDeactivate, Member: "bob@acme.com"}, Edit{Kind: EditDeactivate, Member: "cy@acme.com"})
		if got, want := w.numberNow(line), "assigned eve:shared:1 owner=eve reserved=bob"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		w.answered()
		w.audited()
	})
}

// TestContainedOwnerInheritsNothing: a contained Owner's phone is silent, so
// the number goes on to the next link.
func TestContainedOwnerInheritsNothing(t *testing.T) {
	w := lite(t)
	w.mustEdit("ann@acme.com", Edit{Kind: EditImport, Import: &NumberImport{E164: line, Name: "desk"}})
	bob, dan := &user{name: "bob"}, &user{name: "dan"}
	w.push(bob)
	w.linked(dan, "dan@acme.com")
	w.mustEdit("ann@acme.com", Edit{Kind: EditAssign, Member: "bob@acme.com", Number: line, Access: workspace.AccessExclusive},
		Edit{Kind: EditOwn, Member: "dan@acme.com", Number: line})
	dan.off = true
	if res := w.push(dan); outcome(res, workspace.MemberContain) != "applied" {
		t.Fatalf("dan was not contained: %s", told(res))
	}
	bob.off = true
	w.push(bob)
	if got := w.numberNow(line); got != "assigned ann:shared:1 owner=ann owner=dan reserved=bob" {
		t.Errorf("%q", got)
	}
	w.answered()
	w.audited()
}

// TestPortingNumberKeepsItsOwners is NH5: people finish a port; a leaver's
// access ends all the same, and the ring closes.
func TestPortingNumberKeepsItsOwners(t *testing.T) {
	w := lite(t)
	w.mustEdit("ann@acme.com", Edit{Kind: EditImport, Import: &NumberImport{E164: line, Name: "desk"}})
	bob := &user{name: "bob"}
	w.push(bob)
	w.push(&user{name: "cy"})
	w.mustEdit("ann@acme.com", Edit{Kind: EditAssign, Member: "bob@acme.com", Number: line, Access: workspace.AccessShared},
		Edit{Kind: EditAssign, Member: "cy@acme.com", Number: line, Access: workspace.AccessShared}, Edit{Kind: EditOwn, Member: "cy@acme.com", Number: line})
	state := workspace.NumberPorting
	w.write(func(tx *store.Tx) error {
		n, err := tx.NumberByE164(line)
		if err != nil {
			return err
		}
		n.State = state
		n.Version++
		return tx.UpdateNumber(n)
	})
	bob.off = true
	w.push(bob)
	if got, want := w.numberNow(line), "porting cy:shared:1 owner=cy"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	w.want("bob@acme.com", "member deactivated")
}
