package store

import (
	"errors"

	"github.com/rollcall-sync/rollcall/workspace"
)

// RevocationRow is one raised session epoch.
type RevocationRow struct {
	Gen, Leaf int64
	Member    string
	Epoch     int64
	State     string // active, contained, deactivated, removed
	At        workspace.Micros
}

// RevocationPlace is a place in the feed: behind this member's row.
type RevocationPlace struct {
	Gen, Leaf int64
	Member    string
}

// EpochRow is a member's session epoch.
type EpochRow struct {
	Member string
	Epoch  int64
	State  string // active, contained, deactivated, removed
}

// raisesEpoch are the events that tell of a raised epoch (EP2), beside those
// that end access.
var raisesEpoch = map[string]bool{"member.reactivated": true, "member.released": true}

const (
	stateColumn = `CASE WHEN contained THEN 'contained' ELSE state END`

	// One row for each member and leaf, with the epoch that the unit leaves.
	sqlRevoke = `INSERT INTO revocation (workspace_id, gen, leaf_index, member_id, epoch, state, at)
		SELECT workspace_id, COALESCE((SELECT gen FROM audit_head WHERE audit_head.workspace_id = member.workspace_id), 1), CAST(? AS BIGINT),
			member_id, epoch, ` + stateColumn + `, CAST(? AS BIGINT)
		FROM member WHERE workspace_id = ? AND member_id = ?
		ON CONFLICT (workspace_id, gen, leaf_index, member_id) DO NOTHING`
	sqlRevocations = `SELECT gen, leaf_index, member_id, epoch, state, at FROM revocation
		WHERE workspace_id = ? AND gen = ? AND (leaf_index, member_id) > (?, ?) ORDER BY leaf_index, member_id LIMIT CAST(? AS BIGINT)`
	sqlEpochs = `SELECT member_id, epoch, ` + stateColumn + ` FROM member
		WHERE workspace_id = ? AND member_id > ? ORDER BY member_id LIMIT CAST(? AS BIGINT)`
	sqlEpoch   = `SELECT member_id, epoch, ` + stateColumn + ` FROM member WHERE workspace_id = ? AND member_id = ?`
	sqlHorizon = `SELECT gen, leaf_index FROM revocation_horizon WHERE workspace_id = ?`

	sqlNewHorizon = `SELECT gen, leaf_index FROM revocation WHERE workspace_id = ? AND at < ?
		ORDER BY gen DESC, leaf_index DESC LIMIT 1`
	sqlPutHorizon = `INSERT INTO revocation_horizon (workspace_id, gen, leaf_index) VALUES (?, ?, ?)
		ON CONFLICT (workspace_id) DO UPDATE SET gen = excluded.gen, leaf_index = excluded.leaf_index`
	sqlPruneRevocations = `DELETE FROM revocation WHERE workspace_id = ? AND at < ?`
)

func scanRevocation(s scanner, v *RevocationRow) error {
	return s.Scan(&v.Gen, &v.Leaf, &v.Member, &v.Epoch, &v.State, &v.At)
}

func scanEpoch(s scanner, v *EpochRow) error { return s.Scan(&v.Member, &v.Epoch, &v.State) }

// revoke writes an event's row of the feed.
func (t *Tx) revoke(e *EventRow) error {
	if e.SubjectType != "member" || !e.Leaver && !raisesEpoch[e.Type] {
		return nil
	}
	return t.exec(sqlRevoke, e.Leaf, e.At, t.ws, e.Subject)
}

// FeedEnd is the place behind everything that is committed.
func (r *Reader) FeedEnd() (RevocationPlace, error) {
	p := RevocationPlace{Gen: 1, Member: afterAll}
	var root, edge string
	var size int64
	err := r.row(sqlAuditHead, r.ws).Scan(&p.Gen, &size, &root, &edge)
	if errors.Is(err, workspace.ErrNotFound) {
		err = nil
	}
	p.Leaf = size - 1
	return p, err
}

// Revocations lists the feed behind a place, in the order of commits. A place
// before the horizon, of another generation of the log (a restore), or in the
// future is workspace.ErrStale: rows are missing (RF3).
func (r *Reader) Revocations(after RevocationPlace, limit int) ([]RevocationRow, error) {
	end, err := r.FeedEnd()
	if err != nil {
		return nil, err
	}
	var horizon RevocationPlace
	err = r.row(sqlHorizon, r.ws).Scan(&horizon.Gen, &horizon.Leaf)
	switch {
	case errors.Is(err, workspace.ErrNotFound):
	case err != nil:
		return nil, err
	case after.Gen == horizon.Gen && (after.Leaf < horizon.Leaf || after.Leaf == horizon.Leaf && after.Member != afterAll):
		return nil, workspace.ErrStale
	}
	if after.Gen != end.Gen || after.Leaf > end.Leaf {
		return nil, workspace.ErrStale
	}
	return list(r, scanRevocation, sqlRevocations, r.ws, after.Gen, after.Leaf, after.Member, limit)
}

// Epochs pages the epochs of all members by id (RF1).
func (r *Reader) Epochs(afterMember string, limit int) ([]EpochRow, error) {
	return list(r, scanEpoch, sqlEpochs, r.ws, afterMember, limit)
}

// Epoch is a member's epoch.
func (r *Reader) Epoch(member string) (EpochRow, error) {
	return single(r, scanEpoch, sqlEpoch, r.ws, member)
}

// PruneRevocations deletes rows of the feed from before a moment and moves
// the horizon (RF3).
func (t *Tx) PruneRevocations(before workspace.Micros) error {
	var h RevocationPlace
	err := t.row(sqlNewHorizon, t.ws, before).Scan(&h.Gen, &h.Leaf)
	if errors.Is(err, workspace.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := t.exec(sqlPutHorizon, t.ws, h.Gen, h.Leaf); err != nil {
		return err
	}
	return t.exec(sqlPruneRevocations, t.ws, before)
}
