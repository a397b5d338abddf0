package mapping

import (
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/workspace"
)

// roleRow is one row of roles. attr is -1 for a fixed role.
type roleRow struct {
	row
	role    workspace.Role
	attr    int
	direct  bool
	allow   map[string]workspace.Role // by folded value
	cap     int
	approve bool
}

// expiryRow is one row of expiry. attr is -1 without `end:`.
type expiryRow struct {
	row
	attr int
	def  time.Duration // 0: none
	warn time.Duration
}

// groupRow is one row of groups. attr is -1 for a fixed group.
type groupRow struct {
	row
	name      string
	attr      int
	direct    bool
	allow     map[string]string // folded value to the name as written; nil with create
	create    bool
	createMax int
}

// textRow takes one text about the person from an attribute.
type textRow struct {
	row
	attr int
}

// ownEachRow gives ownership of the numbers that an attribute lists.
type ownEachRow struct {
	row
	attr   int
	direct bool
}

// readSections reads the rows in the order in which they are evaluated.
func (c *compiler) readSections(f *fields) {
	r := c.rules
	c.rows(f, "exclude", func(t *fields) {
		x, ok := c.readRow(t, true)
		t.done()
		if ok && x.live {
			if x.cond == nil {
				t.at.errorf("excludes everybody; an exclude row needs `if:`")
			}
			r.exclude = append(r.exclude, x)
		}
	})
	c.rows(f, "protect", func(t *fields) {
		x, ok := c.readRow(t, true)
		t.done()
		if ok && x.live {
			r.protect = append(r.protect, x)
		}
	})
	if t, ok := c.single(f, "eligible"); ok {
		x, fine := c.readRow(t, true)
		t.done()
		if fine && (!x.live || x.since != 0 || x.until != 0) {
			// Without the row everybody would be a member.
			t.at.errorf("eligible is one row that always counts: no mode, since or until")
		}
		if fine && x.live {
			r.eligible = &x
		}
	}
	c.readRoles(f)
	c.rows(f, "expiry", c.readExpiry)
	c.rows(f, "groups", c.readGroup)
	c.rows(f, "numbers", c.readNumber)
	c.rows(f, "number_owner", c.readOwnerRow)
	r.handover = c.readText(f, "handover", "rollcall.handoverTo")
	r.reason = c.readText(f, "access_reason", "rollcall.accessReason")
	c.live = false
}

// single reads a section that is one row.
func (c *compiler) single(f *fields, section string) (*fields, bool) {
	v, has := f.get(section)
	if !has {
		return nil, false
	}
	if v.isList() {
		v.errorf("%s is one row, not a list", section)
		return nil, false
	}
	return v.fields()
}

// ownerRefusal is the load error LN05.
const ownerRefusal = "no sync makes an Owner (O1, LN05): write admin or member"

// readRoles reads the role rows and refuses those that can never win (LN07).
func (c *compiler) readRoles(f *fields) {
	closedBy := ""
	c.rows(f, "roles", func(t *fields) {
		b, ok := c.readRow(t, true)
		x := roleRow{row: b, attr: -1}
		v, has := t.get("role")
		switch {
		case !has:
			t.at.errorf("role: is missing")
			ok = false
		case v.isTable():
			x.attr, x.direct = c.onlyAttr(v)
			ok = ok && x.attr >= 0
			x.allow = c.readAllowedRoles(t, v)
		default:
			x.role = c.readRole(v)
			ok = ok && x.role != workspace.RoleNone
			if a, stray := t.get("allow"); stray {
				a.errorf("allow: goes with role: {attr: ...}")
			}
		}
		if v, has := t.get("cap"); has {
			x.cap, _ = v.positive(100000)
		}
		if v, has := t.get("approve"); has {
			_, x.approve = v.oneOf("always")
		}
		t.done()
		if closedBy != "" && b.live {
			t.at.errorf("row %s can never win: row %s above it is always true (LN07)", b.id, closedBy)
		}
		if ok && b.live && b.cond == nil && x.attr < 0 && b.since == 0 && b.until == 0 {
			// Behind a cap the next true row is taken (MR2), so a capped row
			// leaves room below it.
			if x.cap == 0 && closedBy == "" {
				closedBy = b.id
			}
		}
		if ok && x.live {
			c.rules.roles = append(c.rules.roles, x)
		}
	})
}

// readRole reads admin or member.
func (c *compiler) readRole(v value) workspace.Role {
	s, ok := v.nonEmpty()
	if !ok {
		return workspace.RoleNone
	}
	switch foldText(s) {
	case "admin":
		return workspace.RoleAdmin
	case "member":
		return workspace.RoleMember
	case "owner":
		v.errorf("%s", ownerRefusal)
	default:
		v.errorf("%q is not one of admin, member%s (LN05)", s, didYouMean(s, []string{"admin", "member"}))
	}
	return workspace.RoleNone
}

// readAllowedRoles reads the closed list beside an attribute role.
func (c *compiler) readAllowedRoles(t *fields, at value) map[string]workspace.Role {
	v, has := t.get("allow")
	if !has {
		at.errorf("a role from an attribute needs `allow:` (LN05)")
		return nil
	}
	items, ok := v.list()
	if !ok {
		return nil
	}
	if len(items) == 0 {
		v.errorf("must not be empty")
	}
	out := map[string]workspace.Role{}
	for _, it := range items {
		if role := c.readRole(it); role != workspace.RoleNone {
			out[role.String()] = role
		}
	}
	return out
}

// onlyAttr reads `{attr: A}`; n is -1 after a problem. direct tells that the
// request itself writes the attribute.
func (c *compiler) onlyAttr(v value) (n int, direct bool) {
	f, ok := v.fields()
	if !ok {
		return -1, false
	}
	a, has := f.get("attr")
	f.done()
	if !has {
		v.errorf("wants {attr: NAME}")
		return -1, false
	}
	n, ok = c.attrRef(a)
	if !ok {
		return -1, false
	}
	return n, strings.HasPrefix(c.attrs[n].name, directPrefix)
}

// textAttr is onlyAttr for attributes that hold text.
func (c *compiler) textAttr(v value) (n int, direct bool) {
	n, direct = c.onlyAttr(v)
	if n >= 0 && !c.attrs[n].typ.textual() {
		v.errorf("attribute %s is of type %s; text is needed here (LN03)", c.attrs[n].name, c.attrs[n].typ)
		return -1, false
	}
	return n, direct
}

// readExpiry reads one expiry row (MR3).
func (c *compiler) readExpiry(t *fields) {
	b, ok := c.readRow(t, true)
	x := expiryRow{row: b, attr: -1}
	endV, hasEnd := t.get("end")
	if hasEnd {
		x.attr, _ = c.onlyAttr(endV)
		if x.attr >= 0 && c.attrs[x.attr].typ != typeTime {
			endV.errorf("attribute %s is of type %s; an end is a time (LN03)", c.attrs[x.attr].name, c.attrs[x.attr].typ)
			ok = false
		}
		ok = ok && x.attr >= 0
	}
	span := func(key string) (time.Duration, bool) {
		v, has := t.get(key)
		if !has {
			return 0, false
		}
		s, fine := v.text()
		if !fine {
			ok = false
			return 0, true
		}
		d, err := parseSpan(s)
		if err != nil {
			v.errorf("%v (LN04)", err)
			ok = false
		}
		return d, true
	}
	var hasDefault bool
	x.def, hasDefault = span("default")
	x.warn, _ = span("warn")
	t.done()
	if !hasEnd && !hasDefault {
		t.at.errorf("an expiry row needs end: {attr: ...} or default: 90d (MR3)")
	}
	if ok && x.live {
		c.rules.expiry = append(c.rules.expiry, x)
	}
}

// readGroup reads one group row (MR4).
func (c *compiler) readGroup(t *fields) {
	b, ok := c.readRow(t, true)
	x := groupRow{row: b, attr: -1}
	to, has := t.get("to")
	switch {
	case !has:
		t.at.errorf("to: is missing")
		ok = false
	case to.isTable():
		x.attr, x.direct = c.textAttr(to)
		ok = ok && x.attr >= 0
	default:
		var fine bool
		x.name, fine = to.nonEmpty()
		ok = ok && fine
	}
	if v, has := t.get("create"); has {
		x.create, _ = v.boolean()
		x.createMax = 20
	}
	if v, has := t.get("create_max"); has {
		if !x.create {
			v.errorf("create_max: goes with create: true")
		}
		x.createMax, _ = v.positive(1000)
	}
	allow, hasAllow := t.get("allow")
	switch {
	case hasAllow && x.name != "":
		allow.errorf("allow: goes with to: {attr: ...}")
	case hasAllow && x.create:
		allow.errorf("allow: is a closed list; leave it out or leave create: out (MR4)")
	case hasAllow:
		names, fine := allow.texts()
		ok = ok && fine
		x.allow = make(map[string]string, len(names))
		for _, n := range names {
			x.allow[foldText(n)] = n
		}
	case has && to.isTable() && !x.create:
		to.errorf("a group from an attribute needs allow: [..] or create: true (MR4)")
	}
	t.done()
	if ok && x.live {
		c.rules.groupRows = append(c.rules.groupRows, x)
	}
}

// readText reads a section that takes a text from one attribute.
func (c *compiler) readText(f *fields, section, usual string) *textRow {
	t, ok := c.single(f, section)
	if !ok {
		return nil
	}
	b, ok := c.readRow(t, true)
	x := textRow{row: b, attr: -1}
	if v, has := t.get("from"); has {
		x.attr, _ = c.textAttr(v)
	} else {
		t.at.errorf("from: is missing, as in from: {attr: %s}", usual)
	}
	t.done()
	if ok && x.attr >= 0 && x.live {
		return &x
	}
	return nil
}

// readOwnerRow reads one number_owner row (MR7): a number and whom it
// belongs to, or `each:` with an attribute that lists numbers.
func (c *compiler) readOwnerRow(t *fields) {
	if t.has("each") {
		b, ok := c.readRow(t, true)
		x := ownEachRow{row: b}
		v, _ := t.get("each")
		x.attr, x.direct = c.textAttr(v)
		t.done()
		if ok && x.attr >= 0 && x.live {
			c.rules.ownEach = append(c.rules.ownEach, x)
		}
		return
	}
	b, ok := c.readRow(t, false)
	x := OwnerRow{Row: b.id, Owner: b.owner, Since: b.since, Until: b.until}
	if v, has := t.get("number"); has {
		x.Number, _ = c.fixedNumber(v)
	} else {
		t.at.errorf("number: is missing (or each: {attr: rollcall.numberOwnerOf})")
	}
	if v, has := t.get("keep_last"); has {
		x.KeepLast, _ = v.boolean()
	}
	v, has := t.get("owner")
	// The key owner: names the number's owner here, not the row's author, who
	// is the file's owner.
	if has {
		c.readNumberOwner(v, &x)
	} else {
		t.at.errorf("owner: is missing: {manager_of: GROUP}, {attr: manager} or {member: E-MAIL}")
	}
	t.known = append(t.known, "each")
	t.done()
	if ok && b.live {
		c.rules.ownerRows = append(c.rules.ownerRows, x)
	}
}

// readNumberOwner reads who owns a number.
func (c *compiler) readNumberOwner(v value, x *OwnerRow) {
	f, ok := v.fields()
	if !ok {
		return
	}
	if len(f.list) != 1 {
		v.errorf("wants exactly one of {manager_of: GROUP}, {attr: manager}, {member: E-MAIL}")
		return
	}
	if g, has := f.get("manager_of"); has {
		if n, _, fine := c.group(g); fine {
			x.ManagerOf = append([]GroupKey(nil), c.rules.groups[n].keys...)
		}
	}
	if a, has := f.get("attr"); has {
		x.Attr, _ = a.oneOf("manager")
		c.attrNumber("manager")
	}
	if m, has := f.get("member"); has {
		x.Member, _ = c.address(m)
	}
	f.done()
}
