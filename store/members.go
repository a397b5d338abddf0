package store

import "github.com/rollcall-sync/rollcall/workspace"

// Member finds a member in any state.
func (r *Reader) Member(id string) (workspace.Member, error) { panic("unwritten") }

// MemberByEmail finds the member with a folded address who is not removed.
func (r *Reader) MemberByEmail(key string) (workspace.Member, error) { panic("unwritten") }

// Owners lists the active Owners.
func (r *Reader) Owners() ([]workspace.Member, error) { panic("unwritten") }

// Totals reads the maintained counters.
func (r *Reader) Totals() (workspace.Totals, error) { panic("unwritten") }

// CountTotals counts them anew, for checks.
func (r *Reader) CountTotals() (workspace.Totals, error) { panic("unwritten") }

// AddTotals moves the counters by a difference.
func (t *Tx) AddTotals(d workspace.Totals) error { panic("unwritten") }

// InsertMember writes a new member.
func (t *Tx) InsertMember(m workspace.Member) error { panic("unwritten") }

// UpdateMember replaces a member whose stored version is m.Version-1, or
// gives workspace.ErrStale. Seq is not written.
func (t *Tx) UpdateMember(m workspace.Member) error { panic("unwritten") }

// SupportRow is one supporter of a grant (mapping section 5).
type SupportRow struct {
	Member, Kind, Object, By string
	Value                    string // role, access, end date
	Connection, Source       string
	Run, Author              string
	Since, Confirmed, Until  workspace.Micros
}

// Supports lists the supporters of a member's grants.
func (r *Reader) Supports(member string) ([]SupportRow, error) { panic("unwritten") }

// PutSupport inserts or replaces a supporter (Since is kept on replace).
func (t *Tx) PutSupport(s SupportRow) error { panic("unwritten") }

// DeleteSupport removes one supporter.
func (t *Tx) DeleteSupport(member, kind, object, by string) error { panic("unwritten") }

// DeleteSupports removes all supporters of a member.
func (t *Tx) DeleteSupports(member string) error { panic("unwritten") }

// ExceptionRow is a person's exception from a row (MP3).
type ExceptionRow struct {
	Member, Kind, Object, Rule, By, Reason string
	At, Until                              workspace.Micros
}

// Exceptions lists a member's exceptions.
func (r *Reader) Exceptions(member string) ([]ExceptionRow, error) { panic("unwritten") }

// PutException writes an exception.
func (t *Tx) PutException(e ExceptionRow) error { panic("unwritten") }

// DeleteExceptions removes all exceptions of a member.
func (t *Tx) DeleteExceptions(member string) error { panic("unwritten") }

// Group finds a workspace group.
func (r *Reader) Group(id string) (workspace.Group, error) { panic("unwritten") }

// GroupByName finds a workspace group by folded name.
func (r *Reader) GroupByName(key string) (workspace.Group, error) { panic("unwritten") }

// GroupsOf lists the workspace groups a member is in.
func (r *Reader) GroupsOf(member string) ([]workspace.Group, error) { panic("unwritten") }

// GroupMembers lists up to limit members of a group after a member id.
func (r *Reader) GroupMembers(group, after string, limit int) ([]workspace.Member, error) {
	panic("unwritten")
}

// InsertGroup writes a new group.
func (t *Tx) InsertGroup(g workspace.Group) error { panic("unwritten") }

// UpdateGroup renames a group (compare-and-swap on version-1).
func (t *Tx) UpdateGroup(g workspace.Group) error { panic("unwritten") }

// DeleteGroup removes a group, its memberships and its assignments.
func (t *Tx) DeleteGroup(id string) error { panic("unwritten") }

// JoinGroup adds a member; false if they were in it already.
func (t *Tx) JoinGroup(m workspace.GroupMembership) (bool, error) { panic("unwritten") }

// LeaveGroup takes a member out; false if they were not in it.
func (t *Tx) LeaveGroup(group, member string) (bool, error) { panic("unwritten") }

// TombstoneRow is one tombstone (leavers-and-events section 6).
type TombstoneRow struct {
	Value, Kind, Member, Cause, Connection, LiftedBy string
	ByPerson                                         bool
	At, LiftedAt                                     workspace.Micros
}

// Tombstones finds the tombstones in force for any of these values.
func (r *Reader) Tombstones(values []string) ([]TombstoneRow, error) { panic("unwritten") }

// TombstonesOf lists the tombstones in force of a member.
func (r *Reader) TombstonesOf(member string) ([]TombstoneRow, error) { panic("unwritten") }

// PutTombstone writes a tombstone, or puts a lifted one into force again.
func (t *Tx) PutTombstone(row TombstoneRow) error { panic("unwritten") }

// LiftTombstones lifts those of a member.
func (t *Tx) LiftTombstones(member, by string, at workspace.Micros) error { panic("unwritten") }

// Snapshot reads a leaver's snapshot.
func (r *Reader) Snapshot(member string) (body []byte, takenAt workspace.Micros, err error) {
	panic("unwritten")
}

// PutSnapshot writes it; a later one replaces it.
func (t *Tx) PutSnapshot(member string, body []byte, at workspace.Micros) error { panic("unwritten") }

// DeleteSnapshot removes it.
func (t *Tx) DeleteSnapshot(member string) error { panic("unwritten") }

// RepairRow is a tail step that failed and is tried again.
type RepairRow struct {
	Member, Step, Error string
	Tries               int
	At                  workspace.Micros
}

// Repairs lists repair tasks, oldest first.
func (r *Reader) Repairs(limit int) ([]RepairRow, error) { panic("unwritten") }

// PutRepair writes or replaces a repair task.
func (t *Tx) PutRepair(row RepairRow) error { panic("unwritten") }

// DeleteRepair removes it.
func (t *Tx) DeleteRepair(member, step string) error { panic("unwritten") }

// InvitationByID finds an invitation.
func (r *Reader) InvitationByID(id string) (workspace.Invitation, error) { panic("unwritten") }

// PendingInvitation finds the pending invitation of a folded address.
func (r *Reader) PendingInvitation(emailKey string) (workspace.Invitation, error) {
	panic("unwritten")
}

// PendingBy lists the pending invitations a member sent.
func (r *Reader) PendingBy(inviter string) ([]workspace.Invitation, error) { panic("unwritten") }

// PutInvitation inserts (Version 1) or replaces (compare-and-swap).
func (t *Tx) PutInvitation(i workspace.Invitation) error { panic("unwritten") }

// Domains lists the domain claims.
func (r *Reader) Domains() ([]workspace.DomainClaim, error) { panic("unwritten") }

// PutDomain inserts or replaces a claim.
func (t *Tx) PutDomain(d workspace.DomainClaim) error { panic("unwritten") }

// DueMembers lists active members whose access has ended, and leavers whose
// grace has, at a moment.
func (r *Reader) DueMembers(at workspace.Micros, limit int) (expired, graceOver []workspace.Member, err error) {
	panic("unwritten")
}
