// Package mapping turns identities, what directories say about a person, into
// the wanted membership: in or out, role, end date, groups, numbers and
// number owners. It is pure: no store, network, clock or randomness.
package mapping

import (
	"time"

	"github.com/rollcall-sync/rollcall/workspace"
)

// Truth is a three-valued truth: an absent attribute makes a condition
// unknown, which is neither true nor false (I14, MC1). The zero value is
// Unknown.
type Truth uint8

// The truth values.
const (
	Unknown Truth = iota
	False
	True
)

// GroupRef is one directory group a person is in, directly or nested. Via
// names the direct group when the membership is nested.
type GroupRef struct {
	Connection string
	ID         string // our id of the directory group
	ExternalID string
	Name       string
	Via        string
}

// Person is what the rules see: all identities linked into one person (not
// the deleted ones), and their directory groups.
type Person struct {
	// Member is the member's id, "" for a person who is none yet.
	Member     string
	Identities []workspace.Identity
	Groups     []GroupRef
	// GroupsUnknown names connections whose memberships of this person are
	// unknown now (an overage claim, an unreadable list).
	GroupsUnknown map[string]bool
	HasReports    Truth
	// Have is what the person holds now, for `keep` and for grants of rows
	// that are unknown this time.
	Have Have
}

// Have is what a member holds now.
type Have struct {
	Role    workspace.Role
	Numbers []HeldNumber
	// Supports names, per grant, the rows that support it now.
	Supports []Support
}

// HeldNumber is one number a person has access to directly.
type HeldNumber struct {
	Number string // id
	E164   string
	Access workspace.Access
}

// GrantKind is what kind of thing a grant gives.
type GrantKind string

// The kinds of grant of mapping section 5. A membership grant is kept under
// GrantMember: it tells what made the person a member.
const (
	GrantMember GrantKind = "member"
	GrantRole   GrantKind = "role"
	GrantGroup  GrantKind = "group"
	GrantNumber GrantKind = "number"
	GrantOwner  GrantKind = "owner"
	GrantEnd    GrantKind = "end"
)

// Support is one supporter of a grant: a row, a person (manual), an
// invitation or a domain.
type Support struct {
	Kind   GrantKind
	Object string // group id, number id; "" for role, member and end
	Value  string // role, access or date
	By     string // "rule ID", "manual", "invitation", "domain"
}

// Want is the wanted membership of one person.
type Want struct {
	// Excluded: the person does not exist for us; nothing changes.
	Excluded   bool
	ExcludedBy string
	// Active is the merged directory state: False is an explicit no of a
	// connection that may end access, Unknown changes nothing.
	Active   Truth
	ActiveBy string // connection that said no
	// Member says whether the person should be a member (eligible).
	Member   Truth
	MemberBy string
	// Protected: no row lowers this person.
	Protected   bool
	ProtectedBy string
	// Roles are the true role rows in order of precedence; the first wins,
	// later ones are taken when a cap or a hold passes the earlier by. The
	// last entry is always Member. Unknown rows above the first true one set
	// RoleUnknown: the present role stays, a newcomer gets the lower.
	Roles       []WantRole
	RoleUnknown bool
	// End is the end of access, zero for none; EndUnknown keeps the present.
	End        workspace.Micros
	EndBy      string
	EndUnknown bool
	// EndWarn is how long before End its sponsor is told, 0 for no notice.
	EndWarn time.Duration
	Groups  []WantGroup
	Numbers []WantNumber
	// Owns lists numbers the person is wanted to own by `rollcall.numberOwnerOf`
	// style attribute rows.
	Owns []WantOwn
	// UnknownRows are rows whose condition is unknown: they keep what they
	// gave and give nothing new.
	UnknownRows map[string]bool
	// Profile of the merged person; Name is "" when no identity states one.
	Name  string
	Email string // "" when no identity states one
	// HandoverTo names who takes a leaver's numbers, "" if nobody is named.
	HandoverTo string
	Reason     string // rollcall.accessReason
	Notices    []Notice
}

// WantRole is one role a row wants.
type WantRole struct {
	Role    workspace.Role
	Row     string
	Owner   string // e-mail of the person who answers for the row
	Cap     int    // 0: none
	Approve bool   // `approve: always`
	Source  string // what made it true, in words
	// Direct: the value came from an input that the request wrote itself.
	Direct bool
}

// WantGroup is one workspace group a row wants.
type WantGroup struct {
	Name   string // name or id of the workspace group
	Row    string
	Owner  string
	Source string
	Create bool // make the group if there is none (M10)
	// CreateMax bounds how many groups the row may have made; 0 without Create.
	CreateMax int
	Direct    bool
}

// WantNumber is one number access that a row resolved to.
type WantNumber struct {
	Number  string // id
	E164    string
	Access  workspace.Access
	Row     string
	Owner   string
	Source  string
	Ring    RingOrder
	Notify  bool
	How     string // keep, attribute, invitation, reserved, pool, share, fixed
	Demoted string // member id whose exclusive access becomes shared (`taken: share`), ""
	Direct  bool
	// Ask holds the grant: nothing fits without a person's choice.
	Ask        bool
	Candidates []string // E.164, at most five
	// Denied tells why a number that was named may not be given; the engine
	// records it as a denied change. Code is one of notInInventory, taken,
	// invalid, porting.
	Denied     string
	DeniedCode string
	// Holder is the member whose exclusive access stands against a number
	// that is denied as taken, "" if nobody's does.
	Holder string
	Tried  []Attempt
}

// WantOwn is ownership of a number that a person's own attribute asks for.
type WantOwn struct {
	Number string
	E164   string
	Row    string
	Owner  string
	Source string
	Direct bool
	// Denied tells why the number may not be owned; DeniedCode as in
	// WantNumber.
	Denied     string
	DeniedCode string
}

// RingOrder says where a newcomer stands in a ring order.
type RingOrder string

// The ring orders of MR5; the empty value is RingLast.
const (
	RingLast      RingOrder = "last"
	RingSeniority RingOrder = "seniority"
	RingName      RingOrder = "name"
)

// Attempt is one strategy that was tried for a number.
type Attempt struct {
	Strategy string
	Result   string
}

// Notice is something worth a person's attention that is no failure.
type Notice struct {
	Row  string
	Text string
}

// Inventory is what the number strategies ask of the workspace. It is
// answered from the store while planning and from fixtures in rule tests;
// implementations are used by one goroutine.
type Inventory interface {
	// ByE164 finds a number of the inventory; ok is false if it has none.
	ByE164(e164 string) (n workspace.Number, ok bool, err error)
	// ByName finds a number by its inbox name, folded.
	ByName(name string) (n workspace.Number, ok bool, err error)
	// ReservedFor lists numbers reserved for a member.
	ReservedFor(member string) ([]workspace.Number, error)
	// InvitedFor lists numbers given in advance to the folded address.
	InvitedFor(emailKey string) ([]workspace.Number, error)
	// LowestFree gives the lowest free number of a pool, skipping those
	// named, quarantined and porting ones.
	LowestFree(pool Pool, skip map[string]bool) (n workspace.Number, ok bool, err error)
	// OfGroup lists the numbers of a workspace group.
	OfGroup(group string) ([]workspace.Number, error)
	// OwnedBySame lists numbers one of whose owners has the same folded value
	// of the attribute.
	OwnedBySame(attr, valueKey string) ([]workspace.Number, error)
}

// Pool is a pool of numbers: those of the inventory whose pool name it is,
// or whose E.164 text has the prefix and, where set, whose site it is.
type Pool struct {
	Name      string
	Prefix    string
	Site      string
	WarnBelow int
}

// Facts are what a mapping needs to know of the workspace besides the person.
type Facts struct {
	// ClaimedDomains holds the verified domains, ASCII form.
	ClaimedDomains map[string]bool
	Inventory      Inventory
	// ViewBesideExclusive mirrors policy numbers.view_beside_exclusive (R12).
	ViewBesideExclusive bool
}
