package store

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"
)

// walks are the statements that read a whole workspace, each with its reason.
var walks = map[string]string{
	countTotals:             "counts everything, for checks",
	countNumbers:            "a total of few lists",
	selectLastNumber:        "one row, from the end of an index",
	selectGroups:            "a listing, by its index",
	selectInvitations:       "a listing",
	sqlQueues:               "dead letters alone, by their index",
	selectOpenFindings:      "a listing of what is open: few, by an index of those",
	selectUnowned:           "a finding over all numbers",
	selectOwnedByDepartment: "attributes of few look-ups have no index",
	selectOwnedByTitle:      "attributes of few look-ups have no index",
	selectDomains:           "a few rows",
	selectRepairs:           "a few rows",
	selectOwners:            "an index of the Owners alone",
	sqlStock:                "the whole inventory, once for a whole read of a directory",
	sqlStanding:             "the first row of each table at most",
	sqlAnyRejection:         "one row, from an index",
}

var (
	walked = regexp.MustCompile(`\(workspace_id=\?\)|^SCAN (\w+)`)
	// Rows of a query's own making, and tables of few rows for which the
	// other statements answer.
	small = regexp.MustCompile(`^SCAN (k|up|down|reached|\(.*|CONSTANT.*)$| (audit_head|workspace|connection|token|hold|sink|signing_key|successor|revocation_horizon|goose_db_version|sqlite_schema)( |$)`)
)

// The filters by which identity providers look people up, as package scim
// compiles them.
var lookups = map[string]string{
	"userName":   "i.user_key IS NOT NULL AND i.user_key = ?",
	"externalId": "i.external_id IS NOT NULL AND i.external_id = ?",
	"id":         "i.identity_id IS NOT NULL AND i.identity_id = ?",
	"email": `i.identity_id IN (SELECT v.identity_id FROM identity_value v WHERE v.workspace_id = ? AND v.attr = 'emails'
		AND (v.type_key IS NOT NULL AND v.type_key = ? AND v.value_key IS NOT NULL AND v.value_key = ?))`,
	"groups": `i.identity_id IN (SELECT m.child_id FROM membership m WHERE m.workspace_id = ? AND m.child_kind = 'user'
		AND m.group_id = ?)`,
}

// TestEveryStatementSeeks asks SQLite for its plan of every statement: none
// but the named ones reads more of a workspace than it is about.
func TestEveryStatementSeeks(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "plans.db")
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
	seen := 0
	for text, where := range constantTexts(t) {
		if !statement.MatchString(text) || strings.HasSuffix(text, "VALUES ") ||
			strings.Contains(text, "current_setting") || strings.Contains(text, "pg_") || strings.Contains(text, "information_schema") {
			continue
		}
		seen++
		walk := ""
		for _, step := range plan(t, db, in(text, 4)) {
			if walked.MatchString(step) && !small.MatchString(step) {
				walk = step
			}
		}
		switch why := walks[text]; {
		case walk != "" && why == "":
			t.Errorf("%s: %s\n%s", where, walk, text)
		case walk == "" && why != "":
			t.Errorf("%s: seeks, yet is excepted as %q", where, why)
		}
	}
	if seen < 120 {
		t.Errorf("only %d statements were found: the test is blind", seen)
	}
	for name, where := range lookups {
		for _, text := range []string{pagedUsers.all + " AND (" + where + ")" + userOrder, pagedUsers.count + " AND (" + where + ")"} {
			for _, step := range plan(t, db, text) {
				if walked.MatchString(step) || strings.HasSuffix(step, "(workspace_id=? AND connection_id=?)") {
					t.Errorf("a look-up by %s walks: %s", name, step)
				}
			}
		}
	}
	text := pagedDirectoryGroups.all + " AND (g.display_key IS NOT NULL AND g.display_key = ?)" + directoryGroupOrder
	for _, step := range plan(t, db, text) {
		if strings.HasSuffix(step, "(workspace_id=? AND connection_id=?)") {
			t.Errorf("a look-up by displayName walks: %s", step)
		}
	}
}

// plan gives the steps of SQLite's plan.
func plan(t *testing.T, db *sqlx.DB, text string) (steps []string) {
	t.Helper()
	text = liteDialect.expand(text, true)
	rows, err := db.QueryxContext(t.Context(), "EXPLAIN QUERY PLAN "+text, make([]any, strings.Count(text, "?"))...)
	if err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	defer func() {
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
	}()
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}
