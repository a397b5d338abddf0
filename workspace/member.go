package workspace

// MemberState is where a member stands in their life in the workspace.
type MemberState string

// The member states of leavers-and-events section 2. Containment is a flag
// beside the state, not a state of its own.
const (
	StateActive      MemberState = "active"
	StateDeactivated MemberState = "deactivated"
	StateRemoved     MemberState = "removed"
)

// The sources of a role or grant that are no mapping row; a row's are
// "rule ID" (I8).
const (
	SourceManual = "manual"
	SourceDomain = "domain"
	SourceOwners = "owners" // the configuration's first Owner
)

// Member is a person in the workspace. A person in a directory is an
// Identity; a Member may have several of them.
type Member struct {
	ID       string
	Name     string
	Email    string // as given
	EmailKey string // folded, the domain in ASCII form; unique among members that are not removed
	Role     Role
	// RoleSource says what gave the role: "rule ID", manual, invitation,
	// domain or owners (the configuration's first Owner) (I8).
	RoleSource string
	State      MemberState
	// Contained: a directory said no to an Owner whom the plan may not take.
	// Sessions are ended and phones silent, role and numbers stay.
	Contained      bool
	ContainedSince Micros
	ContainedCause string
	Primary        bool   // the one primary Owner
	BreakGlass     bool   // an Owner no source may touch (O5)
	Epoch          int64  // session epoch; only grows (EP1)
	Version        int64  // compare-and-swap version of the row
	Seq            int64  // outbox sequence of this member's events (OB1)
	Reason         string // business reason
	JoinedAt       Micros
	DeactivatedAt  Micros
	LastActiveAt   Micros // zero: unknown
	AccessEnd      Micros // end of temporary access, zero: none
	// GraceUntil is when stage two of a leaving is due, zero: none.
	GraceUntil Micros
	// TailHeld: the cut stands, the tail waits for an approval (BU1).
	TailHeld bool
	// Unsettled: something that the mapping wants was denied, is held or cannot
	// be had yet.
	Unsettled bool
}

// Usable reports whether the member may sign in and be rung: active and not
// contained. It is computed and never stored.
func (m *Member) Usable() bool { return m != nil && m.State == StateActive && !m.Contained }
