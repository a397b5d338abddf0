package store

import "regexp"

// hotRows remembers, between the units of SQLite's one writer, the few rows
// that every unit begins and ends with: how the workspace stands, its Owners,
// the connection, the head of the log. What is remembered is dropped by every
// statement that writes a table it was read from, by every rollback, and when
// another process has written to the file. It belongs to the writer's
// goroutine.
type hotRows struct {
	values  map[hotKey]any
	version int64 // PRAGMA data_version when the values were read
}

type hotKey struct {
	workspace string
	kind      hotKind
	id        string
}

type hotKind int

const (
	hotStanding hotKind = iota
	hotOwners
	hotConnection
	hotAuditHead
)

// sources are the tables from which each kind is read.
var hotSources = [...]map[string]bool{
	hotStanding: {
		"workspace": true, "hold": true, "exception": true, "tombstone": true, "invitation": true, "rejection": true,
		"domain_claim": true, "sink": true, "brake_count": true,
	},
	hotOwners:     {"member": true},
	hotConnection: {"connection": true},
	hotAuditHead:  {"audit_head": true},
}

// hotAfter are the tables whose waiting rows come before a value is given. The
// head of the log is locked last (L5).
var hotAfter = [...]tables{hotStanding: inWorkspace, hotOwners: inMember, hotConnection: inConnection, hotAuditHead: everywhere}

// maxHot bounds what is remembered: workspaces and connections are few, and
// where they are not, nothing is lost but time.
const maxHot = 1024

// written finds the tables that a statement writes.
var written = regexp.MustCompile(`\b(?:INSERT INTO|UPDATE|DELETE FROM)\s+(\w+)`)

// writesHot lists the kinds that a statement's tables make stale.
func writesHot(text string) (kinds []hotKind) {
	for _, m := range written.FindAllStringSubmatch(text, -1) {
		for kind, tables := range hotSources {
			if tables[m[1]] {
				kinds = append(kinds, hotKind(kind))
			}
		}
	}
	return kinds
}

// drop forgets what is of these kinds.
func (h *hotRows) drop(kinds []hotKind) {
	if len(kinds) == 0 {
		return
	}
	for key := range h.values {
		for _, kind := range kinds {
			if key.kind == kind {
				delete(h.values, key)
			}
		}
	}
}

// dropAll forgets everything.
func (h *hotRows) dropAll() { clear(h.values) }

// refresh forgets everything if another connection has committed since. It is
// called when the writer's transaction has begun, so that nobody can commit
// one after it.
func (h *hotRows) refresh(version int64) {
	if version != h.version {
		h.version = version
		h.dropAll()
	}
}

// hot gives a remembered value, or reads and remembers it. What is remembered is
// never handed out to be changed: clone copies what a caller could reach.
func hot[T any](t *Tx, kind hotKind, id string, clone func(T) T, read func() (T, error)) (T, error) {
	if err := t.settle(hotAfter[kind]); err != nil {
		var none T
		return none, err
	}
	h := t.hot
	if h == nil {
		return read()
	}
	key := hotKey{t.ws, kind, id}
	if v, ok := h.values[key]; ok {
		return clone(v.(T)), nil
	}
	v, err := read()
	if err != nil {
		return v, err
	}
	t.remember(kind, id, clone(v))
	return v, nil
}

// remember keeps a value that the unit has just written or read.
func (t *Tx) remember(kind hotKind, id string, value any) {
	if t.hot == nil {
		return
	}
	if len(t.hot.values) >= maxHot {
		t.hot.dropAll()
	}
	t.hot.values[hotKey{t.ws, kind, id}] = value
}
