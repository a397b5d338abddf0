package store

import "github.com/rollcall-sync/rollcall/workspace"

// MemberListing is a member as listings show it.
type MemberListing struct {
	workspace.Member
	Groups      []string // names
	Numbers     []NumberHolding
	Connections []string
}

// NumberHolding is one number of a member in a listing.
type NumberHolding struct {
	Number string `json:"number"`
	Access string `json:"access"`
	Owner  bool   `json:"owner"`
	Ring   int    `json:"ring"`
}

// MemberFilter narrows a listing of members.
type MemberFilter struct {
	// States lists states to show; empty shows those who are not removed.
	States []workspace.MemberState
	Role   workspace.Role
	Group  string // folded name
	// Person finds by id, or folded address or name.
	Person string
	After  string // member id, keyset
	Limit  int
}

// Members lists members with their groups, numbers and connections, by
// member id, in a fixed number of statements per page.
func (r *Reader) Members(f MemberFilter) ([]MemberListing, error) { panic("unwritten") }

// GroupListing is a group as listings show it.
type GroupListing struct {
	workspace.Group
	Members []string // e-mail addresses
}

// Groups lists workspace groups with up to maxMembers members each.
func (r *Reader) Groups(nameKey string, maxMembers int) ([]GroupListing, error) { panic("unwritten") }

// NumberListing is a number as listings show it.
type NumberListing struct {
	workspace.Number
	OwnerEmails []string
	To          []AssigneeListing
}

// AssigneeListing is one assignee of a number by name.
type AssigneeListing struct {
	To     string `json:"to"`
	Kind   string `json:"kind"`
	Access string `json:"access"`
	Ring   int    `json:"ring"`
}

// Numbers lists numbers by E.164 text after a key; e164 "" lists all.
func (r *Reader) Numbers(e164, after string, limit int) ([]NumberListing, error) { panic("unwritten") }

// Invitations lists invitations, newest first; state "" lists all.
func (r *Reader) Invitations(state string, limit int) ([]workspace.Invitation, error) {
	panic("unwritten")
}

// Unowned lists numbers without owner, group or pool, or with inactive owners
// only (F09).
func (r *Reader) Unowned() ([]workspace.Number, error) { panic("unwritten") }
