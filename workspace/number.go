package workspace

import "fmt"

// NumberState is where a phone number stands.
type NumberState string

// The number states of domain section 2.
const (
	NumberFree        NumberState = "free"
	NumberAssigned    NumberState = "assigned"
	NumberReserved    NumberState = "reserved"
	NumberQuarantined NumberState = "quarantined"
	NumberPorting     NumberState = "porting"
	NumberPortedOut   NumberState = "ported_out"
)

// Access is what an assignment allows (R11). The zero value is no access;
// a greater value allows more.
type Access uint8

// The kinds of access, from least to most.
const (
	AccessNone Access = iota
	AccessViewOnly
	AccessShared
	AccessExclusive
)

// String returns the name used in reports and the store, "" for none.
func (a Access) String() string {
	switch a {
	case AccessViewOnly:
		return "view_only"
	case AccessShared:
		return "shared"
	case AccessExclusive:
		return "exclusive"
	default:
		return ""
	}
}

// ParseAccess reads a name as String writes it.
func ParseAccess(s string) (Access, bool) {
	switch s {
	case "view_only":
		return AccessViewOnly, true
	case "shared":
		return AccessShared, true
	case "exclusive":
		return AccessExclusive, true
	}
	return AccessNone, false
}

// MarshalText implements encoding.TextMarshaler.
func (a Access) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; empty text is no access.
func (a *Access) UnmarshalText(b []byte) error {
	v, ok := ParseAccess(string(b))
	if !ok && len(b) > 0 {
		return fmt.Errorf("unknown access %q: use exclusive, shared or view_only", b)
	}
	*a = v
	return nil
}

// Rings reports whether this access rings: view-only never does (R13).
func (a Access) Rings() bool { return a == AccessShared || a == AccessExclusive }

// Number is a phone number of the workspace's inventory with everything that
// hangs on it: who may use it, in which order it rings, who owns it, for
// whom it is held. These lists are short by nature, so they travel whole.
type Number struct {
	ID      string
	E164    string
	Name    string // inbox name
	Type    string // local, mobile, tollfree
	Pool    string // "" if in no pool
	Site    string
	State   NumberState
	Version int64
	Seq     int64
	// QuarantineUntil is when a number that returned to its pool may be
	// given again; zero: not in quarantine.
	QuarantineUntil Micros
	// LegalHold blocks purge, the end of a quarantine and release (NH5).
	LegalHold bool

	Assignments  []Assignment  // ordered by ring position, the silent ones last, then by id of To
	Owners       []string      // member ids, sorted
	Reservations []Reservation // at most a few
}

// AssigneeKind says to whom a number is assigned.
type AssigneeKind string

// The kinds of assignee: exclusive access goes to members only.
const (
	ToMember     AssigneeKind = "member"
	ToGroup      AssigneeKind = "group"
	ToInvitation AssigneeKind = "invitation"
)

// Assignment gives a member, a group or a pending invitation access to a
// number.
type Assignment struct {
	Number string
	Kind   AssigneeKind
	To     string
	Access Access
	// Ring is the position among those who ring, dense 1..n (I5); 0 for
	// view-only access and for invitations, which do not ring.
	Ring   int
	Notify bool
	Since  Micros
}

// Ownership is one member's ownership of one number, apart from access (R08).
type Ownership struct {
	Number string
	Member string
}

// Reservation keeps a number for a member (grace of a leaver, import) or for
// an invitation.
type Reservation struct {
	Number string
	Kind   AssigneeKind // ToMember or ToInvitation
	For    string
	Until  Micros // zero: without end
	Why    string
}
