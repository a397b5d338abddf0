package pull

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/rollcall-sync/rollcall/sync"
)

// cursorVersion is the version of the cursors' data.
const cursorVersion = 1

// position is the data of a cursor: where the next Delta begins. It says
// nothing about a broken Full, which begins again from its first page, since
// none of the APIs promises that a page link outlives its run.
type position struct {
	Server string `json:"server"`
	Tenant string `json:"tenant,omitempty"`
	// Users and Groups are delta links (Graph). They are checked again before
	// they are used (ON1).
	Users  string `json:"users,omitempty"`
	Groups string `json:"groups,omitempty"`
	// Closure are the ids of the groups that are read: those that the mapping
	// names and what they nest.
	Closure []string `json:"closure,omitempty"`
	// Time is the server's own clock when reading began (CU4, LD5).
	Time time.Time `json:"time,omitzero"`
}

func (p position) cursor(kind, scope string, at time.Time) sync.Cursor {
	data, err := json.Marshal(p)
	if err != nil {
		panic(err) // plain fields only
	}
	return sync.Cursor{Kind: kind, V: cursorVersion, Scope: scope, Data: data, At: at}
}

// readPosition reads a cursor's data; a cursor of another kind, version or
// scope is gone (CU3): a token of Graph has its $select frozen in it.
func readPosition(c sync.Cursor, kind, scope string) (position, error) {
	var p position
	switch {
	case c.Zero():
		return p, fmt.Errorf("%w: nothing was read yet", sync.ErrCursorGone)
	case c.Kind != kind || c.V != cursorVersion:
		return p, fmt.Errorf("%w: it is of kind %q version %d", sync.ErrCursorGone, c.Kind, c.V)
	}
	if err := json.Unmarshal(c.Data, &p); err != nil {
		return p, fmt.Errorf("%w: unreadable", sync.ErrCursorGone)
	}
	if c.Scope != scope {
		return p, fmt.Errorf("%w: attributes or mapped groups changed", sync.ErrCursorGone)
	}
	return p, nil
}
