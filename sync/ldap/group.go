package ldap

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-sync/rollcall/internal/dn"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// groupRead is the reading of groups within one run. Memberships come from
// the groups, never from memberOf, which overlays fill in late or not at all
// (LP5, LC11).
type groupRead struct {
	*reader
	sink   sync.Sink
	resume sync.Cursor
	out    sync.Page
	refs   int // members in out
	seen   idSet
	count  int
	ranged []rangedGroup
	rids   map[string]string // last part of a group's objectSid -> group id (LM5)
}

// rangedGroup is a group whose members the server cut off (LM4).
type rangedGroup struct{ id, dn, attr string }

// groups reads the groups of the configuration, or only those with the ids.
func (r *reader) groups(ctx context.Context, sink sync.Sink, resume sync.Cursor, only []string) (int, error) {
	if r.cfg.Groups.Base == "" {
		return 0, nil
	}
	g := &groupRead{reader: r, sink: sink, resume: resume, seen: idSet{}, rids: map[string]string{}}
	for _, filter := range r.groupFilters(only) {
		err := r.paged(ctx, search{
			what: "reading groups", base: r.cfg.Groups.Base, filter: filter, attrs: r.plan.askGroup,
			entry: func(e *goldap.Entry) (bool, error) { return g.entry(ctx, e) },
			page:  func() error { return g.ranges(ctx) },
		})
		if err != nil {
			return g.count, err
		}
	}
	if err := g.primary(ctx); err != nil {
		return g.count, err
	}
	return g.count, g.flush(ctx)
}

// groupFilters narrows the filter to ids, 100 at a time. nil is all groups.
func (r *reader) groupFilters(only []string) []string {
	if only == nil {
		return []string{r.plan.groups}
	}
	var out []string
	for len(only) > 0 {
		n := min(100, len(only))
		if ids := r.idFilter(only[:n]); ids != "" {
			out = append(out, "(&"+r.plan.groups+ids+")")
		}
		only = only[n:]
	}
	return out
}

// idFilter finds any of the ids; "" when none of them is one of this server.
func (r *reader) idFilter(ids []string) string {
	var b strings.Builder
	for _, id := range ids {
		if f, err := r.plan.id.filter(id); err == nil {
			b.WriteString(f)
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return "(|" + b.String() + ")"
}

// entry takes one group with the members that came with it.
func (g *groupRead) entry(ctx context.Context, e *goldap.Entry) (bool, error) {
	id, err := g.plan.id.read(e.GetEqualFoldAttributeValues(g.plan.id.attr))
	if err != nil {
		return false, &sync.IncompleteError{Why: fmt.Sprintf("the group %s shows no %s: allow the account to read it", e.DN, g.plan.id.attr)}
	}
	if !g.seen.add(id) {
		return false, nil
	}
	g.count++
	key, err := dn.Key(e.DN)
	if err != nil {
		return true, &sync.IncompleteError{Why: "a group's name cannot be read: " + e.DN}
	}
	if err := g.room(ctx, 0); err != nil {
		return true, err
	}
	g.out.Groups = append(g.out.Groups, g.group(id, key, e))
	rid := ""
	if raw, ok := values(e, "objectSid"); ok && len(raw) == 1 {
		rid = relativeID(raw[0])
	}
	if rid != "" {
		g.rids[rid] = id
	}
	members, ranged, err := splitMembers(e)
	if err != nil {
		return true, err
	}
	if ranged != "" {
		g.ranged = append(g.ranged, rangedGroup{id: id, dn: e.DN, attr: ranged})
		return true, nil
	}
	// A group that may be somebody's primary group is complete only when
	// those are named too.
	return true, g.members(ctx, id, members, rid == "")
}

// group makes a group's record of an entry.
func (g *groupRead) group(id, key string, e *goldap.Entry) workspace.DirectoryGroup {
	out := workspace.DirectoryGroup{
		Connection: g.opt.Connection, ExternalID: id, Name: e.GetEqualFoldAttributeValue("cn"), DN: key,
		ObservedAt: g.observed, Attributes: workspace.Attributes{},
	}
	for _, attr := range []string{"owner", "managedBy"} {
		for _, v := range e.GetEqualFoldAttributeValues(attr) {
			if k, err := dn.Key(v); err == nil {
				out.Managers = append(out.Managers, k)
			}
		}
	}
	f := field{name: "description"}
	if raw, ok := values(e, f.name); ok {
		out.Attributes[f.name], _ = f.texts(raw)
	}
	return out
}

// splitMembers gives the members that an entry holds, or the name of the
// attribute that came as a range (LC9): its values must be asked for.
func splitMembers(e *goldap.Entry) (members []string, ranged string, err error) {
	for _, a := range e.Attributes {
		name, option, cut := strings.Cut(a.Name, ";")
		if !strings.EqualFold(name, "member") && !strings.EqualFold(name, "uniqueMember") {
			continue
		}
		if cut && strings.HasPrefix(strings.ToLower(option), "range=") {
			// Asked without a range, a cut attribute shows that there is more.
			return nil, name, nil
		}
		if cut {
			return nil, "", &sync.IncompleteError{Why: fmt.Sprintf("the members of %s come as %s, which is not understood", e.DN, a.Name)}
		}
		members = append(members, a.Values...)
	}
	return members, "", nil
}

// members hands members over in pieces; the last one is complete.
func (g *groupRead) members(ctx context.Context, group string, names []string, complete bool) error {
	for {
		n := min(pageMembers, len(names))
		refs := make([]sync.MemberRef, 0, n)
		for _, name := range names[:n] {
			ref, err := memberRef(name)
			if err != nil {
				return &sync.IncompleteError{Why: fmt.Sprintf("a member of group %s has the name %q, which cannot be read", group, name)}
			}
			refs = append(refs, ref)
		}
		names = names[n:]
		last := len(names) == 0
		if err := g.room(ctx, len(refs)); err != nil {
			return err
		}
		g.refs += len(refs)
		g.out.Members = append(g.out.Members, sync.Members{Group: group, Add: refs, Complete: complete && last})
		if last {
			return nil
		}
	}
}

// memberRef names a member by canonical DN. A uniqueMember may carry an
// optional identifier of bits behind the name (RFC 4517 section 3.3.21).
func memberRef(name string) (sync.MemberRef, error) {
	if i := strings.LastIndex(name, "#'"); i > 0 && strings.HasSuffix(name, "'B") && strings.Trim(name[i+2:len(name)-2], "01") == "" {
		name = name[:i]
	}
	key, err := dn.Key(name)
	return sync.MemberRef{DN: key}, err
}

// room hands the page over before it grows beyond its limits.
func (g *groupRead) room(ctx context.Context, more int) error {
	if g.refs+more > pageMembers || len(g.out.Groups) >= pagePeople {
		return g.flush(ctx)
	}
	return nil
}

func (g *groupRead) flush(ctx context.Context) error {
	if len(g.out.Groups) == 0 && len(g.out.Members) == 0 {
		return nil
	}
	p := g.out
	g.out, g.refs = sync.Page{}, 0
	return g.sink.Page(ctx, p, g.resume)
}

// ranges asks for the members of groups that were cut off, 1,500 at a time
// with a named upper bound, until the range that ends with a star (LM4).
func (g *groupRead) ranges(ctx context.Context) error {
	todo := g.ranged
	g.ranged = nil
	for _, group := range todo {
		names, err := g.wholeRange(ctx, group)
		if err != nil {
			return err
		}
		if err := g.members(ctx, group.id, names, g.plan.flavor != AD); err != nil {
			return err
		}
	}
	return nil
}

const (
	rangeStep  = 1500
	rangeTries = 3
)

// wholeRange reads one group's members and begins again when the group
// changed meanwhile: the pieces would not fit together.
func (g *groupRead) wholeRange(ctx context.Context, group rangedGroup) ([]string, error) {
	for range rangeTries {
		names, same, err := g.oneRange(ctx, group)
		if err != nil || same {
			return names, err
		}
	}
	return nil, &sync.IncompleteError{Why: fmt.Sprintf("the group %s changed %d times while its members were read", group.dn, rangeTries)}
}

func (g *groupRead) oneRange(ctx context.Context, group rangedGroup) (names []string, same bool, err error) {
	usn := ""
	for from := 0; ; {
		if from > maxEntries {
			return nil, false, &sync.IncompleteError{Why: "the ranges of " + group.dn + " do not end (RD9)"}
		}
		ask := fmt.Sprintf("%s;range=%d-%d", group.attr, from, from+rangeStep-1)
		e, err := g.l.base(ctx, group.dn, "(objectClass=*)", []string{ask, "uSNChanged"})
		if err != nil {
			return nil, false, readError("reading the members of "+group.dn, err)
		}
		if e == nil {
			return nil, false, &sync.IncompleteError{Why: "the group " + group.dn + " vanished while its members were read"}
		}
		now := e.GetEqualFoldAttributeValue("uSNChanged")
		if from > 0 && now != usn {
			return nil, false, nil
		}
		usn = now
		got, last, next, ok := rangeOf(e, group.attr)
		if !ok || !last && next <= from {
			return nil, false, &sync.IncompleteError{Why: "the server answers " + ask + " with no such range"}
		}
		names = append(names, got...)
		if last {
			return names, true, nil
		}
		from = next
	}
}

// rangeOf finds the range in an answer: its values, whether it is the last,
// and where the next begins. A server that ignores ranges sends the plain
// attribute, which is then whole.
func rangeOf(e *goldap.Entry, attr string) (got []string, last bool, next int, ok bool) {
	for _, a := range e.Attributes {
		name, option, cut := strings.Cut(a.Name, ";")
		if !strings.EqualFold(name, attr) {
			continue
		}
		if !cut {
			return a.Values, true, 0, true
		}
		bounds, isRange := strings.CutPrefix(strings.ToLower(option), "range=")
		_, upper, two := strings.Cut(bounds, "-")
		if !isRange || !two {
			continue
		}
		if upper == "*" {
			return a.Values, true, 0, true
		}
		if n, err := strconv.Atoi(upper); err == nil {
			return a.Values, false, n + 1, true
		}
	}
	return nil, false, 0, false
}

// relativeID gives the last part of a security identifier (MS-DTYP 2.4.2.2).
func relativeID(sid string) string {
	if len(sid) < 12 || len(sid) != 8+4*int(sid[1]) {
		return ""
	}
	return strconv.FormatUint(uint64(binary.LittleEndian.Uint32([]byte(sid[len(sid)-4:]))), 10)
}

// primary adds the people whose primary group is one of those read: a group
// like Domain Users has no member attribute for them (LM5). Then the groups
// are complete.
func (g *groupRead) primary(ctx context.Context) error {
	if g.plan.flavor != AD || len(g.rids) == 0 {
		return nil
	}
	rids := sortedKeys(g.rids)
	for len(rids) > 0 {
		n := min(100, len(rids))
		if err := g.primaryOf(ctx, rids[:n]); err != nil {
			return err
		}
		rids = rids[n:]
	}
	for _, rid := range sortedKeys(g.rids) {
		if err := g.members(ctx, g.rids[rid], nil, true); err != nil {
			return err
		}
		if len(g.out.Members) >= pagePeople {
			if err := g.flush(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *groupRead) primaryOf(ctx context.Context, rids []string) error {
	var b strings.Builder
	for _, rid := range rids {
		b.WriteString("(primaryGroupID=" + rid + ")")
	}
	seen := idSet{}
	return g.paged(ctx, search{
		what: "reading primary groups", base: g.cfg.People.Base, filter: "(&" + g.plan.people + "(|" + b.String() + "))",
		attrs: []string{g.plan.id.attr, "primaryGroupID"},
		entry: func(e *goldap.Entry) (bool, error) {
			id, err := g.plan.id.read(e.GetEqualFoldAttributeValues(g.plan.id.attr))
			group, ok := g.rids[e.GetEqualFoldAttributeValue("primaryGroupID")]
			if err != nil || !ok || !seen.add(id) {
				return false, nil
			}
			if err := g.room(ctx, 1); err != nil {
				return true, err
			}
			g.refs++
			ref := sync.MemberRef{ID: id, Kind: "user"}
			if n := len(g.out.Members); n > 0 && g.out.Members[n-1].Group == group && len(g.out.Members[n-1].Add) < pageMembers {
				g.out.Members[n-1].Add = append(g.out.Members[n-1].Add, ref)
				return true, nil
			}
			g.out.Members = append(g.out.Members, sync.Members{Group: group, Add: []sync.MemberRef{ref}})
			return true, nil
		},
	})
}
