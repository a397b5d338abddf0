package workspace

// Policy is the customer's policy: it can only tighten the matrix.
type Policy struct{}

// Check judges a whole plan and returns one decision per change, in order.
func Check(p Proposal) []Decision { panic("unwritten") }

// Apply applies one change to the view.
func (v *View) Apply(c Change) { panic("unwritten") }
