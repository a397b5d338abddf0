package store

import (
	"slices"

	"github.com/rollcall-sync/rollcall/workspace"
)

const (
	// Active people of whom no named directory has a live record, and whom no
	// liveness asks about. Break-glass Owners are outside of all directories on
	// purpose (O5).
	selectUnwatched = `SELECT m.member_id FROM member m
		WHERE m.workspace_id = ? AND m.member_id > ? AND m.state = 'active' AND NOT m.break_glass
			AND NOT EXISTS (SELECT 1 FROM identity i WHERE i.workspace_id = m.workspace_id AND i.member_id = m.member_id AND NOT i.deleted
				AND i.connection_id IN (*))
			AND NOT EXISTS (SELECT 1 FROM liveness l WHERE l.workspace_id = m.workspace_id AND l.member_id = m.member_id
				AND l.sealed <> '' AND (l.state = 'idle' OR l.state = 'refreshing'))
		ORDER BY m.member_id LIMIT CAST(? AS BIGINT)`
	selectLiveGrants = `SELECT connection_id FROM liveness
		WHERE workspace_id = ? AND member_id = ? AND sealed <> '' AND (state = 'idle' OR state = 'refreshing')`
	// The newest ends of access by a connection, whose T0 is known or not.
	selectLeaversOf = `SELECT ` + leaverColumns + ` FROM leaver
		WHERE workspace_id = ? AND connection_id = ? AND t2 >= ? ORDER BY t2 DESC LIMIT CAST(? AS BIGINT)`
)

// Unwatched lists active members, after an id, whose end no directory would
// state and no liveness notice. Directories are the connections that state who
// exists.
func (r *Reader) Unwatched(directories []string, after string, limit int) ([]string, error) {
	if len(directories) == 0 {
		directories = []string{""}
	}
	return list(r, scanOne[string], in(selectUnwatched, len(directories)), flat(r.ws, after, directories, limitOf(limit))...)
}

// unwatched is a page of those members whole.
func (r *Reader) unwatched(f MemberFilter) (found []workspace.Member, err error) {
	ids, err := r.Unwatched(f.Unwatched, f.After, f.Limit)
	if err != nil {
		return nil, err
	}
	err = chunks(ids, func(piece []string) error {
		members, err := list(r, scanMember, in(selectMembersByID, len(piece)), flat(r.ws, piece)...)
		found = append(found, members...)
		return err
	})
	return found, err
}

// LiveGrants lists the connections through which a member's account is asked
// about.
func (r *Reader) LiveGrants(member string) ([]string, error) {
	found, err := list(r, scanOne[string], selectLiveGrants, r.ws, member)
	slices.Sort(found)
	return slices.Compact(found), err
}

// LeaversOf lists the ends of access that a connection brought since a moment,
// the newest first.
func (r *Reader) LeaversOf(connection string, since workspace.Micros, limit int) ([]LeaverRow, error) {
	return list(r, scanLeaver, selectLeaversOf, r.ws, connection, since, limit)
}
