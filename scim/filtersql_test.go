package scim

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/jmoiron/sqlx"
	_ "modernc.org/sqlite"
	"pgregory.net/rapid"

	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

// filterSchema holds the columns that CompileSQL relies on. All may be NULL
// where the text can be absent, so that no NULL goes untested.
const filterSchema = `
CREATE TABLE identity (workspace_id TEXT NOT NULL, identity_id TEXT NOT NULL, external_id TEXT, user_key TEXT, display_key TEXT, formatted_key TEXT,
  given_key TEXT, family_key TEXT, nick_key TEXT, title_key TEXT, user_type_key TEXT, department_key TEXT, employee_key TEXT, manager_id TEXT,
  locale_key TEXT, active BOOLEAN NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, PRIMARY KEY (workspace_id, identity_id));
CREATE TABLE identity_value (workspace_id TEXT NOT NULL, identity_id TEXT NOT NULL, attr TEXT NOT NULL, ord BIGINT NOT NULL, value_key TEXT NOT NULL,
  type_key TEXT, is_primary BOOLEAN NOT NULL, PRIMARY KEY (workspace_id, identity_id, attr, ord));
CREATE TABLE dirgroup (workspace_id TEXT NOT NULL, group_id TEXT NOT NULL, external_id TEXT, display_key TEXT, created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL, PRIMARY KEY (workspace_id, group_id));
CREATE TABLE membership (workspace_id TEXT NOT NULL, group_id TEXT NOT NULL, child_kind TEXT NOT NULL, child_id TEXT NOT NULL,
  PRIMARY KEY (workspace_id, group_id, child_kind, child_id))`

// engine is a database that filters run on.
type engine struct {
	name    string
	db      *sqlx.DB
	collate string
}

func engines(t *testing.T) []engine {
	t.Helper()
	all := []engine{
		{"sqlite", sqlx.MustOpen("sqlite", ":memory:"), ""},
		{"postgres", sqlx.MustOpen("pgx", pgtest.NewDatabase(t)), `COLLATE "C"`},
	}
	sqlx.BindDriver("sqlite", sqlx.QUESTION)
	for _, e := range all {
		e.db.SetMaxOpenConns(1)
		t.Cleanup(func() {
			if err := e.db.Close(); err != nil {
				t.Error(err)
			}
		})
		for _, statement := range strings.Split(filterSchema, ";") {
			e.exec(t, statement)
		}
	}
	return all
}

func (e engine) exec(t *testing.T, query string, args ...any) {
	t.Helper()
	if _, err := e.db.Exec(e.db.Rebind(query), args...); err != nil {
		t.Fatalf("%s: %s: %v", e.name, query, err)
	}
}

// ids returns what a filter finds in workspace w1, in order.
func (e engine) ids(f Filter, table *SQLTable, from, id string) ([]string, string, error) {
	where, args, err := CompileSQL(f, table, "w1", e.collate)
	if err != nil {
		return nil, "", err
	}
	alias, _, _ := strings.Cut(id, ".")
	query := "SELECT " + id + " FROM " + from + " " + alias + " WHERE " + alias + ".workspace_id = ? AND " + where
	var found []string
	err = e.db.Select(&found, e.db.Rebind(query), append([]any{"w1"}, args...)...)
	slices.Sort(found)
	return found, query, err
}

// words are few, so that random documents and filters meet, and nasty.
var words = []string{"", "a", "A", "ab", "Ab c", "b", "Straße", "STRASSE", "e\u0301", "É", "ﬁ", "fi", "%", "_", "a%b", "'", `\`, `"`, "?", "$1", "😀", "z", "-", "Z z", "ω", "Ω"}

var types = []string{"work", "Home", "", "other"}

var instants = []string{"2026-11-21T10:00:00Z", "2026-11-21T10:00:00.000001Z", "2026-11-21T11:00:00+01:00", "1969-12-31T23:59:59.999999Z"}

func someUsers(n int) []Document {
	generator := rapid.Custom(func(t *rapid.T) Document {
		text := func(in map[string]any, name string) {
			if rapid.Bool().Draw(t, name+"?") {
				in[name] = rapid.SampledFrom(words).Draw(t, name)
			}
		}
		doc := Document{"active": rapid.Bool().Draw(t, "active"), "meta": map[string]any{
			"created": rapid.SampledFrom(instants).Draw(t, "created"), "lastModified": rapid.SampledFrom(instants).Draw(t, "lastModified"),
		}}
		for _, name := range []string{"externalId", "userName", "displayName", "nickName", "title", "userType", "locale"} {
			text(doc, name)
		}
		name, enterprise, manager := map[string]any{}, map[string]any{}, map[string]any{}
		text(name, "formatted")
		text(name, "givenName")
		text(name, "familyName")
		doc["name"] = name
		text(enterprise, "department")
		text(enterprise, "employeeNumber")
		text(manager, "value")
		enterprise["manager"] = manager
		doc[URNEnterpriseUser] = enterprise
		for _, list := range []string{"emails", "phoneNumbers"} {
			var entries []any
			for range rapid.IntRange(0, 3).Draw(t, list) {
				entry := map[string]any{"value": rapid.SampledFrom(words).Draw(t, "value")}
				if rapid.Bool().Draw(t, "type?") {
					entry["type"] = rapid.SampledFrom(types).Draw(t, "type")
				}
				if rapid.Bool().Draw(t, "primary?") {
					entry["primary"] = rapid.Bool().Draw(t, "primary")
				}
				entries = append(entries, entry)
			}
			doc[list] = entries
		}
		var groups []any
		for _, id := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"g1", "g2", "g3"}), rapid.ID[string]).Draw(t, "groups") {
			groups = append(groups, map[string]any{"value": id})
		}
		doc["groups"] = groups
		return doc
	})
	docs := make([]Document, n)
	for i := range docs {
		docs[i] = generator.Example(i)
		docs[i]["id"] = fmt.Sprintf("u%d", i)
	}
	return docs
}

// key is what the store puts into a key column: NULL if absent.
func key(in map[string]any, name string) any {
	if text, ok := in[name].(string); ok {
		return fold.Key(text)
	}
	return nil
}

func micros(t *testing.T, in map[string]any, name string) int64 {
	t.Helper()
	at, err := time.Parse(time.RFC3339, in[name].(string))
	if err != nil {
		t.Fatal(err)
	}
	return at.UnixMicro()
}

func (e engine) insertUser(t *testing.T, workspace string, d Document) {
	t.Helper()
	id, meta, name := d["id"], d["meta"].(map[string]any), d["name"].(map[string]any)
	enterprise := d[URNEnterpriseUser].(map[string]any)
	e.exec(t, `INSERT INTO identity VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, workspace, id, d["externalId"], key(d, "userName"),
		key(d, "displayName"), key(name, "formatted"), key(name, "givenName"), key(name, "familyName"), key(d, "nickName"), key(d, "title"), key(d, "userType"),
		key(enterprise, "department"), key(enterprise, "employeeNumber"), enterprise["manager"].(map[string]any)["value"], key(d, "locale"), d["active"],
		micros(t, meta, "created"), micros(t, meta, "lastModified"))
	for _, list := range []string{"emails", "phoneNumbers"} {
		for ord, entry := range d[list].([]any) {
			entry := entry.(map[string]any)
			e.exec(t, `INSERT INTO identity_value VALUES (?, ?, ?, ?, ?, ?, ?)`, workspace, id, list, ord, key(entry, "value"), key(entry, "type"), entry["primary"] == true)
		}
	}
	for _, group := range d["groups"].([]any) {
		e.exec(t, `INSERT INTO membership VALUES (?, ?, 'user', ?)`, workspace, group.(map[string]any)["value"], id)
	}
}

// userFilters draws the text of any filter that Users can be filtered by.
func userFilters() *rapid.Generator[string] {
	var texts []string
	for name := range UserTable.Columns {
		if !strings.HasPrefix(name, "meta.") && name != "active" {
			texts = append(texts, name)
		}
	}
	slices.Sort(texts)
	entry := trees(rapid.Custom(func(t *rapid.T) string {
		return comparison(t, []string{"value", "type"}, append(slices.Clone(words), types...), "primary", "")
	}))
	return trees(rapid.Custom(func(t *rapid.T) string {
		switch list := rapid.SampledFrom([]string{"emails", "phoneNumbers", "groups", ""}).Draw(t, "list"); {
		case list == "groups":
			return rapid.SampledFrom([]string{`groups eq "g1"`, `groups ne "g1"`, `groups[value eq "g2" or value eq "g3"]`, `groups pr`, `groups.value gt "g1"`, `not (groups ew "3")`}).Draw(t, "groups")
		case list != "" && rapid.Bool().Draw(t, "brackets"):
			return list + "[" + entry.Draw(t, "entry") + "]"
		case list != "":
			return comparison(t, []string{list, list + ".value", list + ".type"}, append(slices.Clone(words), types...), list+".primary", "")
		}
		return comparison(t, texts, words, "active", "meta.")
	}))
}

// comparison draws one comparison of a string, a boolean or a date.
func comparison(t *rapid.T, texts, values []string, boolean, dates string) string {
	switch kind := rapid.IntRange(0, 9).Draw(t, "kind"); {
	case kind == 0:
		return boolean + rapid.SampledFrom([]string{" eq true", " eq false", " ne true", " ne false", " pr"}).Draw(t, "boolean")
	case kind == 1 && dates != "":
		name := dates + rapid.SampledFrom([]string{"created", "lastModified"}).Draw(t, "date")
		op := rapid.SampledFrom([]string{"eq", "ne", "gt", "ge", "lt", "le"}).Draw(t, "op")
		return fmt.Sprintf("%s %s %q", name, op, rapid.SampledFrom(instants).Draw(t, "instant"))
	}
	name := rapid.SampledFrom(texts).Draw(t, "name")
	switch op := rapid.SampledFrom(operatorTexts[:]).Draw(t, "op"); op {
	case "pr":
		return name + " pr"
	case "eq", "ne":
		if rapid.IntRange(0, 5).Draw(t, "null") == 0 {
			return name + " " + op + " null"
		}
		fallthrough
	default:
		return name + " " + op + ` "` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(rapid.SampledFrom(values).Draw(t, "value")) + `"`
	}
}

// trees joins leaves with and, or, not.
func trees(leaf *rapid.Generator[string]) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		var grow func(depth int) string
		grow = func(depth int) string {
			switch shape := rapid.IntRange(0, 9).Draw(t, "shape"); {
			case depth == 0 || shape < 6:
				return leaf.Draw(t, "leaf")
			case shape < 8:
				return "(" + grow(depth-1) + rapid.SampledFrom([]string{" and ", " or "}).Draw(t, "word") + grow(depth-1) + ")"
			default:
				return "not (" + grow(depth-1) + ")"
			}
		}
		return grow(2)
	})
}

// TestSQLEqualsEvaluator is FT15: on both engines every filter finds the
// documents that Match accepts. The longer form is -rapid.checks=100000.
func TestSQLEqualsEvaluator(t *testing.T) {
	users := someUsers(60)
	groups := someGroups(40)
	all := engines(t)
	for _, e := range all {
		for _, d := range users {
			e.insertUser(t, "w1", d)
		}
		for _, d := range groups {
			e.insertGroup(t, "w1", d)
		}
		// Another workspace, with the same ids and other people, must not show.
		for i, d := range someUsers(20)[10:] {
			d["id"] = fmt.Sprintf("u%d", i)
			e.insertUser(t, "w2", d)
		}
	}
	compare := func(t *rapid.T, text string, rt *ResourceType, docs []Document, table *SQLTable, from, id string) {
		f, err := ParseFilter(text, rt, FilterOptions{})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		var want []string
		for _, d := range docs {
			if Match(f, d, rt) {
				want = append(want, d["id"].(string))
			}
		}
		slices.Sort(want)
		for _, e := range all {
			got, query, err := e.ids(f, table, from, id)
			if err != nil {
				t.Fatalf("%s: %s: %v\n%s", e.name, text, err, query)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s: %s (-Match +SQL):\n%s\n%s", e.name, text, diff, query)
			}
		}
	}
	t.Run("users", rapid.MakeCheck(func(t *rapid.T) {
		compare(t, userFilters().Draw(t, "filter"), testUserType, users, &UserTable, "identity", "i.identity_id")
	}))
	t.Run("groups", rapid.MakeCheck(func(t *rapid.T) {
		compare(t, groupFilters().Draw(t, "filter"), testGroupType, groups, &GroupTable, "dirgroup", "g.group_id")
	}))
}

func someGroups(n int) []Document {
	generator := rapid.Custom(func(t *rapid.T) Document {
		doc := Document{"displayName": rapid.SampledFrom(words).Draw(t, "displayName"), "meta": map[string]any{
			"created": rapid.SampledFrom(instants).Draw(t, "created"), "lastModified": rapid.SampledFrom(instants).Draw(t, "lastModified"),
		}}
		if rapid.Bool().Draw(t, "externalId?") {
			doc["externalId"] = rapid.SampledFrom(words).Draw(t, "externalId")
		}
		var members []any
		for _, m := range []string{"m1", "m2", "h1"} {
			if rapid.Bool().Draw(t, m) {
				kind := "User"
				if m[0] == 'h' {
					kind = "Group"
				}
				members = append(members, map[string]any{"value": m, "type": kind})
			}
		}
		doc["members"] = members
		return doc
	})
	docs := make([]Document, n)
	for i := range docs {
		docs[i] = generator.Example(i)
		docs[i]["id"] = fmt.Sprintf("h%d", i)
	}
	return docs
}

func (e engine) insertGroup(t *testing.T, workspace string, d Document) {
	t.Helper()
	meta := d["meta"].(map[string]any)
	e.exec(t, `INSERT INTO dirgroup VALUES (?, ?, ?, ?, ?, ?)`, workspace, d["id"], d["externalId"], key(d, "displayName"), micros(t, meta, "created"), micros(t, meta, "lastModified"))
	for _, member := range d["members"].([]any) {
		member := member.(map[string]any)
		e.exec(t, `INSERT INTO membership VALUES (?, ?, ?, ?)`, workspace, d["id"], key(member, "type"), member["value"])
	}
}

func groupFilters() *rapid.Generator[string] {
	return trees(rapid.Custom(func(t *rapid.T) string {
		if rapid.Bool().Draw(t, "members") {
			return rapid.SampledFrom([]string{
				`members eq "m1"`, `members.value ne "m1"`, `members[value eq "m1"]`, `members[value eq "m1" or type eq "group"]`, `members pr`,
				`members.type eq "USER"`, `members.type ne "User"`, `not (members[type eq "Group"])`, `id eq "h1" and members eq "m2"`,
			}).Draw(t, "member filter")
		}
		name := rapid.SampledFrom([]string{"displayName", "externalId", "id"}).Draw(t, "name")
		if rapid.IntRange(0, 4).Draw(t, "date?") == 0 {
			return `meta.lastModified ge "` + rapid.SampledFrom(instants).Draw(t, "instant") + `"`
		}
		op := rapid.SampledFrom([]string{"eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"}).Draw(t, "op")
		return name + " " + op + ` "` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(rapid.SampledFrom(words).Draw(t, "value")) + `"`
	}))
}

func TestCompileSQL(t *testing.T) {
	tests := []struct {
		text, where string
		args        []any
	}{
		{`userName eq "Ann"`, `(i.user_key IS NOT NULL AND i.user_key = ?)`, []any{"ann"}},
		{`title ne "x"`, `(i.title_key IS NULL OR i.title_key <> ?)`, []any{"x"}},
		{`title gt "x"`, `(i.title_key IS NOT NULL AND i.title_key COLLATE "C" > ?)`, []any{"x"}},
		{`active eq true and not (title pr)`, `((i.active IS NOT NULL AND i.active = ?) AND NOT ((i.title_key IS NOT NULL AND i.title_key <> '')))`, []any{true}},
		{`title sw "å?"`, `(i.title_key IS NOT NULL AND substr(i.title_key, 1, 2) = ?)`, []any{"å?"}},
		{
			`emails[type eq "work"].value eq "A"`,
			`i.identity_id IN (SELECT v.identity_id FROM identity_value v WHERE v.workspace_id = ? AND v.attr = 'emails' AND ` +
				`((v.type_key IS NOT NULL AND v.type_key = ?) AND (v.value_key IS NOT NULL AND v.value_key = ?)))`,
			[]any{"w1", "work", "a"},
		},
		{`meta.created gt "1970-01-01T00:00:01Z"`, `(i.created_at IS NOT NULL AND i.created_at > ?)`, []any{int64(1000000)}},
	}
	for _, tt := range tests {
		f, err := ParseFilter(tt.text, testUserType, FilterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		where, args, err := CompileSQL(f, &UserTable, "w1", `COLLATE "C"`)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.where, where); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.text, diff)
		}
		if diff := cmp.Diff(tt.args, args); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.text, diff)
		}
	}
}

// SX06: what is not on the list is refused by name, wherever it stands.
func TestCompileSQLRefusesOtherAttributes(t *testing.T) {
	for text, name := range map[string]string{
		`timezone eq "x"`:                             "timezone",
		`not (title pr or roles eq "x")`:              "roles.value",
		`roles ne "x"`:                                "roles.value",
		`roles[type eq "x"]`:                          "roles",
		`emails.display eq "x"`:                       "emails.display",
		`emails[display pr]`:                          "emails.display",
		`emails.display ne "x"`:                       "emails.display",
		`schemas eq "x"`:                              "schemas",
		`name pr`:                                     "name",
		URNRollcallUser + `:sharedNumbers eq "+4930"`: URNRollcallUser + ":sharedNumbers",
	} {
		f, err := ParseFilter(text, testUserType, FilterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = CompileSQL(f, &UserTable, "w1", "")
		var answer *Error
		if !errors.As(err, &answer) || answer.ScimType != "invalidFilter" {
			t.Fatalf("%s: got %v", text, err)
		}
		if want := "Invalid [SX06]: Users cannot be filtered by " + name; answer.Detail != want {
			t.Errorf("%s: got %q, want %q", text, answer.Detail, want)
		}
	}
}

// Every name in the tables must be an attribute, and hold text exactly if the
// column does: _key columns are folded, the others hold text as sent.
func TestSQLTablesFitTheSchemas(t *testing.T) {
	for table, rt := range map[*SQLTable]*ResourceType{&UserTable: testUserType, &GroupTable: testGroupType} {
		check := func(name string, column SQLColumn) {
			ref, ok := rt.resolve(name, FilterOptions{})
			switch {
			case !ok || ref.String() != name:
				t.Errorf("%s: %q is no attribute", rt.Name, name)
			case isText(ref.leaf().Type) && strings.HasSuffix(string(column), "_key") == ref.caseExact() && column != "m.child_kind":
				t.Errorf("%s: %s is exact: %v, but stands in %s", rt.Name, name, ref.caseExact(), column)
			}
		}
		for name, column := range table.Columns {
			check(name, column)
		}
		for list, entries := range table.Lists {
			for sub, column := range entries.Columns {
				check(list+"."+sub, column)
			}
		}
	}
}

// storeSchema opens an empty SQLite database with the store's own schema.
func storeSchema(t *testing.T) *sqlx.DB {
	t.Helper()
	files, err := filepath.Glob("../store/migrations/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no migrations: %v", err)
	}
	db := sqlx.MustOpen("sqlite", ":memory:")
	db.SetMaxOpenConns(1)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		up, _, _ := strings.Cut(string(text), "-- +goose Down")
		if _, err := db.Exec(up); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	return db
}

// The store's own schema must have the tables and columns that are named here.
func TestSQLTablesFitTheStore(t *testing.T) {
	db := storeSchema(t)
	for _, of := range []struct {
		table *SQLTable
		from  string
	}{{&UserTable, "identity i"}, {&GroupTable, "dirgroup g"}} {
		for name, column := range of.table.Columns {
			var found sql.NullString
			if err := db.Get(&found, "SELECT max("+string(column)+") FROM "+of.from); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for name, list := range of.table.Lists {
			for sub, column := range list.Columns {
				var count int
				query := "SELECT count(*) FROM " + of.from + " WHERE " + list.Entries + " AND " + string(column) + " IS NULL)"
				if err := db.Get(&count, query, "w1"); err != nil {
					t.Errorf("%s.%s: %v", name, sub, err)
				}
			}
		}
	}
}

// What identity providers match by must be answered by an index, once the
// engine knows (PRAGMA optimize) that one connection has many people.
func TestMatchingFiltersUseIndexes(t *testing.T) {
	db := storeSchema(t)
	for _, statement := range []string{
		`ANALYZE`,
		`INSERT INTO sqlite_stat1 VALUES ('identity', 'identity_page', '100000 100000 100000 1 1'), ('dirgroup', 'dirgroup_page', '5000 5000 5000 1 1'),
			('identity', 'identity_by_email', '100000 100000 100000 1'), ('identity', 'identity_by_user', '100000 100000 100000 1'),
			('identity', 'identity_by_external', '100000 100000 100000 1')`,
		`ANALYZE sqlite_schema`,
	} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		text  string
		rt    *ResourceType
		table *SQLTable
		from  string
		index string
	}{
		{`userName eq "x"`, testUserType, &UserTable, "identity i", "identity_by_user (workspace_id=? AND connection_id=? AND user_key=?)"},
		{`externalId eq "x"`, testUserType, &UserTable, "identity i", "identity_by_external (workspace_id=? AND connection_id=? AND external_id=?)"},
		{`emails[type eq "work"].value eq "x"`, testUserType, &UserTable, "identity i", "identity_value_by_key (workspace_id=? AND attr=? AND value_key=?)"},
		{`groups eq "x"`, testUserType, &UserTable, "identity i", "(workspace_id=? AND group_id=?"},
		{`displayName eq "x"`, testGroupType, &GroupTable, "dirgroup g", "dirgroup_by_name (workspace_id=? AND connection_id=? AND display_key=?)"},
		{`id eq "g" and members eq "u"`, testGroupType, &GroupTable, "dirgroup g", "(workspace_id=? AND group_id=?)"},
	}
	for _, tt := range tests {
		f, err := ParseFilter(tt.text, tt.rt, FilterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		where, args, err := CompileSQL(f, tt.table, "w1", "")
		if err != nil {
			t.Fatal(err)
		}
		alias := tt.from[len(tt.from)-1:]
		query := "EXPLAIN QUERY PLAN SELECT 1 FROM " + tt.from + " WHERE " + alias + ".workspace_id = ? AND " + alias + ".connection_id = ? AND " + where
		if tt.table == &UserTable {
			query += " AND NOT i.deleted"
		}
		var steps []struct {
			ID, Parent, Notused int
			Detail              string
		}
		if err := db.Select(&steps, query, append([]any{"w1", "c1"}, args...)...); err != nil {
			t.Fatal(err)
		}
		plan := ""
		for _, step := range steps {
			plan += step.Detail + "\n"
		}
		if !strings.Contains(plan, tt.index) || strings.Contains(plan, "SCAN") || strings.Contains(plan, "(workspace_id=? AND connection_id=?)") {
			t.Errorf("%s, want %s:\n%s", tt.text, tt.index, plan)
		}
	}
}

// FT15: the text depends on the length of a client's value at most.
func TestSQLTextHoldsNoClientText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.StringMatching(`[a-z'";\\%_?-]{1,12}`).Draw(t, "value")
		op := operatorNames[rapid.SampledFrom(operatorTexts[:9]).Draw(t, "op")]
		ref := Ref{Attribute: findAttribute(testUserType.Core.Attributes, "title")}
		where := func(value string) string {
			f, err := compare(ref, op, literal{literalString, value}, FilterOptions{})
			if err != nil {
				t.Fatal(err)
			}
			where, args, err := CompileSQL(f, &UserTable, "w1", "")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]any{value}, args); diff != "" {
				t.Fatalf("arguments (-want +got):\n%s", diff)
			}
			return where
		}
		if diff := cmp.Diff(where(strings.Repeat("x", len(value))), where(value)); diff != "" {
			t.Fatalf("%q changes the text:\n%s", value, diff)
		}
	})
}
