package mapping

import (
	"fmt"
	"strings"

	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/workspace"
)

// claim is what a person may have of a number: an access, or a code with the
// reason why not.
type claim struct {
	access  workspace.Access
	demoted string // whose exclusive access becomes shared
	code    string // "" if the claim stands
	reason  string
	holder  string // who holds it exclusively, where that is the reason
}

// claim judges whether the person may have the row's access to a number, and
// settles `taken:` if somebody else holds it (domain section 10, R12).
func (r *numberRun) claim(x *numberRow, n workspace.Number) (claim, error) {
	held := r.held(n)
	if held >= x.access {
		// Whoever has it has it; judging the number again would take a number
		// away from its holder because it is being ported.
		return claim{access: x.access}, nil
	}
	switch {
	case n.State == workspace.NumberPorting:
		return claim{code: deniedPorting, reason: n.E164 + " is being ported and takes no new assignments"}, nil
	case n.State == workspace.NumberPortedOut:
		return claim{code: deniedNotInInventory, reason: n.E164 + " was ported out"}, nil
	}
	mine, err := r.reservedForMe(n)
	if err != nil {
		return claim{}, err
	}
	if !mine {
		if why := r.blocked(n); why != "" {
			return claim{code: deniedTaken, reason: why}, nil
		}
	}
	holder, others := r.others(n)
	switch x.access {
	case workspace.AccessExclusive:
		if holder == "" && !others {
			return claim{access: x.access}, nil
		}
	case workspace.AccessShared:
		if holder == "" {
			return claim{access: x.access}, nil
		}
	default:
		if holder == "" || r.facts.ViewBesideExclusive {
			return claim{access: x.access}, nil
		}
	}
	return r.settleTaken(x, n, holder), nil
}

// settleTaken applies `taken:` to a number that somebody else uses.
func (r *numberRun) settleTaken(x *numberRow, n workspace.Number, holder string) claim {
	switch {
	case x.taken == takenShare && x.access != workspace.AccessViewOnly:
		return claim{access: workspace.AccessShared, demoted: holder}
	case x.taken == takenViewOnly && (holder == "" || r.facts.ViewBesideExclusive):
		return claim{access: workspace.AccessViewOnly}
	case holder == "":
		return claim{code: deniedTaken, reason: n.E164 + " is shared by others"}
	default:
		return claim{code: deniedTaken, holder: holder, reason: fmt.Sprintf("%s is exclusive to %s", n.E164, holder)}
	}
}

// held is the access the person has to a number now.
func (r *numberRun) held(n workspace.Number) workspace.Access {
	for _, h := range r.person.Have.Numbers {
		if h.Number == n.ID {
			return h.Access
		}
	}
	return workspace.AccessNone
}

// others tells who holds a number exclusively and whether anybody else may
// call or text with it.
func (r *numberRun) others(n workspace.Number) (holder string, usable bool) {
	for _, a := range n.Assignments {
		if a.Kind == workspace.ToMember && a.To == r.person.Member && a.To != "" || a.Kind == workspace.ToInvitation {
			continue
		}
		if a.Access == workspace.AccessExclusive {
			holder = a.To
		}
		usable = usable || a.Access.Rings()
	}
	return holder, usable
}

// blocked tells why a number cannot be given to somebody new, "" if it can:
// it rests in quarantine, or is held for somebody else.
func (r *numberRun) blocked(n workspace.Number) string {
	if n.State == workspace.NumberQuarantined && (n.LegalHold || n.QuarantineUntil == 0 || n.QuarantineUntil > r.now) {
		return n.E164 + " rests in quarantine"
	}
	for _, v := range n.Reservations {
		if v.Kind == workspace.ToMember && v.For == r.person.Member && v.For != "" || v.Until != 0 && v.Until <= r.now {
			continue
		}
		return n.E164 + " is reserved for somebody else"
	}
	for _, a := range n.Assignments {
		if a.Kind == workspace.ToInvitation && a.Access == workspace.AccessExclusive {
			return n.E164 + " is given in advance on an invitation"
		}
	}
	return ""
}

// reservedForMe reports whether a number is held for this person, by a
// reservation or by their invitation.
func (r *numberRun) reservedForMe(n workspace.Number) (bool, error) {
	if len(n.Reservations) == 0 && len(n.Assignments) == 0 {
		return false, nil
	}
	mine, err := r.myReserved()
	if err != nil {
		return false, err
	}
	for _, m := range mine {
		if m.ID == n.ID {
			return true, nil
		}
	}
	if mine, err = r.myInvited(); err != nil {
		return false, err
	}
	for _, m := range mine {
		if m.ID == n.ID {
			return true, nil
		}
	}
	return false, nil
}

// myReserved lists the numbers reserved for this member, read once.
func (r *numberRun) myReserved() ([]workspace.Number, error) {
	if r.hasResv || r.person.Member == "" {
		return r.reserved, nil
	}
	ns, err := r.inv.ReservedFor(r.person.Member)
	if err != nil {
		return nil, err
	}
	r.reserved, r.hasResv = byE164(ns), true
	return r.reserved, nil
}

// myInvited lists the numbers that this person's invitation gives, read once.
func (r *numberRun) myInvited() ([]workspace.Number, error) {
	key := fold.Email(r.attr(r.rules.nEmail).address())
	if r.hasInvited || key == "" {
		return r.invited, nil
	}
	ns, err := r.inv.InvitedFor(key)
	if err != nil {
		return nil, err
	}
	r.invited, r.hasInvited = byE164(ns), true
	return r.invited, nil
}

// region is the country that a number without + is read in.
type region struct {
	code string
	// guess tells that the code is the file's default or the place's because
	// the person's country is absent, which is not the same as none.
	guess bool
}

// region finds the person's country, else the place's, else the file's. A
// country that is stated but unreadable, or two, names none: it is never
// guessed.
func (r *numberRun) region() region {
	v := r.attr(r.rules.nCountry)
	if len(v.raw) > 0 {
		code := ""
		for _, text := range v.raw {
			c, ok := Country(text)
			if !ok || code != "" && c != code {
				return region{}
			}
			code = c
		}
		return region{code: code}
	}
	for _, n := range []int{r.rules.nSite, r.rules.nOffice} {
		for _, k := range r.attr(n).folded() {
			if code, ok := r.rules.poolCountry[k]; ok {
				return region{code: code, guess: !v.known}
			}
		}
	}
	return region{code: r.rules.country, guess: !v.known}
}

// national reports whether a text needs a country to be read.
func national(text string) bool {
	text = strings.TrimLeft(strings.TrimSpace(text), "'’`")
	return !strings.HasPrefix(text, "+") && !strings.HasPrefix(text, "tel:+") && !strings.HasPrefix(text, "＋")
}
