package sync

import (
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// A connection of kind oidc in observe mode: what a token states is stored and
// reported, and nobody gets a session, a link, a membership or a group by it,
// nor loses a session to an ambiguous no.
func TestObservedSignIn(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		signing(w, signInMapping)
		w.groups("Admins")
		w.verified("acme.org")
		// zoe came while the connection was live.
		zoe := w.who("idp", "zoe")
		zoe.Who.Groups, zoe.Who.GroupsKnown = []string{"staff"}, true
		row := PolledRow(zoe.Who.Identity)
		row.Attributes["department"] = []string{"Sales"}
		if out, err := w.e.Join(t.Context(), Join{Workspace: "acme", Name: "Zoe", Evidence: zoe.Who.Evidence, Identity: &row}); err != nil || out.State != JoinDone {
			t.Fatalf("%+v, %v", out, err)
		}
		before := w.signIn(zoe)
		w.want("zoe@acme.org", "member active")
		w.mode("idp", ModeObserve)
		w.mode("sso", ModeObserve)

		w.clock = w.clock.Add(time.Minute)
		again := w.who("idp", "zoe")
		again.Who.Groups, again.Who.GroupsKnown = []string{"staff", "phone-admins"}, true
		refused := w.refusedSignIn(again, RuleObserve)
		w.want("zoe@acme.org", "member active") // and not in Admins
		if refused.Run == "" || !w.live(before) {
			t.Errorf("run %q, the session of before lives: %t", refused.Run, w.live(before))
		}
		held := 0
		w.reads(func(r *store.Reader) error {
			changes, err := r.ChangesOfRun(refused.Run)
			for i := range changes {
				if changes[i].Kind == string(workspace.GroupJoin) && changes[i].Outcome == "held" && changes[i].Rule == RuleObserve {
					held++
				}
			}
			return err
		})
		if held != 1 {
			t.Errorf("%d group memberships are reported as held", held)
		}
		w.reads(func(r *store.Reader) error {
			if _, err := r.SessionByCookie(again.CookieHash); err == nil {
				t.Error("a session was kept")
			}
			return nil
		})

		// Nobody is linked, and nobody joins.
		fresh := w.who("idp", "zoe2")
		fresh.Invited = before.Member
		w.refusedSignIn(fresh, "OS2") // zoe is linked with another account of this provider
		out := w.join(w.who("idp", "yan").Who.Evidence)
		if out.State != JoinRefused || out.Rule != RuleObserve {
			t.Errorf("%+v", out)
		}
		w.want("yan@acme.org", "nobody")
		bo := &user{name: "bo", attrs: map[string]string{"department": "Sales"}, ext: "u-bo"}
		w.push(bo)
		w.refusedSignIn(w.who("sso", "u-bo"), RuleObserve)
		link := w.who("idp", "bo-at-idp")
		link.Invited = w.member("bo@acme.com")
		w.refusedSignIn(link, RuleObserve)
		w.reads(func(r *store.Reader) error {
			if _, err := r.IdentityByExternal("idp", "bo-at-idp", true); err == nil {
				t.Error("the account was linked")
			}
			return nil
		})

		// An ambiguous no ends no session.
		w.mode("idp", ModeLive)
		in := w.who("idp", "zoe")
		in.Who.Grant = "k1.first"
		in.Who.Groups, in.Who.GroupsKnown = []string{"staff"}, true
		live := w.signIn(in)
		w.mode("idp", ModeObserve)
		w.clock = w.clock.Add(16 * time.Minute)
		o := &oracle{answer: Alive{Kind: AnswerGrantGone, Code: "invalid_grant"}}
		if n := w.ask(Watched{Workspace: "acme", Connection: "idp", Asker: o, Every: 15 * time.Minute, Ends: true}); n != 1 || !w.live(live) {
			t.Errorf("%d asked, the session lives: %t", n, w.live(live))
		}
		w.sound()
	})
}
