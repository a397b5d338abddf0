package ldap

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/rollcall-sync/rollcall/sync"
)

// position is the data of a cursor: where the next Delta begins, and for a
// broken Full, how far it came.
type position struct {
	Server string `json:"server"`
	Tenant string `json:"tenant,omitempty"`
	Mode   string `json:"mode"`
	Mark   string `json:"mark,omitempty"`   // the tell-tale when reading began (CU4)
	Cookie []byte `json:"cookie,omitempty"` // syncrepl, DirSync
	USN    int64  `json:"usn,omitempty"`    // AD, 389: the last one seen
	Time   string `json:"time,omitempty"`   // timestamp: the server's own

	// Stage is "" for a whole read, else what a resumed Full reads next. A
	// server's paging cookie dies with its connection, so a stage begins
	// again from its first page: the sink takes repeats (CU1).
	Stage    string    `json:"stage,omitempty"`
	People   int       `json:"people,omitempty"`
	Pages    int       `json:"pages,omitempty"`
	Sentinel bool      `json:"sentinel,omitempty"`
	Since    time.Time `json:"since,omitzero"`
}

const (
	stagePeople = "people"
	stageGroups = "groups"
)

func (p position) cursor(scope string, at time.Time) sync.Cursor {
	data, err := json.Marshal(p)
	if err != nil {
		panic(err) // plain fields only
	}
	return sync.Cursor{Kind: Kind, V: cursorVersion, Scope: scope, Data: data, At: at}
}

// readPosition reads a cursor's data; a cursor of another kind, version or
// scope is gone (CU3).
func readPosition(c sync.Cursor, scope string) (position, error) {
	var p position
	switch {
	case c.Zero():
		return p, fmt.Errorf("%w: nothing was read yet", sync.ErrCursorGone)
	case c.Kind != Kind || c.V != cursorVersion:
		return p, fmt.Errorf("%w: it is of kind %q version %d", sync.ErrCursorGone, c.Kind, c.V)
	case c.Scope != scope:
		return p, fmt.Errorf("%w: base, filter or attributes changed", sync.ErrCursorGone)
	}
	if err := json.Unmarshal(c.Data, &p); err != nil {
		return p, fmt.Errorf("%w: unreadable", sync.ErrCursorGone)
	}
	return p, nil
}
