package mapping

import (
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/internal/dn"
	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/workspace"
)

// subject is one merged person while the rules look at it (MC2). It belongs
// to one call of Want and is not shared.
type subject struct {
	rules  *Rules
	person *Person
	facts  *Facts
	now    workspace.Micros
	// idents are the identities in a fixed order, so that nothing depends on
	// the order in which they came.
	idents []*workspace.Identity
	vals   []stated // by attribute number
	groups []uint64 // bit set over the groups that rules name
	active Truth
	noBy   string // connection that said no
	dns    []dn.Name
	dnBad  bool
	dnRead bool
}

// stated is the merged value of one attribute (MM1).
type stated struct {
	read  bool
	known bool
	raw   []string // without blank values; empty: stated empty
	keys  []string // folded, made on first use
	from  string   // connection
}

// newSubject merges the identities of one person.
func (r *Rules) newSubject(p *Person, f *Facts, now workspace.Micros) *subject {
	s := &subject{rules: r, person: p, facts: f, now: now, vals: make([]stated, len(r.attrs))}
	s.idents = make([]*workspace.Identity, 0, len(p.Identities))
	for i := range p.Identities {
		if !p.Identities[i].Deleted {
			s.idents = append(s.idents, &p.Identities[i])
		}
	}
	if len(s.idents) > 1 {
		sort.SliceStable(s.idents, func(i, j int) bool { return identityLess(s.idents[i], s.idents[j]) })
	}
	s.mergeActive()
	s.mergeGroups()
	return s
}

// identityLess is a fixed order of identities that does not depend on how
// they were listed.
func identityLess(a, b *workspace.Identity) bool {
	switch {
	case a.Connection != b.Connection:
		return a.Connection < b.Connection
	case a.ID != b.ID:
		return a.ID < b.ID
	case a.ExternalID != b.ExternalID:
		return a.ExternalID < b.ExternalID
	case a.UserName != b.UserName:
		return a.UserName < b.UserName
	default:
		return a.Email < b.Email
	}
}

// mergeActive settles MM3: an explicit no of any connection that may end
// access wins over every yes.
func (s *subject) mergeActive() {
	for _, id := range s.idents {
		switch {
		case id.Active:
			if s.active == Unknown {
				s.active = True
			}
		case s.rules.MayEnd(id.Connection):
			if s.active != False {
				s.active, s.noBy = False, id.Connection
			}
		}
	}
}

// mergeGroups sets the bit of every named group the person is in (MM2).
func (s *subject) mergeGroups() {
	r := s.rules
	if len(r.groups) == 0 {
		return
	}
	s.groups = make([]uint64, (len(r.groups)+63)/64)
	for i := range s.person.Groups {
		g := &s.person.Groups[i]
		if g.ID != "" {
			s.setGroups(r.groupByID[g.ID], g.Connection)
		}
		if g.ExternalID != "" && g.ExternalID != g.ID {
			s.setGroups(r.groupByID[g.ExternalID], g.Connection)
		}
		if len(r.groupByName) > 0 && g.Name != "" {
			s.setGroups(r.groupByName[foldText(g.Name)], g.Connection)
		}
	}
}

// setGroups sets the bits of the groups that are met at a connection.
func (s *subject) setGroups(at []groupAt, connection string) {
	for _, a := range at {
		if a.connection == "" || a.connection == connection {
			s.groups[a.n/64] |= 1 << (a.n % 64)
		}
	}
}

// inGroup tells whether the person is in a named group.
func (s *subject) inGroup(n int) Truth {
	if s.groups[n/64]&(1<<(n%64)) != 0 {
		return True
	}
	if len(s.person.GroupsUnknown) == 0 {
		return False
	}
	g := &s.rules.groups[n]
	for c, unknown := range s.person.GroupsUnknown {
		if unknown && g.concerns(c) {
			return Unknown
		}
	}
	return False
}

// attr returns the merged value of an attribute.
func (s *subject) attr(n int) *stated {
	v := &s.vals[n]
	if !v.read {
		v.read = true
		s.merge(&s.rules.attrs[n], v)
	}
	return v
}

// merge finds the first connection, in the attribute's order, that states it,
// empty included (MM1). Connections without a rank come last, by id.
func (s *subject) merge(a *attribute, v *stated) {
	if a.name == "active" {
		if s.active != Unknown {
			v.known, v.raw = true, []string{strconv.FormatBool(s.active == True)}
		}
		return
	}
	best := -1
	for _, id := range s.idents {
		rank, ranked := a.order[id.Connection]
		if !ranked {
			rank = len(a.order)
		}
		if best >= 0 && rank >= best {
			continue
		}
		if raw, known := a.stated(id); known {
			best = rank
			v.known, v.raw, v.from = true, withoutBlank(raw), id.Connection
		}
	}
}

// stated is what one identity says about the attribute.
func (a *attribute) stated(id *workspace.Identity) ([]string, bool) {
	name := a.sourceName(id.Connection)
	if name == "" {
		return nil, false
	}
	if v, ok := id.Attributes[name]; ok {
		return v, true
	}
	// Sources keep these three beside the attributes as well.
	var one string
	switch a.name {
	case "userName":
		one = id.UserName
	case "email":
		one = id.Email
	case "displayName":
		if one = id.Name; one == id.UserName {
			one = "" // What stands in for a name is none.
		}
	}
	if one == "" || a.from != nil {
		return nil, false
	}
	return []string{one}, true
}

// withoutBlank drops blank values; the list is copied only if it has one.
func withoutBlank(v []string) []string {
	for i, x := range v {
		if strings.TrimSpace(x) != "" {
			continue
		}
		out := append([]string(nil), v[:i]...)
		for _, y := range v[i+1:] {
			if strings.TrimSpace(y) != "" {
				out = append(out, y)
			}
		}
		return out
	}
	return v
}

// folded returns the comparison keys of the values, made once per person.
func (v *stated) folded() []string {
	if v.keys == nil && len(v.raw) > 0 {
		v.keys = make([]string, len(v.raw))
		for i, x := range v.raw {
			v.keys[i] = foldText(x)
		}
	}
	return v.keys
}

// first returns the first value, "" if there is none.
func (v *stated) first() string {
	if len(v.raw) == 0 {
		return ""
	}
	return strings.TrimSpace(v.raw[0])
}

// address returns the first value that is a mail address, "" if none is: a
// member to whom the sender refuses to write could never be told anything.
func (v *stated) address() string {
	for _, one := range v.raw {
		if one = strings.TrimSpace(one); fold.BadAddress(one) == "" {
			return one
		}
	}
	return ""
}

// all writes every value in an order of its own, since lists have none.
func (v *stated) all() string {
	if len(v.raw) == 1 {
		return strings.TrimSpace(v.raw[0])
	}
	return strings.Join(sortedValues(v.raw), ", ")
}

// times reads the values as moments; bad tells that one could not be read.
func (v *stated) times(zone *time.Location) (out []moment, bad bool) {
	for _, x := range v.raw {
		m, err := parseMoment(x, zone)
		if err != nil {
			bad = true
			continue
		}
		out = append(out, m)
	}
	return out, bad
}

// names parses the DNs of the identities, once.
func (s *subject) names() (dns []dn.Name, bad bool) {
	if !s.dnRead {
		s.dnRead = true
		for _, id := range s.idents {
			if id.DN == "" {
				continue
			}
			name, err := dn.Parse(id.DN)
			if err != nil {
				s.dnBad = true
				continue
			}
			s.dns = append(s.dns, name)
		}
	}
	return s.dns, s.dnBad
}
