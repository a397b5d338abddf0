package pull_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-sync/rollcall/internal/fakeidp"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/oidc"
	"github.com/rollcall-sync/rollcall/sync/sourcetest"
)

// names are login names without their domain, in order.
func names(c *sourcetest.Collector) []string {
	out := []string{}
	for _, p := range c.People() {
		name, _, _ := strings.Cut(p.UserName, "@")
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// members are the members stated for a group, those that left as "-id".
func members(c *sourcetest.Collector, group string) []string {
	refs, _ := c.Members(group)
	out := []string{}
	for ref := range refs {
		out = append(out, ref.ID)
	}
	slices.Sort(out)
	return out
}

func wantPeople(t *testing.T, c *sourcetest.Collector, want ...string) {
	t.Helper()
	if want == nil {
		want = []string{}
	}
	if diff := cmp.Diff(want, names(c)); diff != "" {
		t.Errorf("people (-want +got):\n%s", diff)
	}
}

// TestGraphEmptyPages: a page with nothing and a next link is not the end.
func TestGraphEmptyPages(t *testing.T) {
	t.Parallel()
	r := newRig(t, oidc.Graph)
	ids := r.staff(5)
	r.cfg.Directory.PageSize = 2
	s := r.source()
	r.fake.Break(fakeidp.EmptyPages, -1)
	c, cursor := r.full(s)
	wantPeople(t, c, "u001", "u002", "u003", "u004", "u005")
	r.fake.PageSize = 1
	r.fake.Change(ids[0], func(p *fakeidp.Person) { p.Title = "Cook" }, "jobTitle")
	r.fake.Disable(ids[4], true)
	c, _ = r.delta(s, cursor)
	wantPeople(t, c, "u001", "u005")
}

// TestGraphRepeats: records that come again, in pages and in deltas, change
// nothing; one that a delta names twice is asked for.
func TestGraphRepeats(t *testing.T) {
	t.Parallel()
	r := newRig(t, oidc.Graph)
	ids := r.staff(4)
	r.cfg.Directory.PageSize = 2
	s := r.source()
	r.fake.Break(fakeidp.Repeats, 2)
	c, cursor := r.full(s)
	if p := c.Proofs()[0]; p.People != 4 {
		t.Errorf("RD3: %d people counted, want 4", p.People)
	}
	r.fake.PageSize = 1
	r.fake.Break(fakeidp.Repeats, 1)
	r.fake.Break(fakeidp.Sparse, -1)
	r.fake.Change(ids[1], func(p *fakeidp.Person) { p.Title, p.Disabled = "Cook", true }, "jobTitle", "accountEnabled")
	c, _ = r.delta(s, cursor)
	if p := c.People()[ids[1]]; p.Active || p.Reason != "disabled" || p.Attributes["title"][0] != "Cook" {
		t.Errorf("after a repeat: %+v", p)
	}
}

// TestGraphParts: a person whom a delta names twice, each time with another
// part of what changed, is asked for: the last mention alone is not all.
func TestGraphParts(t *testing.T) {
	t.Parallel()
	r, ids, s, cursor := readOnce(t, oidc.Graph, 3)
	r.fake.Break(fakeidp.Split, -1)
	r.fake.Change(ids[1], func(p *fakeidp.Person) { p.Title, p.Dept = "Cook", "Kitchen" }, "jobTitle", "department")
	c, _ := r.delta(s, cursor)
	p := c.People()[ids[1]]
	title, _ := p.Attributes.First("title")
	dept, _ := p.Attributes.First("department")
	if title != "Cook" || dept != "Kitchen" {
		t.Errorf("title %q, department %q; want both", title, dept)
	}
}

// TestGraphOrder: records come in any order, so one that is both gone and
// there in a delta is asked for, and that answer counts.
func TestGraphOrder(t *testing.T) {
	t.Parallel()
	r, ids, s, cursor := readOnce(t, oidc.Graph, 5)
	r.fake.PageSize = 1
	r.fake.Break(fakeidp.Stale, -1)
	r.fake.Delete(ids[0])
	r.fake.Delete(ids[1])
	r.fake.Purge(ids[1])
	r.fake.Delete(ids[2])
	r.fake.Restore(ids[2])
	c, _ := r.delta(s, cursor)
	for _, id := range ids[:2] {
		p, stated := c.People()[id]
		if _, gone := c.Gone()[id]; !gone && (!stated || p.Active || p.Reason != "deleted") {
			t.Errorf("%s was deleted, and is stated as %+v", id, p)
		}
		if stated && p.Active {
			t.Errorf("%s was deleted, and is active", id)
		}
	}
	if p, stated := c.People()[ids[2]]; !stated || !p.Active || len(c.Gone()[ids[2]].ID) != 0 {
		t.Errorf("the restored one is stated as %+v, gone %v", p, c.Gone()[ids[2]])
	}
}

// TestGraphDeletedMeanwhile: who is deleted while a delta is read is met by
// this one or the next.
func TestGraphDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	r, ids, s, cursor := readOnce(t, oidc.Graph, 6)
	r.fake.PageSize = 1
	r.fake.Change(ids[0], func(p *fakeidp.Person) { p.Title = "Cook" }, "jobTitle")
	r.fake.Change(ids[1], func(p *fakeidp.Person) { p.Title = "Cook" }, "jobTitle")
	r.fake.Delete(ids[2])
	// While the delta is read, one of them is deleted: its first mention was
	// the living record.
	turns := 0
	r.fake.OnPage(func(path string) {
		if turns++; turns == 3 && strings.HasSuffix(path, "/delta") {
			r.fake.Delete(ids[0])
		}
	})
	c, _ := r.delta(s, cursor)
	if g, ok := c.Gone()[ids[2]]; !ok || g.Why != "deleted" || g.At.IsZero() {
		t.Errorf("deleted: %+v %v", g, ok)
	}
	if _, there := c.People()[ids[2]]; there {
		t.Error("a deleted person is there")
	}
}

// TestGraphRemoved: soft and hard deletion are both an explicit no, and Get
// tells deleted from unknown.
func TestGraphRemoved(t *testing.T) {
	t.Parallel()
	r, ids, s, cursor := readOnce(t, oidc.Graph, 4)
	r.fake.Delete(ids[0])
	r.fake.Delete(ids[1])
	r.fake.Purge(ids[1])
	c, next := r.delta(s, cursor)
	if got := slices.Sorted(maps.Keys(c.Gone())); !slices.Equal(got, ids[:2]) {
		t.Errorf("gone %v, want %v", got, ids[:2])
	}
	if _, err := s.Get(r.ctx(), ids[0]); !errors.Is(err, sync.ErrDeleted) {
		t.Errorf("Get of one in the recycle bin: %v, want ErrDeleted", err)
	}
	if _, err := s.Get(r.ctx(), ids[1]); !errors.Is(err, sync.ErrAbsent) {
		t.Errorf("Get of one who is purged: %v, want ErrAbsent", err)
	}
	c, _ = r.delta(s, next)
	if len(c.Gone())+len(c.People()) != 0 {
		t.Errorf("a delta without changes: %v %v", c.Gone(), c.People())
	}
}

// TestGraphCursorGone: both forms of an expired cursor, one that is too old,
// and one whose $select is another all ask for a Full; the Location that
// comes with 410 is not followed.
func TestGraphCursorGone(t *testing.T) {
	t.Parallel()
	for name, expire := range map[string]func(r *rig){
		"410 with a Location":     func(r *rig) { r.fake.Break(fakeidp.Expired410, -1) },
		"400 syncStateNotFound":   func(r *rig) { r.fake.Break(fakeidp.Expired400, -1) },
		"older than seven days":   func(r *rig) { r.fake.Wind(8 * 24 * time.Hour) },
		"$select frozen in it":    func(r *rig) { r.cfg.Directory.Attributes = map[string]string{"office": "city"} },
		"other mapped groups":     func(r *rig) { r.named("sales") },
		"groups: all, not mapped": func(r *rig) { r.cfg.Directory.Groups = "all" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, oidc.Graph)
			r.staff(2)
			_, cursor := r.full(r.source())
			expire(r)
			r.fake.Requests()
			if _, err := r.source().Delta(r.ctx(), cursor, &sourcetest.Collector{}); !errors.Is(err, sync.ErrCursorGone) {
				t.Errorf("%v, want ErrCursorGone", err)
			}
			for _, q := range r.fake.Requests() {
				if strings.Contains(q, "deltatoken=fresh") {
					t.Errorf("the Location was followed: %s", q)
				}
			}
			r.fake.Mend()
			r.full(r.source())
		})
	}
}

// TestGraphSparse: changed records may state what changed alone; without the
// flag the person is asked for, and what is not stated stays unknown.
func TestGraphSparse(t *testing.T) {
	t.Parallel()
	r, ids, s, cursor := readOnce(t, oidc.Graph, 3)
	r.fake.Break(fakeidp.Sparse, -1)
	r.fake.Change(ids[0], func(p *fakeidp.Person) { p.Title = "Cook" }, "jobTitle")
	r.fake.Disable(ids[1], true)
	c, _ := r.delta(s, cursor)
	if p := c.People()[ids[0]]; !p.Active || p.Attributes["title"][0] != "Cook" || c.Partial(ids[0]) {
		t.Errorf("a record without the flag is asked for whole: %+v", p)
	}
	p := c.People()[ids[1]]
	if _, stated := p.Attributes["department"]; p.Active || p.Reason != "disabled" || stated || !c.Partial(ids[1]) {
		t.Errorf("EV3: a record with the flag states what it states: %+v", p)
	}
}

// TestGraphFlag (OD1): in a Full every person must show accountEnabled, or
// nothing is proved and nobody is disabled.
func TestGraphFlag(t *testing.T) {
	t.Parallel()
	r := newRig(t, oidc.Graph)
	ids := r.staff(3)
	s := r.source()
	r.fake.Break(fakeidp.FlagMissing, 1)
	c := &sourcetest.Collector{}
	_, err := s.Full(r.ctx(), sync.Cursor{}, c)
	if !incomplete(err) || !strings.Contains(err.Error(), "accountEnabled") || len(c.Proofs()) != 0 {
		t.Errorf("%v, want IncompleteError that names the flag", err)
	}
	for _, id := range ids {
		p := c.People()[id]
		if _, stated := p.Attributes["active"]; !stated && !c.Partial(id) {
			t.Errorf("%s is stated whole without the flag", id)
		}
	}
}

// TestGraphNulls: null is empty, missing is unknown (EV3).
func TestGraphNulls(t *testing.T) {
	t.Parallel()
	r := newRig(t, oidc.Graph)
	id := r.fake.Add(fakeidp.Person{UserName: "bo@acme.com", Guest: true})
	r.cfg.Directory.Attributes = map[string]string{"costCenter": "onPremisesExtensionAttributes.extensionAttribute1"}
	c, _ := r.full(r.source())
	p := c.People()[id]
	if v, stated := p.Attributes["email"]; !stated || len(v) != 0 {
		t.Errorf("a null e-mail is %v %v, want stated empty", v, stated)
	}
	if _, stated := p.Attributes["costCenter"]; stated {
		t.Error("a property that did not come is stated")
	}
	if g, _ := p.Attributes.First("guest"); g != "true" {
		t.Errorf("guest is %q", g)
	}
}

// TestGraphLargeGroup: one group comes over many pages, in a Full and in a
// delta, and counts once it is whole.
func TestGraphLargeGroup(t *testing.T) {
	t.Parallel()
	r := newRig(t, oidc.Graph)
	ids := r.staff(9)
	group := r.fake.AddGroup("phone-admins")
	for _, id := range ids[:6] {
		r.fake.Join(group, fakeidp.Member{ID: id})
	}
	r.named("phone-admins")
	r.fake.PageSize = 2
	s := r.source()
	c, cursor := r.full(s)
	if got := members(c, group); !slices.Equal(got, ids[:6]) {
		t.Errorf("members %v, want %v", got, ids[:6])
	}
	if _, whole := c.Members(group); !whole {
		t.Error("the group is not complete")
	}
	r.fake.PageSize = 1
	for _, id := range ids[6:] {
		r.fake.Join(group, fakeidp.Member{ID: id})
	}
	r.fake.Leave(group, ids[0])
	r.fake.Leave(group, ids[6])
	c, _ = r.delta(s, cursor)
	if got := members(c, group); !slices.Equal(got, ids[7:]) {
		t.Errorf("came %v, want %v", got, ids[7:])
	}
	if _, whole := c.Members(group); whole {
		t.Error("a change of members passes for all of them")
	}
}

// TestGraphNesting (OD2): groups within mapped groups are followed, loops are
// legal, others are not read; one that comes into the closure later is read
// whole.
func TestGraphNesting(t *testing.T) {
	t.Parallel()
	r := newRig(t, oidc.Graph)
	ids := r.staff(4)
	inner := r.fake.AddGroup("inner", fakeidp.Member{ID: ids[0]})
	outer := r.fake.AddGroup("Phone Admins", fakeidp.Member{ID: inner, Group: true})
	r.fake.Join(inner, fakeidp.Member{ID: outer, Group: true})
	late := r.fake.AddGroup("late", fakeidp.Member{ID: ids[1]}, fakeidp.Member{ID: ids[2]})
	other := r.fake.AddGroup("other", fakeidp.Member{ID: ids[3]})
	r.named("phone admins")
	s := r.source()
	c, cursor := r.full(s)
	if got := slices.Sorted(maps.Keys(c.Groups())); !slices.Equal(got, []string{inner, outer}) {
		t.Errorf("groups %v, want inner and outer", got)
	}
	r.fake.Join(inner, fakeidp.Member{ID: late, Group: true})
	r.fake.Join(other, fakeidp.Member{ID: ids[0]})
	c, cursor = r.delta(s, cursor)
	if got := members(c, late); !slices.Equal(got, ids[1:3]) {
		t.Errorf("the group that came in has members %v, want %v", got, ids[1:3])
	}
	if _, whole := c.Members(late); !whole {
		t.Error("the group that came in is not whole")
	}
	if len(c.Groups()) != 2 || c.Groups()[other].Name != "" {
		t.Errorf("groups %v, want inner and late", c.Groups())
	}
	// It is followed from now on.
	r.fake.Leave(late, ids[1])
	r.fake.Join(late, fakeidp.Member{ID: ids[3]})
	c, cursor = r.delta(s, cursor)
	if got := members(c, late); !slices.Equal(got, ids[3:]) {
		t.Errorf("came %v, want %v", got, ids[3:])
	}
	// A group that is deleted has no members.
	r.fake.DeleteGroup(late)
	c, _ = r.delta(s, cursor)
	if refs, whole := c.Members(late); len(refs) != 0 || !whole {
		t.Errorf("a deleted group: %v, whole %v", refs, whole)
	}
}

// TestGraphJoinsWhileRead: somebody who is made and put into a group between
// the reads of the two deltas is met with the membership, then or next time.
func TestGraphJoinsWhileRead(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"/v1.0/users/delta", "/v1.0/groups/delta"} {
		r := newRig(t, oidc.Graph)
		ids := r.staff(2)
		group := r.fake.AddGroup("phone-admins", fakeidp.Member{ID: ids[0]})
		r.named("phone-admins")
		s := r.source()
		_, cursor := r.full(s)
		late := ""
		r.fake.OnPage(func(path string) {
			if path == at && late == "" {
				late = r.person("late")
				r.fake.Join(group, fakeidp.Member{ID: late})
			}
		})
		known := map[string]bool{}
		for range 2 {
			var c *sourcetest.Collector
			c, cursor = r.delta(s, cursor)
			for id := range c.People() {
				known[id] = true
			}
			for _, id := range members(c, group) {
				if !known[id] {
					t.Errorf("%s: %s is stated as a member before it is known as a person", at, id)
				}
				known[id+" member"] = true
			}
		}
		if !known[late+" member"] {
			t.Errorf("%s: the membership is lost", at)
		}
	}
}

// TestGraphLag: a group that names somebody whom the list of people does not
// show yet is read again, until it does.
func TestGraphLag(t *testing.T) {
	t.Parallel()
	r := newRig(t, oidc.Graph)
	ids := r.staff(2)
	group := r.fake.AddGroup("phone-admins", fakeidp.Member{ID: ids[0]})
	r.named("phone-admins")
	s := r.source()
	_, cursor := r.full(s)
	lagging := "00000001-0000-4000-8000-0000000000ff"
	r.fake.Join(group, fakeidp.Member{ID: lagging})
	if _, err := s.Delta(r.ctx(), cursor, &sourcetest.Collector{}); !incomplete(err) {
		t.Errorf("%v, want IncompleteError", err)
	}
	r.fake.Add(fakeidp.Person{ID: lagging, UserName: "late@acme.com"})
	c, _ := r.delta(s, cursor)
	if _, known := c.People()[lagging]; !known || !slices.Equal(members(c, group), []string{lagging}) {
		t.Errorf("people %v, members %v", c.People(), members(c, group))
	}
}

// TestGraphGroupGetsMappedName: a group that takes a mapped name is read.
func TestGraphGroupGetsMappedName(t *testing.T) {
	t.Parallel()
	r := newRig(t, oidc.Graph)
	ids := r.staff(2)
	group := r.fake.AddGroup("cooks", fakeidp.Member{ID: ids[0]})
	r.named("phone-admins")
	s := r.source()
	_, cursor := r.full(s)
	r.fake.RenameGroup(group, "Phone-Admins")
	c, _ := r.delta(s, cursor)
	if got := members(c, group); !slices.Equal(got, ids[:1]) {
		t.Errorf("members %v, want %v", got, ids[:1])
	}
}

// TestGraphManager: the manager comes as an id, from both reads.
func TestGraphManager(t *testing.T) {
	t.Parallel()
	r := newRig(t, oidc.Graph)
	ids := r.staff(2)
	r.cfg.Directory.Attributes = map[string]string{"manager": "manager.id"}
	s := r.source()
	_, cursor := r.full(s)
	r.fake.Change(ids[1], func(p *fakeidp.Person) { p.Manager = ids[0] }, "manager")
	c, _ := r.delta(s, cursor)
	if got, _ := c.People()[ids[1]].Attributes.First("manager"); got != ids[0] {
		t.Errorf("delta: manager %q, want %q", got, ids[0])
	}
	c, _ = r.full(s)
	if got, _ := c.People()[ids[1]].Attributes.First("manager"); got != ids[0] {
		t.Errorf("full: manager %q, want %q", got, ids[0])
	}
}
