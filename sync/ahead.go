package sync

import "github.com/rollcall-sync/rollcall/workspace"

// lookedAhead is what a unit has read for all newcomers of a poll's batch at
// once, and would else ask for one by one. It holds until the unit writes
// anything but their records.
type lookedAhead struct {
	gone    map[string]workspace.Identity // the newest deleted record, by immutable id
	members map[string]string             // by folded address; "" is nobody
}

// lookAhead reads it for a batch of several people whom a poll has read. One
// alone is asked for step by step, so that what refuses them is found where it
// is for a request.
func (u *unit) lookAhead() error {
	if u.b.sum == nil || len(u.b.Identities) < 2 {
		return nil
	}
	var external, keys []string
	for i := range u.b.Identities {
		o := &u.b.Identities[i]
		if o.Op == OpDelete {
			return nil
		}
		if o.Expect != 0 {
			continue
		}
		if o.Row.ExternalID != "" {
			external = append(external, o.Row.ExternalID)
		}
		if o.Row.EmailKey != "" {
			keys = append(keys, o.Row.EmailKey)
		}
	}
	if len(external)+len(keys) == 0 {
		return nil
	}
	gone, err := u.tx.GoneByExternal(u.conn.ID, external)
	if err != nil {
		return err
	}
	found, err := u.tx.MembersByEmail(keys)
	if err != nil {
		return err
	}
	u.ahead = &lookedAhead{gone: gone, members: make(map[string]string, len(keys))}
	for _, key := range keys {
		m, ok := found[key]
		u.ahead.members[key] = m.ID
		if ok && u.view.Members[m.ID] == nil {
			u.view.Members[m.ID] = &m
		}
	}
	return nil
}

// member gives the id of the member with an address, "" for nobody; false if
// the address was not asked for.
func (a *lookedAhead) member(key string) (id string, ok bool) {
	if a == nil {
		return "", false
	}
	id, ok = a.members[key]
	return id, ok
}
