package sync

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/workspace"
)

// TestRejectedRemovalLeavesTheRecords is BU2: a rejection writes no word of

// TestNameAndAddressChangeTogether is VW12: neither undoes the other, in

// TestPinEnds is MP2: a role set by hand wins until it is lifted or past its

// end; then the rows decide again.
func TestPinEnds(t *testing.T) {
	w := lite(t)
	bob, eve := &user{name: "bob"}, &user{name: "eve"}
	w.push(bob)
	w.push(eve)
	w.mustEdit("ann@acme.com", Edit{Kind: EditRole, Member: "bob@acme.com", Role: workspace.RoleAdmin, Until: w.clock.Add(48 * time.Hour)})
	w.mustEdit("ann@acme.com", Edit{Kind: EditRole, Member: "eve@acme.com", Role: workspace.RoleAdmin})
	bob.attrs = map[string]string{"title": "Boss"}
	w.push(bob)
	w.want("bob@acme.com", "admin active")
	w.clock = w.clock.Add(49 * time.Hour)
	w.due()
	w.want("bob@acme.com", "member active")
	if n := w.due(); n != 0 {
		t.Errorf("%d changes were due twice", n)
	}
	w.mustEdit("ann@acme.com", Edit{Kind: EditUnpin, Member: "eve@acme.com"})
	w.want("eve@acme.com", "member active")
	w.sound()
}

// TestTemporaryGrantsEnd is F11: number, group and ownership given until a

// date end then, and what a row gives as well stays.
func TestTemporaryGrantsEnd(t *testing.T) {
	w := lite(t)
	w.numbers("+4722000001", "+4722000002")
	w.groups("Sales", "Support")
	bob := &user{name: "bob", attrs: map[string]string{"department": "Sales"}}
	w.push(bob)
	until := w.clock.Add(48 * time.Hour)
	w.mustEdit("ann@acme.com",
		Edit{Kind: EditAssign, Member: "bob@acme.com", Number: "+4722000001", Access: workspace.AccessShared, Until: until},
		Edit{Kind: EditOwn, Member: "bob@acme.com", Number: "+4722000002", Until: until},
		Edit{Kind: EditJoin, Member: "bob@acme.com", Group: "Support", Until: until},
		Edit{Kind: EditJoin, Member: "bob@acme.com", Group: "Sales", Until: until})
	w.want("bob@acme.com", "member active Sales Support +4722000001:shared +4722000002:+owner")
	w.clock = w.clock.Add(49 * time.Hour)
	w.due()
	w.want("bob@acme.com", "member active Sales")
	if n := w.due(); n != 0 {
		t.Errorf("%d changes were due twice", n)
	}
	w.sound()
}

// TestPinNeedsAuthority: a pin changes nothing today but outlives the rows, so

// it needs the row that giving the thing needs.
func TestPinNeedsAuthority(t *testing.T) {
	w := lite(t)
	w.numbers("+4722000001")
	w.groups("Sales")
	bob, eve := &user{name: "bob", attrs: map[string]string{"office": "Oslo", "department": "Sales"}}, &user{name: "eve"}
	w.push(bob)
	w.push(eve)
	w.mustEdit("ann@acme.com", Edit{Kind: EditRole, Member: "eve@acme.com", Role: workspace.RoleAdmin})
	for _, e := range []Edit{
		{Kind: EditRole, Member: "bob@acme.com", Role: workspace.RoleMember},
		{Kind: EditUnpin, Member: "eve@acme.com"},
		{Kind: EditAssign, Member: "bob@acme.com", Number: "+4722000001", Access: workspace.AccessExclusive},
		{Kind: EditJoin, Member: "bob@acme.com", Group: "Sales"},
	} {
		res, err := w.edit("bob@acme.com", e)
		if err == nil && (len(res.Outcomes) == 0 || slices.ContainsFunc(res.Outcomes, func(o Outcome) bool { return o.Outcome == "applied" })) {
			t.Errorf("%s by a Member: %s", e.Kind, told(res))
		}
	}
	if res, err := w.edit("eve@acme.com", Edit{Kind: EditRole, Member: "eve@acme.com", Role: workspace.RoleAdmin}); err == nil && outcome(res, workspace.MemberRole) != "denied" {
		t.Error("an Admin pinned their own role")
	}
	if rows := w.auditor().rows(`SELECT s.kind, s.object_id FROM support s JOIN member m ON m.member_id = s.member_id WHERE m.email = 'bob@acme.com' AND s.given_by = 'manual'`); len(rows) != 0 {
		t.Errorf("supported by hand: %v", rows)
	}
	w.sound()
}

// TestLinkIsApprovedByWhoMay is SX03 and BR6: a Member approves no link, and

// TestNewcomersRaiseIsTheirOwn: a hold of a person made in the same unit is

// TestOwnedNumberThatMayNotBe: a number that may not be owned is denied, and

// nothing else of the request.
func TestOwnedNumberThatMayNotBe(t *testing.T) {
	w := newWorld(t, liteURL(t), `
version: 1
owner: ann@acme.com
number_owner:
  - {id: o-each, each: {attr: rollcall.numberOwnerOf}}
`)
	w.numbers("+4722000001")
	bob := &user{name: "bob", attrs: map[string]string{"rollcall.numberOwnerOf": "+4733000009"}}
	w.push(bob)
	w.want("bob@acme.com", "member active")
	bob.attrs["rollcall.numberOwnerOf"] = "+4722000001"
	w.push(bob)
	w.want("bob@acme.com", "member active +4722000001:+owner")
	bob.attrs["rollcall.numberOwnerOf"] = ""
	w.push(bob)
	w.want("bob@acme.com", "member active")
	w.sound()
}

const ownerMapping = `
version: 1
owner: ann@acme.com
number_owner:
  - {id: o-desk, number: "+4722000001", owner: {member: bob@acme.com}, since: 2026-11-22, until: 2026-11-25, keep_last: true}
`

// TestOwnerRowInForce is RO5: a row of number_owner counts between since and
// until, and what it gave ends with it.
func TestOwnerRowInForce(t *testing.T) {
	w := newWorld(t, liteURL(t), ownerMapping)
	w.numbers("+4722000001")
	bob := &user{name: "bob"}
	w.push(bob)
	w.want("bob@acme.com", "member active")
	w.clock = w.clock.Add(48 * time.Hour)
	bob.attrs = map[string]string{"title": "x"}
	w.push(bob)
	w.push(bob)
	w.want("bob@acme.com", "member active +4722000001:+owner")
	w.sound()
	w.clock = w.clock.Add(96 * time.Hour)
	bob.attrs = map[string]string{"title": "y"}
	w.push(bob)
	w.want("bob@acme.com", "member active")
	w.sound()
}

// TestRowComesIntoForce is RO5: nobody has to be named by their directory for a
// row to begin and to end; what it gave waits for a person then (RO2).
func TestRowComesIntoForce(t *testing.T) {
	w := newWorld(t, liteURL(t), `
version: 1
owner: ann@acme.com
roles: [{id: r-member, role: member}]
groups: [{id: g-fair, to: Sales, since: 2026-11-22, until: 2026-11-25}]
`)
	w.groups("Sales")
	bob := &user{name: "bob"}
	w.push(bob)
	replan := func() Counts {
		t.Helper()
		c, err := w.e.Replan(t.Context(), "acme", "test")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	replan()
	w.want("bob@acme.com", "member active")
	w.clock = w.clock.Add(48 * time.Hour)
	if c := replan(); c.Applied != 1 {
		t.Errorf("when the row began: %+v", c)
	}
	w.want("bob@acme.com", "member active Sales")
	if c := replan(); c != (Counts{}) {
		t.Errorf("planned twice: %+v", c)
	}
	w.clock = w.clock.Add(96 * time.Hour)
	if c := replan(); c.Held != 1 {
		t.Errorf("when the row ended: %+v", c)
	}
	w.want("bob@acme.com", "member active Sales")
	w.sound()
}

// TestDeniedUnassignKeepsTheNumber: a Member who may not take a number away
// does not send it into quarantine either.
func TestDeniedUnassignKeepsTheNumber(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.numbers("+4722000001")
		eve := &user{name: "eve"}
		w.push(eve)
		w.push(&user{name: "cy"})
		w.mustEdit("ann@acme.com", Edit{Kind: EditAssign, Member: "eve@acme.com", Number: "+4722000001", Access: workspace.AccessExclusive})
		res, err := w.edit("cy@acme.com", Edit{Kind: EditUnassign, Member: "eve@acme.com", Number: "+4722000001", Reason: "mine"})
		if err != nil {
			t.Fatal(err)
		}
		if res.Counts.Applied != 0 || res.Counts.Denied != 2 {
			t.Errorf("a Member took a number away: %s", told(res))
		}
		w.want("eve@acme.com", "member active +4722000001:exclusive")
		w.sound()
	})
}

// TestChangeThatNoRuleSees: a record that changes where no row looks is
// written and not planned, unless something of its member waits.
func TestChangeThatNoRuleSees(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		bob, cy := &user{name: "bob"}, &user{name: "cy"}
		w.push(bob)
		w.push(cy)
		w.put(&group{name: "phone-admins"}, []*user{bob}, nil)
		for _, tt := range []struct {
			user  *user
			attr  string
			noops int
		}{
			{bob, "employeeNumber", 1}, // his raise is held
			{cy, "employeeNumber", 0},
			{cy, "roomNumber", 0},
		} {
			tt.user.attrs = map[string]string{tt.attr: "7"}
			res := w.push(tt.user)
			if len(res.Outcomes) != tt.noops || res.Counts.Noop != tt.noops {
				t.Errorf("%s of %s: %s", tt.attr, tt.user.name, told(res))
			}
			if got := res.Identities[0].Attributes[tt.attr]; len(got) != 1 || got[0] != "7" {
				t.Errorf("%s of %s is %q", tt.attr, tt.user.name, got)
			}
		}
		w.groups("Sales")
		cy.attrs["department"] = "Sales"
		if res := w.push(cy); outcome(res, workspace.GroupJoin) != "applied" {
			t.Errorf("a change that a rule sees: %s", told(res))
		}
		w.sound()
	})
}

// TestExceptionFromOwnerRow is MP3 for ownership.
func TestExceptionFromOwnerRow(t *testing.T) {
	w := newWorld(t, liteURL(t), ownerMapping)
	w.clock = w.clock.Add(48 * time.Hour)
	w.numbers("+4722000001")
	bob := &user{name: "bob"}
	w.push(bob)
	bob.attrs = map[string]string{"title": "x"}
	w.push(bob)
	w.want("bob@acme.com", "member active +4722000001:+owner")
	w.mustEdit("ann@acme.com", Edit{Kind: EditDisown, Member: "bob@acme.com", Number: "+4722000001", Reason: "not him"})
	bob.attrs = map[string]string{"title": "z"}
	w.push(bob)
	w.want("bob@acme.com", "member active")
	w.sound()
}

// TestDefaultEndStands is MR3: the default counts from the day of the first

// grant, not from the latest push.
func TestDefaultEndStands(t *testing.T) {
	w := newWorld(t, liteURL(t), `
version: 1
owner: ann@acme.com
expiry:
  - {id: t-contract, if: {attr: userType, eq: contractor}, end: {attr: accountExpires}, default: 10d}
`)
	bo := &user{name: "bo", attrs: map[string]string{"userType": "contractor", "accountExpires": ""}}
	w.push(bo)
	end := w.auditor().rows(`SELECT CAST(access_end AS TEXT) FROM member WHERE email = 'bo@acme.com'`)
	w.clock = w.clock.Add(5 * 24 * time.Hour)
	bo.attrs["title"] = "Digger"
	w.push(bo)
	if now := w.auditor().rows(`SELECT CAST(access_end AS TEXT) FROM member WHERE email = 'bo@acme.com'`); now[0][0] != end[0][0] {
		t.Errorf("access ended at %s, now at %s", end[0][0], now[0][0])
	}
	w.clock = w.clock.Add(6 * 24 * time.Hour)
	w.due()
	w.want("bo@acme.com", "member deactivated")
	bo.attrs["title"] = "Diver"
	w.push(bo)
	w.want("bo@acme.com", "member deactivated")
	bo.attrs["accountExpires"] = "2027-06-01"
	w.push(bo)
	w.want("bo@acme.com", "member active")
	w.sound()
}

// TestOwnershipComesBack is GR3: what the leaver owned without using it too.
func TestOwnershipComesBack(t *testing.T) {
	w := lite(t)
	w.numbers("+4722000001")
	bob := &user{name: "bob"}
	w.push(bob)
	w.mustEdit("ann@acme.com", Edit{Kind: EditOwn, Member: "bob@acme.com", Number: "+4722000001"})
	bob.off = true
	w.push(bob)
	w.want("bob@acme.com", "member deactivated")
	bob.off = false
	w.push(bob)
	w.want("bob@acme.com", "member active +4722000001:+owner")
	w.sound()
}

// TestGroupsMadeByARowAreBounded is MR4.
func TestGroupsMadeByARowAreBounded(t *testing.T) {
	w := newWorld(t, liteURL(t), `
version: 1
owner: ann@acme.com
groups:
  - {id: g-dept, to: {attr: department}, create: true, create_max: 2}
`)
	for i := range 4 {
		w.push(&user{name: fmt.Sprintf("p%d", i), attrs: map[string]string{"department": fmt.Sprintf("D%d", i)}})
	}
	if n := len(w.auditor().rows(`SELECT name FROM groups`)); n != 2 {
		t.Errorf("%d groups were made, at most 2 may be", n)
	}
	w.want("p3@acme.com", "member active")
	w.sound()
}

// TestExpiredOwnerIsToldOnce is CO1: the clock contains an Owner whose access

// has run out, and does not say so at every tick.
func TestExpiredOwnerIsToldOnce(t *testing.T) {
	w := newWorld(t, liteURL(t), `
version: 1
owner: ann@acme.com
expiry:
  - {id: t-contract, if: {attr: userType, eq: contractor}, end: {attr: accountExpires}, default: 10d}
`)
	ann := &user{name: "ann", attrs: map[string]string{"userType": "contractor", "accountExpires": "2026-11-25"}}
	w.push(ann)
	if _, err := w.approve(w.holds()[0].ID, "dan@acme.com"); err != nil {
		t.Fatal(err)
	}
	w.clock = w.clock.Add(10 * 24 * time.Hour)
	for range 3 {
		w.due()
	}
	w.want("ann@acme.com", "owner active contained")
	if n := len(w.auditor().rows(`SELECT change_id FROM change WHERE outcome = 'denied' AND kind = 'member.deactivate'`)); n > 1 {
		t.Errorf("denied %d times", n)
	}
	w.sound()
}

// TestUnclaimedReservationEnds is GR4: a leaver who is back, and whom no row
// gives the old number, does not keep it from everybody for ever.
func TestUnclaimedReservationEnds(t *testing.T) {
	w := lite(t)
	w.numbers("+4722000001")
	eve := &user{name: "eve", attrs: map[string]string{"office": "Oslo"}}
	w.push(eve)
	eve.off = true
	w.push(eve)
	eve.off, eve.attrs = false, map[string]string{"office": ""}
	w.push(eve)
	w.want("eve@acme.com", "member active")
	w.sound()
}

// TestHeldReturnTakesNothing is BR3: while a return waits, the interim holder
// keeps the number, and nothing is written for who is not there.
func TestHeldReturnTakesNothing(t *testing.T) {
	w := lite(t)
	w.numbers("+4722000001")
	w.push(&user{name: "bob"})
	eve := &user{name: "eve", attrs: map[string]string{"office": "Oslo", "manager": "bob@acme.com"}}
	w.push(eve)
	eve.off = true
	w.push(eve)
	w.want("bob@acme.com", "member active +4722000001:shared+owner")
	w.cfg.Policy = workspace.Default()
	w.cfg.Policy.Freeze = []workspace.Window{{From: "fri 18:00", To: "mon 07:00", Zone: "UTC"}}
	w.open()
	eve.off = false
	w.push(eve)
	w.want("eve@acme.com", "member deactivated")
	w.want("bob@acme.com", "member active +4722000001:shared+owner")
	w.sound()
}
