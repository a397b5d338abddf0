package sync

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/workspace"
)

// the observation that it rejects.
func TestRejectedRemovalLeavesTheRecords(t *testing.T) {
	w := lite(t)
	d := newDirectory(w, 40)
	w.mustPoll(d)
	w.mustPoll(d)
	for i := range 6 {
		d.leave(fmt.Sprintf("p%03d", i+20))
	}
	w.mustPoll(d)
	w.mustPoll(d)
	holds := w.holds()
	if len(holds) != 1 {
		t.Fatalf("%d plans are held", len(holds))
	}
	before := w.auditor().rows(`SELECT CAST(COUNT(*) AS TEXT) FROM identity WHERE NOT deleted`)
	if err := w.e.Reject(context.Background(), Approval{Workspace: "acme", Plan: holds[0].ID, As: "ann@acme.com", Reason: "no"}); err != nil {
		t.Fatal(err)
	}
	after := w.auditor().rows(`SELECT CAST(COUNT(*) AS TEXT) FROM identity WHERE NOT deleted`)
	if before[0][0] != after[0][0] {
		t.Errorf("%s records before the rejection, %s after", before[0][0], after[0][0])
	}
	w.sound()
}

// whatever order they are applied.
func TestNameAndAddressChangeTogether(t *testing.T) {
	w := lite(t)
	for i := range 12 {
		x := &user{name: fmt.Sprintf("p%d", i)}
		w.push(x)
		x.email = fmt.Sprintf("q%d@acme.com", i)
		x.attrs = map[string]string{"displayName": fmt.Sprintf("Q%d", i)}
		w.push(x)
		w.want(x.email, "member active")
	}
	w.sound()
}

// the word for a link is no word for a raise that follows from it.
func TestLinkIsApprovedByWhoMay(t *testing.T) {
	w := lite(t)
	bob, cy := &user{name: "bob"}, &user{name: "cy"}
	w.push(bob)
	w.push(cy)
	twin := &user{name: "bob", conn: "entra"}
	if res := w.push(twin); res.Refusal == nil {
		t.Fatal("the link was made at once")
	}
	hold := w.holds()[0]
	if _, err := w.approve(hold.ID, "cy@acme.com"); err == nil {
		t.Error("a Member approved a link")
	}
	if _, err := w.approve(hold.ID, "ann@acme.com"); err != nil {
		t.Error(err)
	}
	w.sound()
}

func TestLinkApprovalRaisesNobody(t *testing.T) {
	w := direct(t)
	bob := &user{name: "bob"}
	w.push(bob)
	twin := &user{name: "bob", conn: "entra", attrs: map[string]string{"rollcall.role": "admin"}, wishes: Wishes{Direct: true}}
	if res := w.push(twin); res.Refusal == nil {
		t.Fatal("the link was made at once")
	}
	if _, err := w.approve(w.holds()[0].ID, "dan@acme.com"); err != nil {
		t.Fatal(err)
	}
	w.want("bob@acme.com", "member active")
	if n := len(w.holds()); n != 1 {
		t.Errorf("%d plans wait, want the raise", n)
	}
	w.sound()
}

// found under their member.
func TestNewcomersRaiseIsTheirOwn(t *testing.T) {
	w := direct(t)
	bob := &user{name: "bob", attrs: map[string]string{"rollcall.role": "admin"}, wishes: Wishes{Direct: true}}
	w.push(bob)
	if h := w.holds(); len(h) != 1 || h[0].Subject != "member:"+w.member("bob@acme.com") {
		t.Fatalf("held: %+v", h)
	}
	bob.attrs["rollcall.role"] = "member"
	w.push(bob)
	if h := w.holds(); len(h) != 0 {
		t.Errorf("nobody wants it any more, but %+v", h)
	}
	w.sound()
}

// leavers makes a world in which the tail of the last leaver waits.
func tailHeld(t *testing.T) (*world, string) {
	w := lite(t)
	w.numbers("+4722000001", "+4722000002", "+4722000003", "+4722000004", "+4722000005")
	w.groups("Sales")
	var all []*user
	for i := range 5 {
		x := &user{name: fmt.Sprintf("p%d", i), attrs: map[string]string{"office": "Oslo", "department": "Sales"}}
		w.push(x)
		all = append(all, x)
	}
	for _, x := range all {
		x.off = true
		w.push(x)
	}
	w.want("p4@acme.com", "member deactivated Sales +4722000005:exclusive")
	w.sound()
	return w, "p4@acme.com"
}

// TestRemovalOfSomebodyWhoseTailIsHeld is I3: a removed member holds nothing.
func TestRemovalOfSomebodyWhoseTailIsHeld(t *testing.T) {
	w, who := tailHeld(t)
	w.mustEdit("ann@acme.com", Edit{Kind: EditRemove, Member: who, Reason: "gone"})
	w.want(who, "member removed")
	w.sound()
}

// TestRestoreOfSomebodyWhoseTailIsHeld is BU3: the rows take effect again.
func TestRestoreOfSomebodyWhoseTailIsHeld(t *testing.T) {
	w, who := tailHeld(t)
	w.mustEdit("ann@acme.com", Edit{Kind: EditReactivate, Member: who, Reason: "back"})
	w.want(who, "member active Sales +4722000005:exclusive")
	w.sound()
}

// TestDeletedGroupLeavesNoSupport is MP1.
func TestDeletedGroupLeavesNoSupport(t *testing.T) {
	w := lite(t)
	w.groups("Sales")
	w.push(&user{name: "bob", attrs: map[string]string{"department": "Sales"}})
	w.mustEdit("ann@acme.com", Edit{Kind: EditGroupDrop, Group: "Sales"})
	w.want("bob@acme.com", "member active")
	w.sound()
}

// TestHeirsLeaveTogether: numbers go to nobody who leaves in the same plan.
func TestHeirsLeaveTogether(t *testing.T) {
	w := lite(t)
	d := newDirectory(w, 40)
	w.mustPoll(d)
	w.mustPoll(d)
	for i := range 6 {
		number, who := fmt.Sprintf("+472200000%d", i), fmt.Sprintf("p%03d", 20+i)
		d.set(who, "manager", fmt.Sprintf("p%03d@acme.com", 20+(i+1)%6))
		w.mustEdit("ann@acme.com", Edit{Kind: EditImport, Import: &NumberImport{E164: number, Name: "x", Type: "local"}})
		w.mustEdit("ann@acme.com", Edit{Kind: EditAssign, Member: who + "@acme.com", Number: number, Access: workspace.AccessShared},
			Edit{Kind: EditOwn, Member: who + "@acme.com", Number: number})
	}
	w.mustPoll(d)
	for i := range 6 {
		d.leave(fmt.Sprintf("p%03d", i+20))
	}
	w.mustPoll(d)
	w.mustPoll(d)
	if _, err := w.approve(w.holds()[0].ID, "dan@acme.com"); err != nil {
		t.Fatal(err)
	}
	w.sound()
	for _, r := range w.auditor().rows(`SELECT n.e164 FROM number n WHERE NOT EXISTS (SELECT 1 FROM number_owner o WHERE o.number_id = n.number_id)`) {
		t.Errorf("I2: %s has no owner", r[0])
	}
}

// TestExpiredHoldOpensAnew is BR5: a refused request opens a new plan when the
// one before has run out.
func TestExpiredHoldOpensAnew(t *testing.T) {
	w := lite(t)
	x := &user{name: "dan"}
	first := w.push(x)
	w.clock = w.clock.Add(25 * time.Hour)
	second := w.push(x)
	if first.Refusal == nil || second.Refusal == nil || first.Refusal.Ref == second.Refusal.Ref {
		t.Errorf("first %+v, then %+v", first.Refusal, second.Refusal)
	}
	w.sound()
}

// TestApprovalAfterExpiry is BR5: who approves too late applies nothing.
func TestApprovalAfterExpiry(t *testing.T) {
	w := lite(t)
	hold := w.push(&user{name: "dan"}).Refusal.Ref
	before := w.show("dan@acme.com")
	w.clock = w.clock.Add(25 * time.Hour)
	if _, err := w.approve(hold, "ann@acme.com"); !errors.Is(err, ErrExpired) {
		t.Errorf("approve: %v, want ErrExpired", err)
	}
	w.want("dan@acme.com", before)
	w.sound()
}

// TestApprovalOfARecordMadeMeanwhileIsStale: what a hold has observed no
// longer fits when the directory has said something newer.
func TestApprovalOfARecordMadeMeanwhileIsStale(t *testing.T) {
	w := lite(t)
	x := &user{name: "dan"}
	hold := w.push(x).Refusal.Ref
	x.id, x.off = "", true
	w.push(x)
	if _, err := w.approve(hold, "ann@acme.com"); !errors.Is(err, workspace.ErrStale) {
		t.Errorf("approve: %v", err)
	}
	if err := w.e.Reject(context.Background(), Approval{Workspace: "acme", Plan: hold, As: "ann@acme.com", Reason: "old"}); err != nil {
		t.Errorf("reject: %v", err)
	}
	w.sound()
}
