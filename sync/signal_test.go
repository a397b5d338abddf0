package sync

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

func (w *world) signal(connection, jti string, events ...Signal) SignalResult {
	w.tb.Helper()
	res, err := w.e.Signal(context.Background(), Signals{
		Workspace: "acme", Connection: connection, JTI: jti, Until: w.clock.Add(time.Hour), SeenAt: w.clock, Txn: "t", Events: events,
	})
	if err != nil {
		w.tb.Fatalf("signal %s: %v", jti, err)
	}
	return res
}

// SI1: a session's logout ends that session, a person's ends all of them. A
// token that comes again does nothing (OI3).
func TestLogoutSignals(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		signing(w, "")
		w.push(&user{name: "bo", ext: "u-bo"})
		begin := func(sid string) store.SessionRow {
			in := w.who("sso", "u-bo")
			in.Who.SID = sid
			return w.signIn(in)
		}
		one, two := begin("s1"), begin("s2")
		w.signal("sso", "j1", Signal{Kind: SignalLogout, Subject: "u-bo", SID: "s1", At: w.clock})
		if w.live(one) || !w.live(two) {
			t.Fatal("a session's logout ends that session alone")
		}
		epoch := w.epoch("bo@acme.com")
		w.signal("sso", "j2", Signal{Kind: SignalLogout, Subject: "u-bo", At: w.clock})
		if w.live(two) || w.epoch("bo@acme.com") != epoch+1 {
			t.Fatal("a person's logout ends every session")
		}
		again := begin("s3")
		if res := w.signal("sso", "j2", Signal{Kind: SignalLogout, Subject: "u-bo", At: w.clock}); !res.Replayed || !w.live(again) {
			t.Errorf("a replayed token is taken: %+v", res)
		}
		if res := w.signal("idp", "j2", Signal{Kind: SignalLogout, Subject: "u-bo", At: w.clock}); res.Replayed || res.Unknown != 1 {
			t.Errorf("another connection's token: %+v", res)
		}
		w.want("bo@acme.com", "member active")
		w.sound()
	})
}

// SI2, E3: session-revoked and credential-change end sessions, and nothing
// else; whoever is still there signs in again.
func TestAmbiguousSignals(t *testing.T) {
	w := signing(lite(t), "")
	w.push(&user{name: "bo", ext: "u-bo"})
	for i, kind := range []SignalKind{SignalRevoked, SignalCredential} {
		row := w.signIn(w.who("sso", "u-bo"))
		res := w.signal("sso", string(kind), Signal{Kind: kind, Subject: "u-bo", At: w.clock})
		if w.live(row) || len(res.Ask) != 1 || res.Ask[0] != "u-bo" {
			t.Errorf("%d %s: %+v", i, kind, res)
		}
		w.want("bo@acme.com", "member active")
	}
	w.signIn(w.who("sso", "u-bo"))
	w.sound()
}

// EV6, SI3: nothing returns and nobody is found by a signal: account-enabled
// only asks, strangers are acknowledged and counted.
func TestSignalsGiveNothing(t *testing.T) {
	w := signing(lite(t), "")
	bo, cy := &user{name: "bo", ext: "u-bo"}, &user{name: "cy", ext: "u-cy"}
	w.push(bo)
	w.push(cy)
	session := w.signIn(w.who("sso", "u-cy"))
	w.signal("sso", "y", Signal{Kind: SignalEnabled, Subject: "u-cy", At: w.clock})
	if !w.live(session) {
		t.Error("account-enabled ends sessions")
	}
	bo.off = true
	w.push(bo)
	if res := w.signal("sso", "e", Signal{Kind: SignalEnabled, Subject: "u-bo", At: w.clock}); len(res.Ask) != 1 || len(res.Runs) != 0 {
		t.Errorf("account-enabled: %+v", res)
	}
	w.want("bo@acme.com", "member deactivated")
	if res := w.signal("sso", "x", Signal{Kind: SignalDisabled, Subject: "nobody", At: w.clock}, Signal{Kind: SignalVerify}, Signal{Kind: SignalOther, Subject: "u-bo"}); res.Unknown != 1 || len(res.Runs) != 0 {
		t.Errorf("a stranger: %+v", res)
	}
	var state store.SignalState
	err := w.st.In("acme").View(context.Background(), func(r *store.Reader) (err error) {
		state, err = r.SignalState("sso")
		return err
	})
	if err != nil || state.Taken != 5 || state.Unknown != 1 {
		t.Errorf("%+v, %v", state, err)
	}
}

// cutBySignal is somebody with a number whom account-disabled has cut.
func cutBySignal(t *testing.T, w *world, kind SignalKind) *user {
	t.Helper()
	signing(w, "")
	w.numbers("+4722000001")
	bo := &user{name: "bo", ext: "u-bo", attrs: map[string]string{"office": "Oslo"}}
	w.push(bo)
	w.want("bo@acme.com", "member active +4722000001:exclusive")
	row := w.signIn(w.who("sso", "u-bo"))
	w.clock = w.clock.Add(time.Minute)
	if res := w.signal("sso", "cut", Signal{Kind: kind, Subject: "u-bo", At: w.clock}); len(res.Ask) != 1 {
		t.Errorf("%+v", res)
	}
	// Access has ended; what belongs to it is still there (SI2).
	w.want("bo@acme.com", "member deactivated +4722000001:exclusive")
	if w.live(row) {
		t.Error("the session outlives the cut")
	}
	holds := w.holds()
	if len(holds) != 1 || !strings.Contains(holds[0].Reason, "signal") {
		t.Errorf("holds %+v", holds)
	}
	w.refusedSignIn(w.who("sso", "u-bo"), "OS4")
	w.sound()
	return bo
}

// SI2: account-disabled and account-purged cut at once; the directory's word
// lets the tail go.
func TestDisabledSignalConfirmed(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		bo := cutBySignal(t, w, SignalDisabled)
		ask := &oneSource{found: bo.row().Identity}
		ask.found.Active, ask.found.Reason = false, "disabled"
		w.clock = w.clock.Add(time.Second)
		if err := w.e.Ask(context.Background(), Polled{Workspace: "acme", Connection: "okta", Source: ask}, "u-bo", "signal"); err != nil {
			t.Fatal(err)
		}
		w.want("bo@acme.com", "member deactivated")
		if holds := w.holds(); len(holds) != 0 {
			t.Errorf("%d plans are still held", len(holds))
		}
		w.sound()
	})
}

// SI2: a directory that pushes confirms by saying so itself.
func TestDisabledSignalConfirmedByPush(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		bo := cutBySignal(t, w, SignalDisabled)
		w.clock = w.clock.Add(time.Second)
		bo.off, bo.ver = true, 2
		w.push(bo)
		w.want("bo@acme.com", "member deactivated")
		if holds := w.holds(); len(holds) != 0 {
			t.Errorf("%d plans are still held", len(holds))
		}
		w.sound()
	})
}

// The directory says enabled: everything is as it was (BU3).
func TestDisabledSignalDenied(t *testing.T) {
	w := lite(t)
	bo := cutBySignal(t, w, SignalPurged)
	ask := &oneSource{found: bo.row().Identity}
	w.clock = w.clock.Add(time.Second)
	if err := w.e.Ask(context.Background(), Polled{Workspace: "acme", Connection: "okta", Source: ask}, "u-bo", "signal"); err != nil {
		t.Fatal(err)
	}
	w.want("bo@acme.com", "member active +4722000001:exclusive")
	w.signIn(w.who("sso", "u-bo"))
	w.sound()
}

// Trouble of the directory, and its not finding somebody, confirm nothing
// (E4, AB1); a person may decide meanwhile.
func TestDisabledSignalUnanswered(t *testing.T) {
	w := lite(t)
	cutBySignal(t, w, SignalDisabled)
	pl := Polled{Workspace: "acme", Connection: "okta"}
	for _, err := range []error{context.DeadlineExceeded, ErrAuth, ErrAbsent} {
		pl.Source = &oneSource{err: err}
		if got := w.e.Ask(context.Background(), pl, "u-bo", "signal"); (got == nil) != errors.Is(err, ErrAbsent) {
			t.Errorf("%v: %v", err, got)
		}
		w.want("bo@acme.com", "member deactivated +4722000001:exclusive")
	}
	if _, err := w.approve(w.holds()[0].PlanHash, "ann@acme.com"); err != nil {
		t.Fatal(err)
	}
	w.want("bo@acme.com", "member deactivated")
	w.sound()
}

// SI3: a signal older than what the directory has said last ends sessions, and
// nothing else.
func TestOldSignalEndsSessionsOnly(t *testing.T) {
	w := signing(lite(t), "")
	then := w.clock
	w.clock = w.clock.Add(time.Minute)
	w.push(&user{name: "bo", ext: "u-bo"})
	row := w.signIn(w.who("sso", "u-bo"))
	w.signal("sso", "old", Signal{Kind: SignalDisabled, Subject: "u-bo", At: then})
	w.want("bo@acme.com", "member active")
	if w.live(row) {
		t.Error("sessions go on")
	}
}

// M13, O3: no signal takes an Owner away; a sole one is contained.
func TestSignalContainsOwner(t *testing.T) {
	w := signing(lite(t), "")
	w.verified("acme.com")
	ann := &user{name: "ann", ext: "u-ann"}
	if _, err := w.tryPush(ann); err != nil {
		t.Fatal(err)
	}
	for _, h := range w.holds() {
		if _, err := w.approve(h.PlanHash, "dan@acme.com"); err != nil {
			t.Fatal(err)
		}
	}
	row := w.signIn(w.who("sso", "u-ann"))
	w.clock = w.clock.Add(time.Minute)
	w.signal("sso", "owner", Signal{Kind: SignalDisabled, Subject: "u-ann", At: w.clock})
	w.want("ann@acme.com", "owner active contained")
	if w.live(row) {
		t.Error("the session outlives containment")
	}
	w.refusedSignIn(w.who("sso", "u-ann"), "O3")
	w.sound()
}

// oneSource is a directory that is asked about one person.
type oneSource struct {
	Source
	found workspace.Identity
	err   error
}

func (s *oneSource) Get(context.Context, string) (workspace.Identity, error) { return s.found, s.err }
