package sync

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// TestTokenWarnings: people hear of the end of a token 30, 14, 7 and 1 days
// before it, once each, and no more when it has a successor (F13).
func TestTokenWarnings(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		day := 24 * time.Hour
		issue := func(id string, life time.Duration) {
			t.Helper()
			err := w.e.IssueToken(context.Background(), store.TokenRow{
				Workspace: "acme", ID: id, Connection: "okta", Hash: "x" + id, CreatedAt: workspace.At(w.clock), ExpiresAt: workspace.At(w.clock.Add(life)),
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		issue("t1", 40*day)
		var got []string
		for d := range 41 {
			for range 3 {
				w.due()
			}
			err := w.e.spaces["acme"].h.View(context.Background(), func(r *store.Reader) error {
				open, err := r.OpenFindings(10)
				for _, f := range open {
					line := fmt.Sprintf("%s %s %s", f.Code, f.Subject, f.Severity)
					if opened := f.OpenedAt == workspace.At(w.clock); opened {
						got = append(got, fmt.Sprintf("day %d: %s", d, line))
					}
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			w.clock = w.clock.Add(day)
		}
		want := []string{
			"day 10: F13 okta warning", "day 26: F13 okta warning", "day 33: F13 okta warning", "day 39: F13 okta high",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		open := func() int {
			var n int
			err := w.e.spaces["acme"].h.View(context.Background(), func(r *store.Reader) error {
				list, err := r.OpenFindings(10)
				n = len(list)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		issue("t2", 20*day)
		w.due()
		if open() != 1 {
			t.Errorf("%d findings about a token with 20 days", open())
		}
		issue("t3", 365*day)
		w.due()
		if open() != 0 {
			t.Errorf("%d findings, and there is a successor", open())
		}
		w.sound()
	})
}
