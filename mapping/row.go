package mapping

import (
	"regexp"

	"github.com/rollcall-sync/rollcall/workspace"
)

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
	if r.live {
		c.rules.bounds = append(c.rules.bounds, r.since, r.until)
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
