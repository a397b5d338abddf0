package mapping

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/workspace"
)

// meID is the member id of the person in a test.
const meID = "me"

// fixture is the person and the workspace of one rule test.
type fixture struct {
	c      *compiler
	person Person
	facts  Facts
	inv    *fixtureInventory
}

func newFixture(c *compiler) *fixture {
	inv := &fixtureInventory{}
	return &fixture{
		c: c, inv: inv,
		person: Person{GroupsUnknown: map[string]bool{}},
		facts:  Facts{ClaimedDomains: map[string]bool{}, Inventory: inv},
	}
}

// claimAll makes every domain of the person claimed, the default of tests.
func (x *fixture) claimAll() {
	for _, id := range x.person.Identities {
		for _, e := range append([]string{id.Email}, id.Attributes["email"]...) {
			if d, ok := asciiDomain(e); ok {
				x.facts.ClaimedDomains[d] = true
			}
		}
	}
}

// readIdentity reads one identity: a key left out is absent, null is stated
// empty, `groups: unknown` or no groups at all are unknown memberships.
func (x *fixture) readIdentity(v value) bool {
	problems := len(x.c.problems)
	f, ok := v.fields()
	if !ok {
		return false
	}
	id := workspace.Identity{ID: fmt.Sprintf("i%d", len(x.person.Identities)+1), Active: true, Attributes: workspace.Attributes{}}
	if c, has := f.get("connection"); has {
		id.Connection, _ = x.c.connection(c)
	} else {
		v.errorf("connection: is missing")
	}
	if d, has := f.get("dn"); has {
		id.DN, _ = d.nonEmpty()
	}
	if g, has := f.get("groups"); has {
		x.readGroups(g, id.Connection)
	} else {
		x.person.GroupsUnknown[id.Connection] = true
	}
	for _, e := range f.list {
		switch e.key {
		case "connection", "dn", "groups":
			continue
		case "active":
			id.Active, _ = e.val.boolean()
			continue
		}
		x.readAttribute(f, e, &id)
	}
	id.UserName, _ = id.Attributes.First("userName")
	id.Email, _ = id.Attributes.First("email")
	id.Name, _ = id.Attributes.First("displayName")
	x.person.Identities = append(x.person.Identities, id)
	return len(x.c.problems) == problems
}

// readAttribute reads one stated attribute under the name that the identity's
// connection uses.
func (x *fixture) readAttribute(f *fields, e field, id *workspace.Identity) {
	if _, known := x.c.attrType(e.key); !known {
		f.keyValue(e.key).errorf("unknown attribute %q (LN02)%s", e.key, didYouMean(e.key, x.c.attrNames()))
		return
	}
	name := e.key
	if a := x.c.custom[e.key]; a != nil {
		if name = a.sourceName(id.Connection); name == "" {
			f.keyValue(e.key).errorf("connection %s does not state %s", id.Connection, e.key)
			return
		}
	}
	list := []value{e.val}
	switch {
	case e.val.isNull():
		list = nil
	case e.val.isList():
		list, _ = e.val.list()
	}
	values := []string{}
	for _, v := range list {
		if _, isBool := v.n.(*ast.BoolNode); isBool {
			values = append(values, v.n.GetToken().Value)
			continue
		}
		if s, ok := v.text(); ok {
			values = append(values, s)
		}
	}
	id.Attributes[name] = values
}

// readGroups reads the groups of one identity, by alias or display name.
func (x *fixture) readGroups(v value, connection string) {
	if s, isText := v.plain(); isText && s == "unknown" {
		x.person.GroupsUnknown[connection] = true
		return
	}
	items, ok := v.list()
	if !ok {
		return
	}
	for _, it := range items {
		s, fine := it.nonEmpty()
		if !fine {
			continue
		}
		ref := GroupRef{Connection: connection, ID: "g-" + s, Name: s}
		if g, known := x.c.aliases[s]; known {
			here := false
			for _, k := range g.keys {
				if k.Connection != "" && k.Connection != connection {
					continue
				}
				here = true
				ref.ExternalID, ref.Name = k.ID, s
				if k.ID == "" {
					ref.Name = k.Name
				}
			}
			if !here {
				it.errorf("group %s has no id at connection %s", s, connection)
			}
		}
		x.person.Groups = append(x.person.Groups, ref)
	}
}

// readFacts reads what the workspace is like in a test.
func (x *fixture) readFacts(v value) {
	f, ok := v.fields()
	if !ok {
		return
	}
	if d, has := f.get("claimed"); has {
		x.facts.ClaimedDomains = map[string]bool{}
		if items, fine := d.list(); fine {
			for _, it := range items {
				if s, good := it.nonEmpty(); good {
					a, isDomain := toASCII(s)
					if !isDomain {
						it.errorf("%q is not a domain", s)
					}
					x.facts.ClaimedDomains[a] = true
				}
			}
		}
	}
	if b, has := f.get("has_reports"); has {
		on, _ := b.boolean()
		x.person.HasReports = truth(on)
	}
	if b, has := f.get("view_beside_exclusive"); has {
		x.facts.ViewBesideExclusive, _ = b.boolean()
	}
	if n, has := f.get("inventory"); has {
		if items, fine := n.list(); fine {
			for _, it := range items {
				x.readInventory(it)
			}
		}
	}
	if h, has := f.get("holders"); has {
		x.readHolders(h)
	}
	for _, held := range []struct {
		key string
		put func(n *workspace.Number)
	}{
		{"reserved", func(n *workspace.Number) {
			n.Reservations = append(n.Reservations, workspace.Reservation{Number: n.ID, Kind: workspace.ToMember, For: meID})
			x.inv.reserved = append(x.inv.reserved, n.ID)
		}},
		{"invited", func(n *workspace.Number) {
			n.Reservations = append(n.Reservations, workspace.Reservation{Number: n.ID, Kind: workspace.ToInvitation, For: "invitation"})
			x.inv.invited = append(x.inv.invited, n.ID)
		}},
	} {
		if l, has := f.get(held.key); has {
			if items, fine := l.list(); fine {
				for _, it := range items {
					if n := x.number(it); n != nil {
						held.put(n)
					}
				}
			}
		}
	}
	if p, has := f.get("present"); has {
		x.readPresent(p)
	}
	f.done()
}

// readInventory reads one number of the inventory: the number alone, or a
// table with what the strategies ask about it.
func (x *fixture) readInventory(v value) {
	n := fixtureNumber{Number: workspace.Number{State: workspace.NumberFree}}
	at := v
	if v.isTable() {
		f, _ := v.fields()
		e, has := f.get("number")
		if !has {
			v.errorf("number: is missing")
			return
		}
		at = e
		for key, to := range map[string]*string{"name": &n.Name, "pool": &n.Pool, "site": &n.Site, "group": &n.group} {
			if s, there := f.get(key); there {
				*to, _ = s.nonEmpty()
			}
		}
		if s, there := f.get("state"); there {
			state, _ := s.oneOf("free", "assigned", "reserved", "quarantined", "porting", "ported_out")
			n.State = workspace.NumberState(state)
		}
		if o, there := f.get("owners_have"); there {
			n.same = map[string]string{}
			if t, fine := o.fields(); fine {
				for _, a := range t.list {
					if s, good := a.val.nonEmpty(); good {
						n.same[a.key] = foldText(s)
					}
				}
			}
		}
		f.done()
	}
	s, ok := x.c.fixedNumber(at)
	if !ok {
		return
	}
	n.E164, n.ID = s, "n"+s
	x.inv.numbers = append(x.inv.numbers, n)
	sort.Slice(x.inv.numbers, func(i, j int) bool { return x.inv.numbers[i].E164 < x.inv.numbers[j].E164 })
}

// number finds a number of the fixture's inventory.
func (x *fixture) number(v value) *workspace.Number {
	s, ok := v.nonEmpty()
	if !ok {
		return nil
	}
	for i := range x.inv.numbers {
		if x.inv.numbers[i].E164 == s {
			return &x.inv.numbers[i].Number
		}
	}
	v.errorf("%s is not in the test's inventory", s)
	return nil
}

// readHolders reads who holds numbers: {number: e-mail} for exclusive access
// or {number: {e-mail: access}}.
func (x *fixture) readHolders(v value) {
	t, ok := v.fields()
	if !ok {
		return
	}
	for _, e := range t.list {
		n := x.number(value{l: v.l, n: e.node, path: e.val.path})
		if n == nil {
			continue
		}
		hold := func(who, access string) {
			a, _ := workspace.ParseAccess(access)
			n.State = workspace.NumberAssigned
			n.Assignments = append(n.Assignments, workspace.Assignment{Number: n.ID, Kind: workspace.ToMember, To: who, Access: a})
		}
		if !e.val.isTable() {
			if s, fine := e.val.nonEmpty(); fine {
				hold(s, "exclusive")
			}
			continue
		}
		h, _ := e.val.fields()
		for _, who := range h.list {
			if a, fine := who.val.oneOf("exclusive", "shared", "view_only"); fine {
				hold(who.key, a)
			}
		}
	}
}

// readPresent reads what the person holds now.
func (x *fixture) readPresent(v value) {
	f, ok := v.fields()
	if !ok {
		return
	}
	x.person.Member = meID
	have := &x.person.Have
	have.Role = workspace.RoleMember
	support := func(kind GrantKind, object, val, row string) {
		by := "manual"
		if row != "" {
			by = ruleBy(row)
		}
		have.Supports = append(have.Supports, Support{Kind: kind, Object: object, Value: val, By: by})
	}
	text := func(key string) string {
		e, has := f.get(key)
		if !has {
			return ""
		}
		s, _ := e.nonEmpty()
		return s
	}
	if e, has := f.get("role"); has {
		s, _ := e.oneOf("member", "admin", "owner")
		role, err := workspace.ParseRole(s)
		if err == nil {
			have.Role = role
		}
	}
	support(GrantRole, "", have.Role.String(), text("role_by"))
	if end := text("end"); end != "" {
		support(GrantEnd, "", end, text("end_by"))
	}
	if e, has := f.get("groups"); has {
		if t, fine := e.fields(); fine {
			for _, g := range t.list {
				row, _ := g.val.nonEmpty()
				support(GrantGroup, g.key, "", row)
			}
		}
	}
	if e, has := f.get("numbers"); has {
		x.readPresentNumbers(e, support)
	}
	f.done()
}

// readPresentNumbers reads {number: access} or {number: {access: A, by: ROW}}.
func (x *fixture) readPresentNumbers(v value, support func(kind GrantKind, object, val, row string)) {
	t, ok := v.fields()
	if !ok {
		return
	}
	for _, e := range t.list {
		n := x.number(value{l: v.l, n: e.node, path: e.val.path})
		if n == nil {
			continue
		}
		at, row := e.val, ""
		if e.val.isTable() {
			h, _ := e.val.fields()
			a, has := h.get("access")
			if !has {
				e.val.errorf("access: is missing")
				continue
			}
			at = a
			if b, there := h.get("by"); there {
				row, _ = b.nonEmpty()
			}
			h.done()
		}
		s, fine := at.oneOf("exclusive", "shared", "view_only")
		if !fine {
			continue
		}
		a, _ := workspace.ParseAccess(s)
		n.State = workspace.NumberAssigned
		n.Assignments = append(n.Assignments, workspace.Assignment{Number: n.ID, Kind: workspace.ToMember, To: meID, Access: a})
		x.person.Have.Numbers = append(x.person.Have.Numbers, HeldNumber{Number: n.ID, E164: n.E164, Access: a})
		support(GrantNumber, n.ID, s, row)
	}
}

// fixtureNumber is a number with what the store would know beside it.
type fixtureNumber struct {
	workspace.Number
	group string
	same  map[string]string // folded value by attribute of an owner
}

// fixtureInventory answers from the facts of a test. It is sorted by E.164.
type fixtureInventory struct {
	numbers           []fixtureNumber
	reserved, invited []string // ids
}

func (f *fixtureInventory) pick(fits func(n *fixtureNumber) bool) []workspace.Number {
	var out []workspace.Number
	for i := range f.numbers {
		if fits(&f.numbers[i]) {
			out = append(out, f.numbers[i].Number)
		}
	}
	return out
}

func (f *fixtureInventory) one(fits func(n *fixtureNumber) bool) (workspace.Number, bool, error) {
	if found := f.pick(fits); len(found) > 0 {
		return found[0], true, nil
	}
	return workspace.Number{}, false, nil
}

// ByE164 implements Inventory.
func (f *fixtureInventory) ByE164(e164 string) (workspace.Number, bool, error) {
	return f.one(func(n *fixtureNumber) bool { return n.E164 == e164 })
}

// ByName implements Inventory.
func (f *fixtureInventory) ByName(name string) (workspace.Number, bool, error) {
	return f.one(func(n *fixtureNumber) bool { return n.Name != "" && fold.Equal(n.Name, name) })
}

// ReservedFor implements Inventory.
func (f *fixtureInventory) ReservedFor(string) ([]workspace.Number, error) {
	return f.pick(func(n *fixtureNumber) bool { return slices.Contains(f.reserved, n.ID) }), nil
}

// InvitedFor implements Inventory.
func (f *fixtureInventory) InvitedFor(string) ([]workspace.Number, error) {
	return f.pick(func(n *fixtureNumber) bool { return slices.Contains(f.invited, n.ID) }), nil
}

// LowestFree implements Inventory.
func (f *fixtureInventory) LowestFree(p Pool, skip map[string]bool) (workspace.Number, bool, error) {
	return f.one(func(n *fixtureNumber) bool {
		inPool := n.Pool == p.Name || p.Prefix != "" && strings.HasPrefix(n.E164, p.Prefix) && (p.Site == "" || fold.Equal(n.Site, p.Site))
		return inPool && n.State == workspace.NumberFree && len(n.Reservations) == 0 && !skip[n.ID]
	})
}

// OfGroup implements Inventory.
func (f *fixtureInventory) OfGroup(group string) ([]workspace.Number, error) {
	return f.pick(func(n *fixtureNumber) bool { return n.group != "" && fold.Equal(n.group, group) }), nil
}

// OwnedBySame implements Inventory.
func (f *fixtureInventory) OwnedBySame(attr, valueKey string) ([]workspace.Number, error) {
	return f.pick(func(n *fixtureNumber) bool { return n.same[attr] != "" && n.same[attr] == valueKey }), nil
}
