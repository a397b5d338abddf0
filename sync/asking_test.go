package sync

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// unconfirmed makes okta a directory that is polled, and bo somebody whom a
// signal has cut, with the process gone before it has asked (SI2).
func unconfirmed(t *testing.T, w *world) *user {
	t.Helper()
	w.cfg.Connections[0].Kind = "ldap"
	bo := cutBySignal(t, w, SignalDisabled)
	w.open() // the daemon starts again
	return bo
}

// asking asks what is due ten seconds later, and counts the questions.
func (w *world) asking(source Source) (asked int) {
	w.tb.Helper()
	w.clock = w.clock.Add(10 * time.Second)
	err := w.e.AskDue(context.Background(), "acme", func(ctx context.Context, connection, person, trigger string) error {
		if connection != "okta" || person != "u-bo" {
			w.tb.Errorf("asked about %s of %s", person, connection)
		}
		asked++
		return w.e.Ask(ctx, Polled{Workspace: "acme", Connection: connection, Source: source}, person, trigger)
	})
	if err != nil {
		w.tb.Fatal(err)
	}
	return asked
}

// SI2: what a signal has cut is confirmed, or taken back, after a crash too.
func TestSignalIsConfirmedAfterACrash(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		bo := unconfirmed(t, w)
		source := &oneSource{found: bo.row().Identity}
		if n := w.asking(source); n != 1 {
			t.Errorf("asked %d times", n)
		}
		w.want("bo@acme.com", "member active +4722000001:exclusive")
		if n := w.asking(source); n != 0 {
			t.Errorf("asked %d times more", n)
		}
		w.clock = w.clock.Add(time.Minute)
		w.signal("sso", "again", Signal{Kind: SignalDisabled, Subject: "u-bo", At: w.clock})
		w.want("bo@acme.com", "member deactivated +4722000001:exclusive")
		source.found.Active, source.found.Reason = false, "disabled"
		if n := w.asking(source); n != 1 {
			t.Errorf("asked %d times about the second signal", n)
		}
		w.want("bo@acme.com", "member deactivated")
		w.sound()
	})
}

// A directory that does not answer is asked again, later each time; one that
// refuses us, or that a poll backs off from, is left alone (QU3).
func TestUnansweredIsAskedAgain(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		bo := unconfirmed(t, w)
		source := &oneSource{err: errors.New("connection reset")}
		for _, want := range []int{1, 0, 1, 0, 0, 1} { // after 15 s, then after 30 s
			if n := w.asking(source); n != want {
				t.Fatalf("asked %d times, want %d", n, want)
			}
		}
		w.want("bo@acme.com", "member deactivated +4722000001:exclusive")
		source.err = ErrAuth
		w.clock = w.clock.Add(2 * time.Minute)
		if n := w.asking(source); n != 1 {
			t.Fatalf("asked %d times", n)
		}
		w.clock = w.clock.Add(14 * time.Minute)
		if n := w.asking(source); n != 0 {
			t.Error("asked again 14 minutes after a refused password")
		}
		w.write(func(tx *store.Tx) error {
			state, err := tx.PollState("okta")
			if err != nil {
				return err
			}
			state.Connection, state.NextAt = "okta", workspace.At(w.clock.Add(time.Hour))
			return tx.PutPollState(state)
		})
		w.clock = w.clock.Add(30 * time.Minute)
		source.err, source.found = nil, bo.row().Identity
		if n := w.asking(source); n != 0 {
			t.Error("asked while the connection backs off")
		}
		w.clock = w.clock.Add(40 * time.Minute)
		if n := w.asking(source); n != 1 {
			t.Errorf("asked %d times", n)
		}
		w.want("bo@acme.com", "member active +4722000001:exclusive")
		w.sound()
	})
}

// What was asked at once is not asked again; a signal that came after the
// question is.
func TestAnsweredIsNotAskedAgain(t *testing.T) {
	w := lite(t)
	bo := unconfirmed(t, w)
	pl := Polled{Workspace: "acme", Connection: "okta", Source: &oneSource{found: bo.row().Identity}}
	if err := w.e.Ask(context.Background(), pl, "u-bo", "signal"); err != nil {
		t.Fatal(err)
	}
	if n := w.asking(pl.Source); n != 0 {
		t.Errorf("asked %d times about what was answered", n)
	}
	meanwhile := &meanwhileSource{oneSource: oneSource{found: bo.row().Identity}, during: func() {
		w.clock = w.clock.Add(time.Second)
		w.signal("sso", "meanwhile", Signal{Kind: SignalDisabled, Subject: "u-bo", At: w.clock})
	}}
	pl.Source = meanwhile
	if err := w.e.Ask(context.Background(), pl, "u-bo", "signal"); err != nil {
		t.Fatal(err)
	}
	w.want("bo@acme.com", "member deactivated +4722000001:exclusive")
	if n := w.asking(&meanwhile.oneSource); n != 1 {
		t.Errorf("asked %d times about the signal that came meanwhile", n)
	}
	w.want("bo@acme.com", "member active +4722000001:exclusive")
}

// meanwhileSource is a directory that something happens beside while it is
// asked.
type meanwhileSource struct {
	oneSource
	during func()
}

func (s *meanwhileSource) Get(ctx context.Context, id string) (workspace.Identity, error) {
	s.during()
	return s.oneSource.Get(ctx, id)
}

// What liveness is to have confirmed is noted with its verdict.
func TestLivenessIsConfirmedAfterACrash(t *testing.T) {
	w := lite(t)
	w.cfg.Connections[0].Kind = "ldap"
	_, o, wd := watching(t, w)
	wd.Confirm = func(context.Context, string) error { return errors.New("the process ends") }
	o.answer = Alive{Kind: AnswerGrantGone, Code: "invalid_grant"}
	w.clock = w.clock.Add(time.Hour)
	if _, err := w.e.AskAlive(context.Background(), wd); err == nil {
		t.Fatal("the question was put")
	}
	gone := &oneSource{found: (&user{name: "bo", ext: "u-bo"}).row().Identity}
	gone.found.Active, gone.found.Reason = false, "disabled"
	if n := w.asking(gone); n != 1 {
		t.Errorf("asked %d times", n)
	}
	w.want("bo@acme.com", "member deactivated")
}
