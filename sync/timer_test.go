package sync

import (
	"context"
	"testing"
	"time"
)

func (w *world) due() int {
	w.tb.Helper()
	n, err := w.e.Due(context.Background(), "acme")
	if err != nil {
		w.tb.Fatal(err)
	}
	return n
}

func TestGraceEnds(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.numbers("+4722000001")
		bob := &user{name: "bob", attrs: map[string]string{"office": "Oslo"}}
		w.push(bob)
		bob.off = true
		w.push(bob)
		if n := w.due(); n != 0 {
			t.Errorf("%d changes were due at once", n)
		}
		w.clock = w.clock.Add(8 * 24 * time.Hour)
		if n := w.due(); n == 0 {
			t.Error("nothing was due after the grace")
		}
		if n := w.due(); n != 0 {
			t.Errorf("%d changes were due twice", n)
		}
		w.clock = w.clock.Add(91 * 24 * time.Hour)
		if n := w.due(); n != 1 {
			t.Errorf("%d changes were due after the quarantine, want the number to be free", n)
		}
		cy := &user{name: "cy", attrs: map[string]string{"office": "Oslo"}}
		w.push(cy)
		w.want("cy@acme.com", "member active +4722000001:exclusive")
		w.sound()
	})
}

func TestDeletedPersonIsRemovedAfterTheGrace(t *testing.T) {
	w := lite(t)
	w.numbers("+4722000001")
	bob := &user{name: "bob", attrs: map[string]string{"office": "Oslo"}}
	w.push(bob)
	w.drop(bob)
	w.want("bob@acme.com", "member deactivated")
	w.clock = w.clock.Add(8 * 24 * time.Hour)
	w.due()
	w.want("bob@acme.com", "member removed")
	w.sound()
}

func TestTemporaryAccessEnds(t *testing.T) {
	w := newWorld(t, liteURL(t), `
version: 1
owner: ann@acme.com
expiry:
  - {id: t-contract, if: {attr: userType, eq: contractor}, end: {attr: accountExpires}, default: 90d}
`)
	bo := &user{name: "bo", attrs: map[string]string{"userType": "contractor", "accountExpires": "2026-11-25"}}
	w.push(bo)
	w.want("bo@acme.com", "member active")
	w.clock = w.clock.Add(3 * 24 * time.Hour)
	if w.due() != 0 {
		t.Error("access ended too early")
	}
	w.clock = w.clock.Add(2 * 24 * time.Hour)
	w.due()
	w.want("bo@acme.com", "member deactivated")
	w.sound()
}

func TestInvitationExpires(t *testing.T) {
	w := lite(t)
	w.numbers("+4722000001")
	w.mustEdit("ann@acme.com", Edit{Kind: EditInvite, Email: "eve@acme.com", Numbers: []string{"+4722000001"}})
	w.clock = w.clock.Add(15 * 24 * time.Hour)
	if w.due() == 0 {
		t.Fatal("the invitation did not expire")
	}
	cy := &user{name: "cy", attrs: map[string]string{"office": "Oslo"}}
	w.push(cy)
	w.want("cy@acme.com", "member active +4722000001:exclusive")
	w.sound()
}
