package workspace

// Group is a workspace group: a set of members that call flows, analytics
// and number assignments name. Its members are never loaded with it.
type Group struct {
	ID          string
	Name        string
	NameKey     string // folded, unique per workspace
	Version     int64
	MemberCount int64
	CreatedAt   Micros
}

// GroupMembership is one member in one group.
type GroupMembership struct {
	Group  string
	Member string
	Since  Micros
}
