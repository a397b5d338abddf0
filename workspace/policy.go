package workspace

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The operations that `policy.approve` may name.
const (
	OpRoleRaise   = "role.raise"
	OpOwnerChange = "owner.change"
	OpNumberBuy   = "number.buy"
	OpSeatBuy     = "seat.buy"
	OpMappingEdit = "mapping.edit"
	OpDomainClaim = "domain.claim"
)

var operations = []string{OpRoleRaise, OpOwnerChange, OpNumberBuy, OpSeatBuy, OpMappingEdit, OpDomainClaim}

// The values of `policy.held_reply`.
const (
	HeldReplyTruth  = "truth"  // SCIM answers 200 with the value in force and `holds`
	HeldReplyReject = "reject" // SCIM answers 403
)

// Policy is the customer's policy, the third layer of every verdict. It can
// only tighten the matrix: no key gives what the matrix does not. The zero
// value tightens nothing beyond the defaults. A Policy is read-only once
// validated and may then be shared between goroutines.
type Policy struct {
	// Clear takes single ticks of the matrix away: "M04.Member".
	Clear []string `yaml:"clear" json:"clear,omitempty"`
	// Approve lists the operations that hold until a second person agrees.
	// nil: role raises asked by a connection hold (R35). An empty, non-nil
	// list switches that off too.
	Approve []string `yaml:"approve" json:"approve"`
	Limits  Limits   `yaml:"limits" json:"limits"`
	Protect Protect  `yaml:"protect" json:"protect"`
	// BreakGlass lists the addresses of local Owners no source may touch (O5).
	BreakGlass []string `yaml:"break_glass" json:"break_glass,omitempty"`
	// Freeze lists windows in which expansions wait; reductions never do.
	Freeze []Window `yaml:"freeze" json:"freeze,omitempty"`
	// HeldReply is what SCIM answers to a held wish: truth (default) or reject.
	HeldReply string `yaml:"held_reply" json:"held_reply,omitempty"`
	// SecondApprover "owner" asks for two approvals, one of them an Owner's.
	SecondApprover string        `yaml:"second_approver" json:"second_approver,omitempty"`
	Numbers        NumbersPolicy `yaml:"numbers" json:"numbers"`
}

// Limits bound the state after a plan. A limit of 0 allows none, "off" and
// absence mean no limit. Seats, numbers and spending belong to I11.
type Limits struct {
	Administrators Limit `yaml:"administrators" json:"administrators"` // active Owners and Admins
	Seats          Limit `yaml:"seats" json:"seats"`
	Numbers        Limit `yaml:"numbers" json:"numbers"` // not ported out
	// SpendPerMonth is in whole dollars. Buying numbers is off until it is set.
	SpendPerMonth    Limit `yaml:"spend_per_month" json:"spend_per_month"`
	RoleRaisesPerRun Limit `yaml:"role_raises_per_run" json:"role_raises_per_run"`
}

// Protect names the people no sync lowers or takes numbers from; an explicit
// "no" of their directory still ends access.
type Protect struct {
	Members []string `yaml:"members" json:"members,omitempty"` // addresses
	// Groups are names of groups. Whoever fills a Cause sets Protected for
	// their members, since group membership does not travel in a View.
	Groups []string `yaml:"groups" json:"groups,omitempty"`
}

// NumbersPolicy is how numbers are given (R12, domain section 10).
type NumbersPolicy struct {
	ViewBesideExclusive bool `yaml:"view_beside_exclusive" json:"view_beside_exclusive"`
	// Quarantine is how long a number rests that returned to its pool.
	Quarantine Span `yaml:"quarantine" json:"quarantine"`
}

// DefaultQuarantine is how long a returned number rests unless configured.
const DefaultQuarantine = 90 * 24 * time.Hour

// Default returns the policy of a workspace that configures none.
func Default() *Policy {
	return &Policy{HeldReply: HeldReplyTruth, Numbers: NumbersPolicy{Quarantine: SpanOf(DefaultQuarantine)}}
}

// Approves reports whether an operation is on the written approval list.
// The default for raises by connections is not part of it.
func (p *Policy) Approves(operation string) bool { return slices.Contains(p.Approve, operation) }

// raiseNeedsApproval reports whether a raise of a role holds. A connection's
// raise holds unless the list is written and empty: naming other operations
// must not loosen the default (R35).
func (p *Policy) raiseNeedsApproval(person bool) bool {
	if p.Approves(OpRoleRaise) {
		return true
	}
	return !person && (p.Approve == nil || len(p.Approve) > 0)
}

// cleared reports whether the policy takes a tick away.
func (p *Policy) cleared(row Permission, role Role) bool {
	for _, c := range p.Clear {
		id, name, ok := strings.Cut(c, ".")
		if ok && Permission(id) == row && strings.EqualFold(name, role.Title()) {
			return true
		}
	}
	return false
}

// can is Can under the policy.
func (p *Policy) can(role Role, row Permission) bool { return Can(role, row) && !p.cleared(row, role) }

// least returns the smallest role that has a row under the policy, or
// RoleNone if every tick of it is cleared.
func (p *Policy) least(row Permission) Role {
	for r := RoleMember; r <= RoleOwner; r++ {
		if p.can(r, row) {
			return r
		}
	}
	return RoleNone
}

// breakGlass reports whether a member is an Owner no source may touch (O5).
func (p *Policy) breakGlass(m *Member) bool {
	return m != nil && (m.BreakGlass || named(p.BreakGlass, m))
}

// named reports whether a list of addresses names a member.
func named(list []string, m *Member) bool {
	for _, a := range list {
		if strings.EqualFold(a, m.EmailKey) || strings.EqualFold(a, m.Email) {
			return true
		}
	}
	return false
}

// frozen returns the freeze window that a moment lies in, or nil.
func (p *Policy) frozen(now Micros, zone string) *Window {
	for i := range p.Freeze {
		if p.Freeze[i].holds(now, zone) {
			return &p.Freeze[i]
		}
	}
	return nil
}

// Hash is "sha256:" and the hex digest of role matrix and policy. It depends
// on what the policy says, not on the order its lists are written in.
func (p *Policy) Hash() string {
	h := sha256.New()
	hashFields(h, "rollcall policy 1", matrixHash)
	hashFields(h, sortedFold(p.Clear)...)
	hashFields(h, strconv.FormatBool(p.Approve == nil))
	hashFields(h, sortedFold(p.Approve)...)
	l := &p.Limits
	hashFields(h, l.Administrators.String(), l.Seats.String(), l.Numbers.String(), l.SpendPerMonth.String(),
		l.RoleRaisesPerRun.String())
	hashFields(h, sortedFold(p.Protect.Members)...)
	hashFields(h, sortedFold(p.Protect.Groups)...)
	hashFields(h, sortedFold(p.BreakGlass)...)
	freeze := make([]string, 0, len(p.Freeze))
	for _, w := range p.Freeze {
		freeze = append(freeze, w.From+" to "+w.To+" in "+w.Zone)
	}
	hashFields(h, sortedFold(freeze)...)
	hashFields(h, p.HeldReply, p.SecondApprover, strconv.FormatBool(p.Numbers.ViewBesideExclusive), p.Numbers.Quarantine.String())
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// sortedFold returns a sorted copy with letter case folded.
func sortedFold(list []string) []string {
	out := make([]string, 0, len(list))
	for _, s := range list {
		out = append(out, strings.ToLower(s))
	}
	slices.Sort(out)
	return out
}

// Validate returns every problem of the policy, each naming the key below
// `policy:` and what to write instead; nil if there is none.
func (p *Policy) Validate() []error {
	var errs []error
	bad := func(format string, a ...any) { errs = append(errs, fmt.Errorf(format, a...)) }
	for _, c := range p.Clear {
		id, name, _ := strings.Cut(c, ".")
		role, err := ParseRole(name)
		switch row, ok := Lookup(Permission(id)); {
		case !ok || err != nil:
			bad("clear: %q is no tick of the role matrix: write row and role, such as M04.Member", c)
		case !row.Allows(role):
			bad("clear: %s is not ticked in the role matrix: remove it from the list", c)
		case role == RoleOwner && (row.ID == OwnerChange || row.ID == MemberRemoving):
			bad("clear: without %s nobody could correct a workspace: remove it from the list", c)
		}
	}
	for _, op := range p.Approve {
		if !slices.Contains(operations, op) {
			bad("approve: unknown operation %q: use %s", op, strings.Join(operations, ", "))
		}
	}
	l := &p.Limits
	for _, k := range []struct {
		key   string
		limit Limit
	}{
		{"administrators", l.Administrators},
		{"seats", l.Seats},
		{"numbers", l.Numbers},
		{"spend_per_month", l.SpendPerMonth},
		{"role_raises_per_run", l.RoleRaisesPerRun},
	} {
		if k.limit.text != "" {
			bad("limits.%s: %q is no limit: write a whole number from 0, or off", k.key, k.limit.text)
		}
	}
	for _, k := range []struct {
		key  string
		list []string
	}{{"protect.members", p.Protect.Members}, {"break_glass", p.BreakGlass}} {
		for _, a := range k.list {
			if i := strings.IndexByte(a, '@'); i <= 0 || i == len(a)-1 {
				bad("%s: %q is no address: write it as cfo@acme.com", k.key, a)
			}
		}
	}
	for _, g := range p.Protect.Groups {
		if strings.TrimSpace(g) == "" {
			bad("protect.groups: an empty name protects nobody: remove it or name a group")
		}
	}
	for i := range p.Freeze {
		errs = append(errs, p.Freeze[i].validate(i)...)
	}
	if p.HeldReply != "" && p.HeldReply != HeldReplyTruth && p.HeldReply != HeldReplyReject {
		bad("held_reply: unknown value %q: use truth or reject", p.HeldReply)
	}
	if p.SecondApprover != "" && p.SecondApprover != "owner" {
		bad("second_approver: unknown value %q: use owner, or leave the key out", p.SecondApprover)
	}
	if t := p.Numbers.Quarantine.text; t != "" {
		bad("numbers.quarantine: %q is no length of time: write it as 90d or 12h", t)
	}
	return errs
}
