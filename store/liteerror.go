package store

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// liteError translates SQLite's result codes; nil stays nil.
func liteError(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return conflictByColumns(e.Error())
	}
	if e.Code() == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY {
		return fmt.Errorf("%w: %w", errReference, err)
	}
	switch e.Code() & 0xff { // the primary code; the rest says where
	case sqlite3.SQLITE_FULL:
		return unavailable("disk full", err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return unavailable("database locked by another process", err)
	case sqlite3.SQLITE_IOERR:
		return unavailable("disk error", err)
	case sqlite3.SQLITE_READONLY:
		return unavailable("database is read-only", err)
	case sqlite3.SQLITE_CANTOPEN:
		return unavailable("cannot open the database file", err)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return unavailable("database file is damaged", err)
	case sqlite3.SQLITE_NOMEM:
		return unavailable("out of memory", err)
	}
	return err
}

// isLiteBusy tells that another connection holds SQLite's lock.
func isLiteBusy(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_BUSY
}

// liteGenericError is the code of, among others, a ROLLBACK without BEGIN.
const liteGenericError = sqlite3.SQLITE_ERROR
