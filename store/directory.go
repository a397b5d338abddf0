package store

import (
	"iter"

	"github.com/rollcall-sync/rollcall/workspace"
)

// IdentityValue is one entry of a multi-valued attribute that filters may
// name (emails, phoneNumbers).
type IdentityValue struct {
	Attr    string
	Value   string
	Key     string // folded
	Type    string // folded, "" if none
	Primary bool
}

// IdentityRow is an identity with its index columns. Keys are folded by the
// caller; an empty key is stored as NULL ("not present").
type IdentityRow struct {
	workspace.Identity
	UserKey, EmailKey, DisplayKey, GivenKey, FamilyKey, FormattedKey, NickKey  string
	TitleKey, UserTypeKey, DepartmentKey, EmployeeKey, LocaleKey, ManagerValue string
	Values                                                                     []IdentityValue
}

// Identity finds an identity that is not deleted.
func (r *Reader) Identity(id string) (workspace.Identity, error) { panic("unwritten") }

// IdentityByExternal finds an identity of a connection by its immutable id;
// deleted ones too when gone is set (the newest).
func (r *Reader) IdentityByExternal(connection, external string, gone bool) (workspace.Identity, error) {
	panic("unwritten")
}

// IdentityByUser finds an identity of a connection by its folded login name.
func (r *Reader) IdentityByUser(connection, userKey string) (workspace.Identity, error) {
	panic("unwritten")
}

// IdentityByDN finds an identity of a connection by its canonical DN.
func (r *Reader) IdentityByDN(connection, dn string) (workspace.Identity, error) { panic("unwritten") }

// IdentitiesOf lists the identities linked to a member; deleted ones too when
// gone is set.
func (r *Reader) IdentitiesOf(member string, gone bool) ([]workspace.Identity, error) {
	panic("unwritten")
}

// HasReports tells whether an identity that is not deleted names one of these
// as its manager.
func (r *Reader) HasReports(ids []string) (bool, error) { panic("unwritten") }

// GroupRef is a directory group somebody is in, directly or nested.
type GroupRef struct {
	Connection, ID, ExternalID, Name string
	Via                              string // name of the direct group, "" if direct
}

// GroupsAbove lists the directory groups above these identities, direct ones
// first, nested to depth 16; loops are legal.
func (r *Reader) GroupsAbove(identities []string) ([]GroupRef, error) { panic("unwritten") }

// IdentitiesBelow yields the ids of the identities in a directory group,
// directly or nested, each once, in no order.
func (r *Reader) IdentitiesBelow(group string) iter.Seq2[string, error] { panic("unwritten") }

// InsertIdentity writes a new identity and counts it.
func (t *Tx) InsertIdentity(row IdentityRow) error { panic("unwritten") }

// UpdateIdentity replaces an identity whose version is row.Version-1, or
// gives workspace.ErrStale. Values nil leaves identity_value rows alone.
func (t *Tx) UpdateIdentity(row IdentityRow) error { panic("unwritten") }

// LinkIdentity sets the member of an identity without a new version.
func (t *Tx) LinkIdentity(id, member string) error { panic("unwritten") }

// DeleteIdentity turns an identity into a tombstone row: deleted, edges gone,
// counted out. The row stays for rehire by immutable id.
func (t *Tx) DeleteIdentity(id, reason string, at workspace.Micros) error { panic("unwritten") }

// DirectoryGroup finds a directory group.
func (r *Reader) DirectoryGroup(id string) (workspace.DirectoryGroup, error) { panic("unwritten") }

// DirectoryGroupByExternal finds a group by its immutable id at the source.
func (r *Reader) DirectoryGroupByExternal(connection, external string) (workspace.DirectoryGroup, error) {
	panic("unwritten")
}

// DirectoryGroupByName finds a group of a connection by folded name.
func (r *Reader) DirectoryGroupByName(connection, key string) (workspace.DirectoryGroup, error) {
	panic("unwritten")
}

// InsertDirectoryGroup writes a new group; nameKey is its folded name.
func (t *Tx) InsertDirectoryGroup(g workspace.DirectoryGroup, nameKey string) error {
	panic("unwritten")
}

// UpdateDirectoryGroup replaces a group whose version is g.Version-1, or
// gives workspace.ErrStale. MemberCount is not written.
func (t *Tx) UpdateDirectoryGroup(g workspace.DirectoryGroup, nameKey string) error {
	panic("unwritten")
}

// DeleteDirectoryGroup removes a group and its edges, and counts it out.
func (t *Tx) DeleteDirectoryGroup(id string) error { panic("unwritten") }

// Edge is one membership edge of a directory group.
type Edge struct {
	Child string
	Kind  string // user or group
}

// Edges yields a group's direct edges in order of kind and child.
func (r *Reader) Edges(group string) iter.Seq2[Edge, error] { panic("unwritten") }

// HasEdge tells whether a direct edge exists.
func (r *Reader) HasEdge(group string, e Edge) (bool, error) { panic("unwritten") }

// KindsOf tells, for each id that is a live identity or group of the
// connection, which it is ("user" or "group"); unknown ids are missing.
func (r *Reader) KindsOf(connection string, ids []string) (map[string]string, error) {
	panic("unwritten")
}

// AddEdges adds edges and returns those that were new; member_count moves by
// their number in one statement.
func (t *Tx) AddEdges(group string, edges []Edge, at workspace.Micros) ([]Edge, error) {
	panic("unwritten")
}

// RemoveEdges removes edges and returns those that were there.
func (t *Tx) RemoveEdges(group string, edges []Edge) ([]Edge, error) { panic("unwritten") }

// UserQuery is a list of identities of one connection. Where and Args come
// from the filter compiler; the empty Where lists all.
type UserQuery struct {
	Connection string
	Where      string
	Args       []any
	Start      int // 1-based index
	Count      int
}

// Users counts and yields the page of identities, ordered by creation.
// Without a filter the total comes from the maintained counter and deep
// pages seek from remembered keys.
func (r *Reader) Users(q UserQuery) (total int, page []workspace.Identity, err error) {
	panic("unwritten")
}

// DirectoryGroups is Users for groups; edges are not read.
func (r *Reader) DirectoryGroups(q UserQuery) (total int, page []workspace.DirectoryGroup, err error) {
	panic("unwritten")
}
