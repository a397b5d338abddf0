package pull_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/internal/fakeidp"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/oidc"
	"github.com/rollcall-sync/rollcall/sync/oidc/pull"
	"github.com/rollcall-sync/rollcall/sync/sourcetest"
)

// TestDataMissing: an answer 200 without its data, in the middle of a list, is
// not the end of the list.
func TestDataMissing(t *testing.T) {
	t.Parallel()
	for _, kind := range kindsUnderTest {
		r := newRig(t, kind)
		r.staff(25)
		r.cfg.Directory.PageSize = 10
		pages := 0
		r.fake.OnPage(func(path string) {
			if strings.HasSuffix(strings.ToLower(path), "/users") {
				if pages++; pages == 3 {
					r.fake.Break(fakeidp.DataMissing, -1)
				}
			}
		})
		c := &sourcetest.Collector{}
		if _, err := r.source().Full(r.ctx(), sync.Cursor{}, c); !incomplete(err) || c.Whole() {
			t.Errorf("%s: %v, want IncompleteError", kind, err)
		}
	}
}

// TestVanishedGroup: a Full finds that a group which the store knows is gone,
// and empties it.
func TestVanishedGroup(t *testing.T) {
	t.Parallel()
	for _, kind := range kindsUnderTest {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, kind)
			ids := r.staff(2)
			group := r.fake.AddGroup("phone-admins", fakeidp.Member{ID: ids[0]})
			renamed := r.fake.AddGroup("sales", fakeidp.Member{ID: ids[1]})
			r.named("phone-admins", "sales")
			r.opt.Groups = func(ctx context.Context) ([]string, error) { return []string{group, renamed}, ctx.Err() }
			s := r.source()
			r.full(s)
			r.fake.DeleteGroup(group)
			r.fake.RenameGroup(renamed, "cooks")
			c, _ := r.full(s)
			if refs, whole := c.Members(group); len(refs) != 0 || !whole {
				t.Errorf("the group that is gone: %v, whole %v", refs, whole)
			}
			if got := c.Groups()[renamed].Name; got != "cooks" {
				t.Errorf("the renamed group is called %q", got)
			}
		})
	}
}

// TestTenantMismatch (RD8): another tenant than the pinned one, or than the
// last run's, stops everything.
func TestTenantMismatch(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{oidc.Okta, oidc.Google} {
		r := newRig(t, kind)
		r.staff(2)
		r.cfg.Tenant = "another"
		if _, err := r.source().Full(r.ctx(), sync.Cursor{}, &sourcetest.Collector{}); !errors.Is(err, sync.ErrTenantMismatch) {
			t.Errorf("%s: %v, want ErrTenantMismatch", kind, err)
		}
	}
	r := newRig(t, oidc.Graph)
	r.staff(2)
	s := r.source()
	_, cursor := r.full(s)
	cursor.Data = []byte(strings.ReplaceAll(string(cursor.Data), fakeidp.GraphTenant, "00000000-0000-4000-8000-000000000000"))
	if _, err := s.Full(r.ctx(), cursor, &sourcetest.Collector{}); !errors.Is(err, sync.ErrTenantMismatch) {
		t.Errorf("the last run's tenant: %v, want ErrTenantMismatch", err)
	}
}

// TestSentinel (RD5): the sentinel, or most of the longest-known people, must
// be visible.
func TestSentinel(t *testing.T) {
	t.Parallel()
	r := newRig(t, oidc.Graph)
	ids := r.staff(5)
	r.opt.Sentinel = "U003@acme.com"
	if c, _ := r.full(r.source()); !c.Proofs()[0].SentinelSeen {
		t.Error("the sentinel by login name is not seen")
	}
	r.opt.Sentinel = "u099@acme.com"
	if _, err := r.source().Full(r.ctx(), sync.Cursor{}, &sourcetest.Collector{}); !incomplete(err) {
		t.Errorf("no sentinel: %v, want IncompleteError", err)
	}
	r.opt.Sentinel = ""
	known := []string{ids[0], ids[1], "x", "y", "z"}
	r.opt.Known = func(ctx context.Context) ([]string, error) { return known, ctx.Err() }
	if _, err := r.source().Full(r.ctx(), sync.Cursor{}, &sourcetest.Collector{}); !incomplete(err) {
		t.Errorf("two of five: %v, want IncompleteError", err)
	}
	known[2] = ids[2]
	r.full(r.source())
}

// TestUnsafeIDs: no id leads a request elsewhere.
func TestUnsafeIDs(t *testing.T) {
	t.Parallel()
	for _, kind := range kindsUnderTest {
		r := newRig(t, kind)
		r.staff(1)
		s := r.source()
		for _, id := range []string{"", ".", "..", "a/b", "a?b", "a#b", "a%2fb", "a\nb", `a\b`, strings.Repeat("a", 300), "ä"} {
			r.fake.Requests()
			if _, err := s.Get(r.ctx(), id); err == nil || errors.Is(err, sync.ErrAbsent) {
				t.Errorf("%s: Get(%q): %v", kind, id, err)
			}
			if q := r.fake.Requests(); len(q) != 0 {
				t.Errorf("%s: Get(%q) asked %v", kind, id, q)
			}
		}
	}
}

// TestPageLimits (RD9): a list without end fails the run.
func TestPageLimits(t *testing.T) {
	t.Parallel()
	r := newRig(t, oidc.Graph)
	r.staff(1)
	r.fake.Break(fakeidp.Repeats, -1) // one person, for ever
	r.fake.PageSize = 1
	c, s := &sourcetest.Collector{}, r.source()
	pull.LimitPages(s, 50)
	_, err := s.Full(r.ctx(), sync.Cursor{}, c)
	if err == nil || !strings.Contains(err.Error(), "RD9") || len(c.Proofs()) != 0 {
		t.Errorf("%v, want an error of RD9", err)
	}
	if len(c.People()) > 1 {
		t.Error(fmt.Sprint("people: ", len(c.People())))
	}
}
