package mapping

import (
	"sort"

	"github.com/rollcall-sync/rollcall/workspace"
)

// strategyKind is one way to find a number (section 6).
type strategyKind uint8

// The strategies.
const (
	useKeep strategyKind = iota
	useAttr
	useInvitation
	useReserved
	usePool
	useShare
	useAsk
)

// strategy is one entry of `from:`.
type strategy struct {
	kind   strategyKind
	attr   int    // useAttr
	direct bool   // useAttr
	pool   Pool   // usePool
	group  string // useShare: workspace group
	text   string // as reasons show it
}

// takenPolicy says what happens to a number that somebody else holds.
type takenPolicy uint8

// The values of `taken:`.
const (
	takenFail takenPolicy = iota
	takenShare
	takenViewOnly
)

// numberRow is one row of numbers. Exactly one of from, fixed, sameAttr,
// ofGroup and each says where its numbers come from.
type numberRow struct {
	row
	access    workspace.Access
	from      []strategy
	fixed     string
	sameAttr  int    // -1: not used
	ofGroup   string // workspace group
	each      int    // attribute that lists numbers, -1: not used
	direct    bool   // each reads an input of the request
	unlessHas workspace.Access
	taken     takenPolicy
	ring      RingOrder
	silent    bool // `notify: false`
}

// readNumber reads one number row. Where its numbers come from is one of:
//
//	from: [..]                              the first strategy that yields one
//	number: "+4722000000"                   this number
//	numbers_of: {same: A} or {group: G}     numbers of others (MR6)
//	each: {attr: rollcall.sharedNumbers}    every number the attribute lists,
//	                                        in E.164 form or by inbox name
func (c *compiler) readNumber(t *fields) {
	problems := len(c.problems)
	b, _ := c.readRow(t, true)
	x := numberRow{row: b, sameAttr: -1, each: -1, ring: RingLast}
	if v, has := t.get("access"); has {
		if s, fine := v.oneOf("exclusive", "shared", "view_only"); fine {
			x.access, _ = workspace.ParseAccess(s)
		}
	} else {
		t.at.errorf("access: is missing: exclusive, shared or view_only")
	}
	c.readOrigin(t, &x)
	if v, has := t.get("unless_has"); has {
		if s, fine := v.oneOf("exclusive", "shared", "view_only"); fine {
			x.unlessHas, _ = workspace.ParseAccess(s)
		}
	}
	if v, has := t.get("taken"); has {
		switch s, _ := v.oneOf("fail", "share", "view_only"); s {
		case "share":
			x.taken = takenShare
		case "view_only":
			x.taken = takenViewOnly
		}
	}
	if v, has := t.get("ring"); has {
		s, _ := v.oneOf(string(RingLast), string(RingSeniority), string(RingName))
		x.ring = RingOrder(s)
		if x.access == workspace.AccessViewOnly {
			v.errorf("view-only access never rings (R13)")
		}
	}
	if v, has := t.get("notify"); has {
		on, _ := v.boolean()
		x.silent = !on
	}
	if v, has := t.get("buy"); has {
		v.errorf("buy: is not supported by this version; numbers come from the inventory (MR8)")
	}
	t.done()
	if len(c.problems) == problems && x.live {
		c.rules.numbers = append(c.rules.numbers, x)
	}
}

// readOrigin reads where a row's numbers come from.
func (c *compiler) readOrigin(t *fields, x *numberRow) {
	origins := 0
	if v, has := t.get("from"); has {
		origins++
		c.readStrategies(v, x)
	}
	if v, has := t.get("number"); has {
		origins++
		x.fixed, _ = c.fixedNumber(v)
	}
	if v, has := t.get("numbers_of"); has {
		origins++
		c.readNumbersOf(v, x)
	}
	if v, has := t.get("each"); has {
		origins++
		x.each, x.direct = c.textAttr(v)
		if x.access == workspace.AccessExclusive {
			v.errorf("each: gives several numbers; exclusive access comes from `from:` or `number:`")
		}
	}
	if origins != 1 {
		t.at.errorf("needs exactly one of from:, number:, numbers_of:, each:")
	}
}

// readNumbersOf reads whose numbers a row gives (MR6).
func (c *compiler) readNumbersOf(v value, x *numberRow) {
	f, ok := v.fields()
	if !ok {
		return
	}
	if len(f.list) != 1 {
		v.errorf("wants {same: ATTRIBUTE} or {group: WORKSPACE GROUP}")
		return
	}
	if s, has := f.get("same"); has {
		if n, fine := c.attrRef(s); fine {
			x.sameAttr = n
		}
	}
	if g, has := f.get("group"); has {
		x.ofGroup, _ = g.nonEmpty()
	}
	f.done()
	if x.access == workspace.AccessExclusive {
		v.errorf("numbers_of: gives numbers of others; access must be shared or view_only (R12)")
	}
}

// readStrategies reads `from:`. keep is put first unless the row names it, so
// that no number in use is swapped because a lower one became free; a row
// that first reads an input of the request lets the request decide.
func (c *compiler) readStrategies(v value, x *numberRow) {
	items, ok := v.list()
	if !ok {
		return
	}
	if len(items) == 0 {
		v.errorf("must name at least one strategy")
		return
	}
	keeps := false
	for i, it := range items {
		st, fine := c.readStrategy(it)
		if !fine {
			continue
		}
		if len(x.from) > 0 && x.from[len(x.from)-1].kind == useAsk {
			it.errorf("nothing comes after ask, which never fails")
		}
		keeps = keeps || st.kind == useKeep || i == 0 && st.kind == useAttr && st.direct
		x.from = append(x.from, st)
	}
	if !keeps {
		x.from = append([]strategy{{kind: useKeep, text: "keep"}}, x.from...)
	}
}

// readStrategy reads one entry of `from:`.
func (c *compiler) readStrategy(v value) (strategy, bool) {
	if !v.isTable() {
		s, ok := v.oneOf("keep", "invitation", "reserved", "ask")
		kind := map[string]strategyKind{"keep": useKeep, "invitation": useInvitation, "reserved": useReserved, "ask": useAsk}[s]
		return strategy{kind: kind, text: s}, ok
	}
	f, _ := v.fields()
	if len(f.list) != 1 {
		v.errorf("one strategy per entry: keep, invitation, reserved, ask, {attr: A}, {pool: P} or {share: G}")
		return strategy{}, false
	}
	defer f.done()
	if _, has := f.get("attr"); has {
		n, direct := c.textAttr(v)
		if n < 0 {
			return strategy{}, false
		}
		name := c.attrs[n].name
		if name == attrPrimary && c.live {
			c.rules.reads[attrPool], c.rules.reads[attrSite] = true, true
		}
		return strategy{kind: useAttr, attr: n, direct: direct, text: name}, true
	}
	if p, has := f.get("pool"); has {
		s, ok := p.nonEmpty()
		if !ok {
			return strategy{}, false
		}
		pool, known := c.rules.pools[s]
		if !known {
			names := make([]string, 0, len(c.rules.pools))
			for n := range c.rules.pools {
				names = append(names, n)
			}
			sort.Strings(names)
			p.errorf("unknown pool %q (LN09)%s", s, didYouMean(s, names))
			return strategy{}, false
		}
		return strategy{kind: usePool, pool: pool, text: "pool " + s}, true
	}
	if g, has := f.get("share"); has {
		s, ok := g.nonEmpty()
		return strategy{kind: useShare, group: s, text: "share " + s}, ok
	}
	return strategy{}, false
}
