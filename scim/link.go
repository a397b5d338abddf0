package scim

import (
	"context"
	"encoding/hex"
	"errors"
	stdsync "sync"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// linkKey names a connection of a workspace.
type linkKey struct{ workspace, connection string }

// link is one connection as its requests see it: profile, resource types (the
// mapping says which inputs are writable) and discovery. It never changes: the
// configuration is read at start.
type link struct {
	linkKey
	profile   Profile
	user      *ResourceType
	group     *ResourceType
	number    *ResourceType
	role      *ResourceType
	handle    *store.Handle
	filter    FilterOptions
	terms     Terms
	discovery *discovery
	// cursorKey signs cursors; it is the workspace's own.
	cursorKey []byte
	limit     limiter
	// readsRole: a mapping row reads the wish for a role, so that the core
	// attribute roles is an input too.
	readsRole bool

	mu    stdsync.Mutex
	notes Notes // guarded by mu
}

// link finds or builds the link of a connection.
func (h *Handler) link(ctx context.Context, key linkKey) (*link, error) {
	h.mu.RLock()
	l := h.links[key]
	h.mu.RUnlock()
	if l != nil {
		return l, nil
	}
	l, err := h.newLink(ctx, key)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if first := h.links[key]; first != nil {
		return first, nil // Another request was faster; its notes count.
	}
	h.links[key] = l
	return l, nil
}

// newLink reads a connection's row and builds its tables.
func (h *Handler) newLink(ctx context.Context, key linkKey) (*link, error) {
	handle, err := h.engine.Handle(key.workspace)
	if err != nil {
		return nil, err
	}
	rules, err := h.engine.Rules(key.workspace)
	if err != nil {
		return nil, err
	}
	var row store.ConnectionRow
	var own store.WorkspaceRow
	err = handle.View(ctx, func(r *store.Reader) error {
		var err error
		if own, err = r.Workspace(); err != nil {
			return err
		}
		row, err = r.Connection(key.connection)
		return err
	})
	if err != nil {
		return nil, err
	}
	profile, ok := LookupProfile(row.Profile)
	if row.Kind != "scim" || !ok {
		return nil, errDenied("", "the connection %q takes no SCIM requests. Remedy: use a token of a connection of kind scim", key.connection)
	}
	further, err := ExtensionSchemas(furtherURNs(rules.SourceNames(key.connection)))
	if err != nil {
		return nil, err
	}
	l := &link{
		linkKey: key, profile: profile, handle: handle, readsRole: rules.Reads("rollcall.role"),
		user: NewUserType(rules.Reads, further...), group: NewGroupType(rules.Reads),
		number: NewNumberType(), role: NewRoleType(URNRollcallRole),
		filter: FilterOptions{Lenient: profile.Tolerate.Has(TL11)}, terms: h.terms(key.workspace, key.connection),
	}
	if l.cursorKey, err = hex.DecodeString(own.CursorKey); err != nil || len(l.cursorKey) == 0 {
		return nil, errors.Join(errors.New("the workspace has no key for cursors"), err)
	}
	if l.limit.rate = float64(l.terms.Rate); l.limit.rate < 1 {
		l.limit.rate = defaultRate
	}
	shared := float64(l.terms.Shared)
	if shared < 1 {
		shared = max(sharedRate, 2*l.limit.rate)
	}
	l.limit.shared = h.ceiling(key.workspace, shared)
	if profile.OktaRoles {
		l.role = NewRoleType(URNOktaRole)
	}
	for _, rt := range l.types() {
		if err := rt.Check(); err != nil {
			return nil, err
		}
	}
	c := h.capabilities()
	c.ListHidden = profile.Strict
	l.discovery, err = newDiscovery(h.base, l.types(), c)
	return l, err
}

// types are the resource types that the link serves.
func (l *link) types() []*ResourceType { return []*ResourceType{l.user, l.group, l.number, l.role} }

// furtherURNs are the attributes of foreign extensions that a mapping reads.
func furtherURNs(names []string) []string {
	user := NewUserType(nil)
	var urns []string
	for _, name := range names {
		if len(name) < 4 || !sameName(name[:4], "urn:") {
			continue
		}
		if _, known := user.find(name); !known {
			urns = append(urns, name)
		}
	}
	return urns
}

// note counts tolerances that a request used.
func (l *link) note(notes Notes) {
	if len(notes) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range notes {
		l.notes.addCount(n)
	}
}

// Tolerated tells which tolerances a connection has used since the daemon
// started, and on which attributes: what its administrator may want to mend.
// It is empty for connections that sent nothing yet.
func (h *Handler) Tolerated(workspaceID, connection string) Notes {
	h.mu.RLock()
	l := h.links[linkKey{workspaceID, connection}]
	h.mu.RUnlock()
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return append(Notes(nil), l.notes...)
}

// owns reports whether a record belongs to the connection: ids of others are
// as unknown as ids that never were (SX02).
func (l *link) owns(connection string) error {
	if connection != l.connection {
		return workspace.ErrNotFound
	}
	return nil
}
