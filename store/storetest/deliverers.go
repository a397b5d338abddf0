package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

func twoDeliverers(t *testing.T, s *store.Store) {
	o := newOutbox(t, s, hook("a"))
	o.say(1, "m1", "member.role_changed", "member.role_changed")
	slow := o.one("a", false, 2)
	o.none("a", 3)
	// A person's retry does not break the lease, settling does.
	o.update(func(tx *store.Tx) error { return tx.RetryLine("a", "member", "m1", 3) })
	o.none("a", 3)
	o.update(func(tx *store.Tx) error {
		_, err := tx.Settle("a", "m1-1", "ann@acme.com", "known there", 4)
		return err
	})
	for what, act := range map[string]func(tx *store.Tx) error{
		"ack":      func(tx *store.Tx) error { return tx.Ack(slow, store.Receipt{At: 5}) },
		"delay":    func(tx *store.Tx) error { return tx.Delay(slow, 9, 5, 0, "timeout") },
		"bury":     func(tx *store.Tx) error { return tx.Bury(slow, 0, "", 5) },
		"progress": func(tx *store.Tx) error { return tx.Progress(slow, 1) },
	} {
		if err := o.h.Update(t.Context(), store.UnitOptions{}, act); !errors.Is(err, workspace.ErrStale) {
			t.Errorf("%s of an attempt that is over: %v", what, err)
		}
	}
	var lost []store.Delivery
	o.update(func(tx *store.Tx) (err error) {
		lost, err = tx.Claim("a", "gone", false, 6, time.Millisecond, 1)
		return err
	})
	time.Sleep(5 * time.Millisecond) // the database's clock decides
	if d := o.one("a", false, 6); told(d) != "m1-2 [2,2] try 2" || d.Event.ID != lost[0].Event.ID {
		t.Error(told(d))
	}
	o.refused(workspace.ErrStale, func(tx *store.Tx) error { return tx.Ack(lost[0], store.Receipt{At: 7}) })
	// Many claim at once: each line goes to one of them.
	for i := range 8 {
		id := fmt.Sprintf("p%d", i)
		o.update(func(tx *store.Tx) error { return tx.InsertMember(member(id, id+"@acme.com")) })
		o.say(10, id, "member.created")
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	owners := map[string]int{}
	for range 8 {
		wg.Go(func() {
			var got []store.Delivery
			err := o.h.Update(t.Context(), store.UnitOptions{}, func(tx *store.Tx) (err error) {
				got, err = tx.Claim("a", "x", false, 11, time.Minute, 3)
				return err
			})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, d := range got {
				owners[d.Event.ID]++
			}
		})
	}
	wg.Wait()
	for id, n := range owners {
		if n != 1 {
			t.Errorf("%s was claimed %d times", id, n)
		}
	}
	if len(owners) == 0 {
		t.Error("nobody claimed anything")
	}
}

func retryAndSettle(t *testing.T, s *store.Store) {
	o := newOutbox(t, s, hook("a"))
	o.say(1, "m1", "member.created", "member.deactivated", "member.reactivated")
	settle := func(id string) error {
		return o.h.Update(t.Context(), store.UnitOptions{}, func(tx *store.Tx) error { _, err := tx.Settle("a", id, "ann", "why", 7); return err })
	}
	if err := settle("m1-2"); !errors.Is(err, store.ErrNotHead) || !strings.Contains(err.Error(), "m1-1") {
		t.Errorf("settled out of order: %v", err)
	}
	if err := settle("m9-9"); !errors.Is(err, workspace.ErrNotFound) {
		t.Errorf("settled an unknown event: %v", err)
	}
	d := o.one("a", true, 2)
	o.update(func(tx *store.Tx) error { return tx.Delay(d, 100, 3, 502, "refused") })
	o.none("a", 99)
	w := read(o.room, func(rd *store.Reader) ([]store.WaitingLine, error) { return rd.Waiting("a", 9) })
	same(t, "waiting", w, []store.WaitingLine{{
		Sink: "a", SubjectType: "member", Subject: "m1", Seq: 1, EventID: "m1-1", Type: "member.created",
		At: 1, Last: 3, Tries: 1, DueAt: 100, Status: 502, Fault: "refused", EndsAccess: true,
	}})
	var retried int64
	o.update(func(tx *store.Tx) (err error) { retried, err = tx.RetrySink("a", 4); return err })
	if retried != 1 {
		t.Errorf("%d lines retried", retried)
	}
	d = o.one("a", true, 4)
	if d.Tries != 1 {
		t.Error(told(d))
	}
	o.update(func(tx *store.Tx) error { return tx.Bury(d, 502, "72 hours", 5) })
	if err := settle("m1-1"); !errors.Is(err, store.ErrNotHead) {
		t.Errorf("a dead event was settled: %v", err)
	}
	if err := settle("m1-2"); err != nil {
		t.Fatal(err)
	}
	dead := read(o.room, func(rd *store.Reader) ([]store.DeliveryRow, error) { return rd.Deliveries(true, 0, 9) })
	if len(dead) != 1 || dead[0].EventID != "m1-1" || dead[0].Reason != "72 hours" || dead[0].Status != 502 {
		t.Errorf("dead letters: %+v", dead)
	}
	all := read(o.room, func(rd *store.Reader) ([]store.DeliveryRow, error) { return rd.Deliveries(false, 0, 9) })
	if len(all) != 2 || all[0].State != store.DeliverySettled || all[0].SettledBy != "ann" || all[0].Reason != "why" || all[0].Run != "r1" {
		t.Errorf("deliveries: %+v", all)
	}
	if d = o.one("a", false, 9); told(d) != "m1-3 [3,3] try 1" {
		t.Error(told(d))
	}
}

func sinks(t *testing.T, s *store.Store) {
	o := newOutbox(t, s, hook("a"), hook("b"))
	o.say(1, "m1", "member.created")
	disable := func(id string) (changed bool) {
		o.update(func(tx *store.Tx) (err error) { changed, err = tx.DisableSink(id, "410 Gone", 5); return err })
		return changed
	}
	if !disable("a") || disable("a") {
		t.Error("disabling twice")
	}
	o.none("a", 9)
	o.say(6, "m1", "member.deactivated") // waits too: nothing is thrown away
	// A restart leaves it disabled; b is gone from the configuration.
	o.update(func(tx *store.Tx) error { return tx.RegisterSinks([]store.SinkRow{hook("a")}, 7) })
	a := read(o.room, func(rd *store.Reader) (store.SinkRow, error) { return rd.Sink("a") })
	want := hook("a")
	want.State, want.Reason, want.Since = store.SinkDisabled, "410 Gone", 5
	same(t, "sink", a, want)
	o.none("b", 99)
	undelivered := read(o.room, func(rd *store.Reader) ([]store.DeliveryRow, error) { return rd.Undelivered(99, 9) })
	if len(undelivered) != 1 || undelivered[0].Sink != "a" {
		t.Errorf("undelivered: %+v", undelivered)
	}
	o.refused(workspace.ErrConflict, func(tx *store.Tx) error { return tx.ResumeSink("b", 8) })
	o.refused(workspace.ErrNotFound, func(tx *store.Tx) error { return tx.ResumeSink("c", 8) })
	o.update(func(tx *store.Tx) error { return tx.ResumeSink("a", 8) })
	d := o.one("a", true, 9)
	if told(d) != "m1-1 [1,1] try 1" {
		t.Error(told(d))
	}
	// b comes back and goes on where it was.
	o.update(func(tx *store.Tx) error { return tx.RegisterSinks([]store.SinkRow{hook("a"), hook("b")}, 9) })
	if d := o.one("b", true, 10); told(d) != "m1-1 [1,1] try 1" {
		t.Error(told(d))
	}
	// A sink that no longer wants what waits comes to the end of its line.
	o.update(func(tx *store.Tx) error {
		return tx.RegisterSinks([]store.SinkRow{hook("a"), {ID: "b", Kind: "webhook", Types: []string{"number.*"}}}, 11)
	})
	o.say(12, "m2", "member.created")
	o.none("b", 99)
}

func handOut(t *testing.T, s *store.Store) {
	sink := hook("p")
	sink.Kind = "poll"
	o := newOutbox(t, s, sink)
	o.say(1, "m1", "member.created", "member.role_changed")
	o.say(1, "m2", "member.updated", "member.deactivated", "member.reactivated")
	name := func(d *store.Delivery) (string, error) {
		if d.Event.Type == "member.role_changed" {
			return "", nil
		}
		return fmt.Sprintf("%s.%d", d.Event.ID, d.Part), nil
	}
	hand := func(limit int) (jtis []string, more bool) {
		o.update(func(tx *store.Tx) error {
			handed, m, err := tx.Hand("p", 9, limit, name)
			jtis, more = nil, m
			for _, d := range handed {
				jtis = append(jtis, d.JTI)
			}
			return err
		})
		return jtis, more
	}
	ack := func(jti string, part int) error {
		return o.h.Update(t.Context(), store.UnitOptions{}, func(tx *store.Tx) error {
			d, err := tx.Handed("p", jti)
			switch {
			case err != nil:
				return err
			case part == 0:
				return tx.Ack(d, store.Receipt{At: 9})
			default:
				return tx.Progress(d, part)
			}
		})
	}
	for range 2 { // what is not acknowledged comes again
		if got, more := hand(9); more || strings.Join(got, " ") != "m2-2.0 m1-1.0" {
			t.Fatal(got, more)
		}
	}
	if got, more := hand(1); !more || strings.Join(got, " ") != "m2-2.0" {
		t.Error(got, more)
	}
	if err := errors.Join(ack("m2-2.0", 1), ack("m1-1.0", 0)); err != nil {
		t.Fatal(err)
	}
	for _, jti := range []string{"m1-1.0", "m2-2.0", "unknown", ""} {
		if err := ack(jti, 0); !errors.Is(err, workspace.ErrNotFound) {
			t.Errorf("ack of %q: %v", jti, err)
		}
	}
	if got, more := hand(9); more || strings.Join(got, " ") != "m2-2.1" { // m1-2 says nothing here
		t.Error(got, more)
	}
	if err := ack("m2-2.1", 0); err != nil {
		t.Fatal(err)
	}
	if got, _ := hand(9); strings.Join(got, " ") != "m2-3.0" {
		t.Error(got)
	}
}

func leaverTimes(t *testing.T, s *store.Store) {
	o := newOutbox(t, s, hook("a"), hook("b"))
	o.say(1, "m1", "member.deactivated")
	times := func() store.LeaverTimes {
		return read(o.room, func(rd *store.Reader) (store.LeaverTimes, error) { return rd.LeaverTimes("m1", "r1") })
	}
	same(t, "at first", times(), store.LeaverTimes{Sinks: 2, Pending: []string{"a", "b"}})
	o.update(func(tx *store.Tx) error {
		got, err := tx.Claim("a", "x", true, 2, time.Minute, 1)
		return errors.Join(err, tx.Ack(got[0], store.Receipt{At: 5, Status: 200, Epoch: 2, Sessions: 3, VerifyAt: 6}))
	})
	same(t, "one", times(), store.LeaverTimes{Sinks: 2, Pending: []string{"b"}, Unproved: []string{"a"}, Sessions: 3})
	o.update(func(tx *store.Tx) error {
		got, err := tx.Claim("b", "x", true, 2, time.Minute, 1)
		return errors.Join(err, tx.Ack(got[0], store.Receipt{At: 7, Status: 200, VerifiedAt: 7}))
	})
	due := read(o.room, func(rd *store.Reader) ([]store.DeliveryRow, error) { return rd.DueVerifications("a", 6, 9) })
	if len(due) != 1 || due[0].EventID != "m1-1" {
		t.Fatalf("due: %+v", due)
	}
	o.update(func(tx *store.Tx) error { return tx.PostponeVerification(due[0], 20) })
	o.refused(workspace.ErrStale, func(tx *store.Tx) error { return tx.Verified(due[0], 8) })
	due = read(o.room, func(rd *store.Reader) ([]store.DeliveryRow, error) { return rd.DueVerifications("a", 20, 9) })
	o.update(func(tx *store.Tx) error { return tx.Verified(due[0], 21) })
	same(t, "whole", times(), store.LeaverTimes{Sinks: 2, Delivered: 7, Verified: 21, Sessions: 3})
	other := read(o.room, func(rd *store.Reader) (store.LeaverTimes, error) { return rd.LeaverTimes("m1", "r2") })
	same(t, "another run", other, store.LeaverTimes{})
}

// parallelEvents writes events of few members from many units while others
// deliver: nothing is lost, nothing out of order, whichever commits first.
func parallelEvents(t *testing.T, s *store.Store) {
	o := newOutbox(t, s, hook("a"))
	const each, writers = 25, 6
	var write, deliver sync.WaitGroup
	for i := range writers {
		id := []string{"m1", "m2"}[i%2]
		write.Go(func() {
			for range each {
				err := o.h.Update(t.Context(), store.UnitOptions{}, func(tx *store.Tx) error {
					seq, err := tx.NextSeq("member", id)
					if err != nil {
						return err
					}
					return tx.InsertEvents([]store.EventRow{{
						SubjectType: "member", Subject: id, Seq: seq, ID: fmt.Sprintf("%s-%d", id, seq),
						Type: "member.role_changed", Leaver: seq%7 == 0, At: 1,
					}})
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	written := make(chan struct{})
	go func() { write.Wait(); close(written) }()
	var mu sync.Mutex
	got := map[string][]int64{}
	for i := range 4 {
		deliver.Go(func() {
			for {
				last := false
				select {
				case <-written:
					last = true
				default:
				}
				var claimed []store.Delivery
				err := o.h.Update(t.Context(), store.UnitOptions{}, func(tx *store.Tx) (err error) {
					claimed, err = tx.Claim("a", "x", i%2 == 0, 2, time.Minute, 4)
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
				for _, d := range claimed {
					mu.Lock()
					got[d.Event.Subject] = append(got[d.Event.Subject], d.Event.Seq)
					mu.Unlock()
					if err := o.h.Update(t.Context(), store.UnitOptions{}, func(tx *store.Tx) error { return tx.Ack(d, store.Receipt{At: 2}) }); err != nil {
						t.Error(err)
						return
					}
				}
				if last && len(claimed) == 0 {
					waiting := read(o.room, func(rd *store.Reader) ([]store.WaitingLine, error) { return rd.Waiting("a", 9) })
					if len(waiting) == 0 {
						return
					}
				}
			}
		})
	}
	deliver.Wait()
	for _, id := range []string{"m1", "m2"} {
		if len(got[id]) != each*writers/2 {
			t.Fatalf("%s: %d events, want %d", id, len(got[id]), each*writers/2)
		}
		for i, seq := range got[id] {
			if seq != int64(i+1) {
				t.Fatalf("%s: %d came at place %d", id, seq, i+1)
			}
		}
	}
}

func wake(t *testing.T, s *store.Store) {
	o := newOutbox(t, s)
	ws := read(o.room, (*store.Reader).Workspace).ID
	var mu sync.Mutex
	woken := 0
	stop := s.OnEvents(func(workspace string) {
		mu.Lock()
		defer mu.Unlock()
		if workspace == ws {
			woken++
		}
	})
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return woken
	}
	o.say(1, "m1", "member.created")
	if count() != 1 {
		t.Fatalf("woken %d times", count())
	}
	event := func(tx *store.Tx) error {
		return tx.InsertEvents([]store.EventRow{{SubjectType: "member", Subject: "m1", Seq: 2, ID: "x", Type: "member.updated"}})
	}
	o.update(func(tx *store.Tx) error { return tx.TouchSink("none", 1) })
	if err := o.h.Update(t.Context(), store.UnitOptions{DryRun: true}, event); err != nil {
		t.Fatal(err)
	}
	o.refused(workspace.ErrStale, func(tx *store.Tx) error { return errors.Join(event(tx), workspace.ErrStale) })
	stop()
	o.update(event)
	if count() != 1 {
		t.Errorf("woken %d times without a commit of events, or after stop", count())
	}
}

func pruneDeliveries(t *testing.T, s *store.Store) {
	o := newOutbox(t, s, hook("a"))
	o.say(1, "m1", "member.created", "member.role_changed", "member.deactivated")
	o.ack(o.one("a", true, 2), 10)
	d := o.one("a", true, 20)
	o.update(func(tx *store.Tx) error { return tx.Bury(d, 500, "old", 20) })
	prune := func(done, dead workspace.Micros, limit int) (more bool) {
		o.update(func(tx *store.Tx) (err error) { more, err = tx.PruneDeliveries(done, dead, limit); return err })
		return more
	}
	prune(15, 15, 10)
	same(t, "younger", o.states("a"), "m1-2:dead")
	prune(99, 15, 10)
	same(t, "dead letters stay longer", o.states("a"), "m1-2:dead")
	if !prune(99, 99, 1) || prune(99, 99, 1) {
		t.Error("a full piece says that there may be more, an empty one that there is nothing")
	}
	same(t, "all", o.states("a"), "")
	if got := read(o.room, func(rd *store.Reader) ([]store.DeliveryRow, error) { return rd.Undelivered(99, 9) }); len(got) != 1 {
		t.Errorf("a pending leaver event was pruned: %+v", got)
	}
	// A clock that was years ahead holds nothing up (FT08).
	d = o.one("a", true, 20)
	o.update(func(tx *store.Tx) error { return tx.Delay(d, 1<<50, 1<<50, 0, "timeout") })
	o.update(func(tx *store.Tx) error { return tx.ClampLines("a", 30, 1_000) })
	o.one("a", true, 30)
}
