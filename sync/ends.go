package sync

import (
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// endOf gives when a person's access ends, zero for never: the date of the
// expiry rows or that of a person, whichever comes first. Its effects keep the
// row's date as the supporter of the end, from which a default goes on counting
// (MR3): it outlives the access, or each return would begin a new term. A date
// that cannot be told now stays as it is (I14).
func (u *unit) endOf(p *person) (workspace.Micros, []effect) {
	end, unknown := p.want.End, p.want.EndUnknown
	if unknown {
		end = p.member.AccessEnd
	}
	var then []effect
	kept := false
	for _, s := range p.supported(mapping.GrantEnd, "") {
		row, isRule := strings.CutPrefix(s.By, "rule ")
		switch {
		case !isRule:
			if at := momentOf(s.Value); at != 0 && (end == 0 || at < end) {
				end = at
			}
		case row == p.want.EndBy && s.Value == p.want.End.String():
			kept = true
		case row != p.want.EndBy && !unknown && !p.want.UnknownRows[row]:
			then = append(then, u.unsupport(p, s))
		}
	}
	if p.want.EndBy != "" && p.want.End != 0 && !kept {
		then = append(then, u.support(p, mapping.GrantEnd, "", byRule(p.want.EndBy), p.want.End.String(), p.trigger.Connection))
	}
	return end, then
}

// endByHand keeps a person's date of the end of access, or that there is none.
func (u *unit) endByHand(p *person, end workspace.Micros) effect {
	if end != 0 {
		return u.support(p, mapping.GrantEnd, "", byManual, end.String(), "")
	}
	return func(tx *store.Tx) error {
		return tx.DeleteSupport(p.member.ID, string(mapping.GrantEnd), "", byManual)
	}
}

// momentOf reads a date as supporters keep it; zero if it is none.
func momentOf(text string) workspace.Micros {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return 0
	}
	return workspace.At(at)
}

// endedBy names the connection whose end date has passed, "" if it was a
// person's: whoever ended a person may state them enabled again.
func endedBy(p *person) string {
	for _, s := range p.supported(mapping.GrantEnd, "") {
		if strings.HasPrefix(s.By, "rule ") && momentOf(s.Value) == p.member.AccessEnd {
			return s.Connection
		}
	}
	return ""
}

// lapsed reports whether a person's grant is past its end, as the clock sees it.
func (u *unit) lapsed(s *store.SupportRow) bool {
	return s.By == byManual && s.Until != 0 && s.Until <= u.now
}

// endLapsed drops the pins of a role that are past their end, and gives its
// other supporters (MP2).
func (u *unit) endLapsed(p *person) []store.SupportRow {
	var live []store.SupportRow
	for _, s := range p.supported(mapping.GrantRole, "") {
		if u.lapsed(&s) {
			u.always(p, u.unsupport(p, s))
			continue
		}
		live = append(live, s)
	}
	return live
}

// roleGiven reports whether one of the supporters gives a role.
func roleGiven(given []store.SupportRow, role workspace.Role) bool {
	for _, s := range given {
		if s.Value == role.String() {
			return true
		}
	}
	return false
}

// planLapsed ends what people gave until a date that has passed (F11): what a
// row gives as well stays. Who is in no directory falls back to Member.
func (u *unit) planLapsed(id string) error {
	p := &person{key: "member:" + id}
	if err := u.loadMember(p, id); err != nil {
		return err
	}
	if err := u.reconsider(p); err != nil {
		return err
	}
	return u.planGrants(p)
}

// reconsider asks the rows what a member should be whom no directory has
// stated just now. Who is in no directory keeps what rows gave, and falls back
// to Member.
func (u *unit) reconsider(p *person) error {
	if len(p.live) > 0 {
		p.trigger = p.live[0]
		if err := u.evaluate(p); err != nil {
			return err
		}
		if p.want.Excluded {
			p.want = mapping.Want{}
		}
	}
	if len(p.want.Roles) == 0 {
		p.want.Roles, p.want.UnknownRows = []mapping.WantRole{{Role: workspace.RoleMember, Row: "default"}}, map[string]bool{}
		for _, s := range p.supports {
			if row, isRule := strings.CutPrefix(s.By, "rule "); isRule {
				p.want.UnknownRows[row] = true
			}
		}
	}
	return nil
}
