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

// Clone returns a deep copy: plans are tried on copies.
func (v *View) Clone() *View {
	c := &View{
		Workspace: v.Workspace, Totals: v.Totals, Plan: v.Plan, Zone: v.Zone,
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
