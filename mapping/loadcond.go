package mapping

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/internal/dn"
	"github.com/rollcall-sync/rollcall/internal/yamldoc"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Bounds of section 3.
const (
	maxDepth  = 5
	maxRegexp = 256
)

// compileCond reads a condition. It returns nil after recording a problem.
func (c *compiler) compileCond(v value, depth int) cond {
	if depth > maxDepth {
		v.errorf("conditions nest at most %d deep", maxDepth)
		return nil
	}
	f, ok := v.fields()
	if !ok {
		return nil
	}
	if len(f.list) == 0 {
		v.errorf("an empty condition; leave `if:` out for a row that is always true")
		return nil
	}
	if f.has("attr") {
		out := c.compileAttr(f)
		return out
	}
	if len(f.list) > 1 {
		v.errorf("one operator per condition, this has %d; combine them with `all:` or `any:`", len(f.list))
		return nil
	}
	out := c.compileOperator(f, depth)
	f.done()
	return out
}

// compileOperator reads a condition that is not about an attribute.
func (c *compiler) compileOperator(f *fields, depth int) cond {
	if v, ok := f.get("all"); ok {
		return c.compileList(v, depth, func(l []cond) cond { return allOf(l) })
	}
	if v, ok := f.get("any"); ok {
		return c.compileList(v, depth, func(l []cond) cond { return anyOf(l) })
	}
	if v, ok := f.get("not"); ok {
		if in := c.compileCond(v, depth+1); in != nil {
			return notCond{in}
		}
		return nil
	}
	if v, ok := f.get("group"); ok {
		return c.compileGroup(v)
	}
	if v, ok := f.get("group_any"); ok {
		return c.compileGroups(v, func(l []cond) cond { return anyOf(l) })
	}
	if v, ok := f.get("group_all"); ok {
		return c.compileGroups(v, func(l []cond) cond { return allOf(l) })
	}
	if v, ok := f.get("active"); ok {
		if b, fine := v.boolean(); fine {
			return activeCond(b)
		}
		return nil
	}
	if v, ok := f.get("has_reports"); ok {
		if b, fine := v.boolean(); fine {
			return reportsCond(b)
		}
		return nil
	}
	if v, ok := f.get("connection"); ok {
		if id, fine := c.connection(v); fine {
			return connectionCond(id)
		}
		return nil
	}
	if v, ok := f.get("domain"); ok {
		return c.compileDomain(v)
	}
	if v, ok := f.get("dn_under"); ok {
		s, fine := v.nonEmpty()
		if !fine {
			return nil
		}
		base, err := dn.Parse(s)
		if err != nil || len(base) == 0 {
			v.errorf("%q is not a distinguished name (LN04)", s)
			return nil
		}
		return dnCond{base: base, text: s}
	}
	f.get("attr") // known, for did-you-mean
	return nil
}

// compileList reads the conditions under all: or any:.
func (c *compiler) compileList(v value, depth int, combine func([]cond) cond) cond {
	items, ok := v.list()
	if !ok {
		return nil
	}
	if len(items) == 0 {
		v.errorf("must not be empty")
		return nil
	}
	var out []cond
	for _, it := range items {
		if in := c.compileCond(it, depth+1); in != nil {
			out = append(out, in)
		}
	}
	return combine(out)
}

// compileGroup reads one group name.
func (c *compiler) compileGroup(v value) cond {
	n, name, ok := c.group(v)
	if !ok {
		return nil
	}
	return groupCond{n, name}
}

// compileGroups reads the names under group_any: or group_all:.
func (c *compiler) compileGroups(v value, combine func([]cond) cond) cond {
	items, ok := v.list()
	if !ok {
		return nil
	}
	if len(items) == 0 {
		v.errorf("must not be empty")
		return nil
	}
	var out []cond
	for _, it := range items {
		if in := c.compileGroup(it); in != nil {
			out = append(out, in)
		}
	}
	return combine(out)
}

// compileDomain reads `claimed` or a list of domains.
func (c *compiler) compileDomain(v value) cond {
	n, _ := c.attrNumber("email")
	if !v.isList() {
		s, ok := v.nonEmpty()
		if !ok {
			return nil
		}
		if s == "claimed" {
			return domainCond{n: n, claimed: true, text: "e-mail in a claimed domain"}
		}
		return c.domains(v, n, []string{s})
	}
	list, ok := v.texts()
	if !ok {
		return nil
	}
	return c.domains(v, n, list)
}

func (c *compiler) domains(v value, n int, list []string) cond {
	set := make(map[string]bool, len(list))
	for _, s := range list {
		d, ok := toASCII(s)
		if !ok || !strings.Contains(d, ".") {
			v.errorf("%q is not a domain; write `claimed` or a list like [acme.com]", s)
			return nil
		}
		set[d] = true
	}
	return domainCond{n: n, set: set, text: "e-mail domain in " + strings.Join(list, ", ")}
}

// attrOperators are the operators beside `attr:`, for did-you-mean.
var attrOperators = []string{"eq", "in", "prefix", "matches", "empty", "before", "after", "within", "over"}

// compileAttr reads `attr: A` with exactly one operator.
func (c *compiler) compileAttr(f *fields) cond {
	nameV, _ := f.get("attr")
	n, ok := c.attrRef(nameV)
	var op string
	f.known = append(f.known, attrOperators...)
	for _, o := range attrOperators {
		if !f.has(o) {
			continue
		}
		if op != "" {
			f.keyValue(o).errorf("one operator per condition, %s and %s stand here", op, o)
			ok = false
		}
		op = o
	}
	exact := false
	if ev, has := f.get("exact"); has {
		b, fine := ev.boolean()
		exact = b
		ok = ok && fine
		if op != "eq" && op != "in" && op != "prefix" {
			f.keyValue("exact").errorf("exact: goes with eq, in or prefix")
			ok = false
		}
	}
	if op == "" {
		f.done()
		f.at.errorf("attr: needs an operator: %s", strings.Join(attrOperators, ", "))
		return nil
	}
	opV, _ := f.get(op)
	f.done()
	if !ok {
		return nil
	}
	if op == "empty" {
		if b, fine := opV.boolean(); fine {
			return emptyCond{n: n, want: b, name: c.attrs[n].name}
		}
		return nil
	}
	test, text := c.attrTest(&c.attrs[n], op, opV, exact)
	if test == nil {
		return nil
	}
	if c.attrs[n].private {
		text = c.attrs[n].name + " (private)"
	}
	return attrCond{n: n, test: test, text: text}
}

// misfit records that an operator does not fit an attribute's type (LN03).
func misfit(v value, a *attribute, op, fits string) (attrTest, string) {
	v.errorf("%s does not fit attribute %s of type %s; it takes %s (LN03)", op, a.name, a.typ, fits)
	return nil, ""
}

// attrTest compiles one operator for an attribute's type.
func (c *compiler) attrTest(a *attribute, op string, v value, exact bool) (attrTest, string) {
	switch op {
	case "eq", "in":
		return c.equalTest(a, op, v, exact)
	case "prefix":
		if !a.typ.textual() {
			return misfit(v, a, op, fitting(a.typ))
		}
		s, ok := v.nonEmpty()
		if !ok {
			return nil, ""
		}
		p := s
		if !exact {
			p = foldText(s)
		}
		return hasPrefix(p, exact), fmt.Sprintf("%s begins with %s", a.name, s)
	case "matches":
		if !a.typ.textual() {
			return misfit(v, a, op, fitting(a.typ))
		}
		s, ok := v.nonEmpty()
		if !ok {
			return nil, ""
		}
		if len(s) > maxRegexp {
			v.errorf("a regular expression has at most %d characters", maxRegexp)
			return nil, ""
		}
		re, err := regexp.Compile(s)
		if err != nil {
			v.errorf("%v (LN04)", err)
			return nil, ""
		}
		return matches(re), fmt.Sprintf("%s matches %s", a.name, s)
	case "before", "after", "within":
		if a.typ != typeTime {
			return misfit(v, a, op, fitting(a.typ))
		}
		return c.timeOperator(a, op, v)
	default: // over
		if a.typ != typeInt {
			return misfit(v, a, op, fitting(a.typ))
		}
		s, _ := v.plain()
		limit, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			v.errorf("over: wants a whole number, got %s", yamldoc.Describe(v.n))
			return nil, ""
		}
		return intTest(func(i int64) bool { return i > limit }), fmt.Sprintf("%s over %d", a.name, limit)
	}
}

// fitting lists the operators of a type, for error texts.
func fitting(t attrType) string {
	switch t {
	case typeBool:
		return "eq, empty"
	case typeInt:
		return "eq, in, over, empty"
	case typeTime:
		return "before, after, within, empty"
	default:
		return "eq, in, prefix, matches, empty"
	}
}

// equalTest compiles eq and in.
func (c *compiler) equalTest(a *attribute, op string, v value, exact bool) (attrTest, string) {
	values := []value{v}
	if op == "in" {
		list, ok := v.list()
		if !ok {
			return nil, ""
		}
		if len(list) == 0 {
			v.errorf("must not be empty")
			return nil, ""
		}
		values = list
	}
	text := func(words []string) string {
		if op == "in" {
			return a.name + " in " + strings.Join(words, ", ")
		}
		return a.name + " = " + words[0]
	}
	switch a.typ {
	case typeTime:
		return misfit(v, a, op, fitting(a.typ))
	case typeBool:
		if op == "in" {
			return misfit(v, a, op, fitting(a.typ))
		}
		b, ok := v.boolean()
		if !ok {
			return nil, ""
		}
		return boolIs(b), text([]string{strconv.FormatBool(b)})
	case typeInt:
		set, words := map[int64]bool{}, []string{}
		for _, x := range values {
			s, _ := x.plain()
			i, err := strconv.ParseInt(s, 10, 64)
			if err != nil {
				x.errorf("attribute %s wants a whole number, got %s (LN03)", a.name, yamldoc.Describe(x.n))
				return nil, ""
			}
			set[i] = true
			words = append(words, s)
		}
		return intTest(func(i int64) bool { return set[i] }), text(words)
	}
	set, words, ok := map[string]bool{}, []string{}, true
	for _, x := range values {
		s, fine := x.text()
		if fine && strings.TrimSpace(s) == "" {
			x.errorf("compares with nothing; use `empty: true`")
			fine = false
		}
		if !exact {
			set[foldText(s)] = true
		} else {
			set[s] = true
		}
		words = append(words, s)
		ok = ok && fine
	}
	if !ok {
		return nil, ""
	}
	if exact {
		return inExact(set), text(words)
	}
	return inFolded(set), text(words)
}

// timeOperator compiles before, after and within. A date is a whole day: what
// happens on that day is neither before nor after it.
func (c *compiler) timeOperator(a *attribute, op string, v value) (attrTest, string) {
	s, ok := v.text()
	if !ok {
		return nil, ""
	}
	text := fmt.Sprintf("%s %s %s", a.name, op, s)
	if op == "within" {
		span, err := parseSpan(s)
		if err != nil {
			v.errorf("%v (LN04)", err)
			return nil, ""
		}
		c.rules.timed = true
		return timeTest(func(m moment, now workspace.Micros) bool {
			return m.end >= now && m.start <= now+workspace.Micros(span/time.Microsecond)
		}), text
	}
	limit, err := parseMoment(s, c.zone)
	if err != nil {
		v.errorf("%v (LN04)", err)
		return nil, ""
	}
	if op == "before" {
		return timeTest(func(m moment, _ workspace.Micros) bool { return m.start < limit.start }), text
	}
	return timeTest(func(m moment, _ workspace.Micros) bool {
		if limit.end > limit.start {
			return m.start >= limit.end
		}
		return m.start > limit.start
	}), text
}
