package ldap

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-sync/rollcall/internal/dn"
	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/workspace"
)

// lockedForGood is the value of pwdAccountLockedTime that only an
// administrator sets; all other values are lockouts that pass (LM6).
const lockedForGood = "000001010000Z"

// accountDisabled is the bit of userAccountControl.
const accountDisabled = 2

// person makes an identity of a whole entry: what was asked for and is not
// there is stated empty (LM8). Whole is false when the entry lacks what every
// person on this server has, the disabled flag of Active Directory: then a
// right is missing, nothing is stated empty and the identity's attributes do
// not hold `active` (EV3).
func (r *reader) person(e *goldap.Entry) (id workspace.Identity, whole bool, err error) {
	id, err = r.bare(e)
	if err != nil {
		return id, false, err
	}
	p := &r.plan
	active, known := p.active(e)
	id.Attributes = make(workspace.Attributes, len(p.fields)+2)
	for i := range p.fields {
		p.state(&id, &p.fields[i], e, known)
	}
	p.expiry(&id, e, known)
	settle(&id, active, known, r.now())
	return id, known, nil
}

// bare gives id and name of an entry.
func (r *reader) bare(e *goldap.Entry) (workspace.Identity, error) {
	id := workspace.Identity{Connection: r.opt.Connection, ObservedAt: r.observed}
	var err error
	if id.ExternalID, err = r.plan.id.read(e.GetEqualFoldAttributeValues(r.plan.id.attr)); err != nil {
		return id, err
	}
	id.DN, err = dn.Key(e.DN)
	return id, err
}

// settle writes the fields that stand beside the attributes.
func settle(id *workspace.Identity, active, known bool, now time.Time) {
	id.UserName, _ = id.Attributes.First("userName")
	id.Email, _ = id.Attributes.First("email")
	id.Name, _ = id.Attributes.First("displayName")
	if !known {
		return
	}
	id.Active = active
	if !active {
		id.Reason = "disabled"
	}
	if end, ok := id.Attributes.First("accountExpires"); ok && end != "" && active {
		if at, err := time.Parse(time.RFC3339, end); err == nil && !at.After(now) {
			id.Active, id.Reason = false, "expired"
		}
	}
	id.Attributes["active"] = []string{strconv.FormatBool(id.Active)}
}

// state writes one attribute. What a whole entry lacks is empty, what another
// lacks is unknown.
func (p *plan) state(id *workspace.Identity, f *field, e *goldap.Entry, whole bool) {
	unreadable := false
	for _, from := range f.from {
		raw, present := values(e, from)
		if !present {
			continue
		}
		text, ok := f.texts(raw)
		if len(text) > 0 {
			id.Attributes[f.name] = text
			return
		}
		unreadable = unreadable || !ok
	}
	if whole && !unreadable {
		id.Attributes[f.name] = []string{}
	}
}

// values gives an attribute's values, and whether the entry has it. Names do
// not differ by letter case (LC9).
func values(e *goldap.Entry, name string) ([]string, bool) {
	for _, a := range e.Attributes {
		if strings.EqualFold(a.Name, name) {
			return a.Values, true
		}
	}
	return nil, false
}

// texts turns values into text; ok is false when one was none.
func (f *field) texts(raw []string) (out []string, ok bool) {
	ok = true
	for _, s := range raw {
		if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
			ok = false
			continue
		}
		switch f.name {
		case "manager":
			if key, err := dn.Key(s); err == nil {
				s = key
			}
		case "startDate":
			if at, err := parseTime(s); err == nil {
				s = at.Format(time.RFC3339)
			}
		}
		out = append(out, s)
	}
	return out, ok
}

// active reads the disabled flag (LM6); known is false when it must be there
// and is not readable.
func (p *plan) active(e *goldap.Entry) (active, known bool) {
	raw, present := values(e, p.disabledAttr)
	if p.disabled.Attr != "" {
		for _, v := range raw {
			if fold.Equal(strings.TrimSpace(v), p.disabled.Eq) {
				return false, true
			}
		}
		return true, true
	}
	if !present || len(raw) == 0 {
		// Elsewhere an enabled account has no flag at all.
		return p.flavor != AD, p.flavor != AD
	}
	v := strings.TrimSpace(raw[0])
	switch p.flavor {
	case AD:
		bits, err := strconv.ParseInt(v, 10, 64)
		return err == nil && bits&accountDisabled == 0, err == nil
	case DS389:
		return !strings.EqualFold(v, "true"), true
	default:
		return v != lockedForGood, true
	}
}

// expiry works out when the account ends, as RFC 3339; empty is never (LM7).
func (p *plan) expiry(id *workspace.Identity, e *goldap.Entry, whole bool) {
	found := false
	var earliest time.Time
	for _, name := range expiry[p.flavor] {
		raw, present := values(e, name)
		if !present || len(raw) == 0 {
			continue
		}
		at, never, err := parseExpiry(name, raw[0])
		if err != nil {
			return // unknown: not stated at all
		}
		found = true
		if !never && (earliest.IsZero() || at.Before(earliest)) {
			earliest = at
		}
	}
	switch {
	case !earliest.IsZero():
		id.Attributes["accountExpires"] = []string{earliest.UTC().Format(time.RFC3339)}
	case found || whole:
		id.Attributes["accountExpires"] = []string{}
	}
}
