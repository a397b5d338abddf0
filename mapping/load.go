package mapping

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"sort"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/workspace"
)

// compiler turns one file into Rules, noting every problem on the way.
type compiler struct {
	loader
	opt   LoadOptions
	zone  *time.Location
	rules *Rules

	attrs      []attribute
	attrByName map[string]int
	custom     map[string]*attribute
	order      map[string]map[string]int // authority per attribute; "" is the default
	groupNum   map[string]int            // by alias or "name " + folded display name
	aliases    map[string]*namedGroup
	owner      string // of the file
	ids        map[string]bool
	live       bool // the row being read has force
	rowTests   []rowTest
}

// groupAt is a named group where it is looked up by id or folded name: it is
// met in that connection only, or in any if connection is "".
type groupAt struct {
	connection string
	n          int
}

// namedGroup is a directory group that rows name.
type namedGroup struct {
	name string
	keys []GroupKey
}

// concerns reports whether memberships of a connection decide about the group.
func (g *namedGroup) concerns(connection string) bool {
	for _, k := range g.keys {
		if k.Connection == "" || k.Connection == connection {
			return true
		}
	}
	return false
}

// load compiles text. Rules are returned only without problems.
func load(text []byte, opt LoadOptions) (*Rules, error) {
	sum := sha256.Sum256(text)
	c := &compiler{
		loader: loader{file: opt.File}, opt: opt, zone: time.UTC,
		attrByName: map[string]int{}, custom: map[string]*attribute{}, order: map[string]map[string]int{},
		groupNum: map[string]int{}, aliases: map[string]*namedGroup{}, ids: map[string]bool{},
	}
	c.rules = &Rules{
		hash: "sha256:" + hex.EncodeToString(sum[:]), zone: time.UTC, reads: map[string]bool{},
		groupByID: map[string][]groupAt{}, groupByName: map[string][]groupAt{}, pools: map[string]Pool{},
		poolCountry: map[string]string{},
	}
	root, ok := c.parse(text)
	if !ok {
		return nil, joinProblems(c.problems)
	}
	c.compileFile(root)
	if len(c.problems) == 0 {
		c.runTests(root)
	}
	if err := joinProblems(c.problems); err != nil {
		return nil, err
	}
	return c.rules, nil
}

// compileFile reads the sections. What rows refer to is read before them,
// wherever it stands in the file.
func (c *compiler) compileFile(root value) {
	f, ok := root.fields()
	if !ok {
		return
	}
	if v, has := f.get("version"); !has {
		root.errorf("version: 1 is missing")
	} else if s, _ := v.plain(); s != "1" {
		v.errorf("this program reads version 1, got %s", describe(v.n))
	}
	if v, has := f.get("owner"); has {
		c.owner, _ = c.address(v)
	}
	if v, has := f.get("zone"); has {
		c.readZone(v)
	}
	if v, has := f.get("default_country"); has {
		c.rules.country, _ = c.countryCode(v)
	}
	c.each(f, "attributes", c.readAttribute)
	c.readAuthority(f)
	c.each(f, "source_groups", c.readAlias)
	c.each(f, "pools", c.readPool)
	c.always()
	c.readSections(f)
	f.get("tests") // read once the rules stand
	f.done()
	c.finish()
}

// each calls read for every entry of an optional table.
func (c *compiler) each(f *fields, key string, read func(name string, v value)) {
	v, has := f.get(key)
	if !has || v.isNull() {
		return
	}
	t, ok := v.fields()
	if !ok {
		return
	}
	for _, e := range t.list {
		read(e.key, e.val)
	}
}

// address reads an e-mail address.
func (c *compiler) address(v value) (string, bool) {
	s, ok := v.nonEmpty()
	if !ok {
		return "", false
	}
	if at := strings.LastIndexByte(s, '@'); at < 1 || at == len(s)-1 || strings.ContainsAny(s, " \t") {
		v.errorf("%q is not an e-mail address", s)
		return "", false
	}
	return s, true
}

// readZone reads the time zone by its name.
func (c *compiler) readZone(v value) {
	s, ok := v.nonEmpty()
	if !ok {
		return
	}
	z, err := time.LoadLocation(s)
	if err != nil || s == "Local" {
		v.errorf("%q is not a time zone; write a name like Europe/Oslo or UTC", s)
		return
	}
	c.zone, c.rules.zone = z, z
}

// countryCode reads an ISO 3166 country code.
func (c *compiler) countryCode(v value) (string, bool) {
	s, ok := v.nonEmpty()
	if !ok {
		return "", false
	}
	code, known := Country(s)
	if !known {
		v.errorf("%q is not a country; write its code of two letters in quotes, like \"NO\" (LN04)", s)
		return "", false
	}
	return code, true
}

// connection reads a connection id and checks that it is configured.
func (c *compiler) connection(v value) (string, bool) {
	s, ok := v.nonEmpty()
	if !ok {
		return "", false
	}
	return s, c.knownConnection(v, s)
}

func (c *compiler) knownConnection(v value, id string) bool {
	if c.opt.Connections == nil {
		return true
	}
	for _, k := range c.opt.Connections {
		if k == id {
			return true
		}
	}
	v.errorf("unknown connection %q (LN02)%s", id, didYouMean(id, c.opt.Connections))
	return false
}

// attrName is the shape of a customer's attribute name.
var attrName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,63}$`)

// readAttribute reads one customer attribute.
func (c *compiler) readAttribute(name string, v value) {
	if _, taken := builtin[name]; taken {
		v.errorf("%s is a built-in attribute; choose another name", name)
		return
	}
	if !attrName.MatchString(name) {
		v.errorf("%q is not a name: a letter, then letters, digits and _", name)
		return
	}
	f, ok := v.fields()
	if !ok {
		return
	}
	a := &attribute{name: name}
	if t, has := f.get("type"); has {
		if s, fine := t.oneOf(typeNames[:]...); fine {
			for i, n := range typeNames {
				if n == s {
					a.typ = attrType(i)
				}
			}
		}
	} else {
		v.errorf("type: is missing: %s", strings.Join(typeNames[:], ", "))
	}
	if p, has := f.get("private"); has {
		a.private, _ = p.boolean()
	}
	if from, has := f.get("from"); has {
		if t, fine := from.fields(); fine {
			a.from = map[string]string{}
			for _, e := range t.list {
				if s, good := e.val.nonEmpty(); good && c.knownConnection(t.keyValue(e.key), e.key) {
					a.from[e.key] = s
				}
			}
		}
	}
	f.done()
	c.custom[name] = a
}

// readAuthority reads whose word counts.
func (c *compiler) readAuthority(f *fields) {
	v, has := f.get("authority")
	if !has {
		return
	}
	t, ok := v.fields()
	if !ok {
		return
	}
	for _, e := range t.list {
		if e.key == "active" && !e.val.isList() {
			e.val.oneOf("any")
			continue
		}
		if _, known := c.attrType(e.key); !known && e.key != "default" {
			t.keyValue(e.key).errorf("unknown attribute %q (LN02)%s", e.key, didYouMean(e.key, append(c.attrNames(), "default")))
			continue
		}
		items, fine := e.val.list()
		if !fine {
			continue
		}
		rank := map[string]int{}
		for _, it := range items {
			id, good := c.connection(it)
			if _, twice := rank[id]; twice && good {
				it.errorf("connection %q stands twice", id)
			}
			rank[id] = len(rank)
		}
		switch e.key {
		case "active":
			c.rules.mayEnd = make(map[string]bool, len(rank))
			for id := range rank {
				c.rules.mayEnd[id] = true
			}
		case "default":
			c.order[""] = rank
		default:
			c.order[e.key] = rank
		}
	}
}

// readAlias reads one entry of source_groups: an id per connection, or the
// display name, which then holds for every connection.
func (c *compiler) readAlias(name string, v value) {
	g := &namedGroup{name: name}
	c.aliases[name] = g
	if !v.isTable() {
		if s, ok := v.nonEmpty(); ok {
			g.keys = []GroupKey{{Name: s}}
		}
		return
	}
	f, ok := v.fields()
	if !ok {
		return
	}
	if len(f.list) == 0 {
		v.errorf("must name the group in at least one connection")
	}
	for _, e := range f.list {
		if !c.knownConnection(f.keyValue(e.key), e.key) {
			continue
		}
		if e.val.isTable() {
			if s, fine := c.onlyName(e.val); fine {
				g.keys = append(g.keys, GroupKey{Connection: e.key, Name: s})
			}
			continue
		}
		if s, fine := e.val.nonEmpty(); fine {
			g.keys = append(g.keys, GroupKey{Connection: e.key, ID: s})
		}
	}
}

// onlyName reads `{name: X}`.
func (c *compiler) onlyName(v value) (string, bool) {
	f, ok := v.fields()
	if !ok {
		return "", false
	}
	n, has := f.get("name")
	f.done()
	if !has {
		v.errorf("wants {name: DISPLAY NAME}")
		return "", false
	}
	return n.nonEmpty()
}

// e164Prefix is the beginning of a number in E.164 form.
var e164Prefix = regexp.MustCompile(`^\+[1-9][0-9]{0,14}$`)

// readPool reads one pool of numbers.
func (c *compiler) readPool(name string, v value) {
	p := Pool{Name: name}
	if !v.isNull() {
		f, ok := v.fields()
		if !ok {
			return
		}
		if x, has := f.get("prefix"); has {
			if s, fine := x.nonEmpty(); fine {
				if !e164Prefix.MatchString(s) {
					x.errorf("%q is not the beginning of an E.164 number, like +4722 (LN04)", s)
				}
				p.Prefix = s
			}
		}
		if x, has := f.get("site"); has {
			p.Site, _ = x.nonEmpty()
		}
		if x, has := f.get("country"); has {
			code, fine := c.countryCode(x)
			if fine && p.Site == "" {
				x.errorf("country: tells the country of the pool's site; name the site too")
			}
			c.rules.poolCountry[foldText(p.Site)] = code
		}
		if x, has := f.get("warn_below"); has {
			p.WarnBelow, _ = x.positive(100000)
		}
		f.done()
	}
	c.rules.pools[name] = p
}

// attrType finds the type of an attribute by name.
func (c *compiler) attrType(name string) (attrType, bool) {
	if t, ok := builtin[name]; ok {
		return t, true
	}
	if a, ok := c.custom[name]; ok {
		return a.typ, true
	}
	return 0, false
}

// attrNames lists every attribute a row may name.
func (c *compiler) attrNames() []string {
	out := builtinNames()
	for n := range c.custom {
		out = append(out, n)
	}
	sort.Strings(out)
	return out
}

// attrRef reads an attribute's name (LN02).
func (c *compiler) attrRef(v value) (int, bool) {
	s, ok := v.nonEmpty()
	if !ok {
		return 0, false
	}
	n, known := c.attrNumber(s)
	if !known {
		v.errorf("unknown attribute %q (LN02)%s", s, didYouMean(s, c.attrNames()))
		return 0, false
	}
	return n, true
}

// attrNumber gives an attribute its number; a live row that asks makes the
// attribute read.
func (c *compiler) attrNumber(name string) (int, bool) {
	n, numbered := c.attrByName[name]
	if !numbered {
		typ, known := c.attrType(name)
		if !known {
			return 0, false
		}
		a := attribute{name: name, typ: typ}
		if own := c.custom[name]; own != nil {
			a = *own
		}
		a.order = c.order[""]
		if o, has := c.order[name]; has {
			a.order = o
		}
		n = len(c.attrs)
		c.attrs = append(c.attrs, a)
		c.attrByName[name] = n
	}
	if c.live {
		c.rules.reads[name] = true
	}
	return n, true
}

// group reads the name of a directory group: an alias, or the display name
// of a group in any connection. A text that is one slip away from an alias is
// refused, since it would silently match nobody (LN02).
func (c *compiler) group(v value) (n int, name string, ok bool) {
	if v.isTable() {
		name, ok = c.onlyName(v)
		if !ok {
			return 0, "", false
		}
		return c.numberGroup("name "+foldText(name), &namedGroup{name: name, keys: []GroupKey{{Name: name}}}), name, true
	}
	name, ok = v.nonEmpty()
	if !ok {
		return 0, "", false
	}
	if g, known := c.aliases[name]; known {
		return c.numberGroup("alias "+name, g), name, true
	}
	for alias := range c.aliases {
		if len(alias) > 3 && editDistance(foldText(name), foldText(alias), 3) < 3 {
			v.errorf("unknown group alias %q (LN02)%s if a group is really called so, write {name: %q}",
				name, didYouMean(name, []string{alias}), name)
			return 0, "", false
		}
	}
	return c.numberGroup("name "+foldText(name), &namedGroup{name: name, keys: []GroupKey{{Name: name}}}), name, true
}

// numberGroup gives a group its bit and enters it into the look-up tables.
func (c *compiler) numberGroup(key string, g *namedGroup) int {
	if n, ok := c.groupNum[key]; ok {
		return n
	}
	r := c.rules
	n := len(r.groups)
	c.groupNum[key] = n
	r.groups = append(r.groups, *g)
	for _, k := range g.keys {
		at := groupAt{k.Connection, n}
		if k.ID != "" {
			r.groupByID[k.ID] = append(r.groupByID[k.ID], at)
			continue
		}
		key := foldText(k.Name)
		r.groupByName[key] = append(r.groupByName[key], at)
		if k.Connection == "" {
			// A bare text may be an id as well.
			r.groupByID[k.Name] = append(r.groupByID[k.Name], at)
		}
	}
	return n
}

// always numbers the attributes that every evaluation looks at.
func (c *compiler) always() {
	r := c.rules
	for _, a := range []struct {
		name string
		n    *int
	}{{"displayName", &r.nName}, {"givenName", &r.nGiven}, {"familyName", &r.nFamily},
		{"userName", &r.nUserName}, {"email", &r.nEmail}, {"country", &r.nCountry}, {"office", &r.nOffice},
		{attrPool, &r.nPool}, {attrSite, &r.nSite}} {
		*a.n, _ = c.attrNumber(a.name)
	}
}

// finish closes the compiled rules.
func (c *compiler) finish() {
	c.rules.attrs = c.attrs
	authors := map[string]bool{}
	for _, a := range c.rules.authors {
		authors[a] = true
	}
	c.rules.authors = c.rules.authors[:0]
	for a := range authors {
		c.rules.authors = append(c.rules.authors, a)
	}
	sort.Strings(c.rules.authors)
}

// rowID is the shape of a row's id.
var rowID = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)

// readRow reads the keys that every row has (section 7) and its condition.
func (c *compiler) readRow(f *fields, conditional bool) (r row, ok bool) {
	problems := len(c.problems)
	if v, has := f.get("id"); !has {
		f.at.errorf("id: is missing")
	} else if s, fine := v.nonEmpty(); fine {
		switch {
		case !rowID.MatchString(s):
			v.errorf("%q is not an id: small letters, digits and -, at most 40", s)
		case c.ids[s]:
			v.errorf("id %q stands twice (LN03)", s)
		}
		c.ids[s] = true
		r.id = s
	}
	r.live = true
	if v, has := f.get("mode"); has {
		s, _ := v.oneOf("live", "shadow", "draft")
		r.live = s == "live"
	}
	c.live = r.live
	r.owner = c.owner
	// In number_owner the key names the number's owner; the row's author is
	// then the file's.
	if v, has := f.get("owner"); has && (conditional || !v.isTable()) {
		r.owner, _ = c.address(v)
	}
	if m, has := c.day(f, "since"); has {
		r.since = m.start
	}
	if m, has := c.day(f, "until"); has {
		r.until = m.end
	}
	for _, k := range []string{"ticket", "note"} {
		if v, has := f.get(k); has {
			v.text()
		}
	}
	if conditional {
		if v, has := f.get("if"); has {
			r.cond = c.compileCond(v, 1)
		}
		if v, has := f.get("when"); has {
			v.errorf("when: is not supported by this version; use if:")
		}
		if v, has := f.get("test"); has {
			c.rowTests = append(c.rowTests, rowTest{row: r.id, cond: r.cond, at: v})
		}
	}
	r.text = "always"
	if r.cond != nil {
		r.text = shorten(r.cond.String())
	}
	return r, len(c.problems) == problems
}

// shorten keeps a reason readable.
func shorten(s string) string {
	const most = 200
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return s
}

// day reads an optional date of a row.
func (c *compiler) day(f *fields, key string) (moment, bool) {
	v, has := f.get(key)
	if !has {
		return moment{}, false
	}
	s, ok := v.text()
	if !ok {
		return moment{}, false
	}
	m, err := parseMoment(s, c.zone)
	if err != nil {
		v.errorf("%v (LN04)", err)
		return moment{}, false
	}
	return m, true
}

// row is what all rows share. The zero since and until set no bound.
type row struct {
	id    string
	owner string
	live  bool
	since workspace.Micros
	until workspace.Micros // the moment the row ends
	cond  cond             // nil: always true
	text  string           // the condition in words
}

// inForce reports whether the row counts at a moment (RO5).
func (r *row) inForce(now workspace.Micros) bool {
	return (r.since == 0 || now >= r.since) && (r.until == 0 || now < r.until)
}

// eval judges the row's condition.
func (r *row) eval(s *subject) Truth {
	if r.cond == nil {
		return True
	}
	return r.cond.eval(s)
}

// keep adds a live row's author to the rules.
func (c *compiler) keep(r *row) bool {
	if r.live && r.owner != "" {
		c.rules.authors = append(c.rules.authors, r.owner)
	}
	return r.live
}

// rows reads the rows of a section that is a list.
func (c *compiler) rows(f *fields, section string, read func(f *fields)) {
	v, has := f.get(section)
	if !has || v.isNull() {
		return
	}
	items, ok := v.list()
	if !ok {
		return
	}
	for _, it := range items {
		if t, fine := it.fields(); fine {
			read(t)
		}
	}
}

// fixedNumber reads a number in E.164 form.
func (c *compiler) fixedNumber(v value) (string, bool) {
	s, ok := v.nonEmpty()
	if !ok {
		return "", false
	}
	n, err := Normalise(s, "")
	if err != nil {
		v.errorf("%q is not a number in E.164 form, like +4722000000 (LN04): %v", s, err)
		return "", false
	}
	if n.E164 != s {
		v.errorf("write the number as %s", n.E164)
		return "", false
	}
	return s, true
}
