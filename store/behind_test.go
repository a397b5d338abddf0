package store

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"
)

// migrated is an empty database of SQLite.
func migrated(t *testing.T) *sqlx.DB {
	t.Helper()
	path := filepath.Join(t.TempDir(), "schema.db")
	if _, err := Migrate(t.Context(), liteScheme+path); err != nil {
		t.Fatal(err)
	}
	db, err := sqlx.Open("sqlite", liteDSN(path, false))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// TestForeignKeysComeAfterWhatWaits: a table whose rows need a row that may
// wait is one of those that are written after it.
func TestForeignKeysComeAfterWhatWaits(t *testing.T) {
	t.Parallel()
	var keys []struct{ From, To string }
	err := migrated(t).Select(&keys, `SELECT DISTINCT m.name AS "from", k."table" AS "to" FROM sqlite_schema m, pragma_foreign_key_list(m.name) k
		WHERE m.type = 'table' AND k."table" IN ('member', 'identity', 'support')`)
	if err != nil {
		t.Fatal(err)
	}
	if len(keys) < 5 {
		t.Errorf("only %d keys were found: the test is blind", len(keys))
	}
	for _, k := range keys {
		if tableNames[k.From] == 0 {
			t.Errorf("%s needs a row of %s: name it in tableNames", k.From, k.To)
		}
	}
}

// TestWritesBuildNoTable: SQLite compiles an IN of more than two values to a
// table that it builds anew whenever the statement runs, in a CHECK too, which
// costs several times what the row does.
func TestWritesBuildNoTable(t *testing.T) {
	t.Parallel()
	db := migrated(t)
	for _, text := range []string{
		insertMember + placeholders(1, 24), updateMember, insertIdentity, updateIdentity, putSupport + placeholders(1, 13) + orPutSupport,
		insertGroupMember, sqlInsertChange + placeholders(1, 21), sqlInsertEvent + placeholders(1, 10), sqlPutRun, addTotals, insertOneEdge,
	} {
		rows, err := db.QueryxContext(t.Context(), "EXPLAIN "+text, make([]any, strings.Count(text, "?"))...)
		if err != nil {
			t.Fatalf("%v:\n%s", err, text)
		}
		defer func() {
			if err := rows.Close(); err != nil {
				t.Error(err)
			}
		}()
		for rows.Next() {
			step, err := rows.SliceScan()
			if err != nil {
				t.Fatal(err)
			}
			if op, ok := step[1].(string); !ok || strings.HasPrefix(op, "OpenEphemeral") || strings.HasPrefix(op, "OpenAutoindex") {
				t.Errorf("%v in %.60s", step[1], text)
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
}
