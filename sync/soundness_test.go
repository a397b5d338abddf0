package sync

import (
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	"golang.org/x/mod/sumdb/tlog"
	_ "modernc.org/sqlite"

	"github.com/rollcall-sync/rollcall/audit"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// auditor reads a store by its tables alone, past engine and store package,
// and says what is wrong with it.
type auditor struct {
	tb     testing.TB
	db     *sql.DB
	dollar bool
	found  []string
}

// auditor opens a second connection to the world's database.
func (w *world) auditor() *auditor {
	w.tb.Helper()
	driver, dsn := "pgx", w.url
	if file, lite := strings.CutPrefix(w.url, "sqlite:"); lite {
		driver, dsn = "sqlite", "file:"+file+"?_pragma=query_only(1)&_pragma=busy_timeout(5000)"
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		w.tb.Fatal(err)
	}
	w.tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			w.tb.Error(err)
		}
	})
	return &auditor{tb: w.tb, db: db, dollar: driver == "pgx"}
}

// rows reads a statement whose columns are texts. Every statement is about
// workspace acme.
func (a *auditor) rows(query string) [][]string {
	a.tb.Helper()
	rows, err := a.db.Query(query)
	if err != nil {
		a.tb.Fatalf("%s: %v", query, err)
	}
	defer func() {
		if err := rows.Close(); err != nil {
			a.tb.Error(err)
		}
	}()
	names, err := rows.Columns()
	if err != nil {
		a.tb.Fatal(err)
	}
	var out [][]string
	for rows.Next() {
		texts, at := make([]string, len(names)), make([]any, len(names))
		for i := range texts {
			at[i] = &texts[i]
		}
		if err := rows.Scan(at...); err != nil {
			a.tb.Fatalf("%s: %v", query, err)
		}
		out = append(out, texts)
	}
	if err := rows.Err(); err != nil {
		a.tb.Fatal(err)
	}
	return out
}

// none reports a rule's breach for every row of a statement.
func (a *auditor) none(rule, query string) {
	a.tb.Helper()
	for _, r := range a.rows(query) {
		a.found = append(a.found, rule+": "+strings.Join(r, " "))
	}
}

func (a *auditor) breach(format string, args ...any) {
	a.found = append(a.found, fmt.Sprintf(format, args...))
}

// check looks at the whole store and returns what is wrong with it.
func (a *auditor) check() []string {
	a.tb.Helper()
	a.found = nil
	a.none("I1 not one active primary Owner", `SELECT CAST(COUNT(*) AS TEXT) FROM member WHERE is_primary AND state = 'active' AND role = 'owner' HAVING COUNT(*) <> 1`)
	a.none("I1 primary flag on somebody who is no active Owner", `SELECT email FROM member WHERE is_primary AND NOT (state = 'active' AND role = 'owner')`)
	a.none("I3 assignment of somebody who has left", `SELECT m.email, a.number_id FROM assignment a JOIN member m ON m.member_id = a.to_id
		WHERE a.kind = 'member' AND m.state <> 'active' AND NOT m.tail_held AND m.member_id NOT IN (SELECT member_id FROM repair)`)
	a.none("I3 group of somebody who has left", `SELECT m.email, g.group_id FROM group_member g JOIN member m ON m.member_id = g.member_id
		WHERE m.state <> 'active' AND NOT m.tail_held AND m.member_id NOT IN (SELECT member_id FROM repair)`)
	a.none("I3 ownership of somebody who has left", `SELECT m.email, o.number_id FROM number_owner o JOIN member m ON m.member_id = o.member_id
		WHERE m.state <> 'active' AND NOT m.tail_held AND m.member_id NOT IN (SELECT member_id FROM repair)`)
	a.none("I3 pending invitation of somebody who has left", `SELECT m.email FROM invitation i JOIN member m ON m.email_key = i.email_key
		WHERE i.state = 'pending' AND m.state = 'deactivated' AND i.created_at < m.deactivated_at`)
	a.none("tail held on somebody who is there or removed", `SELECT email, state FROM member WHERE tail_held AND state <> 'deactivated'`)
	a.none("section 6: deactivated without tombstone", `SELECT m.email FROM member m WHERE m.state <> 'active' AND NOT EXISTS
		(SELECT 1 FROM tombstone t WHERE t.member_id = m.member_id AND t.lifted_at = 0)`)
	a.none("section 6: active under a tombstone", `SELECT m.email FROM member m WHERE m.state = 'active' AND EXISTS
		(SELECT 1 FROM tombstone t WHERE t.member_id = m.member_id AND t.lifted_at = 0)`)
	a.none("I4 used beside an exclusive holder", `SELECT n.e164 FROM number n WHERE
		EXISTS (SELECT 1 FROM assignment a LEFT JOIN member m ON m.member_id = a.to_id WHERE a.number_id = n.number_id AND a.access = 'exclusive' AND (m.state IS NULL OR m.state = 'active'))
		AND (SELECT COUNT(*) FROM assignment a LEFT JOIN member m ON m.member_id = a.to_id AND a.kind = 'member' WHERE a.number_id = n.number_id AND (m.state IS NULL OR m.state = 'active')) > 1`)
	a.none("I6 two members with one address", `SELECT email_key FROM member WHERE state <> 'removed' GROUP BY email_key HAVING COUNT(*) > 1`)
	a.rings()
	a.none("R11 a view-only user rings", `SELECT number_id, to_id FROM assignment WHERE access = 'view_only' AND ring <> 0`)
	a.none("number state without what it says", `SELECT n.e164, n.state FROM number n WHERE
		n.state = 'free' AND (EXISTS (SELECT 1 FROM assignment a WHERE a.number_id = n.number_id) OR EXISTS (SELECT 1 FROM reservation r WHERE r.number_id = n.number_id))
		OR n.state = 'assigned' AND NOT EXISTS (SELECT 1 FROM assignment a WHERE a.number_id = n.number_id)
		OR n.state = 'reserved' AND NOT EXISTS (SELECT 1 FROM reservation r WHERE r.number_id = n.number_id)
		OR n.state = 'quarantined' AND (n.quarantine_until = 0 OR EXISTS (SELECT 1 FROM assignment a WHERE a.number_id = n.number_id))`)
	a.none("R17 number kept for an invitation that has ended", `SELECT r.number_id, i.state FROM reservation r LEFT JOIN invitation i ON i.invitation_id = r.for_id
		WHERE r.kind = 'invitation' AND (i.state IS NULL OR i.state <> 'pending')`)
	a.none("GR2 number reserved for somebody removed or back", `SELECT r.number_id, m.email, m.state FROM reservation r JOIN member m ON m.member_id = r.for_id
		WHERE r.kind = 'member' AND m.state <> 'deactivated'`)
	a.none("group count", `SELECT g.name FROM groups g WHERE g.member_count <> (SELECT COUNT(*) FROM group_member m WHERE m.group_id = g.group_id)`)
	a.none("directory group count", `SELECT g.display_name FROM dirgroup g WHERE g.member_count <> (SELECT COUNT(*) FROM membership m WHERE m.group_id = g.group_id)`)
	a.none("membership of a deleted person", `SELECT m.group_id, m.child_id FROM membership m JOIN identity i ON i.identity_id = m.child_id WHERE i.deleted`)
	a.supports()
	a.totals()
	a.events()
	a.log()
	a.reports()
	return a.found
}

// rings is I5: positions are dense 1..n over members and groups who ring.
func (a *auditor) rings() {
	places := map[string][]string{}
	for _, r := range a.rows(`SELECT number_id, CAST(ring AS TEXT) FROM assignment WHERE access <> 'view_only' AND kind <> 'invitation' ORDER BY number_id, assignment.ring`) {
		places[r[0]] = append(places[r[0]], r[1])
	}
	for id, p := range places {
		for i := range p {
			if p[i] != fmt.Sprint(i+1) {
				a.breach("I5: ring of %s is %v", id, p)
				break
			}
		}
	}
}

// supports is I8 and MP1: every grant has a supporter, every supporter its
// grant. What a leaver's held tail keeps has both.
func (a *auditor) supports() {
	a.none("I8 access without supporter", `SELECT m.email, n.e164 FROM assignment a JOIN member m ON m.member_id = a.to_id JOIN number n ON n.number_id = a.number_id
		WHERE a.kind = 'member' AND NOT EXISTS (SELECT 1 FROM support s WHERE s.member_id = a.to_id AND s.kind = 'number' AND s.object_id = a.number_id)`)
	a.none("MP1 supporter without access", `SELECT m.email, s.object_id, s.given_by FROM support s JOIN member m ON m.member_id = s.member_id
		WHERE s.kind = 'number' AND NOT EXISTS (SELECT 1 FROM assignment a WHERE a.kind = 'member' AND a.to_id = s.member_id AND a.number_id = s.object_id)`)
	a.none("I8 group without supporter", `SELECT m.email, g.group_id FROM group_member g JOIN member m ON m.member_id = g.member_id
		WHERE NOT EXISTS (SELECT 1 FROM support s WHERE s.member_id = g.member_id AND s.kind = 'group' AND s.object_id = g.group_id)`)
	a.none("MP1 supporter without group", `SELECT m.email, s.object_id, s.given_by FROM support s JOIN member m ON m.member_id = s.member_id
		WHERE s.kind = 'group' AND NOT EXISTS (SELECT 1 FROM group_member g WHERE g.member_id = s.member_id AND g.group_id = s.object_id)`)
	a.none("I8 ownership without supporter", `SELECT m.email, o.number_id FROM number_owner o JOIN member m ON m.member_id = o.member_id
		WHERE NOT EXISTS (SELECT 1 FROM support s WHERE s.member_id = o.member_id AND s.kind = 'owner' AND s.object_id = o.number_id)`)
	a.none("MP1 supporter without ownership", `SELECT m.email, s.object_id, s.given_by FROM support s JOIN member m ON m.member_id = s.member_id
		WHERE s.kind = 'owner' AND NOT EXISTS (SELECT 1 FROM number_owner o WHERE o.member_id = s.member_id AND o.number_id = s.object_id)`)
	a.none("I8 role without supporter", `SELECT m.email, m.role, m.role_source FROM member m WHERE m.state = 'active' AND m.role <> 'member'
		AND NOT EXISTS (SELECT 1 FROM support s WHERE s.member_id = m.member_id AND s.kind = 'role' AND s.value = m.role)`)
	a.none("MP1 supporter of a role nobody has", `SELECT m.email, m.state, m.role, s.given_by, s.value FROM support s JOIN member m ON m.member_id = s.member_id
		WHERE s.kind = 'role' AND (m.state <> 'active' OR s.value <> m.role AND s.given_by <> 'manual'
			AND NOT EXISTS (SELECT 1 FROM support p WHERE p.member_id = s.member_id AND p.kind = 'role' AND p.given_by = 'manual'))`)
	a.none("MP1 access above every supporter", `SELECT m.email, a.number_id, a.access FROM assignment a JOIN member m ON m.member_id = a.to_id WHERE a.kind = 'member' AND a.access = 'exclusive'
		AND NOT EXISTS (SELECT 1 FROM support s WHERE s.member_id = a.to_id AND s.kind = 'number' AND s.object_id = a.number_id AND s.value = 'exclusive')`)
	a.none("F09 owned by somebody inactive", `SELECT o.number_id FROM number_owner o JOIN member m ON m.member_id = o.member_id WHERE m.state = 'removed'`)
}

// totals compares the kept counters with what they count.
func (a *auditor) totals() {
	a.none("totals (kept, counted)", `SELECT * FROM (SELECT
		CAST(members_active AS TEXT) || ' ' || CAST(owners AS TEXT) || ' ' || CAST(admins AS TEXT) || ' ' || CAST(seats AS TEXT) || ' ' || CAST(numbers AS TEXT) AS kept,
		(SELECT CAST(COUNT(*) AS TEXT) FROM member WHERE state = 'active') || ' ' ||
		(SELECT CAST(COUNT(*) AS TEXT) FROM member WHERE state = 'active' AND role = 'owner') || ' ' ||
		(SELECT CAST(COUNT(*) AS TEXT) FROM member WHERE state = 'active' AND role = 'admin') || ' ' ||
		(SELECT CAST(COUNT(*) AS TEXT) FROM member WHERE state = 'active' OR state = 'deactivated' AND (grace_until > 0 OR tail_held)) || ' ' ||
		(SELECT CAST(COUNT(*) AS TEXT) FROM number WHERE state <> 'ported_out') AS counted FROM workspace) AS t WHERE kept <> counted`)
	a.none("users of a connection (kept, counted)", `SELECT c.connection_id, CAST(c.users_total AS TEXT), CAST(COUNT(i.identity_id) AS TEXT) FROM connection c
		LEFT JOIN identity i ON i.connection_id = c.connection_id AND NOT i.deleted GROUP BY c.connection_id, c.users_total HAVING c.users_total <> COUNT(i.identity_id)`)
}

// events is OB1 and OB6: dense from 1 per subject, leavers' events flagged,
// and the member's own counter at the last.
func (a *auditor) events() {
	next := map[string]int{}
	leaver := map[string]bool{"member.deactivated": true, "member.contained": true, "member.removed": true, "session.revoked": true}
	for _, r := range a.rows(`SELECT subject_type, subject_id, CAST(seq AS TEXT), type, CASE WHEN leaver THEN 'yes' ELSE 'no' END, body FROM event e ORDER BY e.subject_type, e.subject_id, e.seq`) {
		key := r[0] + " " + r[1]
		next[key]++
		if r[2] != fmt.Sprint(next[key]) {
			a.breach("OB1: event %s of %s is number %s, want %d", r[3], key, r[2], next[key])
		}
		if !slices.ContainsFunc(workspace.EventTypes(), func(t workspace.EventType) bool { return t.Name == r[3] }) {
			a.breach("WH3: nobody knows the type %s", r[3])
		}
		if (r[4] == "yes") != leaver[r[3]] {
			a.breach("OB6: event %s of %s has leaver %s", r[3], key, r[4])
		}
		if strings.Contains(r[5], "@") {
			a.breach("WH2: event %s carries an address: %s", r[3], r[5])
		}
	}
	for _, r := range a.rows(`SELECT member_id, CAST(seq AS TEXT) FROM member`) {
		if n := next["member "+r[0]]; fmt.Sprint(n) != r[1] {
			a.breach("OB1: member %s counts %s events, has %d", r[0], r[1], n)
		}
	}
	events := len(a.rows(`SELECT event_id FROM event WHERE type NOT IN ('number.handed_over', 'change.held', 'change.decided', 'finding.opened', 'finding.closed', 'run.finished')`))
	told := map[string]bool{}
	for kind := range eventTypes {
		told[string(kind)] = true
	}
	changes := 0
	for _, r := range a.rows(`SELECT kind FROM change WHERE outcome = 'applied'`) {
		if told[r[0]] {
			changes++
		}
		if r[0] == string(workspace.OwnerTransfer) {
			changes++ // both sides are told
		}
	}
	if events != changes {
		a.breach("I13: %d events for %d applied changes that are told", events, changes)
	}
}

// log is section 7 of reports-and-audit: the tree over the leaves as stored is
// the head's, the records below each leaf give its root, and every commitment
// can be opened.
func (a *auditor) log() {
	records := map[string][][]byte{}
	for _, r := range a.rows(`SELECT CAST(leaf_index AS TEXT), record, commit_id FROM change c ORDER BY c.leaf_index, c.seq`) {
		records[r[0]] = append(records[r[0]], []byte(r[1]))
	}
	var hashes []tlog.Hash
	read := tlog.HashReaderFunc(func(at []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(at))
		for i, x := range at {
			out[i] = hashes[x]
		}
		return out, nil
	})
	leaves := a.rows(`SELECT CAST(n AS TEXT), leaf FROM audit_leaf l ORDER BY l.n`)
	for i, r := range leaves {
		if r[0] != fmt.Sprint(i) {
			a.breach("L1: leaf %s stands at %d", r[0], i)
			return
		}
		add, err := tlog.StoredHashes(int64(i), []byte(r[1]), read)
		if err != nil {
			a.tb.Fatal(err)
		}
		hashes = append(hashes, add...)
		var leaf audit.Leaf
		if err := json.Unmarshal([]byte(r[1]), &leaf); err != nil {
			a.tb.Fatal(err)
		}
		if root := audit.RecordsRoot(records[r[0]]); leaf.ChangesRoot != root || leaf.Changes != len(records[r[0]]) {
			a.breach("L2: leaf %d is about %d changes, %d are stored, or their root differs", i, leaf.Changes, len(records[r[0]]))
		}
	}
	root, err := tlog.TreeHash(int64(len(leaves)), read)
	if err != nil {
		a.tb.Fatal(err)
	}
	for _, r := range a.rows(`SELECT CAST(size AS TEXT), root FROM audit_head`) {
		if r[0] != fmt.Sprint(len(leaves)) || r[1] != base64.StdEncoding.EncodeToString(root[:]) {
			a.breach("L4: the head says %s %s, the leaves give %d %x", r[0], r[1], len(leaves), root)
		}
	}
	opened := map[string]bool{}
	for _, r := range a.rows(`SELECT opened FROM change WHERE opened IS NOT NULL`) {
		all, err := audit.DecodeOpened([]byte(r[0]))
		if err != nil {
			a.tb.Fatal(err)
		}
		for _, o := range all {
			opened[o.Commitment] = true
		}
	}
	for _, of := range records {
		for _, body := range of {
			var rec struct {
				Modified []struct{ Old, New json.RawMessage } `json:"modified"`
			}
			if err := json.Unmarshal(body, &rec); err != nil {
				a.tb.Fatal(err)
			}
			for _, m := range rec.Modified {
				for _, v := range []json.RawMessage{m.Old, m.New} {
					var c struct{ C string }
					if len(v) > 0 && v[0] == '{' && json.Unmarshal(v, &c) == nil && !opened[c.C] {
						a.breach("7.3: a commitment cannot be opened: %s", v)
					}
				}
			}
		}
	}
}

// reports checks what every stored change must say, and that a member's
// applied changes add up to what they are today.
func (a *auditor) reports() {
	a.none("EV5 a connection's deactivation without proof", `SELECT change_id FROM change WHERE kind = 'member.deactivate' AND outcome = 'applied' AND actor_kind = 'connection' AND absence_proof_id IS NULL`)
	a.none("two open holds of one plan", `SELECT plan_hash FROM hold WHERE state = 'open' GROUP BY plan_hash HAVING COUNT(*) > 1`)
	folded := map[string]map[string]string{}
	for _, r := range a.rows(`SELECT kind, outcome, target_type, target_id, matrix_row, rule, body FROM change c ORDER BY c.leaf_index, c.seq`) {
		c, err := ReadChange(&store.ChangeRow{Kind: r[0], Outcome: r[1], TargetType: r[2], TargetID: r[3], Row: r[4], Rule: r[5], Body: []byte(r[6])})
		if err != nil {
			a.tb.Fatal(err)
		}
		d := c.Decision
		if c.Outcome != "applied" && (d.Rule == "" && d.Row == nil || d.Reason == "" || d.Remedy == "") {
			a.breach("section 3: %s %s of %s lacks rule, reason or remedy: %+v", c.Outcome, c.Kind, c.Target.Label, d)
		}
		if c.Outcome != "applied" || c.Target.Type != "member" || c.Kind == "owner.transfer" {
			continue
		}
		m := folded[c.Target.ID]
		if m == nil {
			m = map[string]string{}
			folded[c.Target.ID] = m
		}
		for _, x := range c.Modified {
			m[x.Attr] = ""
			if x.New != nil {
				m[x.Attr] = *x.New
			}
		}
	}
	transfers := len(a.rows(`SELECT change_id FROM change WHERE kind = 'owner.transfer' AND outcome = 'applied'`))
	for _, r := range a.rows(`SELECT member_id, email, name, role, state FROM member`) {
		for i, attr := range []string{"", "email", "name", "role", "state"} {
			if i == 0 || attr == "role" && transfers > 0 {
				continue
			}
			if got := folded[r[0]][attr]; got != r[i] {
				a.breach("the reports make %s of %s %q, the store has %q", attr, r[1], got, r[i])
			}
		}
	}
}

// audited fails the test for everything that is wrong with the store.
func (w *world) audited() {
	w.tb.Helper()
	for _, f := range w.auditor().check() {
		w.tb.Error(f)
	}
}

// dump is every row of the tables that a unit of work writes, so that two
// states can be compared.
func (a *auditor) dump(tables ...string) map[string][]string {
	a.tb.Helper()
	out := map[string][]string{}
	for _, t := range tables {
		for _, r := range a.rows(`SELECT ` + t) {
			out[t] = append(out[t], strings.Join(r, "|"))
		}
		slices.Sort(out[t])
	}
	return out
}

// held is what members hold, by the names people know: the same for stores
// whose ids differ.
func (a *auditor) held() []string {
	a.tb.Helper()
	d := a.dump(
		`m.email, m.role, m.role_source, m.state, m.name, CASE WHEN m.contained THEN 'contained' ELSE '' END, CASE WHEN m.tail_held THEN 'held' ELSE '' END FROM member m`,
		`m.email, n.e164, a.access FROM assignment a JOIN member m ON m.member_id = a.to_id JOIN number n ON n.number_id = a.number_id`,
		`m.email, n.e164, 'owns' FROM number_owner o JOIN member m ON m.member_id = o.member_id JOIN number n ON n.number_id = o.number_id`,
		`m.email, g.name FROM group_member x JOIN member m ON m.member_id = x.member_id JOIN groups g ON g.group_id = x.group_id`,
		`m.email, s.kind, s.given_by, s.value FROM support s JOIN member m ON m.member_id = s.member_id`,
	)
	var out []string
	for _, key := range slices.Sorted(maps.Keys(d)) {
		out = append(out, d[key]...)
	}
	return out
}
