package sync

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/workspace"
)

func TestFirstOwner(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.want("ann@acme.com", "owner active")
		w.open() // a second start makes nobody again
		w.want("ann@acme.com", "owner active")
		w.sound()
	})
}

func TestPushMakesMember(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.groups("Sales", "Support")
		w.numbers("+4722000001", "+4722000002")
		bob := &user{name: "bob", attrs: map[string]string{"department": "Sales", "office": "Oslo"}}
		res := w.push(bob)
		if res.Counts.Applied == 0 || res.Refusal != nil {
			t.Fatalf("counts %+v refusal %+v", res.Counts, res.Refusal)
		}
		w.want("bob@acme.com", "member active Sales +4722000001:exclusive")
		bob.attrs["department"] = "Support"
		w.push(bob)
		w.want("bob@acme.com", "member active Support +4722000001:exclusive")
		delete(bob.attrs, "department") // unknown is not empty (I14)
		w.push(bob)
		w.want("bob@acme.com", "member active Support +4722000001:exclusive")
		bob.attrs["department"] = ""
		w.push(bob)
		w.want("bob@acme.com", "member active +4722000001:exclusive")
		w.sound()
	})
}

func TestLeaverAndReturn(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.groups("Sales")
		w.numbers("+4722000001", "+4722000002")
		bob := &user{name: "bob", attrs: map[string]string{"department": "Sales", "office": "Oslo"}}
		w.push(bob)
		cy := &user{name: "cy", attrs: map[string]string{"department": "Sales"}}
		w.push(cy)
		bob.off = true
		res := w.push(bob)
		if outcome(res, workspace.MemberDeactivate) != "applied" {
			t.Fatalf("deactivation: %s", told(res))
		}
		w.want("bob@acme.com", "member deactivated")
		w.sound()
		w.clock = w.clock.Add(time.Hour)
		bob.off = false
		w.push(bob)
		w.want("bob@acme.com", "member active Sales +4722000001:exclusive")
		w.sound()
		w.drop(bob)
		w.want("bob@acme.com", "member deactivated")
		again := &user{name: "bob", attrs: map[string]string{"department": "Sales"}}
		w.clock = w.clock.Add(time.Hour)
		w.push(again)
		w.want("bob@acme.com", "member active Sales +4722000001:exclusive")
		if again.id == bob.id {
			t.Error("the id of a deleted User was given again")
		}
		w.sound()
	})
}

func TestRaiseIsHeldAndApproved(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		bob, cy := &user{name: "bob"}, &user{name: "cy"}
		w.push(bob)
		w.push(cy)
		admins := &group{name: "phone-admins"}
		res := w.put(admins, []*user{bob}, nil)
		if outcome(res, workspace.MemberRole) != "held" {
			t.Fatalf("raise was %q: %+v", outcome(res, workspace.MemberRole), res.Outcomes)
		}
		w.want("bob@acme.com", "member active")
		holds := w.holds()
		if len(holds) != 1 {
			t.Fatalf("%d holds open", len(holds))
		}
		bob.attrs = map[string]string{"employeeNumber": "7"} // no rule reads it, but a wish waits
		for range 2 {
			if res := w.push(bob); res.Counts.Held != 0 || res.Counts.Noop != 1 {
				t.Errorf("the same wish again: %+v", res.Counts)
			}
		}
		if _, err := w.approve(holds[0].PlanHash, "cy@acme.com"); err == nil {
			t.Error("a Member approved a raise")
		}
		w.want("bob@acme.com", "member active")
		if _, err := w.approve(holds[0].PlanHash, "ann@acme.com"); err == nil {
			t.Error("the sponsor of the connection approved its raise (F18)")
		}
		hash := strings.TrimPrefix(holds[0].PlanHash, "sha256:")[:12]
		if _, err := w.approve(hash, "dan@acme.com"); err != nil {
			var x *ApprovalError
			errors.As(err, &x)
			t.Fatalf("approve: %v %+v", err, x)
		}
		w.want("bob@acme.com", "admin active")
		if len(w.holds()) != 0 {
			t.Error("the hold is open still")
		}
		res = w.put(admins, nil, []*user{bob})
		if outcome(res, workspace.MemberRole) != "applied" {
			t.Errorf("lowering: %s", told(res))
		}
		w.want("bob@acme.com", "member active")
		w.sound()
	})
}

func TestApprovalOfAWithdrawnWishIsStale(t *testing.T) {
	w := lite(t)
	bob := &user{name: "bob"}
	w.push(bob)
	admins := &group{name: "phone-admins"}
	w.put(admins, []*user{bob}, nil)
	hash := w.holds()[0].PlanHash
	w.put(admins, nil, []*user{bob})
	if n := len(w.holds()); n != 0 {
		t.Errorf("%d holds open after the wish was withdrawn", n)
	}
	if _, err := w.approve(hash, "ann@acme.com"); !errors.Is(err, workspace.ErrNotFound) {
		t.Errorf("approve of a closed hold: %v", err)
	}
	w.want("bob@acme.com", "member active")
}

func TestOwnerByPushIsRefused(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		eve := &user{name: "eve", wishes: Wishes{Owner: true, Direct: true}}
		res, err := w.tryPush(eve)
		if err != nil {
			t.Fatal(err)
		}
		if res.Refusal == nil || !strings.HasPrefix(res.Refusal.Rule, "M13") {
			t.Fatalf("refusal: %+v", res.Refusal)
		}
		w.want("eve@acme.com", "nobody")
		w.sound()
	})
}

func TestOwnerIsNotTakenOver(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		ann := &user{name: "ann"}
		res, err := w.tryPush(ann)
		if err != nil {
			t.Fatal(err)
		}
		if res.Refusal == nil || res.Refusal.Kind != RefusedConflict || res.Refusal.Rule != "I6" {
			t.Fatalf("refusal: %+v", res.Refusal)
		}
		holds := w.holds()
		if len(holds) != 1 || holds[0].ID != res.Refusal.Ref {
			t.Fatalf("holds %+v, refusal %+v", holds, res.Refusal)
		}
		if again, err := w.tryPush(ann); err != nil || again.Refusal == nil || again.Refusal.Ref != res.Refusal.Ref {
			t.Errorf("the retry opened another hold: %+v %v", again.Refusal, err)
		}
		if _, err := w.approve(holds[0].ID, "ann@acme.com"); err != nil {
			var x *ApprovalError
			errors.As(err, &x)
			t.Fatalf("approval of the link: %v %+v", err, x)
		}
		w.want("ann@acme.com", "owner active")
		w.sound()
	})
}

func TestManualGrantSurvivesThePush(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.groups("Sales")
		w.numbers("+4722000001")
		bob := &user{name: "bob"}
		w.push(bob)
		w.mustEdit("ann@acme.com",
			Edit{Kind: EditJoin, Member: "bob@acme.com", Group: "Sales"},
			Edit{Kind: EditAssign, Member: "bob@acme.com", Number: "+4722000001", Access: workspace.AccessShared})
		sales := &group{name: "sales"}
		w.put(sales, []*user{bob}, nil)
		w.put(sales, nil, []*user{bob})
		w.want("bob@acme.com", "member active Sales +4722000001:shared")
		w.mustEdit("ann@acme.com", Edit{Kind: EditLeave, Member: "bob@acme.com", Group: "Sales"})
		w.want("bob@acme.com", "member active +4722000001:shared")
		w.sound()
	})
}

func TestMemberConnectionOnlyJoins(t *testing.T) {
	w := direct(t)
	bob := &user{name: "bob", conn: "hr"}
	w.push(bob)
	w.want("bob@acme.com", "member active")
	bob.attrs, bob.wishes = map[string]string{"rollcall.role": "Admin"}, Wishes{Direct: true}
	res := w.push(bob)
	if res.Refusal == nil || res.Refusal.Rule != "M06.Member" {
		t.Errorf("a Member-authority connection changed a role: %+v", res.Refusal)
	}
	w.want("bob@acme.com", "member active")
}

func TestNewAddress(t *testing.T) {
	w := lite(t)
	bob, cy := &user{name: "bob"}, &user{name: "cy"}
	w.push(bob)
	w.push(cy)
	bob.email = "robert@acme.com"
	w.push(bob)
	w.want("robert@acme.com", "member active")
	bob.email = "cy@acme.com"
	res := w.push(bob)
	if outcome(res, workspace.MemberUpdate) != "denied" {
		t.Errorf("an address of somebody else: %s", told(res))
	}
	w.want("robert@acme.com", "member active")
	ann := &user{name: "ann"}
	w.linked(ann, "ann@acme.com")
	ann.email = "anna@acme.com"
	res = w.push(ann)
	if outcome(res, workspace.MemberUpdate) != "held" {
		t.Errorf("an Owner's address: %s", told(res))
	}
	w.sound()
}

// TestReturnEndsTheInterim: who answered a leaver's number for their sake
// loses access and ownership again, and the leaver has the old number, no
// second one (GR3).
func TestReturnEndsTheInterim(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.numbers("+4722000001", "+4722000002")
		cy := &user{name: "cy"}
		w.push(cy)
		bob := &user{name: "bob", attrs: map[string]string{"office": "Oslo", "manager": "cy@acme.com"}}
		w.push(bob)
		w.mustEdit("ann@acme.com", Edit{Kind: EditOwn, Member: "bob@acme.com", Number: "+4722000001"})
		bob.off = true
		w.push(bob)
		w.want("cy@acme.com", "member active +4722000001:shared+owner")
		w.clock = w.clock.Add(time.Hour)
		bob.off = false
		res := w.push(bob)
		w.want("bob@acme.com", "member active +4722000001:exclusive+owner")
		w.want("cy@acme.com", "member active")
		if t.Failed() {
			t.Log(told(res))
		}
		w.push(bob)
		w.want("bob@acme.com", "member active +4722000001:exclusive+owner")
		w.sound()
	})
}

// TestReturnWithAnAttributeUnsaid: a row that is unsure keeps what it gave,
// over a leaving too (MC1, GR3).
func TestReturnWithAnAttributeUnsaid(t *testing.T) {
	w := lite(t)
	w.groups("Sales")
	bob := &user{name: "bob", attrs: map[string]string{"department": "Sales"}}
	w.push(bob)
	bob.off = true
	w.push(bob)
	w.want("bob@acme.com", "member deactivated")
	w.clock = w.clock.Add(time.Hour)
	bob.off, bob.attrs = false, nil
	w.push(bob)
	w.want("bob@acme.com", "member active Sales")
	bob.attrs = map[string]string{"department": ""}
	w.push(bob)
	w.want("bob@acme.com", "member active")
	w.sound()
}

// TestHandover walks the chain of domain section 10: the first link that fits.
func TestHandover(t *testing.T) {
	const line = "+4722000001"
	give := func(member string, access workspace.Access) Edit {
		return Edit{Kind: EditAssign, Member: member, Number: line, Access: access}
	}
	own := func(member string) Edit { return Edit{Kind: EditOwn, Member: member, Number: line} }
	for _, tt := range []struct {
		name  string
		setup []Edit
		leave Edit
		want  map[string]string
	}{
		{
			"named",
			[]Edit{give("bob@acme.com", workspace.AccessExclusive), own("bob@acme.com")},
			Edit{Kind: EditRemove, Handover: "cy@acme.com"},
			map[string]string{"cy@acme.com": "member active " + line + ":exclusive+owner"},
		},
		{
			"co-owner",
			[]Edit{give("bob@acme.com", workspace.AccessExclusive), own("bob@acme.com"), own("dan@acme.com")},
			Edit{Kind: EditDeactivate},
			map[string]string{"dan@acme.com": "owner active " + line + ":shared+owner"},
		},
		{
			"shared, ring closes",
			[]Edit{give("bob@acme.com", workspace.AccessShared), give("cy@acme.com", workspace.AccessShared), own("bob@acme.com")},
			Edit{Kind: EditDeactivate},
			map[string]string{"cy@acme.com": "member active " + line + ":shared+owner"},
		},
		{
			"view-only is dropped",
			[]Edit{give("bob@acme.com", workspace.AccessViewOnly), own("cy@acme.com")},
			Edit{Kind: EditDeactivate},
			map[string]string{"cy@acme.com": "member active " + line + ":+owner"},
		},
		{
			"primary Owner",
			[]Edit{give("bob@acme.com", workspace.AccessExclusive)},
			Edit{Kind: EditDeactivate},
			map[string]string{"ann@acme.com": "owner active " + line + ":shared+owner"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := lite(t)
			w.mustEdit("ann@acme.com", Edit{Kind: EditImport, Import: &NumberImport{E164: line, Name: "desk"}})
			w.push(&user{name: "bob"})
			w.push(&user{name: "cy"})
			w.mustEdit("ann@acme.com", tt.setup...)
			tt.leave.Member = "bob@acme.com"
			w.mustEdit("ann@acme.com", tt.leave)
			for who, want := range tt.want {
				w.want(who, want)
			}
			if got := w.show("bob@acme.com"); strings.Contains(got, line) {
				t.Errorf("the leaver kept the number: %s", got)
			}
			w.sound()
		})
	}
}

// TestRecycledMailbox: another immutable id with a leaver's address is
// another person. It waits for a confirmation and inherits nothing (RB5).
func TestRecycledMailbox(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.groups("Sales")
		w.numbers("+4722000001")
		bob := &user{name: "bob", attrs: map[string]string{"department": "Sales", "office": "Oslo"}}
		w.push(bob)
		w.drop(bob)
		w.clock = w.clock.Add(time.Hour)
		other := &user{name: "bob2", email: "bob@acme.com", ext: "another-id"}
		res, err := w.tryPush(other)
		if err != nil {
			t.Fatal(err)
		}
		if res.Refusal == nil || res.Refusal.Kind != RefusedConflict {
			t.Fatalf("a recycled mailbox was let in: %s", told(res))
		}
		w.want("bob@acme.com", "member deactivated")
		if _, err := w.approve(res.Refusal.Ref, "dan@acme.com"); err != nil {
			t.Fatalf("approve: %v", err)
		}
		w.want("bob@acme.com", "member active")
		w.sound()
	})
}

// TestWhoApprovesALink: a Member never, an Admin not an Owner's.
func TestWhoApprovesALink(t *testing.T) {
	w := lite(t)
	w.push(&user{name: "bob"})
	w.push(&user{name: "cy"})
	w.mustEdit("dan@acme.com", Edit{Kind: EditRole, Member: "bob@acme.com", Role: workspace.RoleAdmin})
	res := w.push(&user{name: "ann"})
	if res.Refusal == nil {
		t.Fatal("an Owner was linked without a word")
	}
	for _, who := range []string{"cy@acme.com", "bob@acme.com"} {
		var no *ApprovalError
		if _, err := w.approve(res.Refusal.Ref, who); !errors.As(err, &no) {
			t.Errorf("%s approved the link of an Owner: %v", who, err)
		}
	}
	if _, err := w.approve(res.Refusal.Ref, "dan@acme.com"); err != nil {
		t.Errorf("an Owner may: %v", err)
	}
	w.sound()
}

// TestMembersApproveNothing: a link of a plain Member needs an Admin or Owner
// too, though no row of the link's own asks for one.
func TestMembersApproveNothing(t *testing.T) {
	w := lite(t)
	w.push(&user{name: "bob"})
	w.push(&user{name: "cy"})
	res := w.push(&user{name: "bob", conn: "entra", ext: "entra-bob"})
	if res.Refusal == nil || res.Refusal.Kind != RefusedConflict {
		t.Fatalf("linked across connections without a verified domain: %s", told(res))
	}
	var no *ApprovalError
	if _, err := w.approve(res.Refusal.Ref, "cy@acme.com"); !errors.As(err, &no) {
		t.Errorf("a Member approved a link: %v", err)
	}
	if _, err := w.approve(res.Refusal.Ref, "dan@acme.com"); err != nil {
		t.Errorf("an Owner may: %v", err)
	}
	w.sound()
}
