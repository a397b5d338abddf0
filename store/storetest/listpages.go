package storetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// answers: an answer is found under its key for as long as it is young, and
// kept once.
func answers(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	a := store.AnswerRow{Key: "k1", Request: "r1", Body: []byte(`{"x":1}`), At: 10}
	r.update(func(tx *store.Tx) error { return tx.PutAnswer(a, 0) })
	got := read(r, func(rd *store.Reader) (store.AnswerRow, error) { return rd.Answer("k1", 10) })
	if diff := cmp.Diff(a, got); diff != "" {
		t.Error(diff)
	}
	r.conflicts("answer", "id", func(tx *store.Tx) error { return tx.PutAnswer(a, 0) })
	missing := func(key string, since workspace.Micros) {
		t.Helper()
		r.view(func(rd *store.Reader) error {
			if _, err := rd.Answer(key, since); !errors.Is(err, workspace.ErrNotFound) {
				t.Errorf("%s since %d: %v", key, since, err)
			}
			return nil
		})
	}
	missing("k1", 11)
	missing("k2", 0)
	newer := store.AnswerRow{Key: "k2", Request: "r2", Body: []byte("b"), At: 20}
	r.update(func(tx *store.Tx) error { return tx.PutAnswer(newer, 11) })
	missing("k1", 0)
}

// listPages walks every listing in pages of two: nothing is left out and
// nothing comes twice, also where many rows share a moment.
func listPages(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	const n = 7
	var runs, holds, invitations, groups []string
	r.update(func(tx *store.Tx) error {
		for i := range n {
			id := fmt.Sprintf("id-%d", i)
			err := errors.Join(
				tx.PutRun(store.RunRow{ID: id, StartedAt: 5, State: "done"}),
				tx.PutHold(store.HoldRow{ID: id, PlanHash: "sha256:" + id, State: []string{"open", "approved"}[i%2], CreatedAt: 5}),
				tx.PutInvitation(workspace.Invitation{ID: id, EmailKey: id, Role: workspace.RoleMember, State: workspace.InvitationPending, Version: 1}),
				tx.InsertGroup(workspace.Group{ID: id, Name: id, NameKey: id, Version: 1}))
			if err != nil {
				return err
			}
		}
		return nil
	})
	var atRun, atHold store.Place
	atInvitation, atGroup := "", ""
	for range n {
		r.view(func(rd *store.Reader) error {
			someRuns, err := rd.RunsPage(atRun, 2)
			for _, x := range someRuns {
				runs, atRun = append(runs, x.ID), store.Place{At: x.StartedAt, ID: x.ID}
			}
			someHolds, err2 := rd.HoldsPage("open", atHold, 2)
			for _, x := range someHolds {
				holds, atHold = append(holds, x.ID), store.Place{At: x.CreatedAt, ID: x.ID}
			}
			someInvitations, err3 := rd.InvitationsPage("pending", atInvitation, 2)
			for _, x := range someInvitations {
				invitations, atInvitation = append(invitations, x.ID), x.ID
			}
			someGroups, err4 := rd.GroupsPage(atGroup, 2)
			for _, x := range someGroups {
				groups, atGroup = append(groups, x.ID), x.NameKey
			}
			return errors.Join(err, err2, err3, err4)
		})
	}
	newest := []string{"id-6", "id-5", "id-4", "id-3", "id-2", "id-1", "id-0"}
	for _, c := range []struct {
		what      string
		got, want []string
	}{
		{"runs", runs, newest},
		{"open holds", holds, []string{"id-6", "id-4", "id-2", "id-0"}},
		{"invitations", invitations, newest},
		{"groups", groups, []string{"id-0", "id-1", "id-2", "id-3", "id-4", "id-5", "id-6"}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s: %s", c.what, diff)
		}
	}
	decided := read(r, func(rd *store.Reader) (store.HoldRow, error) { return rd.Hold("id-1") })
	if decided.State != "approved" {
		t.Errorf("hold id-1 is %q", decided.State)
	}
}
