package sync

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// signInMapping knows the groups of tokens of connection idp.
const signInMapping = `
version: 1
owner: ann@acme.com
source_groups:
  phone-admins: {okta: phone-admins, idp: phone-admins}
  staff: {okta: staff, idp: staff}
eligible: {id: e-staff, if: {any: [{group: staff}, {attr: department, in: [Sales]}]}}
roles:
  - {id: r-member, role: member}
groups:
  - {id: g-admins, to: Admins, if: {group: phone-admins}}
`

// signing gives a world people sign in to: through okta, whose records scim
// brings, and through idp, which has none.
func signing(w *world, rules string) *world {
	w.tb.Helper()
	if rules != "" {
		compiled, err := mapping.Load([]byte(rules), mapping.LoadOptions{Connections: []string{"okta", "idp"}, File: "mapping.yaml"})
		if err != nil {
			w.tb.Fatal(err)
		}
		w.cfg.Rules = compiled
	}
	w.cfg.Connections = append(w.cfg.Connections,
		Connection{ID: "sso", Kind: "oidc", ActsAs: workspace.RoleAdmin, SignIn: SignInTerms{Records: "okta", Every: 15 * time.Minute}},
		Connection{ID: "idp", Kind: "oidc", ActsAs: workspace.RoleAdmin, TrustEmail: TrustVerifiedClaim, Domains: []string{"acme.org"}, SignIn: SignInTerms{Every: 15 * time.Minute}})
	w.cfg.Domains = DomainTerms{Evidence: EvidenceRows()}
	w.open()
	return w
}

// who is somebody at a provider.
func (w *world) who(connection, subject string) SignIn {
	return SignIn{
		Workspace: "acme", Connection: connection, CookieHash: "cookie-" + newID(), CodeHash: "code-" + newID(), Txn: "t",
		Who: SignedIn{
			Issuer: "https://idp.acme.com", Subject: subject, SeenAt: w.clock, AuthAt: w.clock,
			Identity: workspace.Identity{ExternalID: subject, UserName: subject, Email: subject + "@acme.org", Name: subject, Active: true, Attributes: workspace.Attributes{"userName": {subject}}},
			Evidence: Evidence{Email: subject + "@acme.org", At: w.clock, Connection: connection, Subject: subject, EmailVerified: true},
		},
	}
}

func (w *world) signIn(in SignIn) store.SessionRow {
	w.tb.Helper()
	row, err := w.e.SignIn(context.Background(), in)
	if err != nil {
		w.tb.Fatalf("sign-in of %s: %v", in.Who.Subject, err)
	}
	return row
}

// refusedSignIn wants a refusal by a rule.
func (w *world) refusedSignIn(in SignIn, rule string) SignInError {
	w.tb.Helper()
	_, err := w.e.SignIn(context.Background(), in)
	var refused *SignInError
	if !errors.As(err, &refused) || refused.Rule != rule || refused.Reason == "" || refused.Remedy == "" {
		w.tb.Fatalf("sign-in of %s: %v, want a refusal by %s", in.Who.Subject, err, rule)
	}
	return *refused
}

// live reports whether a session is good now.
func (w *world) live(row store.SessionRow) (good bool) {
	w.tb.Helper()
	err := w.st.In("acme").View(context.Background(), func(r *store.Reader) error {
		now, err := r.Session(row.ID)
		if err != nil {
			return err
		}
		m, err := r.Member(now.Member)
		good = LiveSession(&now, &m, workspace.At(w.clock))
		return err
	})
	if err != nil {
		w.tb.Fatal(err)
	}
	return good
}

func (w *world) epoch(email string) int64 {
	w.tb.Helper()
	var epoch int64
	err := w.st.In("acme").View(context.Background(), func(r *store.Reader) error {
		m, err := r.MemberByEmail(emailKey(email))
		epoch = m.Epoch
		return err
	})
	if err != nil {
		w.tb.Fatal(err)
	}
	return epoch
}

// OS2: the immutable id finds the member; a session is good in the epoch it
// began in, and no longer (EP3).
func TestSignInByDirectoryID(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		signing(w, "")
		bo := &user{name: "bo", ext: "00u-bo"}
		w.push(bo)
		row := w.signIn(w.who("sso", "00u-bo"))
		if row.Epoch != w.epoch("bo@acme.com") || !w.live(row) {
			t.Fatalf("session %+v", row)
		}
		w.mustEdit("ann@acme.com", Edit{Kind: EditSessions, Member: "bo@acme.com"})
		if w.live(row) {
			t.Error("the session outlives its epoch")
		}
		again := w.signIn(w.who("sso", "00u-bo"))
		w.clock = w.clock.Add(13 * time.Hour)
		if w.live(again) {
			t.Error("the session outlives its lifetime")
		}
		w.sound()
	})
}

// OS2: that an address exists links nobody with anything.
func TestSignInNeverLinksByAddress(t *testing.T) {
	w := signing(lite(t), "")
	w.verified("acme.com")
	w.push(&user{name: "bo", ext: "00u-bo"})
	for _, connection := range []string{"sso", "idp"} {
		in := w.who(connection, "stranger")
		in.Who.Identity.Email, in.Who.Evidence.Email = "bo@acme.com", "bo@acme.com"
		if refused := w.refusedSignIn(in, "OS2"); !refused.NoMember {
			t.Errorf("%s: %+v", connection, refused)
		}
	}
	w.want("bo@acme.com", "member active")
	w.sound()
}

// OS4, RB4: whoever was ended is refused at sign-in, by flag, by deletion and
// by the tombstone alone.
func TestSignInRefusesLeavers(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		signing(w, "")
		bo, cy, di := &user{name: "bo", ext: "u-bo"}, &user{name: "cy", ext: "u-cy"}, &user{name: "di", ext: "u-di"}
		for _, x := range []*user{bo, cy, di} {
			w.push(x)
		}
		before := w.signIn(w.who("sso", "u-bo"))
		bo.off = true
		w.push(bo)
		w.drop(cy)
		w.mustEdit("ann@acme.com", Edit{Kind: EditRemove, Member: "di@acme.com"})
		if w.live(before) {
			t.Error("the session outlives its member")
		}
		// Of the last one nothing is left but the tombstone.
		if err := w.st.In("acme").Update(context.Background(), store.UnitOptions{}, func(tx *store.Tx) error {
			return tx.PutTombstone(store.TombstoneRow{
				Value: w.e.spaces["acme"].tombstoneValue(tombstoneID, "okta", "u-erased"), Kind: tombstoneID, Member: bo.id, Cause: "okta", Connection: "okta", At: workspace.At(w.clock),
			})
		}); err != nil {
			t.Fatal(err)
		}
		for _, subject := range []string{"u-bo", "u-cy", "u-di", "u-erased"} {
			if refused := w.refusedSignIn(w.who("sso", subject), "OS4"); refused.NoMember {
				t.Errorf("%s may join: %+v", subject, refused)
			}
		}
		w.sound()
	})
}

// A session in the same browser, begun within ten minutes, links another
// account; an older one does not, and one whose epoch is over does not.
func TestSignInLinksByFreshSession(t *testing.T) {
	w := signing(lite(t), "")
	w.push(&user{name: "bo", ext: "u-bo"})
	first := w.signIn(w.who("sso", "u-bo"))
	in := w.who("idp", "bo-at-idp")
	in.Fresh = first.CookieHash

	late := in
	w.clock = w.clock.Add(11 * time.Minute)
	w.refusedSignIn(late, "OS2")
	w.clock = w.clock.Add(-11 * time.Minute)

	row := w.signIn(in)
	if row.Member != first.Member {
		t.Errorf("linked with %s, want %s", row.Member, first.Member)
	}
	later := w.who("idp", "bo-at-idp")
	if again := w.signIn(later); again.Member != first.Member {
		t.Errorf("the link is forgotten")
	}
	other := w.who("idp", "another-at-idp")
	other.Fresh = first.CookieHash
	w.refusedSignIn(other, "OS2")
	w.mustEdit("ann@acme.com", Edit{Kind: EditSessions, Member: "bo@acme.com"})
	third := w.who("idp", "third-at-idp")
	third.Fresh = first.CookieHash
	w.refusedSignIn(third, "OS2")
	w.sound()
}

// What a token once stated keeps no leaver whom a directory has ended.
func TestTokensKeepNobody(t *testing.T) {
	w := signing(lite(t), "")
	bo := &user{name: "bo", ext: "u-bo"}
	w.push(bo)
	in := w.who("idp", "bo-at-idp")
	in.Fresh = w.signIn(w.who("sso", "u-bo")).CookieHash
	row := w.signIn(in)
	w.drop(bo)
	w.want("bo@acme.com", "member deactivated")
	if w.live(row) {
		t.Error("the session outlives the deletion")
	}
	w.refusedSignIn(w.who("idp", "bo-at-idp"), "OS4")
	w.sound()
}

// OS5: groups that are stated, none, absent and too many are four things.
func TestSignInGroups(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		signing(w, signInMapping)
		w.groups("Admins")
		w.verified("acme.org")
		enter := func(groups []string, known, overage bool) {
			t.Helper()
			w.clock = w.clock.Add(time.Minute)
			in := w.who("idp", "zoe")
			in.Who.Identity.Attributes["department"] = []string{"Sales"}
			in.Who.Groups, in.Who.GroupsKnown, in.Who.Overage = groups, known, overage
			session, err := w.e.SignIn(context.Background(), in)
			var refused *SignInError
			if errors.As(err, &refused) && refused.NoMember {
				row := PolledRow(in.Who.Identity)
				out, jerr := w.e.Join(context.Background(), Join{Workspace: "acme", Name: "Zoe", Evidence: in.Who.Evidence, Identity: &row})
				if jerr != nil || out.State != JoinDone {
					t.Fatalf("join: %+v, %v", out, jerr)
				}
				session, err = w.e.SignIn(context.Background(), in)
			}
			if err != nil {
				t.Fatal(err)
			}
			if !w.live(session) {
				t.Errorf("what the token states of groups %q ended the session that it began (EP3)", groups)
			}
		}
		enter([]string{"phone-admins"}, true, false)
		w.want("zoe@acme.org", "member active Admins")
		enter(nil, false, false)
		w.want("zoe@acme.org", "member active Admins")
		enter(nil, false, true)
		w.want("zoe@acme.org", "member active Admins")
		enter([]string{}, true, false)
		w.want("zoe@acme.org", "member active")
		enter([]string{"phone-admins", "x"}, true, false)
		w.want("zoe@acme.org", "member active Admins")
		w.sound()
	})
}

// AB3, E3: a token that names no group which gives access ends sessions, and
// never a membership; the record keeps what it said.
func TestSignInRemovesNobody(t *testing.T) {
	w := signing(lite(t), signInMapping)
	w.groups("Admins")
	w.verified("acme.org")
	in := w.who("idp", "zoe")
	in.Who.Identity.Attributes["department"] = []string{"Support"}
	in.Who.Groups, in.Who.GroupsKnown = []string{"staff", "phone-admins"}, true
	row := PolledRow(in.Who.Identity)
	if out, err := w.e.Join(context.Background(), Join{Workspace: "acme", Name: "Zoe", Evidence: in.Who.Evidence, Identity: &row}); err != nil || out.State != JoinDone {
		t.Fatalf("%+v, %v", out, err)
	}
	first := w.signIn(in)
	w.want("zoe@acme.org", "member active Admins")
	w.clock = w.clock.Add(time.Minute)
	less := w.who("idp", "zoe")
	less.Who.Identity.Attributes["department"] = []string{"Support"}
	less.Who.Groups, less.Who.GroupsKnown = []string{"canteen"}, true
	refused := w.refusedSignIn(less, "E3")
	w.want("zoe@acme.org", "member active Admins")
	if w.live(first) || refused.Run == "" {
		t.Errorf("sessions go on after an E3: %+v", refused)
	}
	w.sound()
}

// EV4: what an older sign-in stated does not overwrite what a newer one did.
func TestSignInOlderNeverOverwrites(t *testing.T) {
	w := signing(lite(t), signInMapping)
	w.groups("Admins")
	w.verified("acme.org")
	in := w.who("idp", "zoe")
	in.Who.Groups, in.Who.GroupsKnown = []string{"staff", "phone-admins"}, true
	row := PolledRow(in.Who.Identity)
	row.ObservedAt = workspace.At(w.clock)
	if out, err := w.e.Join(context.Background(), Join{Workspace: "acme", Name: "Zoe", Evidence: in.Who.Evidence, Identity: &row}); err != nil || out.State != JoinDone {
		t.Fatalf("%+v, %v", out, err)
	}
	w.signIn(in)
	slow := w.who("idp", "zoe")
	slow.Who.SeenAt = w.clock.Add(-time.Minute)
	slow.Who.Groups, slow.Who.GroupsKnown = []string{"staff"}, true
	w.signIn(slow)
	w.want("zoe@acme.org", "member active Admins")
}

// A one-time code gives the session once, for a minute.
func TestRedeemCode(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		signing(w, "")
		w.push(&user{name: "bo", ext: "u-bo"})
		ctx := context.Background()
		row := w.signIn(w.who("sso", "u-bo"))
		got, m, err := w.e.RedeemCode(ctx, "acme", row.CodeHash)
		if err != nil || got.ID != row.ID || m.Email != "bo@acme.com" {
			t.Fatalf("%+v, %v", got, err)
		}
		if _, _, err := w.e.RedeemCode(ctx, "acme", row.CodeHash); !errors.Is(err, workspace.ErrNotFound) {
			t.Errorf("the second time: %v", err)
		}
		old := w.signIn(w.who("sso", "u-bo"))
		ended := w.signIn(w.who("sso", "u-bo"))
		if err := w.e.EndSession(ctx, "acme", ended.ID, "signed out"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.e.RedeemCode(ctx, "acme", ended.CodeHash); !errors.Is(err, workspace.ErrNotFound) {
			t.Errorf("of an ended session: %v", err)
		}
		w.clock = w.clock.Add(61 * time.Second)
		if _, _, err := w.e.RedeemCode(ctx, "acme", old.CodeHash); !errors.Is(err, workspace.ErrNotFound) {
			t.Errorf("after a minute: %v", err)
		}
		if !w.live(old) || w.live(ended) {
			t.Error("ending one session ends that one alone")
		}
	})
}

// Every sign-in has a report and a leaf; a refused one says by which rule.
func TestSignInIsReported(t *testing.T) {
	w := signing(lite(t), "")
	refused := w.refusedSignIn(w.who("sso", "nobody"), "OS2")
	err := w.st.In("acme").View(context.Background(), func(r *store.Reader) error {
		run, err := r.Run(refused.Run)
		if err != nil {
			return err
		}
		if run.Kind != string(RunSignin) || run.Denied != 1 || strings.Contains(string(run.Body), "cookie-") {
			t.Errorf("run %+v", run)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.sound()
}
