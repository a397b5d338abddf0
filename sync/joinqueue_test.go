package sync

import (
	"context"
	"errors"
	"fmt"
	stdsync "sync"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/workspace"
)

// TestJoinOnRequest: auto_join: request waits for an Owner or Admin.
func TestJoinOnRequest(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		joining(t, w)
		w.cfg.Domains.AutoJoin = AutoJoinRequest
		w.open()
		w.push(&user{name: "bea"})
		out := w.join(w.mailbox("zoe@acme.org"))
		if out.State != JoinWaits || out.Plan == "" || out.Rule != "DOM-CLAIM" {
			t.Fatalf("%+v", out)
		}
		if again := w.join(w.mailbox("zoe@acme.org")); again.State != JoinWaits || again.Plan != out.Plan {
			t.Errorf("asked twice: %+v", again)
		}
		w.want("zoe@acme.org", "nobody")
		var no *ApprovalError
		if _, err := w.approve(out.Plan, "bea@acme.com"); !errors.As(err, &no) {
			t.Errorf("a Member lets people in: %v", err)
		}
		w.clock = w.clock.Add(13 * 24 * time.Hour) // it waits longer than other plans
		if _, err := w.approve(out.Plan, "ann@acme.com"); err != nil {
			t.Fatal(err)
		}
		w.want("zoe@acme.org", "member active")
		if holds := w.holds(); len(holds) != 0 {
			t.Errorf("%d still open", len(holds))
		}
		w.sound()
	})
}

// TestApprovalAsksAgain: who lost access while the wish waited stays out (RB8).
func TestApprovalAsksAgain(t *testing.T) {
	w := joining(t, lite(t))
	w.cfg.Domains.AutoJoin = AutoJoinRequest
	w.open()
	out := w.join(w.mailbox("zoe@acme.org"))
	id, secret := w.invite("ann@acme.com", Edit{Email: "zoe@acme.org"})
	if _, err := w.accept(id, secret, "zoe@acme.org"); err != nil {
		t.Fatal(err)
	}
	w.mustEdit("ann@acme.com", Edit{Kind: EditRemove, Member: "zoe@acme.org"})
	if _, err := w.approve(out.Plan, "ann@acme.com"); err == nil {
		t.Error("the old plan brings a leaver back")
	}
	w.want("zoe@acme.org", "member removed")
}

// TestRejectedWish: a rejection is remembered, however often somebody asks.
func TestRejectedWish(t *testing.T) {
	w := joining(t, lite(t))
	w.cfg.Domains.AutoJoin = AutoJoinRequest
	w.open()
	w.invite("ann@acme.com", Edit{Email: "zoe@acme.org"}) // goes with the wish
	out := w.join(w.mailbox("zoe@acme.org"))
	err := w.e.Reject(context.Background(), Approval{Workspace: "acme", Plan: out.Plan, As: "ann@acme.com", Kind: workspace.ActorOperator, Reason: "a supplier"})
	if err != nil {
		t.Fatal(err)
	}
	if again := w.join(w.mailbox("zoe@acme.org")); again.State != JoinRefused || again.Reason != "rejected by ann@acme.com on 2026-11-21: a supplier" {
		t.Errorf("%+v", again)
	}
}

// TestWishTakesTheInvitation: who joins by domain uses up the invitation, and
// gets no more by it than a Member has (I10, DC8).
func TestWishTakesTheInvitation(t *testing.T) {
	w := joining(t, lite(t))
	w.numbers("+4722000001")
	w.cfg.Domains.AutoJoin = AutoJoinRequest
	w.open()
	id, secret := w.invite("ann@acme.com", Edit{Email: "zoe@acme.org", Role: workspace.RoleAdmin, Numbers: []string{"+4722000001"}})
	out := w.join(w.mailbox("zoe@acme.org"))
	if _, err := w.approve(out.Plan, "ann@acme.com"); err != nil {
		t.Fatal(err)
	}
	w.want("zoe@acme.org", "member active")
	var bad *EditError
	if _, err := w.accept(id, secret, "zoe@acme.org"); !errors.As(err, &bad) {
		t.Errorf("the link still works: %v", err)
	}
	w.sound()
}

// TestJoinQueues is DC8: over the seat cap people wait, in order, and come in
// when there is room; nobody's word lifts the cap.
func TestJoinQueues(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		joining(t, w)
		policy := workspace.Default()
		policy.Limits.Seats = workspace.LimitOf(3) // ann and dan are there
		w.cfg.Policy = policy
		w.cfg.Leavers.Grace = 0
		w.open()
		if out := w.join(w.mailbox("a@acme.org")); out.State != JoinDone {
			t.Fatalf("%+v", out)
		}
		first, second := w.join(w.mailbox("b@acme.org")), w.join(w.mailbox("c@acme.org"))
		if first.State != JoinWaits || first.Rule != "I11" || first.Price.Monthly == 0 || second.State != JoinWaits {
			t.Fatalf("%+v\n%+v", first, second)
		}
		var no *ApprovalError
		if _, err := w.approve(first.Plan, "ann@acme.com"); !errors.As(err, &no) || no.Rule != "I11" {
			t.Errorf("agreeing lifts the cap: %v", err)
		}
		if n, err := w.e.AdmitQueued(context.Background(), "acme"); n != 0 || err != nil {
			t.Errorf("no room: %d %v", n, err)
		}
		w.clock = w.clock.Add(2 * 24 * time.Hour)
		w.mustEdit("ann@acme.com", Edit{Kind: EditRemove, Member: "a@acme.org"})
		if n, err := w.e.AdmitQueued(context.Background(), "acme"); n != 1 || err != nil {
			t.Fatalf("room for one: %d %v", n, err)
		}
		w.want("b@acme.org", "member active")
		w.want("c@acme.org", "nobody")
		if holds := w.holds(); len(holds) != 1 || holds[0].Subject != "join:c@acme.org" {
			t.Errorf("%d wait", len(holds))
		}
		w.sound()
	})
}

// TestManyJoinAtOnce: of many who join at one moment exactly as many come in
// as there are seats, and one person comes in once (I6, I11).
func TestManyJoinAtOnce(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		joining(t, w)
		policy := workspace.Default()
		policy.Limits.Seats = workspace.LimitOf(5) // ann and dan are there
		w.cfg.Policy = policy
		w.open()
		states := make(chan JoinState, 16)
		var wg stdsync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				address := fmt.Sprintf("p%d@acme.org", i/2) // everybody twice
				out, err := w.e.Join(context.Background(), Join{Workspace: "acme", Name: "P", Evidence: Evidence{Email: address, Mailbox: true}})
				if err != nil {
					t.Errorf("%s: %v", address, err)
				}
				states <- out.State
			})
		}
		wg.Wait()
		close(states)
		n := map[JoinState]int{}
		for s := range states {
			n[s]++
		}
		if n[JoinDone] != 3 || n[JoinRefused] != 0 || n[JoinDone]+n[JoinAlready]+n[JoinWaits] != 16 {
			t.Errorf("%v", n)
		}
		w.sound()
	})
}
