package sync

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// The roads back of leavers-and-events section 6, each by the accident that it
// prevents. Sign-in (RB4) is in signin_test.go.

// ended makes bob a member with a role, a group and a number, and ends his
// access at the directory.
func (w *world) ended() *user {
	w.tb.Helper()
	w.groups("Sales")
	w.numbers("+4722000001")
	bob := &user{name: "bob", attrs: map[string]string{"department": "Sales", "office": "Oslo"}}
	w.push(bob)
	bob.off = true
	w.push(bob)
	w.gone("bob@acme.com")
	w.clock = w.clock.Add(time.Hour)
	return bob
}

// gone wants somebody to hold nothing and to have no way in.
func (w *world) gone(email string) {
	w.tb.Helper()
	if got := w.show(email); !strings.HasSuffix(got, " deactivated") {
		w.tb.Errorf("%s is %q, want nothing behind deactivated", email, got)
	}
	id := w.member(email)
	w.read(func(r *store.Reader) error {
		left, err := r.WayIn(id, workspace.At(w.clock))
		if left.SignIn || left.Usable > 0 || left.Sessions > 0 {
			w.tb.Errorf("%s can come in: %+v", email, left)
		}
		return err
	})
}

// TestDismissedManJoinsByHisOldMailbox is RB1: he still reads his mail, in
// another case, by an alias or under the IDN form, and the domain is claimed.
func TestDismissedManJoinsByHisOldMailbox(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		joining(t, w)
		zoe := &user{name: "zoe", email: "zoe@acme.org", conn: "entra"}
		w.push(zoe)
		zoe.email = "zoe.new@acme.org" // the old address stays hers
		w.push(zoe)
		zoe.off = true
		w.push(zoe)
		for _, address := range []string{"zoe.new@acme.org", "ZOE.New@ACME.ORG", "zoe.new@acme\uff0eorg"} {
			if out := w.join(w.mailbox(address)); out.State != JoinRefused && out.State != JoinWaits {
				t.Errorf("%s joined: %+v", address, out)
			}
		}
		w.want("zoe.new@acme.org", "member deactivated")
		w.audited()
	})
}

// TestLeaversOldInvitationStillOpens is RB2: a link from before the end of
// access dies with it, whether it was pending or comes to light later.
func TestLeaversOldInvitationStillOpens(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		bob := &user{name: "bob", email: "bob@acme.com"}
		w.push(bob)
		id, secret := w.invite("ann@acme.com", Edit{Email: "bobby@acme.com", Numbers: nil})
		bob.email = "bobby@acme.com" // the directory gives him the invited address
		w.push(bob)
		bob.off = true
		w.push(bob)
		w.clock = w.clock.Add(time.Hour)
		var bad *EditError
		if res, err := w.accept(id, secret, "bobby@acme.com"); !errors.As(err, &bad) {
			t.Errorf("the old link opened: %v%s", err, told(res))
		}
		w.want("bobby@acme.com", "member deactivated")
		w.audited()
	})
}

// TestColleagueInvitesALeaverBack is RB3: a Member may invite, but nobody whose
// access was ended; an Owner may, and says why.
func TestColleagueInvitesALeaverBack(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.ended()
		w.push(&user{name: "cy"})
		for who, reason := range map[string]string{"cy@acme.com": "he is my friend", "ann@acme.com": ""} {
			res, err := w.edit(who, Edit{Kind: EditInvite, Email: "Bob@ACME.com", Reason: reason})
			if err != nil || outcome(res, workspace.InvitationSend) != "denied" {
				t.Errorf("%s with reason %q: %v%s", who, reason, err, told(res))
			}
		}
		w.gone("bob@acme.com")
		w.audited()
	})
}

// TestOtherDirectoryMakesAGhostOfALeaver is RB5: another connection creates the
// same address under an id of its own; it waits, and nobody comes in meanwhile.
func TestOtherDirectoryMakesAGhostOfALeaver(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.ended()
		ghost := &user{name: "bob", ext: "ghost", conn: "entra"}
		if res := w.push(ghost); res.Refusal == nil || res.Refusal.Kind != RefusedConflict {
			t.Errorf("let in: %s", told(res))
		}
		w.gone("bob@acme.com")
		w.audited()
	})
}

// TestStaleReplicaRevivesALeaver is RB6 for polls: a replica that lags behind
// still says enabled, as it was observed before the cut.
func TestStaleReplicaRevivesALeaver(t *testing.T) {
	w := lite(t)
	d := newDirectory(w, 20)
	w.mustPoll(d)
	before := w.clock
	d.disable("p007")
	w.mustPoll(d)
	w.want("p007@acme.com", "member deactivated")
	x := d.people["id-p007"]
	x.Active, x.Reason = true, ""
	x.Attributes = workspace.Attributes{"userName": {"p007"}, "email": {"p007@acme.com"}, "displayName": {"P007"}, "active": {"true"}}
	d.people["id-p007"] = x
	d.mark++
	d.now = func() time.Time { return before }
	w.mustPoll(d)
	w.want("p007@acme.com", "member deactivated")
	d.now = w.now
	d.mark++
	w.mustPoll(d)
	w.want("p007@acme.com", "member active")
	w.audited()
}

// TestReplayedRequestRevivesALeaver is RB6 for pushes: a request that was meant
// for an earlier version is refused, and the end of access said again changes
// nothing.
func TestReplayedRequestRevivesALeaver(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		bob := w.ended()
		late := *bob
		late.off, late.ver = false, bob.ver-1
		if _, err := w.tryPush(&late); !errors.Is(err, workspace.ErrStale) {
			t.Errorf("a replayed request: %v", err)
		}
		epoch := w.wayIn("bob@acme.com").Epoch
		w.push(bob)
		if again := w.wayIn("bob@acme.com").Epoch; again != epoch {
			t.Errorf("said again, the epoch went from %d to %d", epoch, again)
		}
		w.gone("bob@acme.com")
		w.audited()
	})
}

func (w *world) wayIn(email string) (v store.WayIn) {
	w.tb.Helper()
	id := w.member(email)
	w.read(func(r *store.Reader) (err error) { v, err = r.WayIn(id, workspace.At(w.clock)); return err })
	return v
}

// TestOldTokenWorksAfterARehire is RB7: each way out and each way back raises
// the epoch, so nothing that was minted before is ever good again (EP1, EP2).
func TestOldTokenWorksAfterARehire(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		bob := &user{name: "bob"}
		w.push(bob)
		last := w.wayIn("bob@acme.com").Epoch
		raised := func(what string) {
			t.Helper()
			now := w.wayIn("bob@acme.com").Epoch
			if now <= last {
				t.Errorf("%s: epoch %d after %d, so old tokens live", what, now, last)
			}
			last = now
		}
		for range 2 {
			bob.off = true
			w.push(bob)
			raised("disabled")
			w.clock = w.clock.Add(time.Hour)
			bob.off = false
			w.push(bob)
			raised("enabled again")
		}
		w.mustEdit("ann@acme.com", Edit{Kind: EditSessions, Member: "bob@acme.com"})
		raised("sessions ended")
		w.mustEdit("ann@acme.com", Edit{Kind: EditDeactivate, Member: "bob@acme.com"})
		raised("deactivated by a person")
		w.mustEdit("ann@acme.com", Edit{Kind: EditReactivate, Member: "bob@acme.com", Reason: "back"})
		raised("restored by a person")
		w.mustEdit("ann@acme.com", Edit{Kind: EditRole, Member: "bob@acme.com", Role: workspace.RoleAdmin})
		if now := w.wayIn("bob@acme.com").Epoch; now != last {
			t.Errorf("a role changed the epoch from %d to %d (EP2)", last, now)
		}
		w.audited()
	})
}

// TestOldPlanRevivesALeaver is RB8: a plan from before the end of access is
// stale, and what it would give is not given.
func TestOldPlanRevivesALeaver(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		bob := &user{name: "bob"}
		w.push(bob)
		w.put(&group{name: "phone-admins"}, []*user{bob}, nil)
		plan := w.holds()[0].PlanHash
		bob.off = true
		w.push(bob)
		if res, err := w.approve(plan, "dan@acme.com"); err == nil {
			t.Errorf("approved: %s", told(res))
		}
		w.gone("bob@acme.com")
		w.audited()
	})
}

// TestNewMappingRevivesALeaver is RB10: a mapping that selects everybody again
// lifts nobody's tombstone, whether a person or the directory ended them.
func TestNewMappingRevivesALeaver(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		bob, cy := &user{name: "bob", attrs: map[string]string{"department": "Sales"}}, &user{name: "cy", attrs: map[string]string{"department": "Sales"}}
		w.push(bob)
		w.push(cy)
		w.mustEdit("ann@acme.com", Edit{Kind: EditRemove, Member: "cy@acme.com"})
		bob.off = true
		w.push(bob)
		w.clock = w.clock.Add(time.Hour)
		w.remap("eligible: {id: e-all, if: {active: true}}", `eligible: {id: e-more, if: {any: [{active: true}, {attr: department, eq: Sales}]}}`)
		w.gone("bob@acme.com")
		w.want("cy@acme.com", "member removed")
		w.push(cy) // the directory still says enabled: drift, no return (F08)
		w.want("cy@acme.com", "member removed")
		w.audited()
	})
}

// TestRestoredByHandButDisabledUpstream is RB11: an Owner may bring somebody
// back whom the directory says no to; the next no cuts again.
func TestRestoredByHandButDisabledUpstream(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		bob := w.ended()
		w.mustEdit("ann@acme.com", Edit{Kind: EditReactivate, Member: "bob@acme.com", Reason: "handing over for two days", Until: w.clock.Add(48 * time.Hour)})
		if got := w.show("bob@acme.com"); !strings.HasPrefix(got, "member active") {
			t.Fatalf("not restored: %s", got)
		}
		w.clock = w.clock.Add(time.Hour)
		w.push(bob)
		w.gone("bob@acme.com")
		w.audited()
	})
}

// TestPushRevivesWhomAPersonRemoved: removed by a person, still enabled at the
// directory: drift that is shown (F08), and no return (section 6).
func TestPushRevivesWhomAPersonRemoved(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		bob := &user{name: "bob"}
		w.push(bob)
		w.mustEdit("ann@acme.com", Edit{Kind: EditDeactivate, Member: "bob@acme.com"})
		w.clock = w.clock.Add(time.Hour)
		bob.attrs = map[string]string{"title": "Boss"}
		if res := w.push(bob); outcome(res, workspace.MemberReactivate) == "applied" {
			t.Errorf("the directory undid a person's word: %s", told(res))
		}
		w.gone("bob@acme.com")
		w.audited()
	})
}

// TestReturnRaisesNobody: whoever comes back does so as a Member, whatever they
// were; more is the mapping's or an approval's (GR3).
func TestReturnRaisesNobody(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		bob := &user{name: "bob"}
		w.push(bob)
		w.mustEdit("ann@acme.com", Edit{Kind: EditRole, Member: "bob@acme.com", Role: workspace.RoleAdmin})
		bob.off = true
		w.push(bob)
		w.clock = w.clock.Add(time.Hour)
		bob.off = false
		w.push(bob)
		w.want("bob@acme.com", "member active")
		w.audited()
	})
}

// TestAcceptedRehireGetsBackWhatIsFree: a leaver who is invited back, as a
// stated rehire, finds groups and numbers again that nobody else has taken.
func TestAcceptedRehireGetsBackWhatIsFree(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.byHand()
		id, secret := w.invite("ann@acme.com", Edit{Email: "bob@acme.com", Reason: "hired again"})
		if _, err := w.accept(id, secret, "bob@acme.com"); err != nil {
			t.Fatal(err)
		}
		w.want("bob@acme.com", "member active Sales +4722000001:exclusive")
		w.want("cy@acme.com", "member active +4722000002:shared+owner")
		w.audited()
	})
}

// byHand makes bob a member with a group and two numbers that people gave, and
// ends his access; his second number is taken by cy for good meanwhile.
func (w *world) byHand() {
	w.tb.Helper()
	w.groups("Sales")
	w.numbers("+4722000001", "+4722000002")
	bob := &user{name: "bob"}
	w.push(bob)
	w.push(&user{name: "cy"})
	w.mustEdit("ann@acme.com", Edit{Kind: EditJoin, Member: "bob@acme.com", Group: "Sales"},
		Edit{Kind: EditAssign, Member: "bob@acme.com", Number: "+4722000001", Access: workspace.AccessExclusive},
		Edit{Kind: EditAssign, Member: "bob@acme.com", Number: "+4722000002", Access: workspace.AccessExclusive})
	bob.off = true
	w.push(bob)
	w.clock = w.clock.Add(time.Hour)
	w.mustEdit("ann@acme.com", Edit{Kind: EditAssign, Member: "cy@acme.com", Number: "+4722000002", Access: workspace.AccessShared},
		Edit{Kind: EditOwn, Member: "cy@acme.com", Number: "+4722000002"})
}

// TestHeldRehireGetsBackWhatIsFree: the same when the return has to wait, here
// for somebody to agree to the seat. What the inviter may not say is denied.
func TestHeldRehireGetsBackWhatIsFree(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		policy := *workspace.Default()
		policy.Approve = append(slices.Clone(policy.Approve), workspace.OpSeatBuy)
		w.push(&user{name: "bea"})
		w.mustEdit("ann@acme.com", Edit{Kind: EditRole, Member: "bea@acme.com", Role: workspace.RoleAdmin})
		w.byHand()
		w.clock = w.clock.Add(8 * 24 * time.Hour)
		w.due() // the grace is over, the seat is credited
		w.cfg.Policy = &policy
		w.open()
		id, secret := w.invite("bea@acme.com", Edit{Email: "bob@acme.com", Reason: "hired again"})
		res, err := w.accept(id, secret, "bob@acme.com")
		if err != nil || outcome(res, workspace.MemberReactivate) != "held" {
			t.Fatalf("%v%s", err, told(res))
		}
		w.want("bob@acme.com", "member deactivated")
		if res, err := w.approve(res.Outcomes[0].HoldID, "ann@acme.com"); err != nil {
			t.Fatalf("approve: %v%s", err, told(res))
		}
		w.want("bob@acme.com", "member active Sales +4722000001:exclusive")
		w.want("cy@acme.com", "member active +4722000002:shared+owner")
		w.audited()
	})
}

// TestLoweredInviterRehiresNobody: who may no longer say so brings nobody back,
// and takes nothing from anybody.
func TestLoweredInviterRehiresNobody(t *testing.T) {
	w := lite(t)
	w.push(&user{name: "bea"})
	w.mustEdit("ann@acme.com", Edit{Kind: EditRole, Member: "bea@acme.com", Role: workspace.RoleAdmin})
	w.byHand()
	id, secret := w.invite("bea@acme.com", Edit{Email: "bob@acme.com", Reason: "hired again"})
	w.mustEdit("ann@acme.com", Edit{Kind: EditRole, Member: "bea@acme.com", Role: workspace.RoleMember})
	if res, err := w.accept(id, secret, "bob@acme.com"); err != nil || outcome(res, workspace.MemberReactivate) != "denied" {
		t.Errorf("%v%s", err, told(res))
	}
	w.gone("bob@acme.com")
	w.want("cy@acme.com", "member active +4722000002:shared+owner")
	w.audited()
}

// TestRehireAfterTheWindowInheritsNothing: then only the mapping gives.
func TestRehireAfterTheWindowInheritsNothing(t *testing.T) {
	w := lite(t)
	w.byHand()
	w.clock = w.clock.Add(91 * 24 * time.Hour)
	w.due()
	id, secret := w.invite("ann@acme.com", Edit{Email: "bob@acme.com", Reason: "hired again"})
	if _, err := w.accept(id, secret, "bob@acme.com"); err != nil {
		t.Fatal(err)
	}
	w.want("bob@acme.com", "member active")
	w.audited()
}

// TestRenamedPersonIsNoNewcomer: the same immutable id under another address is
// the same person, who keeps everything (section 7).
func TestRenamedPersonIsNoNewcomer(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		bob := w.ended()
		bob.off, bob.email = false, "robert@acme.com"
		w.push(bob)
		w.want("robert@acme.com", "member active Sales +4722000001:exclusive")
		w.want("bob@acme.com", "nobody")
		w.audited()
	})
}
