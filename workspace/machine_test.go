package workspace

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drawChange draws any change on the view: sensible, senseless, or in
// conflict with another of the plan.
func drawChange(t *rapid.T, v *View, id string) Change {
	members := sortedKeys(v.Members)
	member := v.Members[rapid.SampledFrom(members).Draw(t, "member")]
	number := v.Numbers[rapid.SampledFrom(sortedKeys(v.Numbers)).Draw(t, "number")]
	role := Role(rapid.IntRange(1, 3).Draw(t, "role"))
	access := Access(rapid.IntRange(1, 3).Draw(t, "access"))
	kind := rapid.SampledFrom([]ChangeKind{
		MemberRole, MemberRole, MemberDeactivate, MemberDeactivate, MemberReactivate, MemberRemove, MemberContain,
		MemberRelease, MemberCreate, MemberUpdate, OwnerTransfer, NumberAssign, NumberAssign, NumberUnassign, NumberAccess, NumberRing, NumberOwner,
		NumberUpdate,
	}).Draw(t, "kind")
	before := *member
	after := before
	c := Change{
		ID: id, Kind: kind, Subject: Ref{"member", member.ID, member.Email}, Member: member.ID, Before: before,
		Cause: Cause{Kind: CauseRequest, Class: EvidenceE1},
	}
	switch rapid.IntRange(0, 4).Draw(t, "cause") {
	case 0:
		c.Cause = Cause{Kind: CauseRule, Rule: "r", RuleOwner: "bob", RuleRole: RoleAdmin, Cap: rapid.IntRange(0, 3).Draw(t, "cap"), Class: EvidenceE2}
	case 1:
		c.Cause = Cause{Kind: CauseLeaver, Leaver: rapid.SampledFrom(members).Draw(t, "leaver"), Tail: rapid.Bool().Draw(t, "tail"), Class: EvidenceE1}
	}
	assignment := Assignment{Number: number.ID, Kind: ToMember, To: member.ID, Access: access, Ring: rapid.IntRange(0, 4).Draw(t, "ring")}
	n := *number
	switch kind {
	case MemberRole, MemberReactivate:
		after.Role, after.RoleSource = role, "rule r"
		c.After = after
	case MemberCreate:
		mail := rapid.SampledFrom([]string{"new1", "new2", member.ID}).Draw(t, "mail") + "@acme.com"
		m := Member{ID: "m" + id, Email: mail, EmailKey: mail, Role: role, RoleSource: "rule r", State: StateActive, JoinedAt: 99}
		c.Subject, c.Member, c.Before, c.After = Ref{"member", m.ID, mail}, m.ID, nil, m
	case MemberUpdate:
		after.EmailKey = rapid.SampledFrom(members).Draw(t, "address of") + "@acme.com"
		c.After = after
	case OwnerTransfer:
		for _, id := range members {
			if v.Members[id].Primary {
				c.Before = *v.Members[id]
			}
		}
		c.After = after
	case NumberAssign:
		c.Subject, c.Before, c.After = numberRef(number), nil, assignment
	case NumberUnassign:
		c.Subject, c.Before = numberRef(number), assignment
	case NumberAccess, NumberRing:
		had := assignment
		for _, a := range number.Assignments {
			if a.To == member.ID {
				had = a
			}
		}
		c.Subject, c.Before, c.After = numberRef(number), had, assignment
	case NumberOwner:
		c.Subject, c.Before, c.After = numberRef(number), nil, Ownership{number.ID, member.ID}
		if rapid.Bool().Draw(t, "taken") {
			c.Before, c.After = c.After, nil
		}
	case NumberUpdate:
		n.Pool = rapid.SampledFrom([]string{"", "oslo"}).Draw(t, "pool")
		c.Subject, c.Before, c.After = numberRef(number), *number, n
	default:
		c.After = after
	}
	return c
}

func sortedKeys[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func drawActor(t *rapid.T, v *View) Actor {
	kind := rapid.SampledFrom([]ActorKind{ActorMember, ActorConnection, ActorSystem}).Draw(t, "actor")
	a := Actor{
		Kind: kind, ID: "okta", Label: "okta", Role: Role(rapid.IntRange(1, 3).Draw(t, "acts as")), Sponsor: "bob", Channel: ChannelSync,
		SponsorLost: rapid.IntRange(0, 5).Draw(t, "lost") == 0,
	}
	if kind == ActorMember {
		m := v.Members[rapid.SampledFrom(sortedKeys(v.Members)).Draw(t, "person")]
		a = Actor{Kind: kind, ID: m.ID, Label: m.Email, Role: m.Role, Channel: ChannelConsole}
	}
	return a
}

var machinePolicies = []string{
	"{}", "approve: []", "approve: []\nlimits: {seats: 6, administrators: 4, role_raises_per_run: 2}",
	"numbers: {view_beside_exclusive: true}\napprove: []", "protect: {members: [cy@acme.com]}", "break_glass: [eli@acme.com]",
}

// TestPlansKeepInvariants plays random plans by random actors, one after
// another, on one workspace: none creates or worsens a violation (I1, I4,
// I5, I6, I11), nobody raises themselves (I7), and the verdicts do not depend
// on the order of the changes.
func TestPlansKeepInvariants(t *testing.T) {
	policies := make([]*Policy, len(machinePolicies))
	for i, text := range machinePolicies {
		policies[i] = decode(t, text)
	}
	rapid.Check(t, func(t *rapid.T) {
		v := testView()
		policy := policies[rapid.IntRange(0, len(policies)-1).Draw(t, "policy")]
		for step := range rapid.IntRange(1, 5).Draw(t, "plans") {
			p := Proposal{Actor: drawActor(t, v), View: v, Policy: policy, Now: 1}
			for i := range rapid.IntRange(1, 7).Draw(t, "changes") {
				p.Changes = append(p.Changes, drawChange(t, v, fmt.Sprintf("%d-%d", step, i)))
			}
			if rapid.Bool().Draw(t, "approved") {
				a := as(v, "ann")
				p.Approver = &a
			}
			ds := Check(p)
			orderIndependent(t, p, ds)
			next := v.clone()
			for _, c := range inOrder(ds) {
				if c.Kind == MemberRole && p.Actor.ID == c.Subject.ID && c.Direction() == Expansion {
					t.Fatalf("I7: %s raised themselves", p.Actor.ID)
				}
				next.Apply(c)
			}
			// A cut may leave rows behind until its tail is repaired (I3): they have
			// no effect. That nothing is given to the departed has its own test.
			bad := slices.DeleteFunc(broken(v, next, policy), func(x violation) bool { return x.ID == "I3" })
			if len(bad) > 0 {
				t.Fatalf("plan by %+v breaks %+v\n%s", p.Actor, bad, show(ds))
			}
			owners, primaries := next.owners()
			if owners < 1 || primaries != 1 {
				t.Fatalf("I1: %d owners, %d primaries\n%s", owners, primaries, show(ds))
			}
			sameTotals(t, next)
			v = next
		}
	})
}

// inOrder returns the allowed changes in the order they are applied.
func inOrder(ds []Decision) []Change {
	var changes []Change
	for _, d := range ds {
		if d.Verdict == Allow {
			changes = append(changes, d.Change)
		}
	}
	out := make([]Change, 0, len(changes))
	for _, i := range Order(changes) {
		out = append(out, changes[i])
	}
	return out
}

func orderIndependent(t *rapid.T, p Proposal, ds []Decision) {
	want := map[string]Decision{}
	for _, d := range ds {
		want[d.Change.ID] = d
	}
	shuffled := p
	shuffled.Changes = rapid.Permutation(p.Changes).Draw(t, "order")
	for i, d := range Check(shuffled) {
		if d.Change.ID != shuffled.Changes[i].ID {
			t.Fatalf("decision %d is about change %s", i, d.Change.ID)
		}
		if w := want[d.Change.ID]; w.Verdict != d.Verdict || w.Rule != d.Rule {
			t.Fatalf("change %s: %s [%s] in one order, %s [%s] in another\n%s", d.Change.ID, w.Verdict, w.Rule, d.Verdict, d.Rule, show(ds))
		}
	}
}

func show(ds []Decision) string {
	s := ""
	for _, d := range ds {
		s += fmt.Sprintf("%s %s %s %s: %s [%s] %s\n", d.Change.ID, d.Change.Kind, d.Change.Subject.ID, new(View).Describe(d.Change), d.Verdict, d.Rule, d.Reason)
	}
	return s
}

// sameTotals compares the maintained counters with a count.
func sameTotals(t interface{ Fatalf(string, ...any) }, v *View) {
	var want Totals
	for _, m := range v.Members {
		want.count(m, 1)
	}
	for _, n := range v.Numbers {
		if n.State != NumberPortedOut {
			want.Numbers++
		}
	}
	if v.Totals != want {
		t.Fatalf("totals %+v, counted %+v", v.Totals, want)
	}
}

// broken returns the violations of after that before did not have, or had
// less badly. An old fault blocks nothing, else it would freeze the workspace.
func broken(before, after *View, p *Policy) []violation {
	type key struct{ id, subject string }
	old := make(map[key]int)
	for _, x := range audit(before, p) {
		old[key{x.ID, x.Subject.Type + x.Subject.ID}] = x.Size
	}
	var out []violation
	for _, x := range audit(after, p) {
		if x.Size > old[key{x.ID, x.Subject.Type + x.Subject.ID}] {
			out = append(out, x)
		}
	}
	return out
}

// clone returns a deep copy: plans are tried on copies.
func (v *View) clone() *View {
	c := &View{
		Workspace: v.Workspace, Totals: v.Totals, Plan: v.Plan, Zone: v.Zone, Subdomains: v.Subdomains,
		Members: make(map[string]*Member, len(v.Members)), Numbers: make(map[string]*Number, len(v.Numbers)),
		Groups: make(map[string]*Group, len(v.Groups)), Invitations: make(map[string]*Invitation, len(v.Invitations)),
		Domains: make(map[string]*DomainClaim, len(v.Domains)),
	}
	for id, m := range v.Members {
		x := *m
		c.Members[id] = &x
	}
	for id, n := range v.Numbers {
		x := *n
		x.Assignments = append([]Assignment(nil), n.Assignments...)
		x.Owners = append([]string(nil), n.Owners...)
		x.Reservations = append([]Reservation(nil), n.Reservations...)
		c.Numbers[id] = &x
	}
	for id, g := range v.Groups {
		x := *g
		c.Groups[id] = &x
	}
	for id, i := range v.Invitations {
		x := *i
		x.Numbers = append([]string(nil), i.Numbers...)
		c.Invitations[id] = &x
	}
	for id, d := range v.Domains {
		x := *d
		c.Domains[id] = &x
	}
	return c
}
