package workspace

// Proposal is a plan put before the role matrix, the invariants and the
// customer's policy: who asks, what for, on which state.
type Proposal struct {
	Actor Actor
	// Approver is the person who agrees to what would otherwise be held; nil
	// when nobody has.
	Approver *Actor
	// Second is the second approver where policy.second_approver asks for
	// one; nil when nobody has agreed a second time.
	Second  *Actor
	Changes []Change
	View    *View
	Policy  *Policy
	Now     Micros
}

// Check judges a whole plan and returns one decision per change, in the
// order of the changes. The verdict is the strictest of three layers, deny
// over hold over allow: role matrix and scope rules, the invariants on the
// state after the whole plan, and the customer's policy (domain section 6).
//
// What breaks an invariant is withdrawn one by one in a fixed order, with
// what depends on it, until the invariant holds; the result does not depend
// on the order of the changes. Neither the proposal nor its view is written
// to. Decisions may share their Invariants: treat them as read-only.
func Check(p Proposal) []Decision {
	if p.Policy == nil {
		p.Policy = defaultPolicy
	}
	ds := make([]Decision, len(p.Changes))
	j := judge{p: &p, policy: p.Policy, view: p.View}
	for i := range p.Changes {
		j.one(&p.Changes[i], &ds[i])
	}
	if len(ds) == 1 && ds[0].Verdict == Deny {
		return ds
	}
	t := trial{judge: &j, ds: ds}
	t.run()
	return ds
}

// defaultPolicy is what a nil policy means. It is never written to.
var defaultPolicy = Default()
