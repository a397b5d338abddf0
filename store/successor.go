package store

import "github.com/rollcall-sync/rollcall/workspace"

// SuccessorRow is one whom an Owner has named to follow as primary Owner (O4).
type SuccessorRow struct {
	Member      string
	ConfirmedAt workspace.Micros
}

const (
	selectSuccessors = `SELECT member_id, confirmed_at FROM successor WHERE workspace_id = ? AND owner_id = ? ORDER BY place`
	deleteSuccessors = `DELETE FROM successor WHERE workspace_id = ? AND owner_id = ?`
	insertSuccessor  = `INSERT INTO successor (workspace_id, owner_id, place, member_id, confirmed_at) VALUES (?, ?, ?, ?, ?)`
)

// Successors lists whom an Owner has named, in their order.
func (r *Reader) Successors(owner string) ([]SuccessorRow, error) {
	return list(r, func(s scanner, v *SuccessorRow) error { return s.Scan(&v.Member, &v.ConfirmedAt) }, selectSuccessors, r.ws, owner)
}

// PutSuccessors names others instead, at most three; nobody is none.
func (t *Tx) PutSuccessors(owner string, members []string, at workspace.Micros) error {
	if err := t.exec(deleteSuccessors, t.ws, owner); err != nil {
		return err
	}
	for i, m := range members {
		if err := t.exec(insertSuccessor, t.ws, owner, i+1, m, at); err != nil {
			return err
		}
	}
	return nil
}
