package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// killReceiver is the phone product of the kill tests: it fails one call in
// twenty, and folds what it has accepted into what each member is and holds,
// knowing nothing but the events.
type killReceiver struct {
	*httptest.Server
	t       *testing.T
	hook    *standardwebhooks.Webhook
	mu      stdsync.Mutex
	bodies  map[string]string // by event id
	told    map[string]bool   // accepted ids
	last    map[string]int64  // last accepted sequence of each subject
	members map[string]*toldMember
	repeats int
	faults  []string
}

// toldMember is a member as the events tell it.
type toldMember struct {
	state, role string
	epoch       int64
	numbers     map[string]string // E.164 -> access
	owns        map[string]bool
	groups      map[string]bool
}

// killEvent is an event as a receiver reads it.
type killEvent struct {
	Type string
	Data struct {
		Member, Number, Group, State, Role, Access string
		Owner                                      *bool
		Seq, Epoch                                 int64
		Covers                                     [2]int64
		Cause                                      struct{ Connection string }
	}
}

func newKillReceiver(t *testing.T) *killReceiver {
	t.Helper()
	hook, err := standardwebhooks.NewWebhook(outboxSecret)
	if err != nil {
		t.Fatal(err)
	}
	r := &killReceiver{
		t: t, hook: hook, bodies: map[string]string{}, told: map[string]bool{}, last: map[string]int64{}, members: map[string]*toldMember{},
	}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

// ServeHTTP checks one delivery, and fails now and then before or after it has
// acted.
func (r *killReceiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // the deliverer was killed in the middle
	}
	id := req.Header.Get("webhook-id")
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.hook.Verify(body, req.Header); err != nil {
		r.faultf("%s: %v", id, err)
	}
	if before, ok := r.bodies[id]; ok && before != string(body) {
		r.faultf("%s came again with other bytes:\n%s\n%s", id, before, body)
	}
	r.bodies[id] = string(body)
	if rand.IntN(20) == 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	var e killEvent
	if err := json.Unmarshal(body, &e); err != nil {
		r.faultf("%s: %v", id, err)
	}
	if r.told[id] {
		r.repeats++
	} else {
		r.told[id] = true
		r.accept(id, &e)
	}
	w.WriteHeader(http.StatusNoContent)
}

func (r *killReceiver) faultf(format string, args ...any) {
	r.faults = append(r.faults, fmt.Sprintf(format, args...))
}

// subject is whose line an event is in.
func (e *killEvent) subject() string {
	switch {
	case e.Data.Member != "":
		return "member " + e.Data.Member
	case e.Data.Number != "":
		return "number " + e.Data.Number
	case e.Data.Group != "":
		return "group " + e.Data.Group
	}
	return "connection " + e.Data.Cause.Connection
}

// accept checks an event's place in its line and folds it.
func (r *killReceiver) accept(id string, e *killEvent) {
	d := &e.Data
	line := e.subject()
	if d.Seq <= r.last[line] {
		r.faultf("%s (%s) of %s has sequence %d, after %d", id, e.Type, line, d.Seq, r.last[line])
	}
	// Events are queued from the first start on: what came before was nobody's.
	if from := r.last[line]; from > 0 && d.Covers[0] != from+1 || d.Covers[1] != d.Seq {
		r.faultf("%s (%s) of %s answers for %v, after %d: a gap", id, e.Type, line, d.Covers, from)
	}
	r.last[line] = d.Seq
	if d.Member == "" {
		return
	}
	m := r.members[d.Member]
	if m == nil {
		m = &toldMember{numbers: map[string]string{}, owns: map[string]bool{}, groups: map[string]bool{}}
		r.members[d.Member] = m
	}
	if d.State != "" {
		m.state, m.role, m.epoch = d.State, d.Role, d.Epoch
	}
	switch e.Type {
	case "number.assigned", "number.access_changed":
		m.numbers[d.Number] = d.Access
	case "number.unassigned":
		delete(m.numbers, d.Number)
	case "number.owner_changed":
		if *d.Owner {
			m.owns[d.Number] = true
		} else {
			delete(m.owns, d.Number)
		}
	case "group.joined":
		m.groups[d.Group] = true
	case "group.left":
		delete(m.groups, d.Group)
	}
}

func (r *killReceiver) figures() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprintf("%d events accepted, %d of them came again (%.1f %%), each with the same id and bytes", len(r.told), r.repeats, 100*float64(r.repeats)/float64(max(1, len(r.told))))
}

// String writes a member in one line, so that two can be compared.
func (m *toldMember) String() string {
	numbers := []string{}
	for _, n := range slices.Sorted(maps.Keys(m.numbers)) {
		numbers = append(numbers, n+":"+m.numbers[n])
	}
	return fmt.Sprintf("%s %s epoch %d numbers %v owns %v groups %v", m.state, m.role, m.epoch, numbers, slices.Sorted(maps.Keys(m.owns)), slices.Sorted(maps.Keys(m.groups)))
}

// rows reads the store's tables past the program, as texts.
func (w *killWorld) rows(query string) [][]string {
	w.Helper()
	rows, err := w.database.Query(query)
	if err != nil {
		w.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		w.Fatal(err)
	}
	var out [][]string
	for rows.Next() {
		texts, at := make([]string, len(columns)), make([]any, len(columns))
		for i := range texts {
			at[i] = &texts[i]
		}
		if err := rows.Scan(at...); err != nil {
			w.Fatalf("%s: %v", query, err)
		}
		out = append(out, texts)
	}
	if err := rows.Err(); err != nil {
		w.Fatal(err)
	}
	return out
}

func (w *killWorld) until(what string, ok func() bool) {
	w.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			w.Fatalf("in vain: %s; %v", what, w.rows(`SELECT subject_type, subject_id, CAST(done_seq AS TEXT), CAST(last_seq AS TEXT), fault FROM delivery_line WHERE done_seq < last_seq`))
		}
	}
}

// idle reports whether the receiver has everything. The back-off of its faults
// is not waited for.
func (w *killWorld) idle() bool {
	w.Helper()
	waiting := w.rows(`SELECT fault FROM delivery_line WHERE done_seq < last_seq`)
	if slices.ContainsFunc(waiting, func(r []string) bool { return r[0] != "" }) {
		w.command("events", "retry", "phone")
	}
	return len(waiting) == 0
}

// settled waits until everything is told and read back.
func (w *killWorld) settled() {
	w.Helper()
	w.until("everything is told", w.idle)
	w.until("every end of access is read back", func() bool { return len(w.rows(`SELECT member_id FROM leaver WHERE check_at > 0`)) == 0 })
}

// check compares what the events tell with what the store has, and looks at
// the store itself: sequences without gaps, everything of a leaver told, each
// unit with its leaf, rings dense, no number that nobody answers for.
func (w *killWorld) check() {
	w.Helper()
	store := map[string]*toldMember{}
	for _, r := range w.rows(`SELECT member_id, CASE WHEN contained THEN 'contained' ELSE state END, role, CAST(epoch AS TEXT) FROM member`) {
		m := &toldMember{state: r[1], role: r[2], numbers: map[string]string{}, owns: map[string]bool{}, groups: map[string]bool{}}
		if _, err := fmt.Sscan(r[3], &m.epoch); err != nil {
			w.Fatal(err)
		}
		store[r[0]] = m
	}
	for _, r := range w.rows(`SELECT a.to_id, n.e164, a.access FROM assignment a JOIN number n ON n.number_id = a.number_id WHERE a.kind = 'member'`) {
		store[r[0]].numbers[r[1]] = r[2]
	}
	for _, r := range w.rows(`SELECT o.member_id, n.e164 FROM number_owner o JOIN number n ON n.number_id = o.number_id`) {
		store[r[0]].owns[r[1]] = true
	}
	for _, r := range w.rows(`SELECT member_id, group_id FROM group_member`) {
		store[r[0]].groups[r[1]] = true
	}
	w.receiver.mu.Lock()
	defer w.receiver.mu.Unlock()
	for _, fault := range w.receiver.faults {
		w.Error(fault)
	}
	w.receiver.faults = nil
	for id, told := range w.receiver.members {
		if have := store[id]; have == nil || have.String() != told.String() {
			w.Errorf("member %s\n  events say %s\n  the store has %v", id, told, have)
		}
	}
	next := map[string]int{}
	for _, r := range w.rows(`SELECT subject_type, subject_id, CAST(seq AS TEXT), event_id, type FROM event e ORDER BY e.subject_type, e.subject_id, e.seq`) {
		key := r[0] + " " + r[1]
		if next[key]++; r[2] != fmt.Sprint(next[key]) {
			w.Errorf("OB1: event %s of %s is number %s, want %d", r[4], key, r[2], next[key])
		}
	}
	for what, query := range map[string]string{
		"OB6: an end of access that nobody has": `SELECT d.event_id, d.state FROM delivery d WHERE d.leaver AND d.state <> 'acked'`,
		"I13: a change without its leaf":        `SELECT c.change_id FROM change c LEFT JOIN audit_leaf l ON l.n = c.leaf_index WHERE l.n IS NULL`,
		"I13: an event without its leaf":        `SELECT e.event_id FROM event e LEFT JOIN audit_leaf l ON l.n = e.leaf_index WHERE l.n IS NULL`,
		"I3: a leaver's way in": `SELECT m.email FROM assignment a JOIN member m ON m.member_id = a.to_id
			WHERE a.kind = 'member' AND m.state <> 'active' AND NOT m.tail_held`,
		"I5: a gap in a ring": `SELECT a.number_id FROM assignment a WHERE a.access <> 'view_only' AND a.kind <> 'invitation'
			GROUP BY a.number_id HAVING MAX(a.ring) <> COUNT(*)`,
		"a deactivated member without tombstone": `SELECT m.email FROM member m WHERE m.state <> 'active'
			AND NOT EXISTS (SELECT 1 FROM tombstone t WHERE t.member_id = m.member_id AND t.lifted_at = 0)`,
		"a leaver without clock": `SELECT m.email FROM member m WHERE m.state = 'deactivated' AND NOT EXISTS (SELECT 1 FROM leaver l WHERE l.member_id = m.member_id)`,
	} {
		for _, r := range w.rows(query) {
			w.Errorf("%s: %s", what, strings.Join(r, " "))
		}
	}
	for _, r := range w.rows(`SELECT event_id, type FROM event WHERE leaver`) {
		if !w.receiver.told[r[0]] {
			w.Errorf("%s (%s) was committed and the receiver has not accepted it", r[0], r[1])
		}
	}
}
