package mapping

import (
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/net/idna"

	"github.com/rollcall-sync/rollcall/internal/dn"
	"github.com/rollcall-sync/rollcall/workspace"
)

// cond is a compiled condition. It is immutable and shared; eval reads one
// merged person and nothing else (MC2) and follows MC1: what is not stated is
// unknown. String says the condition in words, for reasons.
type cond interface {
	eval(s *subject) Truth
	String() string
}

// truth turns a bool into a Truth.
func truth(b bool) Truth {
	if b {
		return True
	}
	return False
}

// String returns true, false or unknown.
func (t Truth) String() string {
	switch t {
	case True:
		return "true"
	case False:
		return "false"
	default:
		return "unknown"
	}
}

// not swaps true and false; unknown stays.
func (t Truth) not() Truth {
	switch t {
	case True:
		return False
	case False:
		return True
	default:
		return Unknown
	}
}

// allOf is false if one is false, else unknown if one is.
type allOf []cond

func (c allOf) eval(s *subject) Truth {
	out := True
	for _, e := range c {
		switch e.eval(s) {
		case False:
			return False
		case Unknown:
			out = Unknown
		}
	}
	return out
}

func (c allOf) String() string { return joinConds(c, " and ") }

// anyOf is true if one is true, else unknown if one is.
type anyOf []cond

func (c anyOf) eval(s *subject) Truth {
	out := False
	for _, e := range c {
		switch e.eval(s) {
		case True:
			return True
		case Unknown:
			out = Unknown
		}
	}
	return out
}

func (c anyOf) String() string { return joinConds(c, " or ") }

func joinConds(c []cond, sep string) string {
	parts := make([]string, len(c))
	for i, e := range c {
		parts[i] = e.String()
		switch e.(type) {
		case allOf, anyOf:
			if len(c) > 1 {
				parts[i] = "(" + parts[i] + ")"
			}
		}
	}
	return strings.Join(parts, sep)
}

// notCond negates a condition.
type notCond struct{ c cond }

func (c notCond) eval(s *subject) Truth { return c.c.eval(s).not() }

func (c notCond) String() string {
	switch c.c.(type) {
	case allOf, anyOf:
		return "not (" + c.c.String() + ")"
	}
	return "not " + c.c.String()
}

// groupCond is membership of one directory group, direct or nested.
type groupCond struct {
	n    int
	name string
}

func (c groupCond) eval(s *subject) Truth { return s.inGroup(c.n) }
func (c groupCond) String() string        { return "group " + c.name }

// attrCond looks at one attribute. What differs between operators is how a
// stated, non-empty attribute is judged; absent is unknown for all of them
// and stated empty is false.
type attrCond struct {
	n    int
	test attrTest
	text string
}

// attrTest judges a stated attribute that has at least one value.
type attrTest func(s *subject, v *stated) Truth

func (c attrCond) eval(s *subject) Truth {
	v := s.attr(c.n)
	switch {
	case !v.known:
		return Unknown
	case len(v.raw) == 0:
		return False
	}
	return c.test(s, v)
}

func (c attrCond) String() string { return c.text }

// emptyCond asks whether an attribute is stated empty.
type emptyCond struct {
	n    int
	want bool
	name string
}

func (c emptyCond) eval(s *subject) Truth {
	v := s.attr(c.n)
	if !v.known {
		return Unknown
	}
	return truth((len(v.raw) == 0) == c.want)
}

func (c emptyCond) String() string {
	if c.want {
		return c.name + " is empty"
	}
	return c.name + " is not empty"
}

// inFolded is eq and in: any value equal after folding.
func inFolded(set map[string]bool) attrTest {
	return func(_ *subject, v *stated) Truth {
		for _, k := range v.folded() {
			if set[k] {
				return True
			}
		}
		return False
	}
}

// inExact is eq and in with `exact: true`: any value equal byte for byte.
func inExact(set map[string]bool) attrTest {
	return func(_ *subject, v *stated) Truth {
		for _, x := range v.raw {
			if set[x] {
				return True
			}
		}
		return False
	}
}

// hasPrefix is prefix: any value begins with the text.
func hasPrefix(prefix string, exact bool) attrTest {
	return func(_ *subject, v *stated) Truth {
		values := v.raw
		if !exact {
			values = v.folded()
		}
		for _, x := range values {
			if strings.HasPrefix(x, prefix) {
				return True
			}
		}
		return False
	}
}

// matches is a regular expression over any value as sent.
func matches(re *regexp.Regexp) attrTest {
	return func(_ *subject, v *stated) Truth {
		for _, x := range v.raw {
			if re.MatchString(x) {
				return True
			}
		}
		return False
	}
}

// boolIs compares flags; text that is no flag is unknown, never false.
func boolIs(want bool) attrTest {
	return func(_ *subject, v *stated) Truth {
		out := False
		for _, x := range v.raw {
			b, err := strconv.ParseBool(strings.ToLower(strings.TrimSpace(x)))
			switch {
			case err != nil:
				out = Unknown
			case b == want:
				return True
			}
		}
		return out
	}
}

// intTest compares whole numbers; text that is none is unknown.
func intTest(fits func(int64) bool) attrTest {
	return func(_ *subject, v *stated) Truth {
		out := False
		for _, x := range v.raw {
			i, err := strconv.ParseInt(strings.TrimSpace(x), 10, 64)
			switch {
			case err != nil:
				out = Unknown
			case fits(i):
				return True
			}
		}
		return out
	}
}

// timeTest compares moments; text that is none is unknown.
func timeTest(fits func(m moment, now workspace.Micros) bool) attrTest {
	return func(s *subject, v *stated) Truth {
		ms, bad := v.times(s.rules.zone)
		for _, m := range ms {
			if fits(m, s.now) {
				return True
			}
		}
		if bad {
			return Unknown
		}
		return False
	}
}

// activeCond is the merged state of the person (MM3).
type activeCond bool

func (c activeCond) eval(s *subject) Truth {
	if c {
		return s.active
	}
	return s.active.not()
}

func (c activeCond) String() string {
	if c {
		return "active"
	}
	return "not active"
}

// connectionCond asks whether a connection states the person at all.
type connectionCond string

func (c connectionCond) eval(s *subject) Truth {
	for _, id := range s.idents {
		if id.Connection == string(c) {
			return True
		}
	}
	return False
}

func (c connectionCond) String() string { return "stated by " + string(c) }

// reportsCond asks whether somebody's manager is this person.
type reportsCond bool

func (c reportsCond) eval(s *subject) Truth {
	if c {
		return s.person.HasReports
	}
	return s.person.HasReports.not()
}

func (c reportsCond) String() string {
	if c {
		return "has reports"
	}
	return "has no reports"
}

// domainCond asks for the domain of the merged e-mail address.
type domainCond struct {
	n       int // the attribute email
	claimed bool
	set     map[string]bool
	text    string
}

func (c domainCond) eval(s *subject) Truth {
	v := s.attr(c.n)
	switch {
	case !v.known:
		return Unknown
	case len(v.raw) == 0:
		return False
	}
	d, ok := asciiDomain(v.first())
	if !ok {
		return False
	}
	if c.claimed {
		return truth(s.facts.ClaimedDomains[d])
	}
	return truth(c.set[d])
}

func (c domainCond) String() string { return c.text }

// asciiDomain is the domain part of an address in ASCII form, lower case.
func asciiDomain(email string) (string, bool) {
	at := strings.LastIndexByte(email, '@')
	if at < 0 {
		return "", false
	}
	return toASCII(email[at+1:])
}

// toASCII turns a domain into its A-label form.
func toASCII(domain string) (string, bool) {
	d, err := idna.Lookup.ToASCII(strings.TrimSuffix(strings.TrimSpace(domain), "."))
	return d, err == nil && d != ""
}

// dnCond asks whether an identity lies under a DN; people without a DN do
// not, and a DN that cannot be read is unknown.
type dnCond struct {
	base dn.Name
	text string
}

func (c dnCond) eval(s *subject) Truth {
	names, bad := s.names()
	for _, n := range names {
		if n.Under(c.base) {
			return True
		}
	}
	if bad {
		return Unknown
	}
	return False
}

func (c dnCond) String() string { return "under " + c.text }
