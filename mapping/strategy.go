package mapping

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/rollcall-sync/rollcall/workspace"
)

// search is one row's way through its strategies.
type search struct {
	*numberRun
	x     *numberRow
	tried []Attempt
	// refused is the first number that was named and may not be given.
	refused    *WantNumber
	candidates []string // numbers that a person could choose from
	unknown    bool     // an attribute is absent: only what is held may stay
	found      bool
}

// strategies tries `from:` in order; the first that yields a number wins. An
// absent attribute is unknown: the row then keeps what the person has and
// gives nothing new (I14).
func (r *numberRun) strategies(x *numberRow) (Truth, error) {
	s := &search{numberRun: r, x: x, tried: make([]Attempt, 0, len(x.from))}
	for i := range x.from {
		done, err := s.try(&x.from[i])
		if err != nil {
			return Unknown, err
		}
		if done || s.found {
			break
		}
		if s.unknown {
			// What comes after could only give something new, but for keep.
			for j := i + 1; j < len(x.from); j++ {
				if x.from[j].kind == useKeep {
					s.keep(&x.from[j])
				}
			}
			break
		}
	}
	switch {
	case s.found && s.refused != nil:
		r.w.notice(&x.row, "%s; %s instead", s.refused.Denied, s.tried[len(s.tried)-1].Strategy)
		return True, nil
	case s.found:
		return True, nil
	case s.unknown:
		return Unknown, nil
	case s.refused != nil:
		s.refused.Tried = s.tried
		r.w.Numbers = append(r.w.Numbers, *s.refused)
		// A refused wish changes nothing, so what this row gave stays.
		s.keepSupported()
	case !s.stopped():
		r.w.notice(&x.row, "no number: %s", s.story())
	}
	return True, nil
}

// stopped reports whether the request itself asked for no number.
func (s *search) stopped() bool {
	return len(s.tried) > 0 && s.tried[len(s.tried)-1].Result == resultNone
}

// story tells all attempts in one line.
func (s *search) story() string {
	parts := make([]string, len(s.tried))
	for i, t := range s.tried {
		parts[i] = t.Strategy + " " + t.Result
	}
	return strings.Join(parts, ", ")
}

// Results of attempts that are looked at again.
const (
	resultNone   = "asks for none"
	resultAbsent = "absent"
)

// miss notes an attempt that yielded nothing.
func (s *search) miss(strategy, format string, args ...any) {
	s.tried = append(s.tried, Attempt{Strategy: strategy, Result: fmt.Sprintf(format, args...)})
}

// try runs one strategy. done ends the row without a number.
func (s *search) try(st *strategy) (done bool, err error) {
	switch st.kind {
	case useKeep:
		s.keep(st)
		return false, nil
	case useAttr:
		return s.attribute(st)
	case useInvitation:
		ns, err := s.myInvited()
		if err != nil {
			return false, err
		}
		return false, s.firstOf(st, "invitation", ns)
	case useReserved:
		ns, err := s.myReserved()
		if err != nil {
			return false, err
		}
		return false, s.firstOf(st, "reserved", ns)
	case usePool:
		return false, s.pool(st.text, st.pool, false)
	case useShare:
		return false, s.share(st)
	default:
		return false, s.ask(st.text)
	}
}

// win ends the row with a number.
func (s *search) win(n workspace.Number, c claim, how, strategy string, direct bool) {
	s.tried = append(s.tried, Attempt{Strategy: strategy, Result: n.E164})
	want := s.x.base(how, s.x.text)
	want.Tried, want.Direct = s.tried, direct
	s.add(s.x, n, c, want)
	s.found = true
}

// keep takes the number the person already has with this access, whoever
// gave it: one that this row supports first, then the lowest that no earlier
// row has taken.
func (s *search) keep(st *strategy) {
	best := -1
	for i, h := range s.person.Have.Numbers {
		if h.Access != s.x.access || s.given[h.Number] != workspace.AccessNone {
			continue
		}
		if best < 0 || s.keepLess(h, s.person.Have.Numbers[best]) {
			best = i
		}
	}
	if best < 0 {
		s.miss(st.text, "none")
		return
	}
	h := s.person.Have.Numbers[best]
	s.win(workspace.Number{ID: h.Number, E164: h.E164}, claim{access: h.Access}, "keep", st.text, false)
}

// keepSupported keeps the number that this row gave.
func (s *search) keepSupported() {
	for _, h := range s.person.Have.Numbers {
		if h.Access == s.x.access && s.supports(h.Number) {
			s.win(workspace.Number{ID: h.Number, E164: h.E164}, claim{access: h.Access}, "keep", "keep", false)
			return
		}
	}
}

// keepLess prefers a number that this row supports, then the lowest.
func (s *search) keepLess(a, b HeldNumber) bool {
	sa, sb := s.supports(a.Number), s.supports(b.Number)
	if sa != sb {
		return sa
	}
	return a.E164 < b.E164
}

// supports reports whether this row supports a number now.
func (s *search) supports(number string) bool {
	by := ruleBy(s.x.id)
	for _, sup := range s.person.Have.Supports {
		if sup.Kind == GrantNumber && sup.Object == number && sup.By == by {
			return true
		}
	}
	return false
}

// attribute reads a number from an attribute. done is true when the request
// itself asks for none.
func (s *search) attribute(st *strategy) (done bool, err error) {
	v := s.attr(st.attr)
	switch {
	case !v.known:
		s.miss(st.text, resultAbsent)
		s.unknown = true
		return false, nil
	case len(v.raw) == 0:
		s.miss(st.text, "empty")
		return false, nil
	}
	if s.rules.attrs[st.attr].name == attrPrimary && len(v.raw) == 1 {
		switch v.folded()[0] {
		case "none":
			s.miss(st.text, resultNone)
			return true, nil
		case "auto":
			return false, s.auto(st)
		}
	}
	values, ask, err := s.normalised(st, v)
	if err != nil || s.unknown {
		return false, err
	}
	switch {
	case ask != "":
		s.miss(st.text, "%s", ask)
		return false, s.keepOrAsk(st, values)
	case len(values) == 0:
		return false, nil // each refused value is noted already
	case len(values) > 1:
		return false, s.ambiguous(st, values)
	}
	return false, s.named(st, values[0])
}

// normalised turns the values of an attribute into distinct numbers, sorted.
// ask is a reason to let a person choose.
func (s *search) normalised(st *strategy, v *stated) (out []string, ask string, err error) {
	reg := s.region()
	seen := map[string]bool{}
	for _, raw := range sortedValues(v.raw) {
		if reg.guess && national(raw) && s.holds() {
			// The country is absent: another country's reading of the same
			// digits must not move a person who has a number.
			s.miss(st.text, "%s: the person's country is absent", s.shown(st.attr, raw))
			s.unknown = true
			return nil, "", nil
		}
		n, nerr := Normalise(raw, reg.code)
		why := ""
		switch {
		case nerr != nil && errors.Is(nerr, ErrNoCountry):
			ask = fmt.Sprintf("%s: %v", s.shown(st.attr, raw), nerr)
			continue
		case nerr != nil:
			why = nerr.Error()
		case !n.Subscriber:
			why = n.E164 + " is a service number, nobody's own"
		case n.Extension != "" && s.x.access == workspace.AccessExclusive:
			why = fmt.Sprintf("%s with extension %s cannot be exclusive", n.E164, n.Extension)
		}
		if why != "" {
			s.miss(st.text, "%s: %s", s.shown(st.attr, raw), why)
			s.w.notice(&s.x.row, "%s: %s", s.shown(st.attr, raw), why) // NR1
			s.refuse(st, "", raw, claim{code: deniedInvalid, reason: why})
			continue
		}
		if !seen[n.E164] {
			seen[n.E164] = true
			out = append(out, n.E164)
		}
	}
	sort.Strings(out)
	if len(out) > 0 {
		ask = ""
	}
	return out, ask, nil
}

// holds reports whether the person has a number with the row's access.
func (s *search) holds() bool {
	for _, h := range s.person.Have.Numbers {
		if h.Access == s.x.access {
			return true
		}
	}
	return false
}

// ambiguous settles several different numbers in one attribute (NR2): the
// one in use is kept, else a person chooses.
func (s *search) ambiguous(st *strategy, values []string) error {
	for _, e := range values {
		for _, h := range s.person.Have.Numbers {
			if h.E164 == e && h.Access == s.x.access {
				return s.named(st, e)
			}
		}
	}
	s.miss(st.text, "ambiguous: %s", strings.Join(values, ", "))
	return s.keepOrAsk(st, values)
}

// keepOrAsk settles an attribute that says something, but not which number: a
// number in use stays, else a person chooses.
func (s *search) keepOrAsk(st *strategy, values []string) error {
	s.keep(&strategy{kind: useKeep, text: "keep"})
	if s.found {
		return nil
	}
	s.candidates = values
	return s.ask(st.text)
}

// named takes one number that an attribute names, if it may be had.
func (s *search) named(st *strategy, e164 string) error {
	n, ok, err := s.inv.ByE164(e164)
	if err != nil {
		return err
	}
	if !ok {
		why := e164 + " is not in the inventory"
		s.miss(st.text, "%s", why)
		s.refuse(st, "", e164, claim{code: deniedNotInInventory, reason: why})
		return nil
	}
	c, err := s.claim(s.x, n)
	if err != nil {
		return err
	}
	if c.code != "" {
		s.miss(st.text, "%s", c.reason)
		s.refuse(st, n.ID, n.E164, c)
		return nil
	}
	s.win(n, c, "attribute", st.text, st.direct)
	s.w.Numbers[len(s.w.Numbers)-1].Source = s.shown(st.attr, e164)
	return nil
}

// refuse remembers a number that was named and may not be given. It becomes a
// denied change if nothing else is found. What a directory merely mentions is
// denied only when somebody else holds it; what the request itself wrote is
// denied for every reason (VW10).
func (s *search) refuse(st *strategy, id, e164 string, c claim) {
	if s.refused != nil || !st.direct && c.code != deniedTaken && c.code != deniedPorting {
		return
	}
	want := s.x.base("attribute", s.shown(st.attr, e164))
	want.Number, want.E164, want.Direct = id, e164, st.direct
	want.Denied, want.DeniedCode, want.Holder = c.reason, c.code, c.holder
	s.refused = &want
}

// auto serves `rollcall.primaryNumber: auto`: what the person has, else the
// pool that the request names, else the pool of its site, else the row's next
// strategies.
func (s *search) auto(st *strategy) error {
	s.keep(&strategy{kind: useKeep, text: "keep"})
	if s.found {
		s.w.Numbers[len(s.w.Numbers)-1].Direct = true
		return nil
	}
	if name := s.attr(s.rules.nPool).first(); name != "" {
		p, ok := s.rules.pools[name]
		if !ok {
			s.miss(st.text, "auto: unknown pool %q", name)
			return nil
		}
		return s.pool("pool "+name, p, true)
	}
	if site := s.attr(s.rules.nSite).folded(); len(site) > 0 {
		for _, p := range s.rules.poolsAt(site[0]) {
			if err := s.pool("pool "+p.Name, p, true); err != nil || s.found {
				return err
			}
		}
	}
	s.miss(st.text, "auto: no pool is named")
	return nil
}

// poolsAt lists the pools of a site (folded) by name.
func (r *Rules) poolsAt(site string) []Pool {
	var out []Pool
	for _, p := range r.pools {
		if p.Site != "" && foldText(p.Site) == site {
			out = append(out, p)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// firstOf takes the lowest number of a list that may be had.
func (s *search) firstOf(st *strategy, how string, ns []workspace.Number) error {
	lost := 0
	for _, n := range ns {
		c, err := s.claim(s.x, n)
		if err != nil {
			return err
		}
		if c.code == "" && s.given[n.ID] == workspace.AccessNone {
			s.win(n, c, how, st.text, false)
			return nil
		}
		lost++
	}
	if lost > 0 {
		s.miss(st.text, "lost meanwhile")
		return nil
	}
	s.miss(st.text, "none")
	return nil
}

// pool takes the lowest free number of a pool.
func (s *search) pool(text string, p Pool, direct bool) error {
	n, ok, err := s.inv.LowestFree(p, s.taken())
	if err != nil {
		return err
	}
	if !ok {
		s.miss(text, "empty")
		return nil
	}
	s.win(n, claim{access: s.x.access}, "pool", text, direct)
	return nil
}

// taken names the numbers that earlier rows gave.
func (s *search) taken() map[string]bool {
	skip := make(map[string]bool, len(s.given))
	for id := range s.given {
		skip[id] = true
	}
	return skip
}

// share gives shared access to the lowest number of a workspace group.
func (s *search) share(st *strategy) error {
	ns, err := s.inv.OfGroup(st.group)
	if err != nil {
		return err
	}
	shared := *s.x
	shared.access = workspace.AccessShared
	for _, n := range byE164(ns) {
		c, err := s.claim(&shared, n)
		if err != nil {
			return err
		}
		if c.code == "" {
			s.win(n, c, "share", st.text, false)
			return nil
		}
	}
	s.miss(st.text, "none")
	return nil
}

// ask holds the row for a person's choice among up to five candidates: those
// an attribute named, else free numbers of the row's pools and of the pools
// at the person's place.
func (s *search) ask(text string) error {
	if s.candidates == nil {
		if err := s.offer(); err != nil {
			return err
		}
	}
	if len(s.candidates) > maxCandidates {
		s.candidates = s.candidates[:maxCandidates]
	}
	want := s.x.base("", s.x.text)
	want.Ask, want.Candidates = true, s.candidates
	s.miss(text, "a person chooses")
	want.Tried = s.tried
	s.w.Numbers = append(s.w.Numbers, want)
	s.found = true
	return nil
}

// offer fills the candidates from pools.
func (s *search) offer() error {
	var pools []Pool
	for _, st := range s.x.from {
		if st.kind == usePool {
			pools = append(pools, st.pool)
		}
	}
	if len(pools) == 0 {
		for _, k := range s.attr(s.rules.nOffice).folded() {
			pools = append(pools, s.rules.poolsAt(k)...)
		}
	}
	skip := s.taken()
	for _, p := range pools {
		for len(s.candidates) < maxCandidates {
			n, ok, err := s.inv.LowestFree(p, skip)
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			skip[n.ID] = true
			s.candidates = append(s.candidates, n.E164)
		}
	}
	return nil
}
