package sync

import (
	"time"

	"github.com/rollcall-sync/rollcall/workspace"
)

// How long a connection that pushes takes to settle (VW13): a day without a
// new member, and at most two weeks from its first.
const (
	settlesAfter  = workspace.Micros(24 * 60 * 60 * 1_000_000)
	settlesAtMost = 14 * settlesAfter
	// settleStep is how far the moment moves at least: not every new member
	// writes the connection's row.
	settleStep = workspace.Micros(time.Hour / time.Microsecond)
)

// settles is when a connection made its first member, and when it is settled.
type settles struct{ first, at workspace.Micros }

// unsettled reports whether new members and new addresses do not count yet, and
// a burst of leavers holds nothing that is given: the first whole read of a
// directory, and the first push of a connection, are everybody, and are often
// sent once more when the settings have been corrected.
func (u *unit) unsettled() bool {
	if u.b.Kind == RunSCIM {
		return u.settles.first == 0 || u.now < u.settles.at
	}
	return u.b.firstRun
}

// settling is unsettled for a unit that makes a member, which keeps a
// connection from settling.
func (u *unit) settling() (bool, error) {
	if u.b.Kind != RunSCIM {
		return u.unsettled() || u.b.Kind == RunTargeted, nil
	}
	first, settles := u.settles.first, u.settles.at
	switch {
	case first == 0:
		first, settles = u.now, u.now+settlesAfter
	case u.now >= settles:
		return false, nil
	default:
		settles = min(u.now+settlesAfter, first+settlesAtMost)
	}
	if settles-u.settles.at < settleStep {
		return true, nil
	}
	row, err := u.tx.Connection(u.conn.ID)
	if err != nil {
		return false, err
	}
	row.FirstCreateAt, row.SettledAt = first, settles
	return true, u.tx.PutConnection(row)
}
