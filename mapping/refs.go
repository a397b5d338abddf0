package mapping

import (
	"maps"
	"slices"
	"sort"
)

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
	for _, alias := range slices.Sorted(maps.Keys(c.aliases)) {
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
