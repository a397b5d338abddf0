package store

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pressly/goose/v3"
)

// migrateTo brings an empty database to an older schema.
func migrateTo(t *testing.T, url string, version int64, more ...int64) {
	t.Helper()
	db, err := openForMigration(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	dialect, words := goose.DialectSQLite3, &liteDialect
	if !strings.HasPrefix(url, liteScheme) {
		dialect, words = goose.DialectPostgres, &postgresDialect
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	p, err := goose.NewProvider(dialect, db.DB, collated{files, words}, goose.WithDisableGlobalRegistry(true))
	if err == nil {
		_, err = p.UpTo(t.Context(), version)
	}
	for _, v := range more {
		if err == nil {
			_, err = p.ApplyVersion(t.Context(), v, true)
		}
	}
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestLateMigrationIsTaken: a store that has a higher migration takes a lower
// one that arrives later, and says which it lacks until then.
func TestLateMigrationIsTaken(t *testing.T) {
	t.Parallel()
	emptyDatabases(t, func(t *testing.T, url string) {
		migrateTo(t, url, 12, 16)
		if _, err := Open(t.Context(), Options{URL: url, AllowNoFsync: true}); !errors.Is(err, ErrSchema) || !strings.Contains(err.Error(), "00013") {
			t.Errorf("open: %v", err)
		}
		if st, err := Migrate(t.Context(), url); err != nil || len(st.Pending) != 0 {
			t.Errorf("migrate: %+v, %v", st, err)
		}
	})
}

// TestChangesMove: changes of the older schema stay what they are, in the order
// of their leaves, and what opens their records comes with them (00013).
func TestChangesMove(t *testing.T) {
	t.Parallel()
	emptyDatabases(t, func(t *testing.T, url string) {
		migrateTo(t, url, 12)
		execRaw(t, url, `INSERT INTO run (workspace_id, run_id, connection_id, kind, state, started_at, ended_at, applied, noop, held, denied, failed, body)
			VALUES ('acme', 'r1', 'corp', 'full', 'done', 1, 2, 3, 0, 0, 0, 0, '{}')`)
		for _, row := range []string{
			`'c1', 'r1', 'k2', 0, 'member.create', 'member', 'm1', 'm1', 'connection', 'corp', 'allow', 'applied', 'M04', '', 5, 8, NULL, '{"new":{"c":"AB+/="}}', '{}'`,
			`'c2', 'r1', 'k2', 1, 'group.join', 'group', 'g1', 'm1', 'connection', 'corp', 'allow', 'applied', 'M10', '', 5, 8, NULL, '{}', '{}'`,
			`'c3', 'r1', 'k1', 0, 'member.create', 'member', 'm2', 'm2', 'connection', 'corp', 'allow', 'applied', 'M04', '', 5, 7, NULL, '{"new":{"c":"CD+/="}}', '{}'`,
		} {
			execRaw(t, url, `INSERT INTO change (workspace_id, change_id, run_id, commit_id, seq, kind, target_type, target_id, member_id, actor_kind,
				connection_id, verdict, outcome, matrix_row, rule, at, leaf_index, absence_proof_id, record, body) VALUES ('acme', `+row+`)`)
		}
		execRaw(t, url, `INSERT INTO audit_value (workspace_id, commitment, member_id, attr, salt, value) VALUES
			('acme', 'AB+/=', 'm1', 'email', '07', 'ann@acme.com'), ('acme', 'CD+/=', 'm2', 'email', '08', 'bo@acme.com')`)
		if _, err := Migrate(t.Context(), url); err != nil {
			t.Fatal(err)
		}
		var got []string
		err := openTest(t, url).In("acme").View(t.Context(), func(r *Reader) error {
			all, err := r.ChangesOfRun("r1")
			for i := range all {
				got = append(got, all[i].ID+strings.ReplaceAll(string(all[i].Opened), " ", ""))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		want := []string{`c3[["email","08","bo@acme.com"]]`, `c1[["email","07","ann@acme.com"]]`, "c2"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// TestTreeHashesMove: each leaf keeps the hashes that it completes, in the order of tlog.StoredHashIndex, and a leaf whose
// hashes somebody took away stays (00020).
func TestTreeHashesMove(t *testing.T) {
	t.Parallel()
	emptyDatabases(t, func(t *testing.T, url string) {
		migrateTo(t, url, 17)
		idx := 0
		for n := range 8 {
			execRaw(t, url, fmt.Sprintf(`INSERT INTO audit_leaf (workspace_id, gen, n, leaf) VALUES ('acme', 1, %d, 'leaf %d'), ('beta', 1, %d, 'other')`, n, n, n))
			for width := 1; (n+1)%width == 0; width *= 2 {
				execRaw(t, url, fmt.Sprintf(`INSERT INTO audit_hash (workspace_id, gen, idx, hash) VALUES ('acme', 1, %d, '%d')`, idx, idx))
				idx++
			}
		}
		if _, err := Migrate(t.Context(), url); err != nil {
			t.Fatal(err)
		}
		var got []string
		db, err := openForMigration(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		err = db.SelectContext(t.Context(), &got, `SELECT workspace_id || ': ' || leaf || ': ' || hashes FROM audit_leaf
			WHERE workspace_id = 'acme' OR n = 7 ORDER BY workspace_id, n`)
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
		want := []string{
			"acme: leaf 0: 0", "acme: leaf 1: 1 2", "acme: leaf 2: 3", "acme: leaf 3: 4 5 6",
			"acme: leaf 4: 7", "acme: leaf 5: 8 9", "acme: leaf 6: 10", "acme: leaf 7: 11 12 13 14", "beta: other: ",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}
