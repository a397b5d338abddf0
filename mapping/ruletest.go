package mapping

import (
	"fmt"
	"sort"
	"strings"

	"github.com/rollcall-sync/rollcall/workspace"
)

// rowTest is a `test:` beside a row, kept until the rules stand.
type rowTest struct {
	row  string
	cond cond
	at   value
}

// runTests runs the tests of a file whose rows have no problem (section 9).
// A failing test is a problem, so the file is refused.
func (c *compiler) runTests(root value) {
	f, ok := root.fields()
	if !ok {
		return
	}
	for _, t := range c.rowTests {
		c.runRowTest(t)
	}
	v, has := f.get("tests")
	if !has || v.isNull() {
		return
	}
	items, ok := v.list()
	if !ok {
		return
	}
	for _, it := range items {
		if t, fine := it.fields(); fine {
			c.runTest(t)
		}
	}
}

// runRowTest judges a row's condition for identities that must match it and
// for others that must not.
func (c *compiler) runRowTest(t rowTest) {
	f, ok := t.at.fields()
	if !ok {
		return
	}
	for _, side := range []struct {
		key  string
		want Truth
	}{{"match", True}, {"not", False}} {
		v, has := f.get(side.key)
		if !has {
			continue
		}
		items, fine := v.list()
		if !fine {
			continue
		}
		for _, it := range items {
			fx := newFixture(c)
			if !fx.readIdentity(it) {
				continue
			}
			fx.claimAll()
			got := True
			if t.cond != nil {
				got = t.cond.eval(c.rules.newSubject(&fx.person, &fx.facts, 0))
			}
			if got != side.want {
				it.errorf("row %s is %s for this person, the test wants %s (LN08)", t.row, got, side.want)
			}
		}
	}
	f.done()
}

// runTest runs one entry of `tests:`.
func (c *compiler) runTest(t *fields) {
	problems := len(c.problems)
	name := "without a name"
	if v, has := t.get("name"); has {
		if s, ok := v.nonEmpty(); ok {
			name = s
		}
	} else {
		t.at.errorf("name: is missing")
	}
	var now workspace.Micros
	if v, has := t.get("now"); has {
		if s, ok := v.text(); ok {
			m, err := parseMoment(s, c.zone)
			if err != nil {
				v.errorf("%v (LN04)", err)
			}
			now = m.start
		}
	} else {
		// A fixed day: what a test says must not change with the calendar.
		now = workspace.Micros(1_767_225_600_000_000)
	}
	fx := newFixture(c)
	one, hasOne := t.get("identity")
	many, hasMany := t.get("identities")
	switch {
	case hasOne == hasMany:
		t.at.errorf("needs identity: or identities:")
	case hasOne:
		fx.readIdentity(one)
	default:
		if items, ok := many.list(); ok {
			for _, it := range items {
				fx.readIdentity(it)
			}
		}
	}
	fx.claimAll()
	if v, has := t.get("facts"); has {
		fx.readFacts(v)
	}
	want, hasWant := t.get("want")
	if !hasWant {
		t.at.errorf("want: is missing")
	}
	t.done()
	if len(c.problems) != problems {
		return
	}
	got, err := c.rules.Want(fx.person, fx.facts, now)
	if err != nil {
		t.at.errorf("test %q: %v", name, err)
		return
	}
	if w, ok := want.fields(); ok {
		(&expectation{c: c, name: name, got: &got, fx: fx}).check(w)
	}
}

// expectation compares a want with what a test asserts.
type expectation struct {
	c    *compiler
	name string
	got  *Want
	fx   *fixture
}

// differs records a failed assertion.
func (e *expectation) differs(v value, got, want string) {
	v.errorf("test %q fails: got %s, want %s (LN08)", e.name, got, want)
}

// same compares two texts.
func (e *expectation) same(v value, got, want string) {
	if got != want {
		e.differs(v, orNone(got), orNone(want))
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// check reads the assertions of one test; only what is named is compared.
func (e *expectation) check(f *fields) {
	e.flags(f)
	e.roleAndEnd(f)
	groups := make([]string, 0, len(e.got.Groups))
	for _, g := range e.got.Groups {
		groups = append(groups, g.Name)
	}
	e.set(f, "groups", groups, foldText)
	e.numbers(f)
	var asks, denied, owns, unknown []string
	for _, n := range e.got.Numbers {
		switch {
		case n.Ask:
			asks = append(asks, n.Row)
		case n.Denied != "":
			denied = append(denied, n.E164)
		}
	}
	for _, o := range e.got.Owns {
		if o.Denied == "" {
			owns = append(owns, o.E164)
		}
	}
	for r := range e.got.UnknownRows {
		unknown = append(unknown, r)
	}
	same := func(s string) string { return s }
	e.set(f, "asks", asks, same)
	e.set(f, "denied", denied, same)
	e.set(f, "owns", owns, same)
	e.set(f, "unknown", unknown, same)
	f.done()
}

// flags compares what is true, false or unknown.
func (e *expectation) flags(f *fields) {
	for _, a := range []struct {
		key string
		got Truth
	}{
		{"member", e.got.effective()},
		{"active", e.got.Active},
		{"excluded", truth(e.got.Excluded)},
		{"protected", truth(e.got.Protected)},
	} {
		v, has := f.get(a.key)
		if !has {
			continue
		}
		if s, isText := v.plain(); isText && s == "unknown" {
			e.same(v, a.got.String(), s)
			continue
		}
		if b, ok := v.boolean(); ok {
			e.same(v, a.got.String(), truth(b).String())
		}
	}
}

// effective tells whether the person is wanted as a member, the directory's
// explicit no included.
func (w *Want) effective() Truth {
	switch {
	case w.Excluded || w.Active == False || w.Member == False:
		return False
	case w.Active == Unknown || w.Member == Unknown:
		return Unknown
	}
	return True
}

// roleAndEnd compares the role in force, its row, and the end of access.
func (e *expectation) roleAndEnd(f *fields) {
	role, by := workspace.RoleNone, ""
	if n := len(e.got.Roles); n > 0 {
		first := e.got.Roles[0]
		if e.got.RoleUnknown {
			// The present role stays; a newcomer gets the lower.
			first = e.got.Roles[n-1]
			if e.fx.person.Have.Role != workspace.RoleNone {
				first = WantRole{Role: e.fx.person.Have.Role, Row: "present"}
			}
		}
		role, by = first.Role, first.Row
	}
	if v, has := f.get("role"); has {
		e.same(v, role.String(), e.c.readRole(v).String())
	}
	if v, has := f.get("role_by"); has {
		if s, ok := v.text(); ok {
			e.same(v, by, s)
		}
	}
	v, has := f.get("end")
	if !has {
		return
	}
	if v.isNull() {
		e.same(v, e.got.End.String(), "")
		return
	}
	if s, ok := v.text(); ok {
		m, err := parseMoment(s, e.c.zone)
		if err != nil {
			v.errorf("%v (LN04)", err)
			return
		}
		e.same(v, e.got.End.String(), m.end.String())
	}
}

// set compares a list without regard to order and repetition.
func (e *expectation) set(f *fields, key string, got []string, norm func(string) string) {
	v, has := f.get(key)
	if !has {
		return
	}
	items, ok := v.list()
	if !ok {
		return
	}
	want := make([]string, 0, len(items))
	for _, it := range items {
		s, fine := it.text()
		if !fine {
			return
		}
		want = append(want, s)
	}
	e.same(v, asSet(got, norm), asSet(want, norm))
}

// asSet writes a list as a sorted set.
func asSet(list []string, norm func(string) string) string {
	seen := map[string]bool{}
	out := []string{}
	for _, s := range list {
		if s = norm(s); !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	sort.Strings(out)
	return "[" + strings.Join(out, ", ") + "]"
}

// numbers compares the numbers that are given: a list of numbers, or a table
// of number and access.
func (e *expectation) numbers(f *fields) {
	v, has := f.get("numbers")
	if !has {
		return
	}
	table := v.isTable()
	got := []string{}
	for _, n := range e.got.Numbers {
		switch {
		case n.Ask || n.Denied != "":
		case table:
			got = append(got, fmt.Sprintf("%s: %s", n.E164, n.Access))
		default:
			got = append(got, n.E164)
		}
	}
	want := []string{}
	if table {
		t, _ := v.fields()
		for _, x := range t.list {
			s, ok := x.val.oneOf("exclusive", "shared", "view_only")
			if !ok {
				return
			}
			want = append(want, x.key+": "+s)
		}
	} else {
		items, ok := v.list()
		if !ok {
			return
		}
		for _, it := range items {
			s, fine := it.text()
			if !fine {
				return
			}
			want = append(want, s)
		}
	}
	same := func(s string) string { return s }
	e.same(v, asSet(got, same), asSet(want, same))
}
