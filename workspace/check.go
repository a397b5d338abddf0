package workspace

// Proposal is a plan put before the role matrix, the invariants and the
// customer's policy: who asks, what for, on which state.
type Proposal struct {
	Actor Actor
	// Approver is the person who agrees to what would otherwise be held; nil
	// when nobody has.
	Approver *Actor
	Changes  []Change
	View     *View
	Policy   *Policy
	Now      Micros
}
