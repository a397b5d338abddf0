package sync

import (
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/workspace"
)

// T0 of a leaver from a poll: what the directory says, but never after the
// moment at which it was asked, and never before the person was last seen
// active.
func TestUpstreamOfPolledLeaver(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		d := newDirectory(w, 5)
		w.mustPoll(d)
		w.full(d)
		seen := w.clock
		w.clock = w.clock.Add(time.Hour)
		at := func(ago time.Duration) time.Time { return w.clock.Add(time.Minute - ago) } // mustPoll moves on by a minute
		want := map[string]time.Time{"p000": at(30 * time.Minute), "p001": seen, "p002": {}, "p003": {}}
		d.ended = map[string]time.Time{"id-p000": want["p000"], "id-p001": at(48 * time.Hour), "id-p002": at(-time.Hour)}
		for who := range want {
			d.disable(who)
		}
		run := w.mustPoll(d)
		if len(run.Leavers) != len(want) {
			t.Fatalf("leavers: %+v", run.Leavers)
		}
		for _, l := range run.Leavers {
			who := strings.ToLower(l.Label)[:4]
			switch at := want[who]; {
			case at.IsZero() && l.T0 != nil:
				t.Errorf("%s: T0 is %v, want none", who, l.T0)
			case !at.IsZero() && (l.T0 == nil || *l.T0 != workspace.At(at)):
				t.Errorf("%s: T0 is %v, want %v", who, l.T0, at)
			}
		}
	})
}
