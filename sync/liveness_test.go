package sync

import (
	"context"
	"errors"
	"fmt"
	stdsync "sync"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// oracle answers the question whether somebody is still there.
type oracle struct {
	mu      stdsync.Mutex
	answer  Alive
	err     error
	next    string // new sealed token, "" for none
	asked   []string
	revoked []string
	during  func()
}

func (o *oracle) Alive(_ context.Context, _, sealed string, keep func(string) error) (Alive, error) {
	o.mu.Lock()
	o.asked = append(o.asked, sealed)
	during := o.during
	o.mu.Unlock()
	if during != nil {
		during()
	}
	if o.next != "" {
		if err := keep(o.next); err != nil {
			return Alive{Code: "store"}, err
		}
	}
	return o.answer, o.err
}

func (o *oracle) Revoke(_ context.Context, _, sealed string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.revoked = append(o.revoked, sealed)
	return o.err
}

// watching is a world in which bo has signed in with a refresh token.
func watching(t *testing.T, w *world) (store.SessionRow, *oracle, Watched) {
	t.Helper()
	signing(w, "")
	w.push(&user{name: "bo", ext: "u-bo"})
	in := w.who("sso", "u-bo")
	in.Who.Grant = "k1.first"
	o := &oracle{answer: Alive{Kind: AnswerAlive}}
	return w.signIn(in), o, Watched{Workspace: "acme", Connection: "sso", Asker: o, Every: 15 * time.Minute, Ends: true}
}

func (w *world) ask(wd Watched) int {
	w.tb.Helper()
	n, err := w.e.AskAlive(context.Background(), wd)
	if err != nil {
		w.tb.Fatal(err)
	}
	return n
}

func (w *world) grant() (g store.GrantRow) {
	w.tb.Helper()
	err := w.st.In("acme").View(context.Background(), func(r *store.Reader) (err error) {
		g, err = r.Grant("sso", "u-bo")
		if errors.Is(err, workspace.ErrNotFound) {
			return nil
		}
		return err
	})
	if err != nil {
		w.tb.Fatal(err)
	}
	return g
}

// OL3 to OL5, a row each: what is answered, before and after a question that
// was left without an answer; whether the session goes on, and what becomes
// of the token. Nobody is ever removed.
func TestLivenessVerdicts(t *testing.T) {
	for _, row := range []struct {
		name    string
		answer  AnswerKind
		next    string
		open    bool // an earlier question has no answer
		live    bool
		verdict string
		state   string
		sealed  string
	}{
		{"alive, rotated", AnswerAlive, "k1.second", false, true, "alive", store.GrantIdle, "k1.second"},
		{"alive, the old token stays (OI9)", AnswerAlive, "", false, true, "alive", store.GrantIdle, "k1.first"},
		{"alive after a lost answer", AnswerAlive, "k1.second", true, true, "alive", store.GrantIdle, "k1.second"},
		{"invalid_grant", AnswerGrantGone, "", false, false, "E3", store.GrantLost, ""},
		{"invalid_grant after a lost answer", AnswerGrantGone, "", true, true, "E4", store.GrantLost, ""},
		{"UserInfo 401 or 403", AnswerRefused, "k1.second", false, false, "E3", store.GrantLost, ""},
		{"trouble, token perhaps used", AnswerTrouble, "", false, true, "E4", store.GrantRefreshing, "k1.first"},
		{"trouble again", AnswerTrouble, "", true, true, "E4", store.GrantRefreshing, "k1.first"},
		{"trouble after the new token", AnswerTrouble, "k1.second", false, true, "E4", store.GrantIdle, "k1.second"},
		{"trouble, token not used", AnswerUnsent, "", false, true, "E4", store.GrantIdle, "k1.first"},
		{"trouble, token not used, mark open", AnswerUnsent, "", true, true, "E4", store.GrantRefreshing, "k1.first"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := lite(t)
			session, o, wd := watching(t, w)
			w.clock = w.clock.Add(16 * time.Minute)
			if row.open {
				o.answer.Kind = AnswerTrouble
				w.ask(wd)
				w.clock = w.clock.Add(16 * time.Minute)
			}
			o.answer, o.next = Alive{Kind: row.answer, Code: "some_code"}, row.next
			if w.ask(wd) != 1 {
				t.Fatal("nobody was asked about")
			}
			g := w.grant()
			if got := w.live(session); got != row.live {
				t.Errorf("session live: %t", got)
			}
			if g.Verdict != row.verdict || g.State != row.state || g.Sealed != row.sealed {
				t.Errorf("%s, %s, %q; want %s, %s, %q", g.Verdict, g.State, g.Sealed, row.verdict, row.state, row.sealed)
			}
			w.want("bo@acme.com", "member active")
			w.sound()
		})
	}
}

// `on_invalid_grant: off` notes it and changes nothing; confirm_then_suspend
// asks the directory.
func TestLivenessChoices(t *testing.T) {
	w := lite(t)
	session, o, wd := watching(t, w)
	wd.Ends = false
	o.answer.Kind = AnswerGrantGone
	w.clock = w.clock.Add(16 * time.Minute)
	w.ask(wd)
	if !w.live(session) || w.grant().Verdict != "E3" {
		t.Error("off ends sessions")
	}
	w = lite(t)
	_, o, wd = watching(t, w)
	o.answer.Kind = AnswerGrantGone
	asked := ""
	wd.Confirm = func(_ context.Context, person string) error { asked = person; return nil }
	w.clock = w.clock.Add(16 * time.Minute)
	w.ask(wd)
	if asked != "u-bo" {
		t.Errorf("asked the directory about %q", asked)
	}
}

// OL2: of two replicas one asks; whoever comes back too late writes nothing
// over the other's token. A crash in the middle leaves the mark (OL3).
func TestLivenessLease(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		_, o, wd := watching(t, w)
		w.clock = w.clock.Add(16 * time.Minute)
		o.next = "k1.second"
		o.during = func() {
			o.during = nil
			if n := w.ask(wd); n != 0 {
				t.Errorf("a second replica asks at the same time")
			}
			if g := w.grant(); g.State != store.GrantRefreshing {
				t.Errorf("no mark before the call: %s", g.State)
			}
		}
		w.ask(wd)
		if len(o.asked) != 1 || w.grant().Sealed != "k1.second" {
			t.Errorf("asked %v, kept %s", o.asked, w.grant().Sealed)
		}
		// A new sign-in during a question: its token stays.
		w.clock = w.clock.Add(16 * time.Minute)
		o.next = "k1.third"
		o.during = func() {
			o.during = nil
			in := w.who("sso", "u-bo")
			in.Who.Grant = "k1.signin"
			w.signIn(in)
		}
		w.ask(wd)
		if g := w.grant(); g.Sealed != "k1.signin" || g.State != store.GrantIdle {
			t.Errorf("a late answer overwrites a newer token: %s, %s", g.Sealed, g.State)
		}
	})
}

// OL1: who has neither a live session nor a number is not asked about.
func TestLivenessWatchesWhoMatters(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		session, o, wd := watching(t, w)
		w.push(&user{name: "cy", ext: "u-cy"})
		watch := func() map[string]bool {
			out := map[string]bool{}
			err := w.st.In("acme").View(context.Background(), func(r *store.Reader) error {
				rows, err := r.Watch("okta", "sso", "", workspace.At(w.clock), 100)
				for _, row := range rows {
					out[row.Email] = row.Token && row.Reason
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		if got := fmt.Sprint(watch()); got != "map[bo@acme.com:true cy@acme.com:false]" {
			t.Errorf("watched %s", got)
		}
		if err := w.e.EndSession(context.Background(), "acme", session.ID, "signed out"); err != nil {
			t.Fatal(err)
		}
		w.clock = w.clock.Add(16 * time.Minute)
		if w.ask(wd) != 0 || len(o.asked) != 0 || watch()["bo@acme.com"] {
			t.Error("somebody without session or number is asked about")
		}
		w.numbers("+4722000001")
		w.mustEdit("ann@acme.com", Edit{Kind: EditAssign, Member: "bo@acme.com", Number: "+4722000001", Access: workspace.AccessExclusive})
		if w.ask(wd) != 1 || !watch()["bo@acme.com"] {
			t.Error("somebody with a number is not asked about")
		}
	})
}

// ON3: a leaver's token is revoked at the provider and deleted; trouble on the
// way is tried again.
func TestLeaversTokenIsRevoked(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		_, o, wd := watching(t, w)
		w.mustEdit("ann@acme.com", Edit{Kind: EditRemove, Member: "bo@acme.com"})
		o.err = errors.New("down")
		w.ask(wd)
		if g := w.grant(); g.State != store.GrantRevoke || g.Sealed == "" {
			t.Fatalf("after trouble: %+v", g)
		}
		o.err = nil
		w.clock = w.clock.Add(5 * time.Minute)
		w.ask(wd)
		if len(o.revoked) != 2 || len(o.asked) != 0 || w.grant().Subject != "" {
			t.Errorf("revoked %v, asked %v, left %+v", o.revoked, o.asked, w.grant())
		}
	})
}

// Trouble is tried again sooner than the interval, and no sooner than the
// provider asks.
func TestLivenessBacksOff(t *testing.T) {
	w := lite(t)
	_, o, wd := watching(t, w)
	o.answer.Kind = AnswerUnsent
	w.clock = w.clock.Add(16 * time.Minute)
	for i, want := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute, 15 * time.Minute} {
		w.ask(wd)
		if got := w.grant().NextAt.Time().Sub(w.clock); got != want {
			t.Errorf("try %d: next in %s, want %s", i+1, got, want)
		}
		w.clock = w.clock.Add(want)
	}
	o.answer.Wait = time.Hour
	w.ask(wd)
	if got := w.grant().NextAt.Time().Sub(w.clock); got != time.Hour {
		t.Errorf("Retry-After: %s", got)
	}
}
