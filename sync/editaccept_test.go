package sync

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// invite sends an invitation and gives its id and secret.
func (w *world) invite(as string, e Edit) (id, secret string) {
	w.tb.Helper()
	e.Kind = EditInvite
	res := w.mustEdit(as, e)
	return res.Outcomes[0].Decision.Change.Subject.ID, res.InvitationSecret
}

func (w *world) accept(id, secret, email string) (Result, error) {
	return w.e.Edit(context.Background(), EditBatch{
		Workspace: "acme", Channel: workspace.ChannelAPI,
		Edits: []Edit{{Kind: EditAccept, Invitation: id, Proof: SecretProof(secret), Email: email, Name: "New"}},
	})
}

func TestAcceptGivesRoleAndNumbers(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.numbers("+4722000001", "+4722000002")
		w.push(&user{name: "bea"})
		w.mustEdit("ann@acme.com", Edit{Kind: EditAssign, Number: "+4722000002", Member: "bea@acme.com", Access: workspace.AccessShared})
		id, secret := w.invite("ann@acme.com", Edit{Email: "Eve@ACME.com", Role: workspace.RoleAdmin, Numbers: []string{"+4722000001", "+4722000002"}})
		if _, err := w.accept(id, secret, "eve@acme.com"); err != nil {
			t.Fatal(err)
		}
		w.want("eve@acme.com", "admin active +4722000001:exclusive +4722000002:shared")
		w.sound()
		var bad *EditError
		if _, err := w.accept(id, secret, "eve@acme.com"); !errors.As(err, &bad) || !bad.Settled {
			t.Errorf("a link is single use (RB2): %v", err)
		}
	})
}

func TestAcceptRefuses(t *testing.T) {
	w := lite(t)
	id, secret := w.invite("ann@acme.com", Edit{Email: "eve@acme.com"})
	for field, try := range map[string]func() (Result, error){
		"secret":     func() (Result, error) { return w.accept(id, secret+"x", "eve@acme.com") },
		"email":      func() (Result, error) { return w.accept(id, secret, "mallory@acme.com") },
		"invitation": func() (Result, error) { return w.accept("none", secret, "eve@acme.com") },
	} {
		var bad *EditError
		if _, err := try(); !errors.As(err, &bad) || bad.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	// Resend: the old link dies.
	res := w.mustEdit("dan@acme.com", Edit{Kind: EditResend, Invitation: id})
	var bad *EditError
	if _, err := w.accept(id, secret, "eve@acme.com"); !errors.As(err, &bad) || bad.Field != "secret" {
		t.Errorf("old link: %v", err)
	}
	w.clock = w.clock.Add(13 * 24 * time.Hour)
	if _, err := w.accept(id, res.InvitationSecret, "eve@acme.com"); err != nil {
		t.Fatal(err)
	}
	w.want("eve@acme.com", "member active")
}

// TestLateInvitersWordWaits: what the inviter may no longer give holds, and
// somebody who may gives it (domain section 11).
func TestLateInvitersWordWaits(t *testing.T) {
	w := lite(t)
	w.numbers("+4722000001")
	w.push(&user{name: "bea"})
	w.mustEdit("ann@acme.com", Edit{Kind: EditRole, Member: "bea@acme.com", Role: workspace.RoleAdmin})
	id, secret := w.invite("bea@acme.com", Edit{Email: "eve@acme.com", Role: workspace.RoleAdmin, Numbers: []string{"+4722000001"}})
	w.mustEdit("ann@acme.com", Edit{Kind: EditRole, Member: "bea@acme.com", Role: workspace.RoleMember})
	res, err := w.accept(id, secret, "eve@acme.com")
	if err != nil || outcome(res, workspace.MemberCreate) != "held" {
		t.Fatalf("accept: %v%s", err, told(res))
	}
	w.want("eve@acme.com", "nobody")
	res, err = w.approve(res.Outcomes[0].HoldID, "ann@acme.com")
	if err != nil {
		t.Fatalf("approve: %v%s", err, told(res))
	}
	w.want("eve@acme.com", "admin active +4722000001:exclusive")
	w.sound()
}

// TestInvitationIsNoRoadBack: an invitation from before the end of access
// brings nobody back (RB2); one that an Owner sent afterwards, with a reason,
// does (RB3).
func TestInvitationIsNoRoadBack(t *testing.T) {
	w := lite(t)
	bea := &user{name: "bea"}
	w.push(bea)
	bea.off = true
	w.push(bea)
	w.push(&user{name: "cy"})
	if res, err := w.edit("cy@acme.com", Edit{Kind: EditInvite, Email: "bea@acme.com"}); err != nil || outcome(res, workspace.InvitationSend) != "denied" {
		t.Errorf("RB3: %v%s", err, told(res))
	}
	w.clock = w.clock.Add(time.Hour)
	id, secret := w.invite("ann@acme.com", Edit{Email: "bea@acme.com", Reason: "hired again"})
	if _, err := w.accept(id, secret, "bea@acme.com"); err != nil {
		t.Fatal(err)
	}
	w.want("bea@acme.com", "member active")
	w.sound()
}

func TestOnceIsDoneOnce(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		try := func(name, key, request string) (Result, error) {
			return w.e.Edit(context.Background(), EditBatch{
				Workspace: "acme", As: "ann@acme.com", Channel: workspace.ChannelAPI,
				Edits: []Edit{{Kind: EditGroupNew, Name: name}}, Once: Once{
					Key: key, Request: request,
					Answer: func(r *store.Reader, res Result) ([]byte, error) { return []byte(name), nil },
				},
			})
		}
		res, err := try("Sales", "k", "r")
		if err != nil || string(res.Answer) != "Sales" {
			t.Fatalf("%v %q", err, res.Answer)
		}
		var again *ReplayError
		if _, err := try("Sales", "k", "r"); !errors.As(err, &again) || string(again.Kept) != "Sales" {
			t.Errorf("replay: %v", err)
		}
		if _, err := try("Desk", "k", "other"); !errors.Is(err, ErrKeyReused) {
			t.Errorf("reused: %v", err)
		}
		w.clock = w.clock.Add(25 * time.Hour)
		if _, err := try("Desk", "k", "other"); err != nil {
			t.Errorf("a day later: %v", err)
		}
	})
}
