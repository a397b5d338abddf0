package mapping

import (
	"fmt"
	"sort"
	"strings"

	"github.com/rollcall-sync/rollcall/workspace"
)

// Want evaluates the rules for one person. It is linear in the rows, changes
// nothing and is safe for concurrent use; the error is an error of the
// inventory only.
func (r *Rules) Want(p Person, f Facts, now workspace.Micros) (Want, error) {
	s := r.newSubject(&p, &f, now)
	w := Want{Active: s.active, ActiveBy: s.noBy, Name: s.name(), Email: s.attr(r.nEmail).address()}
	for i := range r.exclude {
		x := &r.exclude[i]
		if !x.inForce(now) {
			continue
		}
		t := x.eval(s)
		if t == Unknown {
			w.unknown(x)
		}
		if t != False {
			w.Excluded, w.ExcludedBy = true, x.id
			return w, nil
		}
	}
	w.Member = True
	if e := r.eligible; e != nil && e.inForce(now) {
		w.Member, w.MemberBy = e.eval(s), e.id
		if w.Member == Unknown {
			w.unknown(e)
		}
	}
	for i := range r.protect {
		x := &r.protect[i]
		if !x.inForce(now) {
			continue
		}
		if t := x.eval(s); t != False {
			w.Protected, w.ProtectedBy = true, x.id
			if t == Unknown {
				w.unknown(x)
			}
			break
		}
	}
	s.wantRoles(&w)
	s.wantEnd(&w)
	s.wantGroups(&w)
	if err := s.wantNumbers(&w); err != nil {
		return Want{}, fmt.Errorf("mapping: numbers of %s: %w", p.label(), err)
	}
	if err := s.wantOwned(&w); err != nil {
		return Want{}, fmt.Errorf("mapping: number owners of %s: %w", p.label(), err)
	}
	w.HandoverTo = s.text(r.handover, &w)
	w.Reason = s.text(r.reason, &w)
	if len(w.Notices) > 1 {
		// Values of a list come in any order; notices do not.
		sort.SliceStable(w.Notices, func(i, j int) bool {
			a, b := w.Notices[i], w.Notices[j]
			return a.Row < b.Row || a.Row == b.Row && a.Text < b.Text
		})
	}
	return w, nil
}

// label names a person in errors.
func (p *Person) label() string {
	if p.Member != "" {
		return "member " + p.Member
	}
	if len(p.Identities) > 0 {
		return "identity " + p.Identities[0].ID
	}
	return "nobody"
}

// unknown notes a row whose condition cannot be decided.
func (w *Want) unknown(r *row) {
	if w.UnknownRows == nil {
		w.UnknownRows = map[string]bool{}
	}
	w.UnknownRows[r.id] = true
}

// notice adds a notice of a row.
func (w *Want) notice(r *row, format string, args ...any) {
	w.Notices = append(w.Notices, Notice{Row: r.id, Text: fmt.Sprintf(format, args...)})
}

// name is the person's display name, or is made of its parts; the user name
// stands in for one that was stated empty, and "" is unknown.
func (s *subject) name() string {
	if n := s.attr(s.rules.nName).first(); n != "" {
		return n
	}
	given, family := s.attr(s.rules.nGiven).first(), s.attr(s.rules.nFamily).first()
	if n := strings.TrimSpace(given + " " + family); n != "" {
		return n
	}
	if !s.attr(s.rules.nName).known {
		return "" // Not stated is not empty: a name that was given before stays (I14).
	}
	return s.attr(s.rules.nUserName).first()
}

// text reads a section that takes one text from an attribute.
func (s *subject) text(x *textRow, w *Want) string {
	if x == nil || !x.inForce(s.now) {
		return ""
	}
	t := x.eval(s)
	v := s.attr(x.attr)
	if t == Unknown || t == True && !v.known {
		w.unknown(&x.row)
		return ""
	}
	if t == False {
		return ""
	}
	return v.first()
}

// wantRoles lists the true role rows in file order (section 2, MR2). A row
// above the first true one that is unknown makes the role unknown, unless it
// could only give the same role.
func (s *subject) wantRoles(w *Want) {
	last := workspace.RoleNone
	var doubtful []workspace.Role // roles that unknown rows above the first true one may give
	for i := range s.rules.roles {
		x := &s.rules.roles[i]
		if !x.inForce(s.now) {
			continue
		}
		role, source, t := s.roleOf(x, w)
		switch t {
		case Unknown:
			w.unknown(&x.row)
			if len(w.Roles) == 0 {
				doubtful = append(doubtful, x.possible()...)
			}
		case True:
			if len(w.Roles) > 0 && last == workspace.RoleMember {
				// Nothing lies below Member, so later rows cannot matter.
				continue
			}
			w.Roles = append(w.Roles, WantRole{
				Role: role, Row: x.id, Owner: x.owner, Cap: x.cap,
				Approve: x.approve, Source: source, Direct: x.direct,
			})
			last = role
		}
	}
	if last != workspace.RoleMember {
		w.Roles = append(w.Roles, WantRole{Role: workspace.RoleMember, Source: "no other role row is true"})
	}
	for _, d := range doubtful {
		if d != w.Roles[0].Role {
			w.RoleUnknown = true
		}
	}
}

// possible lists the roles that a row can give.
func (x *roleRow) possible() []workspace.Role {
	if x.attr < 0 {
		return []workspace.Role{x.role}
	}
	out := make([]workspace.Role, 0, 2)
	for _, r := range x.allow {
		out = append(out, r)
	}
	return out
}

// roleOf judges one role row. An attribute that names a role outside the
// closed list gives nothing, and never Owner (O1).
func (s *subject) roleOf(x *roleRow, w *Want) (workspace.Role, string, Truth) {
	t := x.eval(s)
	if x.attr < 0 || t == False {
		return x.role, x.text, t
	}
	v := s.attr(x.attr)
	if t == Unknown || !v.known {
		return workspace.RoleNone, "", Unknown
	}
	best := workspace.RoleNone
	for i, k := range v.folded() {
		role, ok := x.allow[k]
		switch {
		case !ok && k == "owner":
			w.notice(&x.row, "%s asks for Owner; no sync makes an Owner (O1)", s.rules.attrs[x.attr].name)
		case !ok:
			w.notice(&x.row, "%s is none of the roles in allow", s.shown(x.attr, strings.TrimSpace(v.raw[i])))
		case best == workspace.RoleNone || role < best:
			// Several values: the smaller role, since lists have no order (R06).
			best = role
		}
	}
	if best == workspace.RoleNone {
		return workspace.RoleNone, "", False
	}
	return best, s.shown(x.attr, best.String()), True
}

// shown writes an attribute with its value, or its name alone if private.
func (s *subject) shown(n int, val string) string {
	a := &s.rules.attrs[n]
	if a.private {
		return a.name + " (private)"
	}
	return shorten(a.name + " = " + val)
}

// wantEnd finds the earliest end of access (MR3).
func (s *subject) wantEnd(w *Want) {
	for i := range s.rules.expiry {
		x := &s.rules.expiry[i]
		if !x.inForce(s.now) {
			continue
		}
		end, t := s.endOf(x, w)
		switch {
		case t == Unknown:
			w.unknown(&x.row)
			w.EndUnknown = true
			if s.person.Member == "" && w.Member == True && s.mayHaveEnded(x) {
				w.Member, w.MemberBy = Unknown, x.id
			}
		case t == True && end != 0 && (w.End == 0 || end < w.End):
			w.End, w.EndBy = end, x.id
			w.EndWarn = x.warn
		}
	}
	if w.End != 0 && w.End <= s.now && s.person.Member == "" && w.Member != False {
		// A date in the past never creates.
		w.Member, w.MemberBy = False, w.EndBy
	}
}

// mayHaveEnded reports whether an undecided expiry row could have ended the
// access of somebody who is no member yet: the row holds and its date is
// unknown, or whether it holds is unknown and the date has passed or cannot be
// read. Such
// a person stays out, for an absent attribute gives nothing (I14).
func (s *subject) mayHaveEnded(x *expiryRow) bool {
	if x.attr < 0 {
		return false
	}
	v := s.attr(x.attr)
	if !v.known {
		return x.eval(s) == True
	}
	ms, bad := v.times(s.rules.zone)
	for _, m := range ms {
		if m.end <= s.now {
			return true
		}
	}
	return bad
}

// endOf judges one expiry row. Stated empty means the row's default, counted
// from the day the row first gave a date: that date is kept while it stands.
func (s *subject) endOf(x *expiryRow, w *Want) (workspace.Micros, Truth) {
	t := x.eval(s)
	if t != True {
		return 0, t
	}
	if x.attr >= 0 {
		v := s.attr(x.attr)
		if !v.known {
			return 0, Unknown
		}
		ms, bad := v.times(s.rules.zone)
		if bad {
			w.notice(&x.row, "%s is not a time", s.shown(x.attr, v.all()))
			return 0, Unknown
		}
		var end workspace.Micros
		for _, m := range ms {
			if end == 0 || m.end < end {
				end = m.end
			}
		}
		if end != 0 {
			return end, True
		}
	}
	if x.def == 0 {
		return 0, True
	}
	for _, sup := range s.person.Have.Supports {
		if sup.Kind != GrantEnd || sup.By != ruleBy(x.id) {
			continue
		}
		if m, err := parseMoment(sup.Value, s.rules.zone); err == nil {
			return m.end, True
		}
	}
	return endOfDay(s.now, x.def, s.rules.zone), True
}

// ruleBy is how a row is named as a supporter of a grant (section 5).
func ruleBy(id string) string { return "rule " + id }

// wantGroups lists the workspace groups of every true row.
func (s *subject) wantGroups(w *Want) {
	for i := range s.rules.groupRows {
		x := &s.rules.groupRows[i]
		if !x.inForce(s.now) {
			continue
		}
		t := x.eval(s)
		if t == True && x.attr >= 0 && !s.attr(x.attr).known {
			t = Unknown
		}
		switch {
		case t == Unknown:
			w.unknown(&x.row)
		case t == True && x.attr < 0:
			w.Groups = append(w.Groups, WantGroup{
				Name: x.name, Row: x.id, Owner: x.owner, Source: x.text,
				Create: x.create, CreateMax: x.createMax,
			})
		case t == True:
			s.groupsOf(x, w)
		}
	}
}

// groupsOf lists the groups that an attribute names, each once, in an order
// that does not depend on the order of the values.
func (s *subject) groupsOf(x *groupRow, w *Want) {
	v := s.attr(x.attr)
	names := make(map[string]string, len(v.raw))
	for i, k := range v.folded() {
		name := strings.TrimSpace(v.raw[i])
		if x.allow != nil {
			allowed, ok := x.allow[k]
			if !ok {
				w.notice(&x.row, "%s is none of the groups in allow", s.shown(x.attr, name))
				continue
			}
			name = allowed
		}
		if old, twice := names[k]; !twice || name < old {
			names[k] = name
		}
	}
	first := len(w.Groups)
	for _, name := range names {
		w.Groups = append(w.Groups, WantGroup{
			Name: name, Row: x.id, Owner: x.owner, Source: s.shown(x.attr, name),
			Create: x.create, CreateMax: x.createMax, Direct: x.direct,
		})
	}
	added := w.Groups[first:]
	if len(added) > 1 {
		sort.Slice(added, func(i, j int) bool { return added[i].Name < added[j].Name })
	}
}
