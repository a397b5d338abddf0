package store

import (
	"errors"
	"strings"

	"github.com/rollcall-sync/rollcall/workspace"
)

// ConflictError is a taken unique key. Key is the index's name without its
// table: email, external, user, name, exclusive, pending, e164, holder; "id" is the
// table's own key.
type ConflictError struct{ Table, Key string }

// Error names the key.
func (e *ConflictError) Error() string {
	return e.Table + " with the same " + e.Key + " already exists"
}

// Is makes it workspace.ErrConflict.
func (e *ConflictError) Is(target error) bool { return target == workspace.ErrConflict }

// errReference says that a row names another that is not there. Who knows
// which one that is tells it apart.
var errReference = errors.New("a row that is referred to is not there")

// uniqueIndex is one unique index of the migrations. PostgreSQL reports its
// name, SQLite its columns.
type uniqueIndex struct {
	name, table, key string
	columns          string // as SQLite lists them
}

// uniqueIndexes are those a caller can tell apart; a test compares them with
// the migrated schema of both engines.
var uniqueIndexes = []uniqueIndex{
	{"member_by_email", "member", "email", "workspace_id, email_key"},
	{"member_primary", "member", "primary", "workspace_id"},
	{"identity_by_external", "identity", "external", "workspace_id, connection_id, external_id"},
	{"identity_by_user", "identity", "user", "workspace_id, connection_id, user_key"},
	{"dirgroup_by_name", "dirgroup", "name", "workspace_id, connection_id, display_key"},
	{"dirgroup_by_external", "dirgroup", "external", "workspace_id, connection_id, external_id"},
	{"groups_by_name", "groups", "name", "workspace_id, name_key"},
	{"number_by_e164", "number", "e164", "workspace_id, e164"},
	{"assignment_exclusive", "assignment", "exclusive", "workspace_id, number_id"},
	{"invitation_pending", "invitation", "pending", "workspace_id, email_key"},
	{"hold_open", "hold", "open", "workspace_id, plan_hash"},
	{"domain_claim_holder", "domain_claim", "holder", "domain"},
	{"session_by_cookie", "session", "cookie", "workspace_id, cookie_hash"},
	{"session_by_code", "session", "code", "workspace_id, code_hash"},
	{"event_by_id", "event", "event", "workspace_id, event_id"},
	{"finding_open", "finding", "open", "workspace_id, code, subject_type, subject_id"},
}

// conflictByIndex translates PostgreSQL's constraint name.
func conflictByIndex(table, name string) *ConflictError {
	for _, u := range uniqueIndexes {
		if u.name == name {
			return &ConflictError{Table: u.table, Key: u.key}
		}
	}
	return &ConflictError{Table: table, Key: "id"}
}

// conflictByColumns translates SQLite's message, the only place where it
// names the key: "... UNIQUE constraint failed: member.workspace_id,
// member.email_key (2067)".
func conflictByColumns(message string) *ConflictError {
	_, list, found := strings.Cut(message, "constraint failed: UNIQUE constraint failed: ")
	if !found {
		_, list, _ = strings.Cut(message, "UNIQUE constraint failed: ")
	}
	list, _, _ = strings.Cut(list, " (")
	table, _, _ := strings.Cut(list, ".")
	columns := strings.ReplaceAll(list, table+".", "")
	for _, u := range uniqueIndexes {
		if u.table == table && u.columns == columns {
			return &ConflictError{Table: table, Key: u.key}
		}
	}
	return &ConflictError{Table: table, Key: "id"}
}

// unavailable wraps an engine's error as ErrUnavailable and keeps its text.
type unavailableError struct {
	what string
	err  error
}

// unavailable makes an ErrUnavailable that says what happened; err may be nil.
func unavailable(what string, err error) error { return &unavailableError{what, err} }

// Error says what happened.
func (e *unavailableError) Error() string {
	if e.err == nil {
		return ErrUnavailable.Error() + ": " + e.what
	}
	return ErrUnavailable.Error() + ": " + e.what + ": " + e.err.Error()
}

// Is makes it ErrUnavailable.
func (e *unavailableError) Is(target error) bool { return target == ErrUnavailable }

// Unwrap gives the engine's error.
func (e *unavailableError) Unwrap() error { return e.err }

// isUnavailable tells whether the whole transaction is lost.
func isUnavailable(err error) bool { return errors.Is(err, ErrUnavailable) }
