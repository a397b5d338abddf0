package store

import "github.com/rollcall-sync/rollcall/workspace"

// Number reads a number whole, with assignments, owners and reservations.
func (r *Reader) Number(id string) (workspace.Number, error) { panic("unwritten") }

// NumberByE164 finds a number of the inventory, whole.
func (r *Reader) NumberByE164(e164 string) (workspace.Number, error) { panic("unwritten") }

// NumberByName finds a number by folded inbox name, whole.
func (r *Reader) NumberByName(key string) (workspace.Number, error) { panic("unwritten") }

// NumbersOf lists, whole, the numbers a member has access to directly, owns,
// or has reserved.
func (r *Reader) NumbersOf(member string) ([]workspace.Number, error) { panic("unwritten") }

// NumbersTo lists, whole, the numbers assigned to a group or an invitation,
// reservations for an invitation included.
func (r *Reader) NumbersTo(kind workspace.AssigneeKind, id string) ([]workspace.Number, error) {
	panic("unwritten")
}

// LowestFree gives the free number with the lowest E.164 text that is in the
// pool by name, or has the prefix and, unless empty, the site; numbers named
// in skip are passed by.
func (r *Reader) LowestFree(pool, prefix, site string, skip map[string]bool) (workspace.Number, error) {
	panic("unwritten")
}

// NumbersOwnedBySame lists numbers one of whose owners has an identity with
// this folded attribute value (department, title).
func (r *Reader) NumbersOwnedBySame(attr, key string) ([]workspace.Number, error) {
	panic("unwritten")
}

// InsertNumber writes a number of the inventory.
func (t *Tx) InsertNumber(n workspace.Number) error { panic("unwritten") }

// UpdateNumber replaces a number's own columns (compare-and-swap on
// version-1); its lists are written by the calls below.
func (t *Tx) UpdateNumber(n workspace.Number) error { panic("unwritten") }

// PutAssignment inserts or replaces one assignment.
func (t *Tx) PutAssignment(a workspace.Assignment) error { panic("unwritten") }

// DeleteAssignment removes one assignment.
func (t *Tx) DeleteAssignment(number string, kind workspace.AssigneeKind, to string) error {
	panic("unwritten")
}

// AddOwner and RemoveOwner write ownership.
func (t *Tx) AddOwner(o workspace.Ownership) error { panic("unwritten") }

// RemoveOwner takes an ownership away.
func (t *Tx) RemoveOwner(o workspace.Ownership) error { panic("unwritten") }

// PutReservation inserts or replaces a reservation.
func (t *Tx) PutReservation(v workspace.Reservation) error { panic("unwritten") }

// DeleteReservation removes one.
func (t *Tx) DeleteReservation(number string, kind workspace.AssigneeKind, forID string) error {
	panic("unwritten")
}
