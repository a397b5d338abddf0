package pull_test

import (
	"testing"

	"github.com/rollcall-sync/rollcall/internal/fakeidp"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/oidc"
	"github.com/rollcall-sync/rollcall/sync/sourcetest"
)

// TestSuite runs the suite of all sources on each API's faithful fake.
func TestSuite(t *testing.T) {
	t.Parallel()
	for _, kind := range kindsUnderTest {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, kind)
			ids := r.staff(7)
			r.fake.Disable(ids[2], true)
			group := r.fake.AddGroup("phone-admins", fakeidp.Member{ID: ids[0]}, fakeidp.Member{ID: ids[1]})
			if kind == oidc.Keycloak {
				r.fake.AddSubGroup(group, "inner", fakeidp.Member{ID: ids[3]})
			} else if kind != oidc.Okta {
				r.fake.Join(group, fakeidp.Member{ID: r.fake.AddGroup("inner", fakeidp.Member{ID: ids[3]}), Group: true})
			}
			r.named("phone-admins")
			r.cfg.Directory.PageSize = 3
			if kind == oidc.Keycloak {
				r.cfg.Directory.PageSize = 10 // twice the overlap
			}
			people := []string{}
			for _, p := range r.fake.People() {
				people = append(people, p.UserName)
			}
			sourcetest.Run(t, sourcetest.Fixture{
				New:    func(*testing.T) sync.Source { return r.source() },
				People: people,
				Revoke: func(*testing.T) { r.fake.Break(fakeidp.Forbidden, -1) }, Restore: func(*testing.T) { r.fake.Mend() },
			})
		})
	}
}

// TestMissingScope: a right that is missing shows as empty lists, never as an
// empty directory.
func TestMissingScope(t *testing.T) {
	t.Parallel()
	for _, kind := range kindsUnderTest {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, kind)
			ids := r.staff(3)
			s := r.source()
			_, cursor := r.full(s)
			r.fake.Break(fakeidp.MissingScope, -1)
			c := &sourcetest.Collector{}
			if _, err := s.Full(r.ctx(), cursor, c); !incomplete(err) || len(c.Proofs()) != 0 {
				t.Errorf("Full: %v, proofs %v; want IncompleteError and none", err, c.Proofs())
			}
			c = &sourcetest.Collector{}
			if _, err := s.Delta(r.ctx(), cursor, c); err == nil && len(c.Gone()) != 0 {
				t.Errorf("Delta: somebody is gone: %v", c.Gone())
			}
			r.fake.Delete(ids[0])
			r.fake.Purge(ids[0])
			if kind != oidc.Graph { // its single reads tell 403 and 404 apart, and its list is empty here
				if _, err := s.Get(r.ctx(), ids[0]); err == nil {
					t.Error("Get finds a deleted person")
				}
			}
			if _, err := s.Get(r.ctx(), ids[0]); !incomplete(err) {
				t.Errorf("AB2: Get while nobody is visible: %v, want IncompleteError", err)
			}
		})
	}
}
