package ldap

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/rollcall-sync/rollcall/sync"
)

// entryUSN reads 389's changes by its USN plug-in (LD4). Its syncrepl is not
// used: it answers refreshDeletes=false even to "no change".
func (p *peopleRead) entryUSN(ctx context.Context, at position, next *position) error {
	number, _, _ := strings.Cut(next.Mark, "@")
	usn, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return &sync.ScopeError{Need: "read " + p.l.root.lastUSN + " of the root DSE"}
	}
	if usn < at.USN {
		return cursorFromFuture(usn, at.USN)
	}
	next.USN = usn
	if usn == at.USN {
		return nil
	}
	since := "(entryusn>=" + strconv.FormatInt(at.USN+1, 10) + ")"
	if err := p.read(ctx, "(&"+p.plan.people+since+")", nil); err != nil {
		return err
	}
	return p.tombstones(ctx, "(&(objectClass=nsTombstone)"+since+")", nil, "modifyTimestamp")
}

// cursorFromFuture: the server's counter went back, so it was restored to an
// earlier state, and counts again what it had counted before (LP4).
func cursorFromFuture(now, cursor int64) error {
	return fmt.Errorf("%w: the server counts %d, the cursor %d; it was restored", sync.ErrCursorGone, now, cursor)
}
