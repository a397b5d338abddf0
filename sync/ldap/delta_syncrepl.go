package ldap

import (
	"context"
	"fmt"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-sync/rollcall/internal/dn"
	"github.com/rollcall-sync/rollcall/sync"
)

// syncrepl reads OpenLDAP's changes by RFC 4533, refresh only.
func (p *peopleRead) syncrepl(ctx context.Context, at position, next *position) error {
	sentinel, err := dn.Key(p.cfg.Sentinel)
	if err != nil {
		return err
	}
	p.pages++
	req := goldap.NewSearchRequest(p.cfg.People.Base, goldap.ScopeWholeSubtree, goldap.NeverDerefAliases, 0, 0, false,
		p.plan.people, p.plan.ask, []goldap.Control{goldap.NewControlSyncRequest(goldap.SyncRequestModeRefreshOnly, at.Cookie, false)})
	c := &consumer{peopleRead: p, sentinel: sentinel}
	var own error
	err = p.l.stream(ctx, req, func(it item) error {
		own = c.take(ctx, it)
		return own
	})
	if own != nil {
		return own
	}
	if rc, ok := code(err); ok && rc == goldap.LDAPResultUnwillingToPerform {
		// LP4: a cookie newer than the server, which lags or was restored.
		return fmt.Errorf("%w: the server is older than the cursor (code %d)", sync.ErrCursorGone, rc)
	}
	switch err := readError("reading changes", err); {
	case err != nil:
		return err
	case c.done == nil:
		// LD1: a server that does not know the control answers like any other
		// search, with everything.
		return &sync.IncompleteError{Why: "reading changes: the answer has no SyncDone (RD1)"}
	}
	if err := p.flush(ctx); err != nil {
		return err
	}
	// LP1: nothing changed is an empty cookie; the old one stays.
	if len(c.done.Cookie) > 0 {
		next.Cookie = c.done.Cookie
	} else if len(c.cookie) > 0 {
		next.Cookie = c.cookie
	}
	return nil
}

// consumer takes the answers of one refresh.
type consumer struct {
	*peopleRead
	sentinel string
	done     *goldap.ControlSyncDone
	cookie   []byte
}

func (c *consumer) take(ctx context.Context, it item) error {
	var state *goldap.ControlSyncState
	for _, ctl := range it.controls {
		switch x := ctl.(type) {
		case *goldap.ControlSyncDone:
			c.done = x
		case *goldap.ControlSyncState:
			state = x
		case *goldap.ControlSyncInfo:
			if err := c.info(ctx, x); err != nil {
				return err
			}
		}
	}
	e := it.entry
	if e == nil {
		return nil
	}
	if c.entries++; c.entries > maxEntries {
		return &sync.IncompleteError{Why: fmt.Sprintf("reading changes: more than %d entries (RD9)", maxEntries)}
	}
	if state == nil {
		return &sync.IncompleteError{Why: "reading changes: an entry without its state"}
	}
	switch state.State {
	case goldap.SyncStateAdd, goldap.SyncStateModify:
		_, err := c.entry(ctx, e, c.sentinel)
		return err
	case goldap.SyncStatePresent:
		c.out.Present = append(c.out.Present, state.EntryUUID.String())
	case goldap.SyncStateDelete:
		c.left(state.EntryUUID.String())
	}
	return c.roomForIDs(ctx)
}

// left states what a delete of the protocol says: gone or no longer matching,
// which are not told apart, and perhaps never matched (LP2).
func (c *consumer) left(id string) {
	c.out.Gone = append(c.out.Gone, sync.Gone{ID: id, Why: "left", At: c.now()})
}

// info takes what comes between entries: cookies and sets of ids.
func (c *consumer) info(ctx context.Context, i *goldap.ControlSyncInfo) error {
	switch {
	case i.NewCookie != nil:
		c.cookie = i.NewCookie.Cookie
	case i.RefreshDelete != nil && len(i.RefreshDelete.Cookie) > 0:
		c.cookie = i.RefreshDelete.Cookie
	case i.RefreshPresent != nil && len(i.RefreshPresent.Cookie) > 0:
		c.cookie = i.RefreshPresent.Cookie
	case i.SyncIdSet != nil:
		for _, id := range i.SyncIdSet.SyncUUIDs {
			if i.SyncIdSet.RefreshDeletes {
				c.left(id.String())
			} else {
				// LP3: the present phase. Whom it does not name is nobody's
				// conclusion here.
				c.out.Present = append(c.out.Present, id.String())
			}
			if err := c.roomForIDs(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *consumer) roomForIDs(ctx context.Context) error {
	if len(c.out.Present)+len(c.out.Gone) >= pagePresent {
		return c.flush(ctx)
	}
	return nil
}
