package sync

import (
	"context"
	"errors"
	"slices"
	"strings"
	stdsync "sync"
	"testing"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// refusedEdit tries an edit and gives the reason of the change of a kind that
// was denied.
func (w *world) refusedEdit(kind workspace.ChangeKind, edits ...Edit) string {
	w.tb.Helper()
	res, err := w.edit("ann@acme.com", edits...)
	if err != nil {
		w.tb.Fatal(err)
	}
	for _, o := range res.Outcomes {
		if o.Decision.Change.Kind == kind && o.Outcome == "denied" {
			return o.Decision.Rule + ": " + o.Decision.Reason
		}
	}
	w.tb.Errorf("nothing of %s was denied:%s", kind, told(res))
	return ""
}

// R12, R17: a number that somebody has alone, or that another invitation
// promises, is promised to nobody else; a shared one may be.
func TestNumberIsPromisedOnce(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.numbers("+4722000001", "+4722000002", "+4722000003")
		w.push(&user{name: "cy"})
		w.mustEdit("ann@acme.com", Edit{Kind: EditAssign, Number: "+4722000001", Member: "cy@acme.com", Access: workspace.AccessExclusive})
		w.mustEdit("ann@acme.com", Edit{Kind: EditAssign, Number: "+4722000003", Member: "cy@acme.com", Access: workspace.AccessShared})
		invite := func(who, number string) Edit {
			return Edit{Kind: EditInvite, Email: who, Numbers: []string{number}}
		}
		if why := w.refusedEdit(workspace.InvitationSend, invite("eve@acme.com", "+4722000001")); !strings.HasPrefix(why, "I4: +4722000001 is exclusive to cy@acme.com") {
			t.Error(why)
		}
		id, _ := w.invite("ann@acme.com", invite("eve@acme.com", "+4722000002"))
		if why := w.refusedEdit(workspace.InvitationSend, invite("fay@acme.com", "+4722000002")); !strings.HasPrefix(why, "I4: +4722000002 is promised in the invitation of eve@acme.com") {
			t.Error(why)
		}
		for _, who := range []string{"gus@acme.com", "hal@acme.com"} {
			w.invite("ann@acme.com", invite(who, "+4722000003"))
		}
		w.mustEdit("dan@acme.com", Edit{Kind: EditResend, Invitation: id}) // no new promise
		w.mustEdit("ann@acme.com", Edit{Kind: EditRevoke, Email: "eve@acme.com"})
		w.invite("ann@acme.com", invite("fay@acme.com", "+4722000002"))
		w.mustEdit("ann@acme.com", Edit{Kind: EditUnassign, Number: "+4722000001", Member: "cy@acme.com"})
		// Of two in one go the first is sent.
		res, err := w.edit("ann@acme.com", invite("ida@acme.com", "+4722000001"), invite("jon@acme.com", "+4722000001"))
		if err != nil || res.Counts.Applied != 2 || res.Counts.Denied != 2 {
			t.Errorf("two promises in one go: %v%s", err, told(res))
		}
		w.sound()
	})
}

// Two units that promise the same number at once: one invitation is sent.
func TestNumberIsPromisedOnceAtOnce(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.numbers("+4722000001")
		var wg stdsync.WaitGroup
		sent := make([]string, 6)
		for i := range sent {
			wg.Go(func() {
				res, err := w.edit("ann@acme.com", Edit{Kind: EditInvite, Email: string(rune('a'+i)) + "x@acme.com", Numbers: []string{"+4722000001"}})
				if err != nil {
					sent[i] = err.Error()
					return
				}
				sent[i] = outcome(res, workspace.InvitationSend)
			})
		}
		wg.Wait()
		n := 0
		for _, s := range sent {
			if s == "applied" {
				n++
			}
		}
		if n != 1 {
			t.Errorf("one number, six invitations: %v", sent)
		}
		w.sound()
	})
}

// Domain section 11: a promised number that was given to somebody meanwhile is
// asked for, not dropped in silence; the invited person is in all the same.
func TestPromiseLostMeanwhile(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.numbers("+4722000001", "+4722000002", "+4722000003", "+4722000004", "+4722000005", "+4722000006", "+4722000007", "+4722000008")
		w.push(&user{name: "cy"})
		id, secret := w.invite("ann@acme.com", Edit{Email: "eve@acme.com", Numbers: []string{"+4722000001", "+4722000002"}})
		w.mustEdit("ann@acme.com", Edit{Kind: EditAssign, Number: "+4722000001", Member: "cy@acme.com", Access: workspace.AccessExclusive})
		res, err := w.accept(id, secret, "eve@acme.com")
		if err != nil {
			t.Fatal(err)
		}
		w.want("eve@acme.com", "member active +4722000002:exclusive")
		w.want("cy@acme.com", "member active +4722000001:exclusive")
		holds := w.holds()
		if len(holds) != 1 || !strings.Contains(holds[0].Reason, "+4722000001 was promised to eve@acme.com, but is exclusive to cy@acme.com") {
			t.Fatalf("%+v%s", holds, told(res))
		}
		// What could be had instead is named: the pool's free ones, five at most.
		const remedy = "assign one of +4722000003, +4722000004, +4722000005, +4722000006, +4722000007 by hand, then reject this plan"
		var refused *ApprovalError
		if _, err := w.approve(holds[0].ID, "ann@acme.com"); !errors.As(err, &refused) || refused.Rule != "I4" || refused.Reason != holds[0].Reason || refused.Remedy != remedy {
			t.Errorf("a word chooses no number, and is told what does: %#v", err)
		}
		w.want("cy@acme.com", "member active +4722000001:exclusive")
		w.want("eve@acme.com", "member active +4722000002:exclusive")
		// Nobody asks again in her place: it waits as long as an invitation.
		w.clock = w.clock.Add(13 * day)
		w.due()
		if _, err := w.approve(holds[0].ID, "ann@acme.com"); !errors.As(err, &refused) {
			t.Errorf("after 13 days: %v", err)
		}
		w.mustEdit("ann@acme.com", Edit{Kind: EditAssign, Number: "+4722000004", Member: "eve@acme.com", Access: workspace.AccessExclusive})
		reject := Approval{Workspace: "acme", Plan: holds[0].ID, As: "ann@acme.com", Kind: workspace.ActorOperator, Reason: "another was given"}
		if err := w.e.Reject(context.Background(), reject); err != nil {
			t.Fatal(err)
		}
		if n := len(w.holds()); n != 0 {
			t.Errorf("%d holds after the choice", n)
		}
		w.want("eve@acme.com", "member active +4722000002:exclusive +4722000004:exclusive")
		w.sound()
	})
}

// Where the person waits as well, for a word on their role or on the seat of
// their return, that word brings them in, and the lost number waits for the
// choice.
func TestPromiseLostWhereThePersonWaits(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.numbers("+4722000001", "+4722000002")
		bea, bob := &user{name: "bea"}, &user{name: "bob"}
		w.push(&user{name: "cy"})
		w.push(bea)
		w.push(bob)
		bob.off = true
		w.push(bob)
		w.clock = w.clock.Add(8 * day)
		w.due() // the grace is over, the seat is credited
		w.mustEdit("ann@acme.com", Edit{Kind: EditRole, Member: "bea@acme.com", Role: workspace.RoleAdmin})
		policy := *workspace.Default()
		policy.Approve = append(slices.Clone(policy.Approve), workspace.OpSeatBuy)
		for _, x := range []struct {
			inviter, email, number, is string
			role                       workspace.Role
			joins                      workspace.ChangeKind
			waits                      func() // makes the acceptance wait
		}{
			{"bea@acme.com", "eve@acme.com", "+4722000001", "admin active", workspace.RoleAdmin, workspace.MemberCreate, func() {
				w.mustEdit("ann@acme.com", Edit{Kind: EditRole, Member: "bea@acme.com", Role: workspace.RoleMember})
			}},
			{"ann@acme.com", "bob@acme.com", "+4722000002", "member active", workspace.RoleMember, workspace.MemberReactivate, func() {
				w.cfg.Policy = &policy
				w.open()
			}},
		} {
			id, secret := w.invite(x.inviter, Edit{Email: x.email, Role: x.role, Numbers: []string{x.number}, Reason: "hired again"})
			x.waits()
			w.mustEdit("ann@acme.com", Edit{Kind: EditAssign, Number: x.number, Member: "cy@acme.com", Access: workspace.AccessExclusive})
			res, err := w.accept(id, secret, x.email)
			if err != nil || outcome(res, x.joins) != "held" {
				t.Fatalf("%v%s", err, told(res))
			}
			before := w.holds()
			res, err = w.approve(res.Outcomes[0].HoldID, "dan@acme.com")
			if err != nil || outcome(res, x.joins) != "applied" || outcome(res, workspace.NumberAssign) != "held" {
				t.Fatalf("%v%s", err, told(res))
			}
			w.want(x.email, x.is)
			left := w.holds()
			lost := slices.IndexFunc(left, func(h store.HoldRow) bool { return strings.HasPrefix(h.Reason, x.number+" was promised to "+x.email) })
			if len(left) != len(before) || lost < 0 {
				t.Fatalf("%+v", left)
			}
			var refused *ApprovalError
			if _, err := w.approve(left[lost].ID, "dan@acme.com"); !errors.As(err, &refused) || !strings.HasSuffix(refused.Remedy, "by hand, then reject this plan") {
				t.Errorf("%v", err)
			}
		}
		w.sound()
	})
}

// A directory that makes the invited person a member takes the next strategy
// when the promised number was lost (mapping section 6).
func TestPromiseLostBeforeTheDirectory(t *testing.T) {
	w := lite(t)
	w.numbers("+4722000001", "+4722000002")
	w.push(&user{name: "cy"})
	w.invite("ann@acme.com", Edit{Email: "eve@acme.com", Numbers: []string{"+4722000001"}})
	w.mustEdit("ann@acme.com", Edit{Kind: EditAssign, Number: "+4722000001", Member: "cy@acme.com", Access: workspace.AccessExclusive})
	w.push(&user{name: "eve", attrs: map[string]string{"office": "Oslo"}})
	w.want("eve@acme.com", "member active +4722000002:exclusive")
	w.sound()
}
