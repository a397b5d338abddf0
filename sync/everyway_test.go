package sync

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// steps are the steps of leavers-and-events section 3, by the statement that
// does each: the cut up to the savepoint, the tail behind it, the log last.
var steps = []struct{ name, begins string }{
	{"LT4 state and epoch", "UPDATE member SET"},
	{"LT3 snapshot", "INSERT INTO snapshot"},
	{"LT5 tombstone", "INSERT INTO tombstone"},
	{"LT6 invitations to the leaver", "UPDATE invitation"},
	{"savepoint", "SAVEPOINT"},
	{"LT7 numbers", "DELETE FROM assignment"},
	{"LT7 reserved", "INSERT INTO reservation"},
	{"LT8 groups", "DELETE FROM group_member"},
	{"clock T0 to T2", "INSERT INTO leaver"},
	{"LT11 log head", "UPDATE audit_head"},
	{"LT11 change records", "INSERT INTO change"},
	{"LT11 outbox", "INSERT INTO event"},
}

// leaverUnit gives the steps of the unit that ended somebody's access, in the
// order in which they were first taken.
func leaverUnit(t *testing.T, texts []string) []string {
	t.Helper()
	var unit []string
	for _, text := range texts {
		if strings.HasPrefix(text, "BEGIN") {
			unit = nil
		}
		unit = append(unit, text)
		if text != "COMMIT" {
			continue
		}
		var took []string
		for _, s := range unit {
			for _, step := range steps {
				if strings.HasPrefix(s, step.begins) && !slices.Contains(took, step.name) {
					took = append(took, step.name)
				}
			}
		}
		if slices.Contains(took, "LT5 tombstone") {
			return took
		}
	}
	t.Fatal("no unit ended anybody's access")
	return nil
}

// TestEveryWayOutIsTheSame: SCIM, a directory that is polled, a person and the
// clock end access by the same steps in the same order, and leave the same
// behind: state and epoch first, then tombstone, invitations, numbers by the
// chain, groups, and the log last (issue 6).
func TestEveryWayOutIsTheSame(t *testing.T) {
	const who = "p007@acme.com"
	type setting struct {
		w *world
		d *directory
		x *user // p007 where SCIM pushes
	}
	scim := func(s *setting) {
		s.x = &user{name: "p007", attrs: map[string]string{"department": "Sales", "manager": "cy@acme.com"}}
		s.w.push(s.x)
	}
	polled := func(s *setting) {
		s.d = newDirectory(s.w, 20)
		s.d.set("p007", "department", "Sales")
		s.d.set("p007", "manager", "cy@acme.com")
		s.w.mustPoll(s.d)
	}
	poll := func(change func(s *setting)) func(s *setting) {
		return func(s *setting) {
			change(s)
			s.d.mark++
			s.w.mustPoll(s.d)
		}
	}
	for name, tt := range map[string]struct {
		begin, end   func(s *setting)
		class, cause string
		final        bool
	}{
		"SCIM active:false": {scim, func(s *setting) { s.x.off = true; s.w.push(s.x) }, "E1", "disabled", false},
		"SCIM DELETE":       {scim, func(s *setting) { s.w.drop(s.x) }, "E1", "deleted", false},
		"disabled in the directory": {
			polled, poll(func(s *setting) { s.d.disable("p007") }), "E1", "disabled", false,
		},
		"deleted in the directory": {polled, poll(func(s *setting) { s.d.leave("p007") }), "E2", "absent", false},
		"out of scope": {polled, poll(func(s *setting) {
			x := s.d.people["id-p007"]
			x.Reason = "filtered"
			s.d.people["id-p007"] = x
			s.d.hidden = "id-p007"
		}), "E2", "filtered", false},
		"an administrator deactivates": {
			scim, func(s *setting) { s.w.mustEdit("ann@acme.com", Edit{Kind: EditDeactivate, Member: who}) }, "", "removed", false,
		},
		"an administrator removes": {
			scim, func(s *setting) { s.w.mustEdit("ann@acme.com", Edit{Kind: EditRemove, Member: who}) }, "", "removed", true,
		},
		"temporary access expires": {scim, func(s *setting) {
			end := s.w.clock.Add(time.Hour)
			s.w.mustEdit("ann@acme.com", Edit{Kind: EditProfile, Member: who, Profile: &Profile{End: &end}})
			s.w.clock = end.Add(time.Minute)
			s.w.due()
		}, "E1", "expired", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := counted(t)
			s := &setting{w: w}
			w.groups("Sales")
			w.mustEdit("ann@acme.com", Edit{Kind: EditImport, Import: &NumberImport{E164: line, Name: "desk"}})
			w.push(&user{name: "cy"})
			tt.begin(s)
			w.want(who, "member active Sales")
			w.mustEdit("ann@acme.com", Edit{Kind: EditAssign, Member: who, Number: line, Access: workspace.AccessExclusive})
			w.mustEdit(who, Edit{Kind: EditInvite, Email: "guest@acme.com"})
			// An invitation to an alias that the person's record also states.
			w.write(func(tx *store.Tx) error {
				return tx.PutInvitation(workspace.Invitation{
					ID: "inv-alias", Email: who, EmailKey: emailKey(who), Role: workspace.RoleMember, State: workspace.InvitationPending,
					Inviter: w.member("ann@acme.com"), CreatedAt: workspace.At(w.clock), ExpiresAt: workspace.At(w.clock.Add(24 * time.Hour)), Version: 1,
				})
			})
			epoch, id := w.wayIn(who).Epoch, w.member(who)
			var texts []string
			w.counts = func(text string, _ int64) { texts = append(texts, strings.Join(strings.Fields(text), " ")) }
			tt.end(s)
			w.counts = nil

			var want []string
			for _, step := range steps {
				if step.name != "LT7 reserved" || !tt.final {
					want = append(want, step.name)
				}
			}
			got := leaverUnit(t, texts)
			cut, tail := slices.Index(got, "savepoint"), slices.Index(got, "LT7 numbers")
			for _, step := range got[max(cut, 0):] {
				if slices.Contains(want[:4], step) {
					t.Errorf("%s comes behind the savepoint: it must not fall with the tail", step)
				}
			}
			if !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) || got[0] != "LT4 state and epoch" ||
				cut < 0 || tail != cut+1 || slices.Index(got, "LT8 groups") < tail || slices.Index(got, "LT11 log head") < slices.Index(got, "LT8 groups") {
				t.Errorf("took\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
			}

			if now := w.wayIn(who); now.SignIn || now.Usable != 0 || now.Epoch <= epoch {
				t.Errorf("the way in: %+v, the epoch was %d", now, epoch)
			}
			answers := "assigned cy:shared:1 owner=cy"
			if !tt.final {
				answers += " reserved=p007"
			}
			if got := w.numberNow(line); got != answers {
				t.Errorf("%q answers the number, want %q", got, answers)
			}
			a := w.auditor()
			if rows := a.rows(`SELECT state FROM invitation WHERE invitation_id = 'inv-alias'`); rows[0][0] != "revoked" {
				t.Errorf("the invitation to the leaver is %s", rows[0][0])
			}
			if rows := a.rows(`SELECT CASE WHEN held THEN 'held' ELSE 'open' END FROM invitation WHERE email = 'guest@acme.com'`); rows[0][0] != "held" {
				t.Errorf("the leaver's own invitation is %s", rows[0][0])
			}
			if rows := a.rows(`SELECT class, why FROM (SELECT 1) x, (SELECT COALESCE(MAX(class), '') AS class, COALESCE(MAX(reason), '') AS why FROM absence_proof) p`); tt.class == "E2" && (rows[0][0] != tt.class || rows[0][1] != tt.cause) {
				t.Errorf("the proof says %v, want %s %s", rows[0], tt.class, tt.cause)
			}
			if n := len(a.rows(`SELECT value FROM tombstone WHERE member_id = '` + id + `' AND lifted_at = 0`)); n < 2 {
				t.Errorf("%d tombstones, want one of the id and one of the address", n)
			}
			ended := w.outbox("member.deactivated")
			if len(ended) != 1 || len(ended[0].Data.Numbers) != 1 || len(ended[0].Data.GroupsLeft) != 1 || ended[0].Data.Sessions != "end_all" {
				t.Errorf("told: %+v", ended)
			}
			w.audited()
		})
	}
}
