package workspace

import (
	"crypto/sha256"
	"encoding/hex"
)

// Permission is the id of a row of the role matrix, M01 to M13; "" is no row.
type Permission string

// The rows of the role matrix (domain section 1).
const (
	CommsUse             Permission = "M01"
	ContactsManage       Permission = "M02"
	ContactsImport       Permission = "M03"
	MemberInvite         Permission = "M04"
	MemberRemoving       Permission = "M05"
	MemberRoles          Permission = "M06"
	BillingManage        Permission = "M07"
	NumberSettings       Permission = "M08"
	NumberAdd            Permission = "M09"
	GroupCreating        Permission = "M10"
	IntegrationConfigure Permission = "M11"
	PortManage           Permission = "M12"
	OwnerChange          Permission = "M13"
)

// Row is one row of the role matrix. Text is what users read, Action the key
// of programs; the ticks say which roles may.
type Row struct {
	ID     Permission
	Text   string
	Action string
	Owner  bool
	Admin  bool
	Member bool
}

// matrix is the whole of what roles may do: 39 cells, 29 of them ticked. It
// is a table and no policy engine, so that every case can be enumerated and
// the row itself is the reason. There are no custom roles (C9).
var matrix = [13]Row{
	{CommsUse, "Send texts, make calls, message teammates", "comms.use", true, true, true},
	{ContactsManage, "Manage contacts", "contacts.manage", true, true, true},
	{ContactsImport, "Bulk import contacts (Google/CSV)", "contacts.import", true, true, true},
	{MemberInvite, "Invite team members", "member.invite", true, true, true},
	{MemberRemoving, "Remove team members", "member.remove", true, true, false},
	{MemberRoles, "Update member roles", "member.role", true, true, false},
	{BillingManage, "Manage billing", "billing.manage", true, true, false},
	{NumberSettings, "Update phone number settings", "number.settings", true, true, false},
	{NumberAdd, "Add new phone numbers", "number.add", true, true, false},
	{GroupCreating, "Create workspace groups", "group.create", true, true, false},
	{IntegrationConfigure, "Configure integrations", "integration.configure", true, true, false},
	{PortManage, "Submit/manage port requests", "port.manage", true, true, false},
	{OwnerChange, "Add/remove other owners", "owner.change", true, false, false},
}

// Allows reports whether the row is ticked for a role; RoleNone never is.
func (r *Row) Allows(role Role) bool {
	switch role {
	case RoleOwner:
		return r.Owner
	case RoleAdmin:
		return r.Admin
	case RoleMember:
		return r.Member
	default:
		return false
	}
}

// index gives the place of a row in the matrix, or -1 for no row.
func (p Permission) index() int {
	if len(p) != 3 || p[0] != 'M' {
		return -1
	}
	tens, ones := int(p[1])-'0', int(p[2])-'0'
	if tens < 0 || tens > 9 || ones < 0 || ones > 9 {
		return -1
	}
	n := tens*10 + ones
	if n < 1 || n > len(matrix) {
		return -1
	}
	return n - 1
}

// Can reports whether the matrix gives a row to a role. An unknown row is
// given to nobody. Scope rules and the customer's policy are not looked at.
func Can(role Role, permission Permission) bool {
	i := permission.index()
	return i >= 0 && matrix[i].Allows(role)
}

// Rows returns a copy of the matrix, in order.
func Rows() []Row { return append([]Row(nil), matrix[:]...) }

// Lookup returns the row with an id, and whether there is one.
func Lookup(id Permission) (Row, bool) {
	i := id.index()
	if i < 0 {
		return Row{}, false
	}
	return matrix[i], true
}

// MatrixHash is "sha256:" and the hex digest of the role matrix. It is
// part of every policy hash: a report names the rules it was judged by.
func MatrixHash() string { return matrixHash }

var matrixHash = func() string {
	h := sha256.New()
	for i := range matrix {
		r := &matrix[i]
		hashFields(h, string(r.ID), r.Text, r.Action, tick(r.Owner), tick(r.Admin), tick(r.Member))
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}()

func tick(t bool) string {
	if t {
		return "x"
	}
	return "-"
}
