package pull_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/internal/fakeidp"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/oidc"
	"github.com/rollcall-sync/rollcall/sync/sourcetest"
)

// TestOktaDeprovisioned: the plain list hides the deprovisioned, so they are
// read for themselves, in a Full and in a delta.
func TestOktaDeprovisioned(t *testing.T) {
	t.Parallel()
	r := newRig(t, oidc.Okta)
	ids := r.staff(5)
	status := func(id, to string) { r.fake.Change(id, func(p *fakeidp.Person) { p.Status = to }) }
	status(ids[0], "DEPROVISIONED")
	s := r.source()
	c, cursor := r.full(s)
	if p := c.People()[ids[0]]; p.ExternalID == "" || p.Active || p.Reason != "disabled" {
		t.Errorf("full: %+v, want a disabled person", p)
	}
	r.fake.Wind(time.Hour)
	for i, to := range []string{"", "DEPROVISIONED", "SUSPENDED", "LOCKED_OUT", "STAGED"} {
		status(ids[i], to)
	}
	c, _ = r.delta(s, cursor)
	for i, want := range []bool{true, false, false, true, false} {
		if p, ok := c.People()[ids[i]]; !ok || p.Active != want {
			t.Errorf("delta: person %d is active %v (%v), want %v", i, p.Active, ok, want)
		}
	}
	status(ids[0], "PENDING_SOMETHING_NEW")
	if _, err := s.Full(r.ctx(), cursor, &sourcetest.Collector{}); !incomplete(err) {
		t.Errorf("OD1: a status that nobody knows: %v, want IncompleteError", err)
	}
}

// TestOktaOverlap: searches lag, so a delta begins five minutes early.
func TestOktaOverlap(t *testing.T) {
	t.Parallel()
	r := newRig(t, oidc.Okta)
	ids := r.staff(2)
	r.fake.Wind(time.Hour)
	r.fake.Change(ids[0], func(p *fakeidp.Person) { p.Title = "Cook" })
	r.fake.Wind(4 * time.Minute)
	s := r.source()
	_, cursor := r.full(s)
	r.fake.Wind(time.Minute)
	if c, _ := r.delta(s, cursor); len(c.People()) != 1 {
		t.Errorf("%d people, want the one who changed four minutes before the cursor", len(c.People()))
	}
}

// TestOktaPurged: who is purged vanishes without a trace but in the System
// Log; after 90 days a Full must find it.
func TestOktaPurged(t *testing.T) {
	t.Parallel()
	r, ids, s, cursor := readOnce(t, oidc.Okta, 3)
	r.fake.Wind(24 * time.Hour)
	r.fake.Delete(ids[0])
	r.fake.Purge(ids[0])
	r.fake.Wind(time.Minute)
	c, next := r.delta(s, cursor)
	if g := c.Gone()[ids[0]]; g.Why != "deleted" || g.At.IsZero() || len(c.Gone()) != 1 {
		t.Errorf("gone %v", c.Gone())
	}
	if _, err := s.Get(r.ctx(), ids[0]); !errors.Is(err, sync.ErrAbsent) {
		t.Errorf("Get: %v, want ErrAbsent", err)
	}
	r.fake.Wind(91 * 24 * time.Hour)
	if _, err := s.Delta(r.ctx(), next, &sourcetest.Collector{}); !errors.Is(err, sync.ErrCursorGone) {
		t.Errorf("after 91 days: %v, want ErrCursorGone", err)
	}
	r.fake.Break(fakeidp.LogsHidden, -1)
	_, cursor = r.full(s)
	r.fake.Delete(ids[1])
	if c, _ := r.delta(s, cursor); len(c.Gone()) != 0 {
		t.Errorf("without the log somebody is gone: %v", c.Gone())
	}
	p, err := s.Check(r.ctx())
	if err != nil || !slices.ContainsFunc(p.Rights, func(x sync.Right) bool {
		return !x.Granted && x.Optional && strings.Contains(x.Remedy, "okta.logs.read")
	}) {
		t.Errorf("the missing log is not told: %v %+v", err, p.Rights)
	}
}

// TestOktaMembership: a change of members moves nobody's own record.
func TestOktaMembership(t *testing.T) {
	t.Parallel()
	r := newRig(t, oidc.Okta)
	ids := r.staff(5)
	group := r.fake.AddGroup("phone-admins", fakeidp.Member{ID: ids[0]})
	other := r.fake.AddGroup("phone-admins-emea", fakeidp.Member{ID: ids[1]})
	r.named("phone-admins")
	r.cfg.Directory.PageSize = 2
	r.fake.Wind(time.Hour)
	s := r.source()
	c, cursor := r.full(s)
	if len(c.Groups()) != 1 {
		t.Errorf("groups %v, want the mapped one alone", c.Groups())
	}
	r.fake.Wind(time.Hour)
	for _, id := range ids[1:] {
		r.fake.Join(group, fakeidp.Member{ID: id})
	}
	r.fake.Leave(group, ids[0])
	r.fake.Join(other, fakeidp.Member{ID: ids[2]})
	c, cursor = r.delta(s, cursor)
	if got := members(c, group); !slices.Equal(got, ids[1:]) {
		t.Errorf("members %v, want %v", got, ids[1:])
	}
	if _, whole := c.Members(group); !whole || len(c.People()) != 0 || len(c.Groups()) != 1 {
		t.Errorf("whole %v, people %d, groups %d", whole, len(c.People()), len(c.Groups()))
	}
	r.fake.Wind(time.Hour)
	_, cursor = r.delta(s, cursor) // the overlap tells it once more
	r.fake.Wind(time.Hour)
	if c, _ := r.delta(s, cursor); len(c.Groups()) != 0 {
		t.Errorf("nothing changed, and groups are read: %v", c.Groups())
	}
}

// TestOktaDPoP: tokens are bound to a key, and a nonce that changes at any
// moment costs one more request.
func TestOktaDPoP(t *testing.T) {
	t.Parallel()
	r := newRig(t, oidc.Okta)
	r.staff(3)
	r.cfg.Directory.PageSize = 1
	s := r.source()
	r.fake.OnPage(func(string) { r.fake.Tokens.ChangeNonce() })
	c, _ := r.full(s)
	if len(c.People()) != 3 || r.fake.Tokens.Issued() != 1 {
		t.Errorf("%d people, %d tokens", len(c.People()), r.fake.Tokens.Issued())
	}
}

// TestGoogleEmpty: a page without the key `users` is an empty page: the end
// of a list, but never an empty directory.
func TestGoogleEmpty(t *testing.T) {
	t.Parallel()
	r := newRig(t, oidc.Google)
	s := r.source()
	if _, err := s.Full(r.ctx(), sync.Cursor{}, &sourcetest.Collector{}); !incomplete(err) || !strings.Contains(err.Error(), "RD4") {
		t.Errorf("nobody: %v, want IncompleteError of RD4", err)
	}
	r.staff(2)
	group := r.fake.AddGroup("phone-admins")
	r.named("phone-admins")
	c, _ := r.full(r.source())
	if refs, whole := c.Members(group); !whole || len(refs) != 0 {
		t.Errorf("a group without members: %v, whole %v", refs, whole)
	}
}

// TestGoogleReasons: suspended, archived and deleted are told apart, and 412
// is a deletion.
func TestGoogleReasons(t *testing.T) {
	t.Parallel()
	r := newRig(t, oidc.Google)
	ids := r.staff(5)
	r.fake.Disable(ids[0], true)
	r.fake.Change(ids[1], func(p *fakeidp.Person) { p.Archived = true })
	s := r.source()
	_, cursor := r.full(s)
	r.fake.Delete(ids[2])
	r.fake.Delete(ids[3])
	r.fake.Purge(ids[3])
	if _, err := s.Delta(r.ctx(), cursor, &sourcetest.Collector{}); !errors.Is(err, sync.ErrCursorGone) {
		t.Errorf("Delta: %v, want ErrCursorGone", err)
	}
	c, _ := r.full(s)
	for _, id := range ids[:2] {
		if p := c.People()[id]; p.Active || p.Reason != "disabled" {
			t.Errorf("%s: %+v", id, p)
		}
	}
	if g := c.Gone()[ids[2]]; g.Why != "deleted" || len(c.Gone()) != 1 {
		t.Errorf("gone %v, want the one who was deleted a short while ago", c.Gone())
	}
	if _, err := s.Get(r.ctx(), ids[2]); !errors.Is(err, sync.ErrDeleted) {
		t.Errorf("412: %v, want ErrDeleted", err)
	}
	if _, err := s.Get(r.ctx(), ids[3]); !errors.Is(err, sync.ErrAbsent) {
		t.Errorf("404: %v, want ErrAbsent", err)
	}
	r.fake.Wind(21 * 24 * time.Hour)
	if c, _ := r.full(s); len(c.Gone()) != 0 {
		t.Errorf("after 20 days Google tells nothing, and %v are gone", c.Gone())
	}
}

// TestGoogleOneCallAGroup: groups that the mapping does not name cost no call.
func TestGoogleOneCallAGroup(t *testing.T) {
	t.Parallel()
	r := newRig(t, oidc.Google)
	ids := r.staff(2)
	for _, name := range []string{"a", "b", "c", "d"} {
		r.fake.AddGroup(name, fakeidp.Member{ID: ids[0]})
	}
	r.named("b")
	r.fake.Requests()
	r.full(r.source())
	calls := 0
	for _, q := range r.fake.Requests() {
		if strings.Contains(q, "/members") {
			calls++
		}
	}
	if calls != 1 {
		t.Errorf("%d lists of members were read, want 1", calls)
	}
}

// TestKeycloakShift: offsets shift while people come and go. Nobody who was
// there all the time is ever left out.
func TestKeycloakShift(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		do   func(r *rig, ids []string)
	}{
		{"one before the page is deleted", func(r *rig, ids []string) { r.fake.Delete(ids[0]) }},
		{"one before the page is added", func(r *rig, _ []string) { r.person("a-new") }},
		{"one added, one deleted: the same count", func(r *rig, ids []string) { r.fake.Delete(ids[0]); r.person("z-new") }},
		{"one renamed across the page", func(r *rig, ids []string) {
			r.fake.Change(ids[1], func(p *fakeidp.Person) { p.UserName = "zz@acme.com" })
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, oidc.Keycloak)
			r.cfg.Directory.PageSize = 10
			ids := r.staff(30)
			pages := 0
			r.fake.OnPage(func(path string) {
				if strings.HasSuffix(path, "/users") {
					if pages++; pages == 3 {
						c.do(r, ids)
					}
				}
			})
			got, _ := r.full(r.source())
			for _, id := range ids[2:] {
				if _, ok := got.People()[id]; !ok {
					t.Errorf("%s was there all the time, and is left out", id)
				}
			}
			if p := got.Proofs()[0]; p.People != len(got.People()) {
				t.Errorf("RD3: %d people proved, %d staged", p.People, len(got.People()))
			}
		})
	}
	t.Run("one joins behind the reader", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, oidc.Keycloak)
		r.staff(12)
		counts, late := 0, ""
		r.fake.OnPage(func(path string) {
			if strings.HasSuffix(path, "/users/count") {
				if counts++; counts == 2 {
					late = r.person("a-new")
				}
			}
		})
		got, _ := r.full(r.source())
		if _, ok := got.People()[late]; !ok {
			t.Error("the count had moved, and nothing was read again")
		}
	})
	t.Run("it never stands still", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, oidc.Keycloak)
		r.cfg.Directory.PageSize = 10
		r.staff(30)
		r.fake.OnPage(func(path string) {
			if strings.HasSuffix(path, "/users") {
				r.person("a" + time.Now().Format("150405.000000000"))
			}
		})
		c := &sourcetest.Collector{}
		if _, err := r.source().Full(r.ctx(), sync.Cursor{}, c); !incomplete(err) || c.Whole() {
			t.Errorf("%v, want IncompleteError", err)
		}
	})
}

// TestKeycloakSubGroups: who is in a sub-group is in the group.
func TestKeycloakSubGroups(t *testing.T) {
	t.Parallel()
	r := newRig(t, oidc.Keycloak)
	ids := r.staff(2)
	group := r.fake.AddGroup("phone-admins", fakeidp.Member{ID: ids[0]})
	sub := r.fake.AddSubGroup(group, "emea", fakeidp.Member{ID: ids[1]})
	r.named("phone-admins")
	c, _ := r.full(r.source())
	refs, _ := c.Members(group)
	if !refs[sync.MemberRef{ID: sub, Kind: "group"}] || !refs[sync.MemberRef{ID: ids[0], Kind: "user"}] || len(refs) != 2 {
		t.Errorf("members %v", refs)
	}
	if got := members(c, sub); !slices.Equal(got, ids[1:]) {
		t.Errorf("members of the sub-group %v", got)
	}
}

// TestSCIMExpiredCursor (RFC 9865): a cursor that ran out begins the list
// again; one that always runs out proves nothing.
func TestSCIMExpiredCursor(t *testing.T) {
	t.Parallel()
	r := newRig(t, oidc.SCIM)
	r.staff(7)
	r.cfg.Directory.PageSize = 2
	s := r.source()
	r.fake.Break(fakeidp.Expired400, 1)
	c, _ := r.full(s)
	if len(c.People()) != 7 || c.Proofs()[0].People != 7 {
		t.Errorf("%d people, proof %+v", len(c.People()), c.Proofs())
	}
	r.fake.Break(fakeidp.Expired400, -1)
	c = &sourcetest.Collector{}
	if _, err := s.Full(r.ctx(), sync.Cursor{}, c); !incomplete(err) || c.Whole() {
		t.Errorf("%v, want IncompleteError", err)
	}
}

// TestSCIMIndex: without cursors the index is unstable, so the total must
// stand still.
func TestSCIMIndex(t *testing.T) {
	t.Parallel()
	r := newRig(t, oidc.SCIM)
	r.scim.Index = true
	ids := r.staff(7)
	r.cfg.Directory.PageSize = 2
	pages := 0
	r.fake.OnPage(func(path string) {
		if strings.HasSuffix(path, "/Users") {
			if pages++; pages == 4 {
				r.fake.Delete(ids[0])
			}
		}
	})
	c, _ := r.full(r.source())
	for _, id := range ids[1:] {
		if _, ok := c.People()[id]; !ok {
			t.Errorf("%s was there all the time, and is left out", id)
		}
	}
}

// TestSCIMDelta: changes come by meta.lastModified, deletions by the look at
// all ids; a server that does not filter is read whole.
func TestSCIMDelta(t *testing.T) {
	t.Parallel()
	r := newRig(t, oidc.SCIM)
	ids := r.staff(4)
	r.fake.Wind(time.Hour)
	s := r.source()
	_, cursor := r.full(s)
	r.fake.Wind(time.Minute)
	r.fake.Disable(ids[1], true)
	r.fake.Delete(ids[2])
	c, _ := r.delta(s, cursor)
	if p := c.People()[ids[1]]; p.Active || p.Reason != "disabled" || len(c.People()) != 1 {
		t.Errorf("people %v", c.People())
	}
	sweeper, ok := s.(sync.Sweeper)
	if !ok {
		t.Fatal("the source does not sweep")
	}
	c = &sourcetest.Collector{}
	if err := sweeper.Sweep(r.ctx(), c); err != nil || !c.Whole() || len(c.Present()) != 3 || c.Present()[ids[2]] {
		t.Errorf("sweep: %v, present %v", err, c.Present())
	}
	r.scim.NoFilter = true
	if _, err := s.Delta(r.ctx(), cursor, &sourcetest.Collector{}); !errors.Is(err, sync.ErrCursorGone) {
		t.Errorf("no filter: %v, want ErrCursorGone", err)
	}
}
