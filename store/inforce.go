package store

import (
	"cmp"
	"slices"

	"github.com/rollcall-sync/rollcall/workspace"
)

// InForce is what the workspace and the directory groups say about identities,
// beside what the identities state themselves.
type InForce struct {
	Members map[string]*MemberInForce    // by member id
	Holds   []HeldInForce                // open ones, oldest first
	Groups  map[string][]GroupOfIdentity // by identity id, direct ones first
}

// MemberInForce is what a directory's answer shows of a member.
type MemberInForce struct {
	ID         string
	Role       workspace.Role
	RoleSource string
	State      workspace.MemberState
	Contained  bool
	LastActive workspace.Micros
	Numbers    []NumberInForce // by E.164 text
}

// NumberInForce is one number of a member and what gives it.
type NumberInForce struct {
	NumberHolding
	Source string // first supporter of the access, else of the ownership; "" if none is known
}

// HeldInForce is an open hold.
type HeldInForce struct {
	ID, Subject string
	CreatedAt   workspace.Micros
	Changes     []byte // JSON list of the report's changes
}

// GroupOfIdentity is a directory group of one identity.
type GroupOfIdentity struct {
	ID, Name string
	Via      string // name of the direct group, "" if direct

	createdAt workspace.Micros
}

// MemberOfGroup is a direct member of a directory group with its name.
type MemberOfGroup struct {
	Edge
	Name string
}

const (
	// All that stands beside identities, in one statement: an answer about one
	// person is asked for several times a second. Columns: kind, whose, three
	// texts, a flag, a number. Of several supporters the first by name counts, so
	// that the answer is the same each time.
	selectInForce = `SELECT 'member', member_id, role, role_source, state, contained, last_active_at FROM member
			WHERE workspace_id = ? AND member_id IN (*)
		UNION ALL SELECT 'number', a.to_id, n.e164, a.access, (SELECT MIN(s.given_by) FROM support s
				WHERE s.workspace_id = a.workspace_id AND s.member_id = a.to_id AND s.kind = 'number'
					AND s.object_id = a.number_id), FALSE, a.ring FROM assignment a
			JOIN number n ON n.workspace_id = a.workspace_id AND n.number_id = a.number_id
			WHERE a.workspace_id = ? AND a.kind = 'member' AND a.to_id IN (*)
		UNION ALL SELECT 'number', o.member_id, n.e164, '', (SELECT MIN(s.given_by) FROM support s
				WHERE s.workspace_id = o.workspace_id AND s.member_id = o.member_id AND s.kind = 'owner'
					AND s.object_id = o.number_id), TRUE, 0 FROM number_owner o
			JOIN number n ON n.workspace_id = o.workspace_id AND n.number_id = o.number_id
			WHERE o.workspace_id = ? AND o.member_id IN (*)
		UNION ALL SELECT 'hold', subject, hold_id, changes, '', FALSE, created_at FROM hold
			WHERE workspace_id = ? AND state = 'open' AND subject IN (*)`
	// The flag tells whether the group is nested in another one, which is rare:
	// only then is the way up walked.
	selectDirectGroups = `SELECT 'group', m.child_id, g.group_id, g.display_name, '',
			EXISTS (SELECT 1 FROM membership up WHERE up.workspace_id = m.workspace_id AND up.child_id = m.group_id
				AND up.child_kind = 'group'), g.created_at
		FROM membership m
		JOIN dirgroup g ON g.workspace_id = m.workspace_id AND g.group_id = m.group_id
		WHERE m.workspace_id = ? AND m.child_id IN (*) AND m.child_kind = 'user'`
	selectInForceWithGroups = selectInForce + ` UNION ALL ` + selectDirectGroups
	selectMembersOf         = `SELECT m.child_kind, m.child_id, COALESCE(i.name, i.user_name, g.display_name, '')
		FROM membership m
		LEFT JOIN identity i ON m.child_kind = 'user' AND i.workspace_id = m.workspace_id AND i.identity_id = m.child_id
		LEFT JOIN dirgroup g ON m.child_kind = 'group' AND g.workspace_id = m.workspace_id AND g.group_id = m.child_id
		WHERE m.workspace_id = ? AND m.group_id = ? AND (m.child_kind, m.child_id) > (?, ?)
		ORDER BY m.child_kind, m.child_id LIMIT CAST(? AS BIGINT)`
)

// inForceSizes are the numbers of identities in one statement: few, so that
// the statements are prepared once, and small, since each stands in it five
// times.
var inForceSizes = []int{1, 4, 20}

// InForce reads what stands beside identities: members with numbers and holds
// if effective is set, groups if groups is. It costs one statement for 20
// identities, and one more for each that has nested groups.
func (r *Reader) InForce(identities []workspace.Identity, effective, groups bool) (InForce, error) {
	f := InForce{}
	if effective {
		f.Members = make(map[string]*MemberInForce, len(identities))
	}
	if groups {
		f.Groups = make(map[string][]GroupOfIdentity)
	}
	var nested []string
	for rest := identities; len(rest) > 0 && (effective || groups); {
		n := min(len(rest), inForceSizes[len(inForceSizes)-1])
		text, args := inForceQuery(r.ws, rest[:n], effective, groups)
		rows, err := list(r, scanBeside, text, args...)
		if err != nil {
			return f, err
		}
		for i := range rows {
			if err := f.put(&rows[i]); err != nil {
				return f, err
			}
			if b := &rows[i]; b.kind == "group" && b.flag && !slices.Contains(nested, b.whose) {
				nested = append(nested, b.whose)
			}
		}
		rest = rest[n:]
	}
	for _, list := range f.Groups {
		slices.SortFunc(list, func(a, b GroupOfIdentity) int {
			return cmp.Or(cmp.Compare(a.createdAt, b.createdAt), cmp.Compare(a.ID, b.ID))
		})
	}
	slices.SortFunc(f.Holds, func(a, b HeldInForce) int {
		return cmp.Or(cmp.Compare(a.CreatedAt, b.CreatedAt), cmp.Compare(len(a.ID), len(b.ID)), cmp.Compare(a.ID, b.ID))
	})
	for _, id := range nested {
		refs, err := r.GroupsAbove([]string{id})
		if err != nil {
			return f, err
		}
		f.Groups[id] = f.Groups[id][:0]
		for _, g := range refs {
			f.Groups[id] = append(f.Groups[id], GroupOfIdentity{ID: g.ID, Name: g.Name, Via: g.Via})
		}
	}
	return f, nil
}

// Subject is what the holds about an identity are kept under: its member's, or
// its own while it has none.
func Subject(i *workspace.Identity) string {
	if i.Member != "" {
		return "member:" + i.Member
	}
	return "identity:" + i.ID
}

// inForceQuery makes the statement for a piece, whose lists are padded by
// their last value.
func inForceQuery(ws string, piece []workspace.Identity, effective, groups bool) (text string, args []any) {
	size := inForceSizes[slices.IndexFunc(inForceSizes, func(size int) bool { return size >= len(piece) })]
	at := func(i int) *workspace.Identity { return &piece[min(i, len(piece)-1)] }
	add := func(value func(*workspace.Identity) string) {
		args = append(args, ws)
		for i := range size {
			args = append(args, value(at(i)))
		}
	}
	text = selectDirectGroups
	args = make([]any, 0, 5*(size+1))
	if effective {
		text = selectInForce
		if groups {
			text = selectInForceWithGroups
		}
		member := func(i *workspace.Identity) string { return i.Member }
		add(member)
		add(member)
		add(member)
		add(Subject)
	}
	if groups {
		add(func(i *workspace.Identity) string { return i.ID })
	}
	return inForceText(text, size), args
}

// inForceTexts are the texts by size: building one costs as much as running
// it.
var inForceTexts = func() map[string]map[int]string {
	texts := map[string]map[int]string{}
	for _, text := range []string{selectInForce, selectDirectGroups, selectInForceWithGroups} {
		texts[text] = map[int]string{}
		for _, size := range inForceSizes {
			texts[text][size] = in(text, size)
		}
	}
	return texts
}()

func inForceText(text string, size int) string { return inForceTexts[text][size] }

// beside is one row of selectInForce.
type beside struct {
	kind, whose, a, b, c string
	flag                 bool
	n                    int64
}

func scanBeside(s scanner, b *beside) error {
	return s.Scan(&b.kind, &b.whose, &b.a, &b.b, &b.c, &b.flag, &b.n)
}

// put files one row. Members come before their numbers.
func (f *InForce) put(b *beside) error {
	switch b.kind {
	case "member":
		role, err := workspace.ParseRole(b.a)
		f.Members[b.whose] = &MemberInForce{
			ID: b.whose, Role: role, RoleSource: b.b, State: workspace.MemberState(b.c), Contained: b.flag, LastActive: workspace.Micros(b.n),
		}
		return err
	case "number":
		if m := f.Members[b.whose]; m != nil {
			m.hold(NumberInForce{NumberHolding{Number: b.a, Access: b.b, Owner: b.flag, Ring: int(b.n)}, b.c})
		}
	case "hold":
		f.Holds = append(f.Holds, HeldInForce{ID: b.a, Subject: b.whose, Changes: []byte(b.b), CreatedAt: workspace.Micros(b.n)})
	default:
		f.Groups[b.whose] = append(f.Groups[b.whose], GroupOfIdentity{ID: b.a, Name: b.b, createdAt: workspace.Micros(b.n)})
	}
	return nil
}

// hold adds access to, or ownership of, a number; the numbers stay sorted.
func (m *MemberInForce) hold(n NumberInForce) {
	at, known := slices.BinarySearchFunc(m.Numbers, n, func(a, b NumberInForce) int { return cmp.Compare(a.Number, b.Number) })
	if !known {
		m.Numbers = slices.Insert(m.Numbers, at, n)
		return
	}
	have := &m.Numbers[at]
	have.Owner = have.Owner || n.Owner
	if n.Access != "" {
		have.Access, have.Ring = n.Access, n.Ring
	}
	if have.Source == "" || n.Access != "" && n.Source != "" {
		have.Source = n.Source
	}
}

func scanMemberOfGroup(s scanner, m *MemberOfGroup) error { return s.Scan(&m.Kind, &m.Child, &m.Name) }

// MembersPage lists up to limit direct members of a directory group behind an
// edge, by kind and id. The zero Edge stands before all.
func (r *Reader) MembersPage(group string, after Edge, limit int) ([]MemberOfGroup, error) {
	return list(r, scanMemberOfGroup, selectMembersOf, r.ws, group, after.Kind, after.Child, max(limit, 1))
}
