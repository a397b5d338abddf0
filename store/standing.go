package store

import (
	"slices"

	"github.com/rollcall-sync/rollcall/workspace"
)

// Standing is what a unit asks of its workspace before anything else: the
// maintained counters, and what prices depend on.
type Standing struct {
	Totals               workspace.Totals
	Plan, Zone           string
	PeriodFrom, PeriodTo workspace.Micros
}

// absent are the rare things of which a workspace has none at all: asking for
// them again is left out.
type absent struct {
	holds, exceptions, tombstones, invitations, rejections, domains, sinks, counts bool
}

const sqlStanding = `SELECT w.members_active, w.owners, w.admins, w.seats, w.numbers, w.plan, w.zone, w.period_from, w.period_to,
		NOT EXISTS (SELECT 1 FROM hold h WHERE h.workspace_id = w.workspace_id AND h.state = 'open'),
		NOT EXISTS (SELECT 1 FROM exception e WHERE e.workspace_id = w.workspace_id),
		NOT EXISTS (SELECT 1 FROM tombstone t WHERE t.workspace_id = w.workspace_id),
		NOT EXISTS (SELECT 1 FROM invitation i WHERE i.workspace_id = w.workspace_id AND i.state = 'pending'),
		NOT EXISTS (SELECT 1 FROM rejection r WHERE r.workspace_id = w.workspace_id),
		NOT EXISTS (SELECT 1 FROM domain_claim d WHERE d.workspace_id = w.workspace_id),
		NOT EXISTS (SELECT 1 FROM sink s WHERE s.workspace_id = w.workspace_id),
		NOT EXISTS (SELECT 1 FROM brake_count b WHERE b.workspace_id = w.workspace_id)
	FROM workspace w WHERE w.workspace_id = ?`

// Standing reads it. Where nobody else writes while the unit runs (SQLite),
// the unit remembers which rare things there are none of, until it writes one.
// On PostgreSQL another unit may commit one between, so there every look-up
// is made.
func (t *Tx) Standing() (Standing, error) {
	both, err := hot(t, hotStanding, "", same[standing], func() (standing, error) {
		var s standing
		err := t.row(sqlStanding, t.ws).Scan(&s.Totals.Active, &s.Totals.Owners, &s.Totals.Admins, &s.Totals.Seats,
			&s.Totals.Numbers, &s.Plan, &s.Zone, &s.PeriodFrom, &s.PeriodTo, &s.none.holds, &s.none.exceptions,
			&s.none.tombstones, &s.none.invitations, &s.none.rejections, &s.none.domains, &s.none.sinks, &s.none.counts)
		return s, err
	})
	if t.alone {
		t.none = both.none
	}
	return both.Standing, err
}

// standing is what Standing reads.
type standing struct {
	Standing
	none absent
}

// Owners is Reader.Owners.
func (t *Tx) Owners() ([]workspace.Member, error) {
	return hot(t, hotOwners, "", slices.Clone[[]workspace.Member], t.Reader.Owners)
}

// Connection is Reader.Connection.
func (t *Tx) Connection(id string) (ConnectionRow, error) {
	return hot(t, hotConnection, id, same[ConnectionRow], func() (ConnectionRow, error) { return t.Reader.Connection(id) })
}

// same is the clone of a value without a pointer.
func same[T any](v T) T { return v }

// OpenHolds is Reader.OpenHolds.
func (t *Tx) OpenHolds(subject string) ([]HoldRow, error) {
	if t.none.holds {
		return nil, nil
	}
	return t.Reader.OpenHolds(subject)
}

// Exceptions is Reader.Exceptions.
func (t *Tx) Exceptions(member string) ([]ExceptionRow, error) {
	if t.none.exceptions {
		return nil, nil
	}
	return t.Reader.Exceptions(member)
}

// Tombstones is Reader.Tombstones.
func (t *Tx) Tombstones(values []string) ([]TombstoneRow, error) {
	if t.none.tombstones {
		return nil, nil
	}
	return t.Reader.Tombstones(values)
}

// PendingInvitation is Reader.PendingInvitation.
func (t *Tx) PendingInvitation(emailKey string) (workspace.Invitation, error) {
	if t.none.invitations {
		return workspace.Invitation{}, workspace.ErrNotFound
	}
	return t.Reader.PendingInvitation(emailKey)
}

// Rejection is Reader.Rejection.
func (t *Tx) Rejection(fingerprint string, at workspace.Micros) (RejectionRow, error) {
	if t.none.rejections {
		return RejectionRow{}, workspace.ErrNotFound
	}
	return t.Reader.Rejection(fingerprint, at)
}

// HasRejections is Reader.HasRejections.
func (t *Tx) HasRejections() (bool, error) {
	if t.none.rejections {
		return false, nil
	}
	return t.Reader.HasRejections()
}

// BrakeCount is Reader.BrakeCount.
func (t *Tx) BrakeCount(connection, name string, since workspace.Micros) (int, error) {
	if t.none.counts {
		return 0, nil
	}
	return t.Reader.BrakeCount(connection, name, since)
}

// Domains is Reader.Domains.
func (t *Tx) Domains() ([]workspace.DomainClaim, error) {
	if t.none.domains {
		return nil, nil
	}
	return t.Reader.Domains()
}

// Sinks is Reader.Sinks.
func (t *Tx) Sinks() ([]SinkRow, error) {
	if t.none.sinks {
		return nil, nil
	}
	return t.Reader.Sinks()
}
