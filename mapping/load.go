package mapping

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/internal/yamldoc"
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
		v.errorf("this program reads version 1, got %s", yamldoc.Describe(v.n))
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
	c.rules.attrs = c.attrs
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

// always numbers the attributes that every evaluation looks at.
func (c *compiler) always() {
	r := c.rules
	for _, a := range []struct {
		name string
		n    *int
	}{
		{"displayName", &r.nName},
		{"givenName", &r.nGiven},
		{"familyName", &r.nFamily},
		{"userName", &r.nUserName},
		{"email", &r.nEmail},
		{"country", &r.nCountry},
		{"office", &r.nOffice},
		{attrPool, &r.nPool},
		{attrSite, &r.nSite},
	} {
		*a.n, _ = c.attrNumber(a.name)
	}
}
