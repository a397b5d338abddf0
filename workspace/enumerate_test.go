package workspace

import (
	"fmt"
	"testing"
)

// point is one of the enumerated situations: who does what to whom.
type point struct {
	actor     ActorKind
	authority Role
	kind      ChangeKind
	target    Role
	newRole   Role
	self      bool // the target is the actor, or the connection's sponsor
	ownNumber bool
	lastOwner bool
	mode      int // 0 plain, 1 sponsor or row owner lost, 2 evidence E2 and mobile
}

var enumeratedKinds = []ChangeKind{
	MemberCreate, MemberUpdate, MemberRole, MemberDeactivate, MemberReactivate, MemberContain, MemberRelease,
	MemberRemove, MemberSessions, NumberBuy, NumberAssign, NumberUnassign, NumberOwner, NumberRing, GroupCreate, GroupJoin, GroupLeave,
	InvitationSend, InvitationRevoke, DomainClaimed, OwnerTransfer,
}

// points calls f with every situation.
func points(f func(point)) int {
	n := 0
	bools := []bool{false, true}
	for _, actor := range []ActorKind{ActorMember, ActorConnection, ActorSystem} {
		for authority := RoleMember; authority <= RoleOwner; authority++ {
			for _, kind := range enumeratedKinds {
				for target := RoleMember; target <= RoleOwner; target++ {
					for newRole := RoleMember; newRole <= RoleOwner; newRole++ {
						for _, self := range bools {
							for _, own := range bools {
								for _, last := range bools {
									for mode := range 3 {
										f(point{actor, authority, kind, target, newRole, self, own, last, mode})
										n++
									}
								}
							}
						}
					}
				}
			}
		}
	}
	return n
}

// proposal builds the situation.
func (x point) proposal() Proposal {
	mail := func(id string) string { return id + "@acme.com" }
	v := &View{Workspace: "acme", Plan: PlanBusiness, Members: make(map[string]*Member, 4), Numbers: make(map[string]*Number, 1)}
	add := func(id string, role Role, primary bool, state MemberState) {
		v.replaceMember(nil, &Member{ID: id, Email: mail(id), EmailKey: mail(id), Role: role, RoleSource: SourceManual, State: state, Primary: primary})
	}
	if !x.lastOwner {
		add("ann", RoleOwner, true, StateActive)
	}
	add("who", x.authority, x.lastOwner && x.authority == RoleOwner, StateActive)
	target := "who"
	state := StateActive
	if !x.self {
		target = "tom"
		if x.kind == MemberReactivate {
			state = StateDeactivated
		}
		add("tom", x.target, x.lastOwner && x.target == RoleOwner && x.authority != RoleOwner, state)
	}
	n := &Number{ID: "n", E164: "+4722000001", State: NumberAssigned, Assignments: []Assignment{{Number: "n", Kind: ToMember, To: target, Access: AccessShared, Ring: 1}}}
	if x.ownNumber {
		n.Owners = []string{"who"}
	}
	v.Numbers["n"] = n
	v.Totals.Numbers = 1
	a := Actor{Kind: x.actor, ID: "who", Label: mail("who"), Role: x.authority, Channel: ChannelConsole}
	if x.actor != ActorMember {
		a.ID, a.Label, a.Sponsor, a.Channel, a.SponsorLost = "okta", "okta", "who", ChannelSync, x.mode == 1
	}
	cause := Cause{Kind: CauseRequest, Class: EvidenceE1}
	if x.mode == 1 && x.actor != ActorMember {
		cause = Cause{Kind: CauseRule, Rule: "r", RuleRole: RoleMember, RuleOwnerLost: x.self, Class: EvidenceE1}
	}
	if x.mode == 2 {
		cause.Class = EvidenceE2
		if x.actor == ActorMember {
			a.Channel = ChannelMobile
		}
	}
	return Proposal{Actor: a, View: v, Changes: []Change{x.change(v, target, cause)}, Now: At(day(2026, 11, 21))}
}

func (x point) change(v *View, target string, cause Cause) Change {
	before := *v.Members[target]
	after := before
	c := Change{ID: "c", Kind: x.kind, Subject: Ref{"member", target, before.Email}, Member: target, Before: before, Cause: cause}
	number := Ref{"number", "n", "+4722000001"}
	a := v.Numbers["n"].Assignments[0]
	switch x.kind {
	case MemberCreate:
		m := Member{ID: "new", Email: "new@acme.com", EmailKey: "new@acme.com", Role: x.newRole, RoleSource: SourceManual, State: StateActive}
		c.Subject, c.Member, c.Before, c.After = Ref{"member", "new", m.Email}, "new", nil, m
	case MemberUpdate:
		after.EmailKey, after.Email = "other@acme.com", "other@acme.com"
		c.After = after
	case MemberRole, MemberReactivate:
		after.Role = x.newRole
		c.After = after
	case NumberBuy:
		c.Subject, c.Before, c.After = Ref{"number", "m", "+4722000009"}, nil, Number{ID: "m", E164: "+4722000009", Pool: "oslo"}
	case NumberAssign:
		a.To = "ann"
		c.Subject, c.Member, c.Before, c.After = number, "ann", nil, a
	case NumberUnassign:
		c.Subject, c.Before = number, a
	case NumberOwner:
		c.Subject, c.Before, c.After = number, nil, Ownership{"n", target}
	case NumberRing:
		c.Subject, c.Before, c.After = number, a, a
	case GroupCreate:
		c.Subject, c.Member, c.Before, c.After = Ref{"group", "g", "Sales"}, "", nil, Group{ID: "g", Name: "Sales"}
	case GroupJoin:
		c.Subject, c.Before, c.After = Ref{"group", "g", "Sales"}, nil, GroupMembership{Group: "g", Member: target}
	case GroupLeave:
		c.Subject, c.Before = Ref{"group", "g", "Sales"}, GroupMembership{Group: "g", Member: target}
	case InvitationSend:
		i := Invitation{ID: "i", Email: "new@acme.com", EmailKey: "new@acme.com", Role: x.newRole, Inviter: "who", State: InvitationPending}
		if x.mode == 1 {
			i.Numbers = []string{"n"}
		}
		c.Subject, c.Member, c.Before, c.After = Ref{"invitation", "i", i.Email}, "", nil, i
	case InvitationRevoke:
		i := Invitation{ID: "i", Email: "new@acme.com", EmailKey: "new@acme.com", Role: RoleMember, Inviter: target, State: InvitationPending}
		c.Subject, c.Member, c.Before, c.After = Ref{"invitation", "i", i.Email}, "", i, i
	case DomainClaimed:
		c.Subject, c.Member, c.Before, c.After = Ref{"domain", "acme.com", "acme.com"}, "", nil, DomainClaim{Domain: "acme.com", State: DomainPending}
	case OwnerTransfer:
		if ann := v.Members["ann"]; ann != nil {
			c.Before = *ann
		}
		after.Primary = true
		c.After = after
	default:
		c.After = after
	}
	return c
}

// mayAtMost is the matrix read a second time, by hand: whether the situation
// can be allowed at all. It is an upper bound and knows nothing of holds.
func (x point) mayAtMost() bool {
	person := x.actor == ActorMember
	role := x.authority
	if x.actor == ActorSystem {
		role = RoleOwner
	}
	target := x.target
	if x.self {
		target = x.authority
	}
	admin := role >= RoleAdmin
	switch x.kind {
	case MemberContain:
		return !person || role == RoleOwner || admin && target != RoleOwner
	case MemberRole:
		ownerEdge := target == RoleOwner || x.newRole == RoleOwner
		if ownerEdge && target != x.newRole || target == RoleOwner {
			return person && role == RoleOwner && !(x.self && target != x.newRole)
		}
		return admin && !(x.self && person && target != x.newRole) && !(x.self && x.actor == ActorConnection && x.newRole > target)
	case MemberDeactivate, MemberRemove:
		if target == RoleOwner {
			only := x.lastOwner && (x.self || x.authority != RoleOwner)
			return role == RoleOwner && !only && !(person && x.mode == 2)
		}
		return admin && !(person && x.mode == 2)
	case MemberReactivate:
		if x.newRole == RoleOwner {
			return person && role == RoleOwner
		}
		return admin
	case MemberCreate, InvitationSend:
		switch x.newRole {
		case RoleOwner:
			return person && role == RoleOwner
		case RoleAdmin:
			return admin
		}
		return true
	case MemberUpdate:
		return admin || person && x.self
	case MemberSessions:
		return admin || person && x.self
	case MemberRelease, NumberBuy, GroupCreate, GroupJoin, GroupLeave, DomainClaimed:
		return admin
	case InvitationRevoke:
		return admin || person && x.self
	case NumberAssign, NumberUnassign, NumberOwner, NumberRing:
		return admin || person && x.ownNumber
	case OwnerTransfer:
		return false // nobody here is the primary who asks, or the target is no other
	}
	return false
}

var strictness = map[Verdict]int{Allow: 0, Hold: 1, Deny: 2}

// TestTightenedIsSubset enumerates every situation under the loosest policy
// and under tightened ones: no key may widen, and nothing passes that the
// matrix does not give.
func TestTightenedIsSubset(t *testing.T) {
	buying := "limits: {spend_per_month: 1000000}\n"
	base := decode(t, "approve: []\n"+buying)
	tightened := map[string]*Policy{}
	for _, text := range []string{
		"approve: [role.raise, number.buy, owner.change, seat.buy, domain.claim]\n" + buying,
		buying, // the default approval of raises by connections
		"approve: []\nclear: [M04.Member, M05.Admin, M06.Admin, M08.Admin, M10.Admin]\n" + buying,
		"approve: []\nclear: [M06.Owner, M04.Owner, M08.Owner, M09.Owner]\n" + buying,
		"approve: []\nlimits: {administrators: 1, seats: 1, numbers: 1, spend_per_month: 0, role_raises_per_run: 0}",
		"approve: []\nprotect: {members: [tom@acme.com, who@acme.com]}\n" + buying,
		"approve: []\nbreak_glass: [tom@acme.com]\n" + buying,
		"approve: []\nfreeze: [{from: 'sat 00:00', to: 'sun 00:00', zone: UTC}]\n" + buying,
	} {
		p := decode(t, text)
		if errs := p.Validate(); errs != nil {
			t.Fatal(errs)
		}
		tightened[text] = p
	}
	bitten := map[string]int{}
	n := points(func(x point) {
		p := x.proposal()
		if x.kind == OwnerTransfer && x.self && x.authority == RoleOwner {
			return // judged in TestTransfer
		}
		p.Policy = base
		b := Check(p)[0]
		if b.Verdict == Allow && !x.mayAtMost() {
			t.Fatalf("%+v is allowed: %s", x, b.Reason)
		}
		complete(t, fmt.Sprintf("%+v", x), b)
		for text, policy := range tightened {
			p.Policy = policy
			d := Check(p)[0]
			if strictness[d.Verdict] < strictness[b.Verdict] {
				t.Fatalf("%+v\npolicy %swidens %s [%s] to %s [%s]", x, text, b.Verdict, b.Rule, d.Verdict, d.Rule)
			}
			if strictness[d.Verdict] > strictness[b.Verdict] {
				bitten[text]++
				complete(t, fmt.Sprintf("%+v", x), d)
			}
		}
	})
	if n < 38000 {
		t.Errorf("only %d situations", n)
	}
	for text := range tightened {
		if bitten[text] == 0 {
			t.Errorf("policy %schanges nothing", text)
		}
	}
}

// complete demands what every held or denied decision carries.
func complete(t *testing.T, name string, d Decision) {
	t.Helper()
	if d.Reason == "" {
		t.Fatalf("%s: no reason for %s", name, d.Verdict)
	}
	if d.Verdict != Allow && (d.Rule == "" || d.Remedy == "") || d.Verdict == Hold && d.Approvers < RoleAdmin {
		t.Fatalf("%s: %s with rule %q, remedy %q, approvers %v: %s", name, d.Verdict, d.Rule, d.Remedy, d.Approvers, d.Reason)
	}
}
