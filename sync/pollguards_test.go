package sync

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
)

// RD6: a whole read with fewer people than 80 % of the median of the last good
// ones, or than min_expected, proves no absence, however often it is repeated.
func TestFewerThanExpected(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		d := newDirectory(w, 20)
		w.mustPoll(d)
		w.full(d)
		d.blind = func(id string) bool {
			return slices.Contains([]string{"id-p010", "id-p011", "id-p012", "id-p013", "id-p014"}, id)
		}
		for range 3 {
			if run := w.full(d); run.Complete || len(run.IncompleteWhy) != 1 || !strings.Contains(run.IncompleteWhy[0], "RD6") || run.LeaversN != 0 {
				t.Errorf("15 of 20 people: %v, complete %v, %d leavers", run.IncompleteWhy, run.Complete, run.LeaversN)
			}
		}
		w.clock = w.clock.Add(10 * time.Minute)
		res, err := w.e.Poll(t.Context(), Polled{Workspace: "acme", Connection: "entra", Source: d, MinExpected: 16}, "test", SyncOptions{Full: true})
		if err != nil || res.Run.Complete {
			t.Errorf("min_expected of 16: complete %v, %v", res.Run.Complete, err)
		}
		if n := w.count("active"); n != 22 {
			t.Errorf("%d members are active, want all 22", n)
		}
	})
}

// QU1 to QU3: a failed run keeps its cursor, waits longer and longer beyond
// its schedule, at once for a refused password, and is tried when told to.
func TestFailedRunsBackOff(t *testing.T) {
	t.Parallel()
	trouble, refused := errors.New("connection reset"), fmt.Errorf("binding: %w", ErrAuth)
	for _, tt := range []struct {
		err      error
		failures int
		want     time.Duration
	}{
		{trouble, 1, 0},
		{trouble, 2, 0},
		{trouble, 3, time.Minute},
		{trouble, 5, 4 * time.Minute},
		{trouble, 9, time.Hour},
		{trouble, 500, time.Hour},
		{refused, 1, 15 * time.Minute},
		{refused, 2, 30 * time.Minute},
		{refused, 8, 24 * time.Hour},
		{refused, 500, 24 * time.Hour},
	} {
		if got := backoff(tt.err, tt.failures); got != tt.want {
			t.Errorf("%v, %d failures: %s, want %s", tt.err, tt.failures, got, tt.want)
		}
	}
	w := lite(t)
	d := newDirectory(w, 12)
	w.mustPoll(d)
	state := func() (s store.PollState, c store.CursorRow) {
		t.Helper()
		err := w.e.spaces["acme"].h.View(t.Context(), func(r *store.Reader) error {
			var err error
			if s, err = r.PollState("entra"); err != nil {
				return err
			}
			c, err = r.Cursor("entra")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return s, c
	}
	_, before := state()
	d.cut = refused
	d.join("zoe")
	if _, err := w.poll(d, SyncOptions{Full: true}); !errors.Is(err, ErrAuth) {
		t.Fatalf("a refused password: %v", err)
	}
	s, after := state()
	if string(after.Data) != string(before.Data) || s.Failures != 1 || !strings.Contains(s.Cause, "binding") || s.NextAt.Time().Sub(w.clock) != 15*time.Minute {
		t.Errorf("QU1, QU3: cursor %q, state %+v", after.Data, s)
	}
	w.want("zoe@acme.com", "nobody")
	d.cut = nil
	if res, err := w.poll(d, SyncOptions{Trigger: "schedule"}); err != nil || !res.Unchanged {
		t.Errorf("QU3: the schedule reads within the pause: %+v, %v", res.Run.Counts, err)
	}
	if _, err := w.poll(d, SyncOptions{Trigger: "operator"}); err != nil {
		t.Fatal(err)
	}
	w.want("zoe@acme.com", "member active")
	if s, _ := state(); s.Failures != 0 || s.Cause != "" || s.NextAt != 0 {
		t.Errorf("after a good run: %+v", s)
	}
}

// AB6: who is excluded does not exist for Rollcall: they become nobody, who is
// a member stays as they are, whatever the directory says of them, and nobody
// counts them as missing.
func TestExcludedAreNotTouched(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		d := newDirectory(w, 10)
		d.join("svc-backup")
		w.mustPoll(d)
		w.want("svc-backup@acme.com", "member active")
		w.remap("eligible:", "exclude:\n  - {id: x-svc, if: {attr: email, prefix: svc-}}\neligible:")
		d.join("svc-scan")
		d.disable("svc-backup")
		if run := w.full(d); run.LeaversN != 0 || run.Excluded != 2 {
			t.Errorf("%d leavers, %d excluded", run.LeaversN, run.Excluded)
		}
		w.want("svc-backup@acme.com", "member active")
		w.want("svc-scan@acme.com", "nobody")
		d.leave("svc-backup", "svc-scan")
		for range 3 {
			if run := w.full(d); run.LeaversN != 0 || run.MissingConfirmed != 0 {
				t.Errorf("%d leavers, %d missing, %d of them proved", run.LeaversN, run.Missing, run.MissingConfirmed)
			}
			w.clock = w.clock.Add(24 * time.Hour)
		}
		w.want("svc-backup@acme.com", "member active")
	})
}
