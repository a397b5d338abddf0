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

// writes changes the store behind the engine's back.
func (w *world) writes(change func(*store.Tx) error) {
	w.tb.Helper()
	if err := w.st.In("acme").Update(context.Background(), store.UnitOptions{}, change); err != nil {
		w.tb.Fatal(err)
	}
}

// record stores a record of a connection that no member is linked with.
func (w *world) record(connection, id string, change func(*workspace.Identity)) {
	w.tb.Helper()
	i := workspace.Identity{
		ID: "i-" + connection + id, Connection: connection, ExternalID: id, UserName: id, Email: id + "@acme.org", Active: true, Attributes: workspace.Attributes{}, Version: 1,
	}
	if change != nil {
		change(&i)
	}
	w.writes(func(tx *store.Tx) error {
		return tx.InsertIdentity(store.IdentityRow{Identity: i, UserKey: i.UserName, EmailKey: emailKey(i.Email)})
	})
}

// bury leaves a tombstone of an account.
func (w *world) bury(connection, id, member string) {
	w.tb.Helper()
	w.writes(func(tx *store.Tx) error {
		return tx.PutTombstone(store.TombstoneRow{
			Value: w.e.spaces["acme"].tombstoneValue(tombstoneID, connection, id), Kind: tombstoneID, Member: member, Cause: connection, Connection: connection, At: workspace.At(w.clock),
		})
	})
}

// OS4: a record that says no refuses, with a member or without one, and so
// does a tombstone of the account at either connection; nobody of these joins.
func TestSignInRefusesEndedRecords(t *testing.T) {
	w := signing(lite(t), "")
	w.push(&user{name: "bo", ext: "u-bo"})
	w.record("okta", "r-off", func(i *workspace.Identity) { i.Active = false })
	w.record("okta", "r-gone", func(i *workspace.Identity) { i.Deleted = true })
	w.record("okta", "r-buried", nil)
	var bo workspace.Identity
	w.reads(func(r *store.Reader) (err error) {
		bo, err = r.IdentityByExternal("okta", "u-bo", false)
		return err
	})
	w.bury("okta", "r-buried", bo.Member)
	w.bury("sso", "at-sso", bo.Member)
	w.bury("okta", "at-okta", bo.Member)
	// The directory has said no, and the cut is under way.
	bo.Active = false
	w.writes(func(tx *store.Tx) error { return tx.StateIdentity(bo, workspace.At(w.clock)) })
	w.want("bo@acme.com", "member active")
	for _, subject := range []string{"u-bo", "r-off", "r-gone", "r-buried", "at-sso", "at-okta"} {
		if refused := w.refusedSignIn(w.who("sso", subject), "OS4"); refused.NoMember {
			t.Errorf("%s may join: %+v", subject, refused)
		}
	}
}

// OS2: an account of a directory is linked by the directory's own id alone,
// whatever session the browser has; and no session links nothing.
func TestSignInLinksNobodyOfADirectory(t *testing.T) {
	w := lite(t)
	signing(w, "")
	w.cfg.Connections = append(w.cfg.Connections,
		Connection{ID: "reads", Kind: "oidc", ActsAs: workspace.RoleAdmin, Reads: true, SignIn: SignInTerms{Every: time.Minute}},
		Connection{ID: "second", Kind: "oidc", ActsAs: workspace.RoleAdmin, SignIn: SignInTerms{Records: "idp"}})
	w.open()
	w.push(&user{name: "bo", ext: "u-bo"})
	first := w.signIn(w.who("sso", "u-bo"))
	for _, connection := range []string{"sso", "reads", "second"} {
		in := w.who(connection, "stranger")
		in.Fresh = first.CookieHash
		w.refusedSignIn(in, "OS2")
	}
	// A session without a cookie is nobody's way in.
	bare := w.who("sso", "u-bo")
	bare.CookieHash = ""
	w.signIn(bare)
	w.refusedSignIn(w.who("idp", "stranger"), "OS2")
	w.sound()
}

// OS2: a session that has ended links nothing, nor does a member who may not
// sign in.
func TestSignInLinksByLiveSessionsAlone(t *testing.T) {
	w := signing(lite(t), "")
	bo := &user{name: "bo", ext: "u-bo"}
	w.push(bo)
	in := w.who("idp", "bo-at-idp")
	in.Fresh = w.signIn(w.who("sso", "u-bo")).CookieHash
	w.mustEdit("ann@acme.com", Edit{Kind: EditSessions, Member: "bo@acme.com"})
	w.refusedSignIn(in, "OS2")
	in.Fresh, in.Invited = "", w.member("bo@acme.com")
	bo.off = true
	w.push(bo)
	w.refusedSignIn(in, "OS2")
	w.sound()
}

// EV3, OS5: what a later token does not state stays as it was, and too many
// groups are said so in the report.
func TestLaterTokenStatesLess(t *testing.T) {
	w := signing(lite(t), signInMapping)
	w.groups("Admins")
	w.verified("acme.org")
	in := w.who("idp", "zoe")
	in.Who.Identity.Attributes["department"] = []string{"Sales"}
	in.Who.Groups, in.Who.GroupsKnown = []string{"phone-admins"}, true
	row := PolledRow(in.Who.Identity)
	if out, err := w.e.Join(context.Background(), Join{Workspace: "acme", Name: "Zoe", Evidence: in.Who.Evidence, Identity: &row}); err != nil || out.State != JoinDone {
		t.Fatalf("%+v, %v", out, err)
	}
	w.signIn(in)
	w.clock = w.clock.Add(time.Minute)
	less := w.who("idp", "zoe")
	less.Who.Identity.Email, less.Who.Identity.Name, less.Who.Overage = "", "", true
	w.signIn(less)
	w.reads(func(r *store.Reader) error {
		i, err := r.IdentityByExternal("idp", "zoe", false)
		if department, _ := i.Attributes.First("department"); department != "Sales" || i.Email != "zoe@acme.org" || i.Name != "zoe" {
			t.Errorf("%+v", i)
		}
		runs, rerr := r.Runs("", 0, 1)
		if rerr == nil && (len(runs) != 1 || !strings.Contains(string(runs[0].Body), "(OS5)")) {
			t.Error("the report does not say that there were too many groups")
		}
		return errors.Join(err, rerr)
	})
	w.want("zoe@acme.org", "member active Admins")
	w.sound()
}

// EP2, EP3: each of the things that make a session good.
func TestLiveSession(t *testing.T) {
	t.Parallel()
	m := workspace.Member{ID: "m", Epoch: 3, State: workspace.StateActive}
	s := store.SessionRow{Member: "m", Epoch: 3, ExpiresAt: 100}
	for name, change := range map[string]func(*store.SessionRow, *workspace.Member){
		"suspended": func(_ *store.SessionRow, m *workspace.Member) { m.State = workspace.StateDeactivated },
		"contained": func(_ *store.SessionRow, m *workspace.Member) { m.Contained = true },
		"another":   func(s *store.SessionRow, _ *workspace.Member) { s.Member = "x" },
		"epoch":     func(s *store.SessionRow, _ *workspace.Member) { s.Epoch = 2 },
		"ended":     func(s *store.SessionRow, _ *workspace.Member) { s.EndedAt = 1 },
		"over":      func(s *store.SessionRow, _ *workspace.Member) { s.ExpiresAt = 50 },
	} {
		row, member := s, m
		change(&row, &member)
		if LiveSession(&row, &member, 50) {
			t.Errorf("%s: live", name)
		}
	}
	if !LiveSession(&s, &m, 50) {
		t.Error("a good session is not")
	}
}

// A session lasts as long as its connection says; the code of one that has
// ended with its epoch gives nothing.
func TestSessionTerms(t *testing.T) {
	w := signing(lite(t), "")
	w.cfg.Connections[3].SignIn.Lifetime = time.Hour
	w.open()
	w.push(&user{name: "bo", ext: "u-bo"})
	row := w.signIn(w.who("sso", "u-bo"))
	if got := row.ExpiresAt.Time().Sub(w.clock); got != time.Hour {
		t.Errorf("lasts %s", got)
	}
	w.mustEdit("ann@acme.com", Edit{Kind: EditSessions, Member: "bo@acme.com"})
	if _, _, err := w.e.RedeemCode(context.Background(), "acme", row.CodeHash); !errors.Is(err, workspace.ErrNotFound) {
		t.Errorf("the code of a dead session: %v", err)
	}
}

// O5, E3: no provider ends a break-glass Owner's sessions, and a leaver has
// none to end.
func TestSignalsLeaveBreakGlass(t *testing.T) {
	w := signing(lite(t), "")
	bo := &user{name: "bo", ext: "u-bo"}
	w.push(bo)
	row := w.signIn(w.who("sso", "u-bo"))
	glass := func(on bool) {
		w.writes(func(tx *store.Tx) error {
			m, err := tx.MemberByEmail("bo@acme.com")
			if err != nil {
				return err
			}
			m.BreakGlass = on
			m.Version++
			return tx.UpdateMember(m)
		})
	}
	glass(true)
	if res := w.signal("sso", "j1", Signal{Kind: SignalRevoked, Subject: "u-bo", At: w.clock}); !w.live(row) || len(res.Runs) != 0 {
		t.Errorf("break glass: %+v", res)
	}
	glass(false)
	w.signal("sso", "j2", Signal{Kind: SignalOther, Subject: "u-bo", At: w.clock}, Signal{Kind: SignalVerify, Subject: "u-bo", At: w.clock})
	if !w.live(row) {
		t.Error("an event that we do not act on ends sessions")
	}
	bo.off = true
	w.push(bo)
	if res := w.signal("sso", "j3", Signal{Kind: SignalRevoked, Subject: "u-bo", At: w.clock}); len(res.Runs) != 0 {
		t.Errorf("a leaver: %+v", res)
	}
}

// SI1: a session's logout names its own person, and ends it once.
func TestLogoutNamesItsPerson(t *testing.T) {
	w := signing(lite(t), "")
	w.push(&user{name: "bo", ext: "u-bo"})
	in := w.who("sso", "u-bo")
	in.Who.SID = "s1"
	row := w.signIn(in)
	if res := w.signal("sso", "j1", Signal{Kind: SignalLogout, Subject: "u-cy", SID: "s1", At: w.clock}); !w.live(row) || res.Unknown != 1 {
		t.Errorf("another person's: %+v", res)
	}
	for i, want := range []int{1, 0} {
		res := w.signal("sso", "k"+string(rune('0'+i)), Signal{Kind: SignalLogout, SID: "s1", At: w.clock})
		if w.live(row) || len(res.Runs) != want {
			t.Errorf("time %d: %+v", i+1, res)
		}
	}
}

// OL3, OL5: an invalid_grant that may be a lost answer's doing asks no
// directory either.
func TestLostAnswerAsksNobody(t *testing.T) {
	w := lite(t)
	_, o, wd := watching(t, w)
	wd.Confirm = func(context.Context, string) error { t.Error("the directory is asked"); return nil }
	for _, kind := range []AnswerKind{AnswerTrouble, AnswerGrantGone} {
		o.answer.Kind = kind
		w.clock = w.clock.Add(16 * time.Minute)
		w.ask(wd)
	}
	if g := w.grant(); g.Verdict != "E4" || g.State != store.GrantLost {
		t.Errorf("%+v", g)
	}
}

// AB3, EV4: a directory that shows somebody out of scope ends nobody when it is
// asked about one person, and an answer older than what is known is dropped.
func TestAskedAboutOne(t *testing.T) {
	w := signing(lite(t), "")
	bo := &user{name: "bo", ext: "u-bo"}
	w.push(bo)
	found := bo.row().Identity
	found.Active, found.Reason = false, "filtered"
	w.clock = w.clock.Add(time.Second)
	pl := Polled{Workspace: "acme", Connection: "okta", Source: &oneSource{found: found}}
	if err := w.e.Ask(context.Background(), pl, "u-bo", "signal"); err != nil {
		t.Fatal(err)
	}
	w.want("bo@acme.com", "member active")
	found.Reason = "disabled"
	pl.Source = &slowSource{found: found, meanwhile: func() {
		w.clock = w.clock.Add(time.Second)
		w.push(bo) // enabled, said after the question was sent
	}}
	if err := w.e.Ask(context.Background(), pl, "u-bo", "signal"); err != nil {
		t.Fatal(err)
	}
	w.want("bo@acme.com", "member active")
}

// OS4: while a directory knows a person, or knew them, what tokens stated of
// them keeps nobody.
func TestDirectoryFirst(t *testing.T) {
	w := signing(lite(t), "")
	bo := &user{name: "bo", ext: "u-bo"}
	w.push(bo)
	in := w.who("idp", "bo-at-idp")
	in.Fresh = w.signIn(w.who("sso", "u-bo")).CookieHash
	member := w.signIn(in).Member
	counts := func() (connections []string) {
		t.Helper()
		w.writes(func(tx *store.Tx) error {
			u, err := w.e.newUnit(w.e.spaces["acme"], Connection{}, tx, Batch{Workspace: "acme", Kind: RunEdit, Channel: workspace.ChannelCLI, SeenAt: w.clock})
			if err != nil {
				return err
			}
			live, err := tx.IdentitiesOf(member, false)
			if err != nil {
				return err
			}
			kept, err := u.directoryFirst(live, member)
			for _, i := range kept {
				connections = append(connections, i.Connection)
			}
			return err
		})
		return connections
	}
	if got := counts(); len(got) != 1 || got[0] != "okta" {
		t.Errorf("both know bo: %q", got)
	}
	w.drop(bo)
	if got := counts(); len(got) != 0 {
		t.Errorf("the directory knows bo no more: %q", got)
	}
}

// OL2: a "no" that comes back after a new sign-in is about a token that is
// gone: the new session goes on, with the new token.
func TestLateNoEndsNothing(t *testing.T) {
	w := lite(t)
	_, o, wd := watching(t, w)
	w.clock = w.clock.Add(16 * time.Minute)
	o.answer.Kind = AnswerGrantGone
	var fresh store.SessionRow
	o.during = func() {
		in := w.who("sso", "u-bo")
		in.Who.Grant = "k1.signin"
		fresh = w.signIn(in)
	}
	w.ask(wd)
	if g := w.grant(); !w.live(fresh) || g.Sealed != "k1.signin" || g.State != store.GrantIdle || g.Verdict != "alive" {
		t.Errorf("live %t, %+v", w.live(fresh), g)
	}
}
