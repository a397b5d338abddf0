package workspace

// View is the slice of a workspace that one plan can touch: what its changes
// name, every active Owner, and the counters. It is loaded in the writing
// transaction and judged by Check; its size follows the size of the change,
// never the size of the workspace. A View is owned by one goroutine.
type View struct {
	Workspace   string
	Members     map[string]*Member     // by id: all whom the plan names, all active Owners, the sponsor
	Numbers     map[string]*Number     // by id, whole
	Groups      map[string]*Group      // by id
	Invitations map[string]*Invitation // by id
	Domains     map[string]*DomainClaim
	// Subdomains: a claim covers the names below its own too (DC5).
	Subdomains bool
	Totals     Totals
	// Plan is the workspace's product plan, for spending limits; empty counts
	// as the dearest.
	Plan Plan
	// Zone is the workspace's IANA time zone, for freezes and billing periods.
	Zone string
}

// Totals are the workspace's maintained counters.
type Totals struct {
	Active  int // active members, contained ones included
	Owners  int // active Owners
	Admins  int // active Admins
	Seats   int // active members and leavers in grace
	Numbers int // numbers not ported out
}
